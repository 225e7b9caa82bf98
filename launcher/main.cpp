// sevlaunch: the command line.
#include "igvm/describe.h"
#include "igvm/file_io.h"
#include "launcher/call_text.h"
#include "launcher/forecast.h"
#include "launcher/host.h"
#include "launcher/linux_kernel.h"
#include "launcher/run.h"
#include "launcher/trace.h"
#include "sevsim/terminal.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace vestibule::launcher {

namespace {
using Json = nlohmann::ordered_json;

struct Arguments {
    std::string file;
    std::string platform = "auto";
    igvm::GuestMachine machine;
    std::string serial = "stdio";
    unsigned timeout   = 0;
    std::string trace;
    bool dry_run = false;
    bool json    = false;
    std::string expected;
    std::string session;
};

constexpr const char* examples = R"(Examples:
  sevlaunch guest.igvm                                the strongest platform that file and host have
  sevlaunch guest.igvm --platform native --memory 64M
  sevlaunch guest.igvm --platform snp --dry-run       every call to the kernel, without a host for it
  sevlaunch guest.igvm --platform sev-es --session vm the measurement checked (sevctl session --name vm)
  sevlaunch guest.igvm --trace calls.jsonl            every call and exit, a JSON object a line

Exit status: 0 the guest exited with code 0 or powered off (with --dry-run: there is such a launch),
1 anything else, 2 wrong use. docs/sev-host.md tells how a host is set up.)";

void describe(CLI::App& app, Arguments& arguments) {
    app.set_version_flag("--version", "sevlaunch " VESTIBULE_VERSION);
    app.footer(examples);
    app.add_option("FILE", arguments.file, "The guest: an IGVM file")->required()->type_name("");
    app.add_option("--platform", arguments.platform, "auto, native, sev-es or snp")
        ->check(CLI::IsMember({"auto", "native", "sev-es", "snp"}))
        ->type_name("NAME")
        ->capture_default_str();
    app.add_option("--memory", arguments.machine.memory, "Guest memory, 1M to 1024G")
        ->transform(CLI::AsSizeValue(false))
        ->check(CLI::Range(u64{1} << 20, u64{1} << 40))
        ->type_name("SIZE")
        ->default_str("256M");
    app.add_option("--vcpus", arguments.machine.vcpus, "How many vCPUs")
        ->check(CLI::Range(1u, 255u))
        ->type_name("N")
        ->capture_default_str();
    app.add_option("--append", arguments.machine.command_line,
                   "The guest's command line, where the file has a place for it (COMMAND_LINE)")
        ->type_name("TEXT");
    app.add_option("--serial", arguments.serial,
                   "Where COM1 goes: stdio (with --json to standard error), or a file")
        ->type_name("stdio|FILE")
        ->capture_default_str();
    app.add_option("--timeout", arguments.timeout, "Stop the guest after so many seconds; 0: never")
        ->check(CLI::Range(0u, 86'400u))
        ->type_name("S")
        ->capture_default_str();
    app.add_option("--trace", arguments.trace, "Write calls and exits to FILE, as JSON lines")
        ->type_name("FILE");
    app.add_flag(
        "--dry-run", arguments.dry_run,
        "Print every call to the kernel and make none: for a host with Linux 7.1, SEV-ES and "
        "SNP");
    app.add_flag("--json", arguments.json, "One JSON object on standard output, at the end");
    app.add_option("--expect-digest", arguments.expected,
                   "The launch digest that must come out; otherwise nothing is launched, and the "
                   "reason is searched for")
        ->type_name("HEX");
    app.add_option("--session", arguments.session,
                   "SEV-ES: the owner's session, NAME_godh.b64, NAME_session.b64 and NAME_tik.bin")
        ->type_name("NAME");
}

class Program {
  public:
    explicit Program(const Arguments& arguments) : arguments_(arguments) {}

    int main() {
        auto mapped = igvm::MappedFile::open(arguments_.file);
        if (!mapped) {
            throw LaunchError(mapped.error());
        }
        const auto file = igvm::parse(mapped->bytes());
        if (!file) {
            throw LaunchError(fmt::format("{}: {}", arguments_.file, igvm::describe(file.error())));
        }
        report_["file"] = arguments_.file;
        if (!arguments_.trace.empty()) {
            trace_.open(arguments_.trace);
            if (!trace_) {
                throw LaunchError(fmt::format("{}: cannot be written", arguments_.trace));
            }
        }
        LinuxKernel linux_kernel;
        DryKernel dry_kernel;
        Kernel& answering = arguments_.dry_run ? static_cast<Kernel&>(dry_kernel) : linux_kernel;
        TracedKernel traced(answering,
                            [this](const std::string& call, int answer) { tell(call, answer); });
        const bool told = arguments_.dry_run || trace_.is_open();
        Calls calls(told ? static_cast<Kernel&>(traced) : answering);
        const int status = launch(calls, *file);
        if (arguments_.json) {
            fmt::print("{}\n", report_.dump(2, ' ', false, Json::error_handler_t::replace));
        }
        return status;
    }

  private:
    int launch(Calls& calls, const igvm::File& file) {
        const Host host     = open_host(calls);
        const Choice choice = choose_platform(calls.kernel, host, file, wanted());
        Plan plan{.platform = choice.platform,
                  .machine  = arguments_.machine,
                  .content  = {},
                  .vm_types = host.vm_types,
                  .session  = {}};
        say("passed over", choice.passed_over);
        auto content = igvm::file_content(file, plan.platform, plan.machine);
        if (!content) {
            throw LaunchError(fmt::format("{}: {}", arguments_.file, content.error()));
        }
        plan.content = std::move(*content);
        if (!arguments_.session.empty()) {
            auto session = read_session(arguments_.session);
            if (!session) {
                throw LaunchError(session.error());
            }
            plan.session = std::move(*session);
        }
        const Forecast expected =
            forecast(file, plan, profile_of_kernel(host.release, host.vm_types));
        say("platform", igvm::name_of(plan.platform));
        say("kernel", fmt::format("{}, taken as {}", host.release, expected.options.vmm.name));
        say("note", expected.findings);
        if (!expected.digest.empty()) {
            say("digest", igvm::to_hex(expected.digest));
        }
        if (!is_expected(file, expected)) {
            return 1;
        }
        const auto guest = make_guest(calls, host, plan, file, expected);
        if (arguments_.dry_run) {
            return 0;
        }
        if (guest->measurement() && !check_measurement(*guest, plan, file, expected)) {
            return 1;
        }
        return run_guest(calls, *guest);
    }

    [[nodiscard]] std::optional<igvm::PlatformType> wanted() const {
        if (arguments_.platform == "auto") {
            return std::nullopt;
        }
        return arguments_.platform == "native"   ? igvm::PlatformType::native
               : arguments_.platform == "sev-es" ? igvm::PlatformType::sev_es
                                                 : igvm::PlatformType::sev_snp;
    }

    bool is_expected(const igvm::File& file, const Forecast& forecast) {
        const auto wanted = igvm::from_hex(arguments_.expected);
        if (arguments_.expected.empty() || wanted == forecast.digest) {
            return true;
        }
        if (forecast.digest.empty() || wanted.size() != forecast.digest.size()) {
            throw LaunchError(fmt::format("--expect-digest: found {}, expected the {} hexadecimal "
                                          "digits of a digest of this platform",
                                          arguments_.expected, 2 * forecast.digest.size()));
        }
        say("mismatch", "the digest is not the expected one, so nothing is launched");
        explain(file, forecast, [&](const igvm::Chain& chain) { return chain.equals(wanted); });
        return false;
    }

    void explain(const igvm::File& file, const Forecast& forecast, const Matches& matches) {
        say("explanation", explain_digest(file, forecast, matches));
    }

    /// SNP's firmware compares the digest itself, with the ID block's.
    std::unique_ptr<Guest> make_guest(Calls& calls, const Host& host, const Plan& plan,
                                      const igvm::File& file, const Forecast& forecast) {
        try {
            return std::make_unique<Guest>(calls, host.kvm, plan);
        } catch (const FirmwareError& error) {
            if (error.code == sev_ret::bad_measurement && plan.content.id_block) {
                explain(file, forecast, [&](const igvm::Chain& chain) {
                    return chain.equals(plan.content.id_block->ld);
                });
            }
            throw;
        }
    }

    bool check_measurement(const Guest& guest, const Plan& plan, const igvm::File& file,
                           const Forecast& forecast) {
        say("measurement", igvm::to_hex(guest.measurement()->measure));
        say("nonce", igvm::to_hex(guest.measurement()->mnonce));
        const auto confirmed = confirms(plan, guest, forecast.digest);
        if (!confirmed) {
            say("unchecked",
                "the key of the measurement is the owner's: give --session NAME to have "
                "it compared with the digest");
        } else if (*confirmed) {
            say("confirmed", "the secure processor has measured this digest");
        } else {
            say("mismatch", "the secure processor has measured another digest");
            explain(file, forecast, measured_as(plan, guest));
        }
        return confirmed.value_or(true);
    }

    int run_guest(Calls& calls, Guest& guest) {
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
            run(calls, guest,
                {.memory   = arguments_.machine.memory,
                 .serial   = serial,
                 .keyboard = stdio,
                 .timeout  = std::chrono::seconds(arguments_.timeout),
                 .watch    = [this](u32 vcpu, const kvm_run& run) { tell_exit(vcpu, run); }});
        std::vector<std::string> exits;
        for (const auto& [reason, count] : result.exits) {
            exits.push_back(fmt::format("{} {}", exit_name(reason), count));
        }
        say("exits", exits);
        if (result.unclaimed_mmio != 0) {
            say("unclaimed",
                fmt::format("{} accesses to memory where no device is", result.unclaimed_mmio));
        }
        if (result.converted != 0) {
            say("converted", fmt::format("{} pages made private or shared", result.converted));
        }
        say("end", result.end.words);
        report_["code"] = result.end.code;
        const bool good = result.end.kind == End::Kind::power_off
                          || (result.end.kind == End::Kind::exit && result.end.code == 0);
        return good ? 0 : 1;
    }

    /// A line of the report: on standard error, where the guest's output is not.
    void say(const char* what, std::string_view words) {
        if (arguments_.json) {
            report_[what] = words;
        } else {
            fmt::print(stderr, "sevlaunch: {}: {}\n", what, words);
        }
    }

    void say(const char* what, const std::vector<std::string>& lines) {
        if (arguments_.json) {
            report_[what] = lines;
            return;
        }
        for (const std::string& line : lines) {
            say(what, line);
        }
    }

    void tell(const std::string& call, int answer) {
        const std::string text = answer < 0 ? fmt::format("{} = {}", call, strerrorname_np(-answer))
                                            : fmt::format("{} = {}", call, answer);
        if (trace_.is_open()) {
            trace_ << Json{{"call", call}, {"answer", answer}}.dump() << '\n';
        }
        if (arguments_.dry_run && arguments_.json) {
            report_["plan"].push_back(text);
        } else if (arguments_.dry_run) {
            fmt::print("{}\n", text);
        }
    }

    void tell_exit(u32 vcpu, const kvm_run& run) {
        if (trace_.is_open()) {
            trace_ << Json{{"vcpu", vcpu}, {"exit", exit_name(run.exit_reason)},
                           {"words", exit_text(run)}}.dump()
                   << '\n';
        }
    }

    const Arguments& arguments_;
    Json report_;
    std::ofstream trace_;
};

int command_line(int argc, char** argv) {
    Arguments arguments;
    CLI::App app(
        "Starts an IGVM file as a guest by the kernel's own interface, with nothing between: "
        "native, SEV-ES or SEV-SNP. The guest's serial output goes to standard output, what "
        "is told of the launch to standard error.",
        "sevlaunch");
    describe(app, arguments);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        constexpr int wrong_use = 2;
        return app.exit(error) == 0 ? 0 : wrong_use;
    }
    if (arguments.machine.memory % page_size != 0) {
        fmt::print(stderr, "sevlaunch: --memory: found {}, expected a multiple of 4096\n",
                   arguments.machine.memory);
        return 2;
    }
    return Program(arguments).main();
}
} // namespace

} // namespace vestibule::launcher

int main(int argc, char** argv) {
    try {
        const int status = vestibule::launcher::command_line(argc, argv);
        // Output that did not arrive, on a full disk for one, is work that failed.
        if (std::fflush(stdout) == 0) {
            return status;
        }
        std::perror("sevlaunch: standard output");
    } catch (const std::exception& error) {
        std::fprintf(stderr, "sevlaunch: %s\n", error.what());
    }
    return 1;
}
