// SPDX-License-Identifier: BSD-2-Clause-Patent
// sevlaunch: the command line.
#include "cli/files.h"
#include "cli/json.h"
#include "cli/numbers.h"
#include "cli/pages.h"
#include "cli/words.h"
#include "cli/wrong_use.h"
#include "kvm/linux_kernel.h"
#include "kvm/trace.h"
#include "launcher/probe.h"
#include "launcher/program.h"
#include "version.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fmt/format.h>

namespace vestibule::launcher {

namespace {
constexpr const char* examples = R"(Examples:
  sevlaunch guest.igvm                                the strongest platform that file and host have
  sevlaunch guest.igvm --platform native --memory 64M
  sevlaunch guest.igvm --platform snp --dry-run       every call to the kernel, without a host for it
  sevlaunch guest.igvm --platform sev-es --session vm the measurement checked (sevctl session --name vm)
  sevlaunch probe --session vm                        what this host's KVM does to a VMSA
  sevlaunch probe --platform snp                      the same of SNP guests
  sevlaunch guest.igvm --trace calls.jsonl            every call and exit, a JSON object a line

Exit status: 0 the guest exited with code 0 or powered off (with --dry-run: the kernel would take it),
1 anything else, 2 wrong use, 130 interrupted by Ctrl-C. docs/sev-host.md tells how a host is set up.)";

void describe(CLI::App& app, Arguments& arguments) {
    app.set_version_flag("--version", fmt::format("sevlaunch {}", version_with_commit));
    app.footer(examples);
    app.add_option("GUEST", arguments.file, "The guest: an IGVM file")->type_name(cli::input_file);
    app.add_option("--platform", arguments.platform, "auto, native, sev-es, sev-snp (or snp)")
        ->check(CLI::IsMember({"auto", "native", "sev-es", "sev-snp", "snp"}))
        ->type_name("NAME")
        ->capture_default_str();
    cli::add_size(app, "--memory", arguments.machine.memory, "Guest memory, 1M to 1024G",
                  {.least = u64{1} << 20, .most = u64{1} << 40});
    cli::add_number(app, cli::words::vcpus, arguments.machine.vcpus, "How many vCPUs",
                    {.least = 1, .most = 255});
    app.add_option(cli::words::append, arguments.machine.command_line,
                   "The guest's command line, where the file has a place for it (COMMAND_LINE)")
        ->type_name("TEXT");
    app.add_option("--serial", arguments.serial,
                   "Where COM1 goes: stdio (with --json to standard error), or a file")
        ->type_name(cli::output_or_stdio)
        ->capture_default_str();
    cli::add_number(app, "--timeout", arguments.timeout,
                    "Stop the guest after so many seconds; 0: never", {.most = 86'400})
        ->type_name("S");
    app.add_option("--trace", arguments.trace, "Write calls and exits to OUT, as JSON lines")
        ->type_name(cli::output_file);
    app.add_flag(
        "--dry-run", arguments.dry_run,
        "Print every call to the kernel and make none: for a host with Linux 7.1, SEV-ES and "
        "SNP");
    app.add_flag("--json", arguments.json, "One JSON object on standard output, at the end");
    app.add_flag(cli::words::quiet, arguments.quiet,
                 "Say nothing of the launch but errors: the exit status says how it went");
    app.add_option("--expect-digest", arguments.expected,
                   "The launch digest that must come out; otherwise nothing is launched, and the "
                   "reason is searched for")
        ->type_name("HEX");
    app.add_option("--session", arguments.session,
                   "SEV-ES: the owner's session, NAME_godh.b64, NAME_session.b64 and NAME_tik.bin")
        ->type_name("NAME");
}

struct ProbeArguments {
    std::string platform = "sev-es";
    std::string session;
    std::vector<std::string> fields;
    bool json = false;
    bool rows = false;
};

CLI::App* describe_probe(CLI::App& app, ProbeArguments& arguments) {
    CLI::App* verb = app.add_subcommand(
        "probe",
        "Find out what this host's KVM does to each field of a VMSA, by launching guests of "
        "one page and solving their measurements");
    verb->add_option("--platform", arguments.platform, "sev-es or snp")
        ->check(CLI::IsMember({"sev-es", "snp", "sev-snp"}))
        ->type_name("NAME")
        ->capture_default_str();
    verb->add_option(
            "--session", arguments.session,
            "SEV-ES: the owner's session for this machine, NAME_godh.b64, NAME_session.b64 "
            "and NAME_tik.bin (igvmtool session, sevctl session), for policy 5")
        ->type_name("NAME");
    verb->add_option("--field", arguments.fields,
                     "Only this field, as rdx or cs.attributes; as often as you like")
        ->allow_extra_args(false)
        ->type_name("FIELD");
    auto* json = verb->add_flag("--json", arguments.json, "One JSON object");
    verb->add_flag("--rows", arguments.rows, "Rows for igvm/vmm/vmsa_effects.h")->excludes(json);
    return verb;
}

/// What is read by the name of a session.
std::vector<cli::FileUse> session_files(const std::string& session) {
    std::vector<cli::FileUse> files;
    for (const char* end : {"_godh.b64", "_session.b64", "_tik.bin"}) {
        if (!session.empty()) {
            files.push_back(
                {.option = "--session", .path = session + end, .role = cli::FileUse::Role::read});
        }
    }
    return files;
}

bool is_snp(const ProbeArguments& arguments) { return arguments.platform != "sev-es"; }

std::string contradiction(const ProbeArguments& arguments) {
    if (is_snp(arguments) == arguments.session.empty()) {
        return {};
    }
    return is_snp(arguments) ? "--session: is SEV-ES's: on SNP the firmware compares"
                             : "--session: required for sev-es: LAUNCH_MEASURE is keyed";
}

int run_probe(const ProbeArguments& arguments) {
    const bool snp = is_snp(arguments);
    kvm::LinuxKernel kernel;
    Calls calls(kernel);
    ProbeOptions options;
    options.platform = snp ? igvm::PlatformType::sev_snp : igvm::PlatformType::sev_es;
    options.fields   = arguments.fields;
    if (!snp) {
        options.session = read_session(arguments.session);
    }
    const Probe found = probe(calls, kvm::open_host(calls), options);
    fmt::print("{}", arguments.json   ? cli::json_text(json_of(found))
                     : arguments.rows ? rows_of(found)
                                      : text_of(found));
    return 0;
}

int command_line(int argc, char** argv) {
    Arguments arguments;
    ProbeArguments probe_arguments;
    CLI::App app(
        "Starts an IGVM file as a guest by the kernel's own interface, with nothing between: "
        "native, SEV-ES or SEV-SNP. The guest's serial output goes to standard output, what "
        "is told of the launch to standard error.",
        "sevlaunch");
    describe(app, arguments);
    const CLI::App* probing = describe_probe(app, probe_arguments);
    cli::add_pages(app);
    try {
        app.parse(argc, argv);
        if (!probing->parsed()) {
            cli::check_files(app, {}, session_files(arguments.session));
        }
    } catch (const CLI::ParseError& error) {
        return cli::answer(app, error);
    }
    if (probing->parsed()) {
        const std::string wrong = contradiction(probe_arguments);
        return wrong.empty() ? run_probe(probe_arguments) : cli::wrong_use(*probing, wrong);
    }
    if (arguments.file.empty()) {
        return cli::wrong_use(app, "expected a GUEST, an IGVM file, or a verb: probe");
    }
    if (arguments.machine.memory % page_size != 0) {
        return cli::wrong_use(app, fmt::format("--memory: found {}, expected a multiple of 4096",
                                               arguments.machine.memory));
    }
    Program program(arguments);
    kvm::LinuxKernel linux_kernel;
    kvm::DryKernel dry_kernel;
    const int status =
        program.run(arguments.dry_run ? static_cast<Kernel&>(dry_kernel) : linux_kernel);
    if (arguments.json) {
        fmt::print("{}", cli::json_text(program.report()));
    }
    return status;
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
