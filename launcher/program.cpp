// SPDX-License-Identifier: BSD-2-Clause-Patent
// See program.h.
#include "launcher/program.h"

#include "igvm/show/describe.h"
#include "igvm/tool/file_io.h"
#include "igvm/vmm/kernel_profile.h"
#include "kvm/call_text.h"
#include "kvm/trace.h"
#include "sevsim/terminal.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace vestibule::launcher {

namespace {
/// As sevsim has them, where both have one.
const char* name_of(End::Kind kind) {
    switch (kind) {
    case End::Kind::exit: return "exit";
    case End::Kind::power_off: return "power-off";
    case End::Kind::reset: return "reset";
    case End::Kind::terminated: return "terminate";
    case End::Kind::shutdown: return "shutdown";
    case End::Kind::failed: return "failed";
    case End::Kind::timed_out: return "timeout";
    case End::Kind::interrupted: return "interrupted";
    }
    std::unreachable();
}
} // namespace

int Program::run(Kernel& kernel) {
    const auto mapped = value_of(igvm::MappedFile::open(arguments_.file));
    const auto file   = igvm::parse(mapped.bytes());
    if (!file) {
        throw LaunchError(fmt::format("{}: {}", arguments_.file, igvm::describe(file.error())));
    }
    report_["file"] = arguments_.file;
    kvm::TracedKernel traced(kernel,
                             [this](const std::string& call, int answer) { tell(call, answer); });
    const bool told = arguments_.dry_run || !arguments_.trace.empty();
    Calls calls(told ? traced : kernel);
    int status = 1;
    try {
        open_trace();
        status = launch(calls, *file);
    } catch (const LaunchError& error) {
        if (!arguments_.json) {
            throw;
        }
        say("error", error.what());
    }
    // A full disk: the report is said all the same.
    if (trace_.is_open() && !trace_.flush()) {
        say("error", fmt::format("{}: the trace could not be written", arguments_.trace));
        status = 1;
    }
    return status;
}

void Program::open_trace() {
    if (arguments_.trace.empty()) {
        return;
    }
    trace_.open(arguments_.trace);
    if (!trace_.is_open()) {
        throw LaunchError(
            fmt::format("{}: cannot create: {}", arguments_.trace, std::strerror(errno)));
    }
    trace_ << cli::json_line(cli::json_output("calls"));
}

/// A command line goes where the file has a place for it, and nowhere else.
static bool takes_command_line(const igvm::File& file, igvm::PlatformType platform) {
    const u32 mask = file.mask_of(platform);
    for (const igvm::Header header : file.directives(mask)) {
        if (header.type == igvm::HeaderType::command_line) {
            return true;
        }
    }
    return false;
}

int Program::launch(Calls& calls, const igvm::File& file) {
    const kvm::Host host = kvm::open_host(calls);
    const auto kernel    = igvm::profile_of_kernel(host.release, host.vm_types != 0);
    const Choice choice  = choose_platform(calls.kernel, host, file,
                                           igvm::platform_named(arguments_.platform)); // or auto
    say("passed over", choice.passed_over, "passed_over");
    plan_.platform = choice.platform;
    plan_.machine  = arguments_.machine;
    if (!arguments_.machine.command_line.empty() && !takes_command_line(file, plan_.platform)) {
        throw LaunchError(fmt::format("{}: has no place for a command line (COMMAND_LINE), so "
                                      "--append would have no effect",
                                      arguments_.file));
    }
    auto content = igvm::file_content(file, plan_.platform, plan_.machine);
    if (!content) {
        throw LaunchError(fmt::format("{}: {}", arguments_.file, content.error()));
    }
    plan_.content = std::move(*content);
    if (!arguments_.session.empty()) {
        plan_.session = read_session(arguments_.session);
    }
    forecast_ = forecast(file, plan_, kernel.profile);
    say("platform", igvm::name_of(plan_.platform));
    say_kernel(host.release, kernel);
    say("note", forecast_.findings, "notes");
    if (!forecast_.digest.empty()) {
        say("digest", igvm::to_hex(forecast_.digest), "launch_digest");
    }
    if (!is_expected(file)) {
        return 1;
    }
    const auto guest = make_guest(calls, host, file);
    if (arguments_.dry_run) {
        return forecast_.is_rejected ? 1 : 0;
    }
    if (const auto& measured = guest->measured(); measured && !is_measured_so(*measured, file)) {
        return 1;
    }
    return run_guest(calls, *guest);
}

bool Program::is_expected(const igvm::File& file) {
    const auto wanted = igvm::from_hex(arguments_.expected);
    if (arguments_.expected.empty() || wanted == forecast_.digest) {
        return true;
    }
    if (forecast_.digest.empty() || wanted.size() != forecast_.digest.size()) {
        throw LaunchError(fmt::format("--expect-digest: found {}, expected the {} hexadecimal "
                                      "digits of a digest of this platform",
                                      arguments_.expected, 2 * forecast_.digest.size()));
    }
    say("mismatch", "the digest is not the expected one, so nothing is launched");
    say("explanation", explain_digest(file, forecast_, [&](const igvm::Chain& chain) {
            return chain.equals(wanted);
        }));
    return false;
}

/// SNP's firmware compares the digest itself, with the ID block's.
std::unique_ptr<Guest> Program::make_guest(Calls& calls, const kvm::Host& host,
                                           const igvm::File& file) {
    try {
        return std::make_unique<Guest>(calls, host, plan_);
    } catch (const FirmwareError& error) {
        const auto& block = plan_.content.id_block;
        if (error.code == kvm::sev_ret::bad_measurement && block) {
            say("explanation", explain_digest(file, forecast_, [&](const igvm::Chain& chain) {
                    return chain.equals(block->ld);
                }));
        }
        throw;
    }
}

bool Program::is_measured_so(const Measured& measured, const igvm::File& file) {
    constexpr const char* states[]  = {"not initialized", "initialized", "working"};
    const sev_user_data_status& own = measured.firmware;
    say("firmware",
        fmt::format("API {}.{}, build {}, {}", own.api_major, own.api_minor, own.build,
                    own.state < std::size(states) ? states[own.state] : "state unknown"));
    say("measurement", igvm::to_hex(measured.measure));
    say("nonce", igvm::to_hex(measured.mnonce));
    if (!plan_.session) {
        say("unchecked", "the key of the measurement is the owner's: give --session NAME to have "
                         "it compared with the digest");
        return true;
    }
    if (confirms(*plan_.session, measured, forecast_.digest)) {
        say("confirmed", "the secure processor has measured this digest");
        return true;
    }
    say("mismatch", "the secure processor has measured another digest");
    say("explanation", explain_digest(file, forecast_, [&](const igvm::Chain& chain) {
            return confirms(*plan_.session, measured, chain.digest());
        }));
    return false;
}

int Program::run_guest(Calls& calls, Guest& guest) {
    const bool stdio = arguments_.serial == "stdio";
    const int own    = arguments_.json ? STDERR_FILENO : STDOUT_FILENO;
    const int serial =
        stdio ? own
              : open(arguments_.serial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (serial < 0) {
        throw LaunchError(fmt::format("{}: {}", arguments_.serial, std::strerror(errno)));
    }
    const std::optional<sevsim::TerminalForGuest> terminal =
        stdio ? std::optional<sevsim::TerminalForGuest>(std::in_place) : std::nullopt;
    const RunResult result =
        launcher::run(calls, guest,
                      {.memory   = arguments_.machine.memory,
                       .serial   = serial,
                       .keyboard = stdio,
                       .timeout  = std::chrono::seconds(arguments_.timeout),
                       .watch    = [this](u32 vcpu, const kvm_run& run) { tell_exit(vcpu, run); }});
    say_counts(result);
    if (arguments_.json) {
        report_["outcome"] = {
            {"kind",  name_of(result.end.kind)},
            {"value", result.end.code         },
            {"words", result.end.words        }
        };
    } else {
        say("end", result.end.words);
    }
    if (result.end.kind == End::Kind::interrupted) {
        constexpr int ended_by_signal = 128; // as shells have it
        return ended_by_signal + static_cast<int>(result.end.code);
    }
    const bool good = result.end.kind == End::Kind::power_off
                      || (result.end.kind == End::Kind::exit && result.end.code == 0);
    return good ? 0 : 1;
}

void Program::say_kernel(const std::string& release, const igvm::KernelProfile& kernel) {
    if (arguments_.json) {
        report_["kernel_release"]  = release;
        report_["kernel_profile"]  = kernel.profile.name;
        report_["kernel_verified"] = kernel.verified;
    } else {
        say("kernel", fmt::format("{}, taken as {}", release, kernel.words()));
    }
}

void Program::say_counts(const RunResult& result) {
    if (arguments_.json) {
        Json exits = Json::array();
        for (const auto& [reason, count] : result.exits) {
            exits.push_back({
                {"name",  kvm::exit_name(reason)},
                {"count", count                 }
            });
        }
        report_["exits"]           = std::move(exits);
        report_["unclaimed_mmio"]  = result.unclaimed_mmio;
        report_["converted_pages"] = result.converted;
        return;
    }
    for (const auto& [reason, count] : result.exits) {
        say("exits", fmt::format("{} {}", kvm::exit_name(reason), count));
    }
    if (result.unclaimed_mmio != 0) {
        say("unclaimed",
            fmt::format("{} accesses to memory where no device is", result.unclaimed_mmio));
    }
    if (result.converted != 0) {
        say("converted", fmt::format("{} pages made private or shared", result.converted));
    }
}

void Program::say(const char* what, std::string_view words, const char* member) {
    if (arguments_.json) {
        report_[member != nullptr ? member : what] = words;
    } else if (!arguments_.quiet || what == std::string_view("error")) {
        fmt::print(stderr, "sevlaunch: {}: {}\n", what, words);
    }
}

void Program::say(const char* what, const std::vector<std::string>& lines, const char* member) {
    if (arguments_.json) {
        report_[member != nullptr ? member : what] = lines;
        return;
    }
    for (const std::string& line : lines) {
        say(what, line);
    }
}

void Program::tell(const std::string& call, int answer) {
    const std::string text = answer < 0 ? fmt::format("{} = {}", call, strerrorname_np(-answer))
                                        : fmt::format("{} = {}", call, answer);
    if (trace_.is_open()) {
        trace_ << cli::json_line({
            {"call",   call  },
            {"answer", answer}
        });
    }
    if (arguments_.dry_run && arguments_.json) {
        report_["plan"].push_back(text);
    } else if (arguments_.dry_run) {
        fmt::print("{}\n", text);
    }
}

void Program::tell_exit(u32 vcpu, const kvm_run& run) {
    if (trace_.is_open()) {
        trace_ << cli::json_line({
            {"vcpu",  vcpu                           },
            {"exit",  kvm::exit_name(run.exit_reason)},
            {"words", kvm::exit_text(run)            }
        });
    }
}

} // namespace vestibule::launcher
