// SPDX-License-Identifier: BSD-2-Clause-Patent
// sevsim: an SEV-ES and SEV-SNP machine in software. The command line.
#include "cli/files.h"
#include "cli/numbers.h"
#include "cli/pages.h"
#include "cli/words.h"
#include "cli/wrong_use.h"
#include "igvm/format/hex.h"
#include "igvm/tool/file_io.h"
#include "monitor_image.h"
#include "sevsim/attack/command.h"
#include "sevsim/batch.h"
#include "sevsim/certificates.h"
#include "sevsim/ci_results.h"
#include "sevsim/code_file.h"
#include "sevsim/expectation.h"
#include "sevsim/from_text.h"
#include "sevsim/kept_machine.h"
#include "sevsim/options.h"
#include "sevsim/plan_file.h"
#include "sevsim/report.h"
#include "sevsim/report_json.h"
#include "sevsim/rules.h"
#include "sevsim/run.h"
#include "sevsim/transport_keys.h"
#include "version.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <span>
#include <unistd.h>

namespace vestibule::sevsim {

namespace {

constexpr const char* description =
    "An AMD SEV-ES and SEV-SNP machine in software, on plain QEMU without SEV hardware or KVM.\n"
    "It is written from the specifications and says nothing of silicon.";

constexpr const char* one_guest = "expected one guest: GUEST, --kernel FILE or --firmware FILE";

constexpr const char* examples = R"(Examples:
  sevsim run guest.igvm
  sevsim run guest.igvm --platform native --memory 64M
  sevsim run guest.igvm --trace exits.jsonl     every #VC and VMGEXIT, a JSON object a line
  sevsim run guest.igvm --trace calls --trace-format text --symbols guest.elf@0x200000
  sevsim run guest.igvm --profile               instructions per #VC
  sevsim run guest.igvm --timeline boot.svg     when it asked for what, as a picture
  sevsim run guest.igvm --hostile no-sev        the guest must notice and refuse
  sevsim run guest.igvm --hostile vc:0x72@20    a forged CPUID where the 20th #VC was to be
  sevsim run guest.igvm --hostile cbit-no-effect --expect termination=0x2:0x5
  sevsim run guest.igvm --json report.json      the whole report for programs
  sevsim run guest.igvm --junit results.xml     the guest's TAP lines and its end, for a CI system
  sevsim run guest.igvm -- -d int               what follows -- goes to QEMU
  sevsim run --kernel vmlinuz --initrd initrd.img --append console=ttyS0
  sevsim run --firmware /usr/share/ovmf/OVMF.fd --timeout 120
  sevsim run --platform sev-snp --kernel vmlinuz --initrd initrd.img --append console=ttyS0
  sevsim run --platform sev-snp loader.igvm --kernel vmlinuz --initrd initrd.img
  sevsim attack guest.igvm --seed 1 --budget 2m

Exit status: 0 the guest exited with code 0, powered off or reset the machine, and broke no rule;
1 anything else, 2 wrong use, 130 interrupted by Ctrl-C (128 and the signal).)";

std::string run_footer() {
    std::string text = "LIE is what the hypervisor does to the guest:\n";
    for (const LieDescription& lie : lies) {
        const char* const forms[] = {"",        "@N",      ":CODE",     ":WORD",
                                     ":CODE@N", ":WORD@N", ":CODE@N+K", ":WORD@N+K"};
        text +=
            fmt::format("  {:<26}{}\n",
                        lie.name + std::string{forms[static_cast<unsigned>(lie.form)]}, lie.what);
    }
    text += "FLIPS: the 8 bytes at the offset that bits 63:52 of WORD say are changed where bits "
            "51:0 are 1.\n";
    text += "\nRULE is what the guest may not do (sections of the GHCB specification):\n";
    for (const RuleDescription& rule : rules) {
        text += fmt::format("  {:<26}{}\n", rule.id, rule.what);
    }
    text += "\nWHAT is how a run is to end:\n" + expectation_forms();
    return text + "\n" + examples;
}

/// The command line's guest, of which there must be one.
struct GuestNames {
    std::string file, kernel, firmware;

    bool choose(RunOptions& options) const {
        struct Row {
            GuestKind kind;
            const std::string& name;
        };

        if (!kernel.empty() && firmware.empty() != file.empty()) {
            options.kind   = file.empty() ? GuestKind::firmware : GuestKind::igvm;
            options.file   = file.empty() ? firmware : file;
            options.kernel = kernel;
            return true;
        }
        unsigned given = 0;
        for (const Row& row : {
                 Row{GuestKind::igvm,     file    },
                 Row{GuestKind::kernel,   kernel  },
                 Row{GuestKind::firmware, firmware}
        }) {
            if (!row.name.empty()) {
                options.kind = row.kind;
                options.file = row.name;
                ++given;
            }
        }
        return given == 1;
    }
};

void describe_trace(CLI::App& run, RunOptions& options) {
    CLI::Option* const trace =
        run.add_option("--trace", options.trace, "Write what the monitor sees to OUT")
            ->type_name(cli::output_file);
    run.add_option_function<std::string>(
           "--trace-format",
           [&options](const std::string& name) {
               options.trace_format = name == "text"       ? TraceFormat::text
                                      : name == "perfetto" ? TraceFormat::perfetto
                                                           : TraceFormat::jsonl;
           },
           "jsonl, an object a line; perfetto, for ui.perfetto.dev; text, a line a call as strace "
           "has it")
        ->check(CLI::IsMember({"jsonl", "perfetto", "text"}))
        ->needs(trace)
        ->type_name("NAME");
    run.add_option("--symbols", options.symbols,
                   "perfetto and text name code by this ELF file; ELF@ADDRESS where it runs so far "
                   "behind where it is linked; may be repeated")
        ->allow_extra_args(false)
        ->needs(trace)
        ->type_name("ELF");
}

/// Files of what the hypervisor does.
struct PlanFiles {
    std::string plan, plans;

    /// An error in words.
    std::string read(RunOptions& options) const {
        if (plan.empty()) {
            return {};
        }
        const auto told = read_plan(plan);
        if (told) {
            options.hostile = *told;
        }
        return told ? "" : told.error();
    }
};

void describe_run(CLI::App& run, RunOptions& options, GuestNames& guest, PlanFiles& plans) {
    run.footer(run_footer());
    run.add_option("GUEST", guest.file, "The guest: an IGVM file")->type_name(cli::input_file);
    CLI::Option* const kernel =
        run.add_option("--kernel", guest.kernel,
                       "The guest: a Linux kernel (bzImage); with another guest the one that it "
                       "finds in fw_cfg, whose hashes are measured, of an IGVM file at 0x10c00")
            ->type_name("FILE");
    CLI::Option* const firmware =
        run.add_option("--firmware", guest.firmware,
                       "The guest: firmware that starts at the reset vector, such as OVMF.fd")
            ->type_name("FILE");
    run.add_flag("--no-flash", options.no_flash,
                 "Launch all of the firmware's file, its volume of variables too, as QEMU's -bios "
                 "does; without this that volume is flash, which the firmware can write to")
        ->needs(firmware);
    run.add_option("--initrd", options.initrd, "The kernel's initrd")
        ->needs(kernel)
        ->type_name("FILE");
    run.add_option(cli::words::append, options.append,
                   "The kernel's command line; tsc_early_khz is added where it is not given")
        ->needs(kernel)
        ->type_name("TEXT");
    run.add_option("--platform", options.platform, "sev, sev-es, sev-snp (or snp) or native")
        ->transform([](const std::string& name) { return name == "snp" ? "sev-snp" : name; })
        ->check(CLI::IsMember({"sev", "sev-es", "sev-snp", "native"}))
        ->type_name("NAME")
        ->capture_default_str();
    cli::add_size(run, "--memory", options.memory, "Guest memory, 32M to 16G in steps of 2M",
                  {.least = smallest_guest, .most = largest_guest});
    cli::add_number(
        run, "--cbit", options.c_bit,
        "The C-bit's position: 47, as in Naples and Rome, or 51, as in Milan and later; "
        "without it the one of the guest's file")
        ->check(CLI::IsMember({"47", "51"}));
    run.add_flag(
        "--no-check", options.unjudged,
        "Let the machine judge an IGVM file, and not this program before it: to see what a "
        "monitor makes of a wrong one");
    run.add_flag("--la57", options.la57, "Let CPUID offer 5-level paging to the guest");
    run.add_flag("--x2apic", options.x2apic,
                 "Let CPUID offer x2APIC to the guest, and call the hypervisor KVM, without any of "
                 "its features: Linux takes x2APIC of hypervisors that it knows");
    cli::add_number(run, cli::words::vcpus, options.vcpus,
                    "How many vCPUs; without it as many as the guest's file starts",
                    {.least = 1, .most = most_vcpus});
    cli::add_number(run, "--timeout", options.timeout_seconds,
                    "Stop the guest after so many seconds; 0: never", {.most = 86'400})
        ->type_name("S");
    describe_trace(run, options);
    run.add_option("--timeline", options.timeline,
                   "Draw the run, VMGEXITs over time by kind, into OUT, an SVG picture")
        ->type_name(cli::output_file);
    cli::add_number(run, "--gdb", options.gdb,
                    "Wait for gdb at this port of 127.0.0.1 before the guest starts; no --timeout "
                    "unless it is given (docs/sevsim.md says how to go on)",
                    {.least = 1, .most = 65'535})
        ->expected(0, 1)
        ->default_str("1234")
        ->type_name("PORT");
    run.add_option("--dump", options.dump,
                   "Write the bytes that the guest sends to port 0x5EA to OUT; without this they "
                   "go nowhere")
        ->type_name(cli::output_file);
    run.add_flag(
        "--repeatable", options.repeatable,
        "Let time be the count of executed instructions, whatever the host does meanwhile; "
        "waiting takes none. A run is then the same every time");
    run.add_flag("--profile", options.profile, "Count the guest's instructions per #VC, exactly");
    run.add_option_function<std::vector<std::string>>(
           "--hostile",
           [&options](const std::vector<std::string>& names) {
               for (const std::string& name : names) {
                   Hostility lie;
                   const char* wrong = read_hostility(name.data(), name.size(), lie);
                   wrong             = wrong != nullptr ? wrong : options.hostile.add(lie);
                   if (wrong != nullptr) {
                       throw CLI::ValidationError("--hostile", "'" + name + "': " + wrong);
                   }
               }
           },
           "Let the hypervisor tell a lie, or attack (below); may be repeated, up to 16 lies")
        ->allow_extra_args(false)
        ->type_name("LIE");
    run.add_option("--plan", plans.plan,
                   "Let it do what FILE says: a LIE a line, # for what is for people")
        ->excludes("--hostile")
        ->type_name("FILE");
    run.add_option(
           "--plans", plans.plans,
           "Run the guest once by each plan of FILE, --- between them, in one machine that is "
           "started anew, and print a JSON object a line for each run")
        ->excludes("--hostile")
        ->excludes("--plan")
        ->type_name("FILE");
    run.add_option_function<std::vector<std::string>>(
           "--code",
           [&options](const std::vector<std::string>& names) {
               for (const std::string& name : names) {
                   if (const auto added = add_code(options.code, name); !added) {
                       throw CLI::ValidationError("--code", added.error());
                   }
               }
           },
           "The guest's code: BEGIN-END, or the executable sections of this ELF file, ELF@ADDRESS "
           "where it runs so far behind where it is linked; may be repeated. What the guest "
           "executes "
           "elsewhere breaks a rule")
        ->allow_extra_args(false)
        ->type_name("RANGE|ELF");
    cli::add_number(
        run, "--canary", options.canary,
        "Plant a secret made of N in the guest, in its vector registers and where its file "
        "has the 16 bytes vestibule-canary, and look for it in all that the hypervisor sees",
        {.least = 1, .most = 999'999'999'999'999'999});
    CLI::Option* const from =
        run.add_option_function<std::string>(
               "--from",
               [&options](const std::string& text) {
                   const auto read = from_of(text);
                   if (!read) {
                       throw CLI::ValidationError("--from", read.error());
                   }
                   options.from = *read;
               },
               "Be honest up to the guest's N-th VMGEXIT, or its first one of code at BEGIN-END: "
               "lies, the trace and what counts as a broken rule begin there, and so do the "
               "moments that lies count")
            ->type_name(from_forms);
    run.add_option("--snapshot", options.snapshot,
                   "Keep the machine in DIR as it is at --from, and start there once it is kept: "
                   "what comes before need not be run again. With --repeatable")
        ->needs(from)
        ->needs("--repeatable")
        ->type_name("DIR");
    cli::add_number(run, "--limit", options.limit,
                    "End the guest after a vCPU has been entered so often; 0: never");
    run.add_option(
           "--allow", options.allowed,
           "Let the guest break this rule without failing the run (below), or all of them; may be "
           "repeated")
        ->check([](const std::string& id) {
            return id != all_rules
                           && std::ranges::find(rules, id, &RuleDescription::id) == std::end(rules)
                       ? fmt::format("no rule is called '{}'", id)
                       : std::string{};
        })
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
        ->type_name("RULE");
    run.add_option("--qemu", options.qemu, "The QEMU to use, 7.2.15 or newer")
        ->envname("SEVSIM_QEMU")
        ->type_name("PATH")
        ->capture_default_str();
}

/// What the secure processor of an SEV-SNP machine is.
void describe_secure_processor(CLI::App& run, RunOptions& options) {
    run.add_option("--rmp", options.rmp,
                   "sev-snp: draw guest memory at the end of the run, by the states of the reverse "
                   "map table, into OUT, an SVG picture")
        ->type_name(cli::output_file);
    run.add_option(
           "--root", options.root,
           "The keys of the platform, in a directory that `sevsim certs` has made: attestation "
           "reports are signed with them; without it each run has keys of its own")
        ->type_name("DIR");
    cli::add_number(run, "--report-version", options.report_version,
                    "sev-snp: the version of attestation reports: 2, 3 or 5")
        ->check(CLI::IsMember({"2", "3", "5"}));
    run.add_flag(
        "--secure-tsc", options.secure_tsc,
        "sev-snp: a kernel's or firmware's SEV_FEATURES ask for a secure TSC; an IGVM file "
        "says by itself what it asks for");
    run.add_flag("--vlek", options.vlek,
                 "sev-snp: a cloud provider's VLEK signs reports, not the chip's VCEK");
    run.add_option_function<std::string>(
           "--host-data",
           [&options](const std::string& text) {
               const std::vector<u8> bytes = igvm::from_hex(text);
               if (bytes.size() != options.host_data.size()) {
                   throw CLI::ValidationError("--host-data",
                                              fmt::format("'{}': expected {} hexadecimal digits",
                                                          text, 2 * options.host_data.size()));
               }
               std::ranges::copy(bytes, options.host_data.begin());
           },
           "sev-snp: HOST_DATA of attestation reports, 64 hexadecimal digits")
        ->type_name("HEX");
}

/// What the owner of an SEV or SEV-ES guest takes part in.
void describe_launch(CLI::App& run, RunOptions& options) {
    CLI::Option* const session =
        run.add_option("--session", options.session,
                       "sev, sev-es: launch with the owner's session in NAME_godh.b64 and "
                       "NAME_session.b64, which `igvmtool session --pdh DIR/pdh.cert` has made for "
                       "the platform of --root DIR, and say the measurement")
            ->needs("--root")
            ->type_name("NAME");
    cli::add_number(run, "--sev-policy", options.sev_policy,
                    "sev, sev-es: the guest policy of the session: 5 on sev-es and 1 on sev unless "
                    "it is given")
        ->needs(session);
    CLI::Option* const secret =
        run.add_flag("--secret", options.takes_secret,
                     "sev, sev-es: wait, before the guest runs, for the packet that `igvmtool "
                     "secret --name NAME` makes for this launch's measurement")
            ->needs(session);
    cli::add_number(run, "--secret-at", options.secret_gpa,
                    "Where the secret goes in guest memory, for guests that are not firmware")
        ->needs(secret);
}

/// What is only for some platforms: one row a platform's own options.
struct PlatformOptions {
    std::vector<const char*> names;
    std::vector<std::string_view> platforms;
};

const PlatformOptions platform_options[] = {
    {{"--root"},                                                                           {"sev", "sev-es", "sev-snp"}},
    {{"--session", "--sev-policy", "--secret", "--secret-at"},                             {"sev", "sev-es"}           },
    {{"--report-version", "--secure-tsc", "--vlek", "--host-data", "--no-flash", "--rmp"},
     {"sev-snp"}                                                                                                       },
};

/// What is wrong with the options that were given for this platform, or nothing.
std::string misplaced_option(const CLI::App& run, const RunOptions& options) {
    for (const PlatformOptions& row : platform_options) {
        if (std::ranges::find(row.platforms, options.platform) != row.platforms.end()) {
            continue;
        }
        for (const char* name : row.names) {
            if (run.count(name) != 0) {
                return fmt::format("{} is for --platform {}, not for {}", name,
                                   fmt::join(row.platforms, " or "), options.platform);
            }
        }
    }
    return {};
}

/// What of a command line contradicts the rest of it, in words; chooses the guest.
std::string contradiction(const CLI::App& run, const GuestNames& guest, RunOptions& options) {
    const bool native = options.platform == "native";
    const bool has_vc = !native && options.platform != "sev";
    if (!guest.choose(options)) {
        return one_guest;
    }
    if (options.memory % memory_step != 0) {
        return "--memory: expected a multiple of 2M";
    }
    if (options.secure_tsc && options.kind == GuestKind::igvm) {
        return "--secure-tsc is for --kernel and --firmware: an IGVM file says by itself what its "
               "SEV_FEATURES ask for";
    }
    if (std::string misplaced = misplaced_option(run, options); !misplaced.empty()) {
        return misplaced;
    }
    if (!options.root.empty() && options.session.empty() && !options.is_snp()) {
        return fmt::format("--root has no effect on {} without --session", options.platform);
    }
    if (!options.kernel.empty() && !has_vc) {
        return fmt::format(
            "a guest with --kernel: on {} it would find this program's own kernel in "
            "fw_cfg",
            options.platform);
    }
    if (options.vcpus != 1 && !has_vc) {
        return fmt::format("--smp starts vCPUs by the protocol of SEV-ES, so a guest on {} has one",
                           options.platform);
    }
    if (options.vcpus != 1 && options.profile) {
        return "--profile counts instructions by a clock that all vCPUs share, so the guest has "
               "one";
    }
    if (options.profile && !has_vc) {
        return fmt::format("--profile counts what a #VC costs, and a guest on {} takes none",
                           options.platform);
    }
    return {};
}

int certs_command(const std::string& directory) {
    auto written = write_root(directory);
    if (written) {
        written = write_pdh(directory);
    }
    if (!written) {
        fmt::print(stderr, "sevsim: {}\n", written.error());
        return 1;
    }
    fmt::print(
        "{0}/ark.pem  the root, which signs\n"
        "{0}/ask.pem  which signs\n"
        "{0}/vcek.pem and {0}/vlek.pem, whose keys sign attestation reports\n"
        "{0}/pdh.cert, for which owners of SEV and SEV-ES guests make sessions\n"
        "All of them are a TEST's: `sevsim run --platform sev-snp --root {0}` signs with them.\n",
        directory);
    return 0;
}

/// What follows from a run for a machine that reads.
struct Verdict {
    std::vector<std::string> expected;
    std::vector<Expectation> expectations;
    std::string tap, junit, json;
    bool quiet = false;

    /// An error in words.
    std::string write(const RunResult& result, const RunOptions& options) const {
        const auto cases  = test_cases(result, expectations);
        std::string error = write_text(tap, to_tap(cases));
        if (error.empty()) {
            error = write_text(junit, to_junit(cases, options.file, result.output));
        }
        return error.empty() ? write_text(json, report_json(result, options, expectations)) : error;
    }

  private:
    static std::string write_text(const std::string& path, const std::string& text) {
        const auto* bytes  = reinterpret_cast<const u8*>(text.data());
        const auto written = path.empty() ? std::expected<void, std::string>{}
                                          : igvm::write_file(path, {bytes, text.size()});
        return written ? "" : written.error();
    }
};

void describe_verdict(CLI::App& run, Verdict& verdict) {
    run.add_option("--expect", verdict.expected,
                   "What the run has to come to (below); with more than one, to all of it. Exit "
                   "status 0 then, whatever else the guest's end would say")
        ->allow_extra_args(false)
        ->type_name("WHAT");
    run.add_flag(cli::words::quiet, verdict.quiet,
                 "Print the guest's output and no report: the exit status says how it went");
    run.add_option("--json", verdict.json, "Write the report as one JSON object to OUT")
        ->type_name(cli::output_file);
    run.add_option("--tap", verdict.tap, "Write the results as TAP, the guest's own among them")
        ->type_name(cli::output_file);
    run.add_option("--junit", verdict.junit, "Write them as XML as JUnit has it")
        ->type_name(cli::output_file);
}

int run_command(const RunOptions& options, const Verdict& verdict) {
    const auto result = run_guest(options, embedded::monitor_image());
    if (!result) {
        fmt::print(stderr, "sevsim: {}\n", result.error());
        return 1;
    }
    if (!verdict.quiet) {
        fmt::print("{}\n{}", result->line_open ? "\n" : "", report(*result));
    }
    if (std::fflush(stdout) != 0) {
        return 1;
    }
    for (const std::string& what : result->unwritten) {
        fmt::print(stderr, "sevsim: {}\n", what);
    }
    if (const std::string error = verdict.write(*result, options); !error.empty()) {
        fmt::print(stderr, "sevsim: {}\n", error);
        return 1;
    }
    return exit_status(*result, verdict.expectations);
}

/// What only a run by itself has.
std::string not_for_batches(const CLI::App& run) {
    for (const char* name : {"--json", "--tap", "--junit", "--expect", "--trace", "--dump",
                             "--timeline", "--rmp", "--profile", "--gdb", "--from"}) {
        if (run.count(name) != 0) {
            return fmt::format("{} is for one run, not for --plans", name);
        }
    }
    return {};
}

/// A run for each plan of the file. Exit status 0 where each of them has come to an end, whichever.
int run_batch(const RunOptions& options, const std::string& file) {
    const auto plans = read_plans(file);
    if (!plans) {
        fmt::print(stderr, "sevsim: {}\n", plans.error());
        return 2;
    }
    std::optional<int> interrupted;
    const auto ran = run_plans(options, *plans, embedded::monitor_image(),
                               [&](std::size_t index, const RunResult& result) {
                                   if (result.qemu.how == Ending::interrupted) {
                                       interrupted = result.qemu.value;
                                   }
                                   fmt::print("{}", planned_run_json(result, options, index));
                                   return std::fflush(stdout) == 0;
                               });
    if (!ran) {
        fmt::print(stderr, "sevsim: {}\n", ran.error());
        return 1;
    }
    constexpr int by_signal = 128; // as a shell has it
    return interrupted ? by_signal + *interrupted : std::ferror(stdout) != 0 ? 1 : 0;
}

/// Started without one of the standard descriptors we would get its number for a file of our own,
/// and QEMU the wrong file.
void fill_standard_descriptors() {
    int fd = 0;
    while (fd >= 0 && fd <= STDERR_FILENO) {
        fd = open("/dev/null", O_RDWR);
    }
    close(fd);
}

int command_line(std::span<char*> arguments) {
    // CLI11 would take what follows "--" for positional arguments of its own.
    const auto dashes = std::ranges::find(arguments, std::string_view{"--"});
    const auto count  = static_cast<int>(dashes - arguments.begin());
    RunOptions options;
    GuestNames guest;
    if (dashes != arguments.end()) {
        options.qemu_arguments.assign(dashes + 1, arguments.end());
    }
    CLI::App app{description, "sevsim"};
    app.set_version_flag("--version", fmt::format("sevsim {}", version_with_commit));
    app.require_subcommand(1);
    app.footer(examples);
    CLI::App* const run =
        app.add_subcommand("run", "Run a guest and report what it did. Its serial output goes to "
                                  "standard output, the report after it.");
    PlanFiles plans;
    describe_run(*run, options, guest, plans);
    describe_secure_processor(*run, options);
    Verdict verdict;
    describe_verdict(*run, verdict);
    describe_launch(*run, options);
    CLI::App* const certs = app.add_subcommand(
        "certs", "Make the keys and certificates of a secure processor in a directory: ARK, ASK, "
                 "VCEK and VLEK, as AMD has them, every name with TEST in it.");
    std::string root;
    certs->add_option("DIR", root, "The directory, where none of its files is yet")
        ->required()
        ->type_name("");
    attack::AttackCommand campaign;
    attack::describe_attack(app, campaign);
    cli::add_pages(app);
    try {
        app.parse(count, arguments.data());
        if (campaign.verb->parsed()) {
            cli::check_files(*campaign.verb);
        }
        if (run->parsed()) {
            cli::check_files(*run);
            for (const std::string& text : verdict.expected) {
                auto expectation = expectation_of(text);
                if (!expectation) {
                    throw CLI::ValidationError("--expect", expectation.error());
                }
                verdict.expectations.push_back(std::move(*expectation));
            }
        }
    } catch (const CLI::ParseError& error) {
        return cli::answer(app, error);
    }
    if (certs->parsed()) {
        return certs_command(root);
    }
    if (campaign.verb->parsed()) {
        return attack::run_attack(campaign, options.qemu_arguments);
    }
    options.vcpus_given = run->count("--vcpus") != 0;
    options.c_bit_given = run->count("--cbit") != 0;
    std::string wrong   = contradiction(*run, guest, options);
    if (wrong.empty() && !plans.plans.empty()) {
        wrong = not_for_batches(*run);
        wrong = wrong.empty() ? batch_contradiction(options) : wrong;
    }
    if (!wrong.empty()) {
        return cli::wrong_use(*run, wrong);
    }
    if (const std::string error = plans.read(options); !error.empty()) {
        fmt::print(stderr, "sevsim: {}\n", error);
        return 2;
    }
    if (wrong = from_contradiction(options); !wrong.empty()) {
        return cli::wrong_use(*run, wrong);
    }
    options.timeout = std::chrono::seconds{options.timeout_seconds};
    if (run->count("--sev-policy") == 0) {
        constexpr u32 no_debug = 1;
        constexpr u32 es       = 4;
        options.sev_policy     = options.platform == "sev" ? no_debug : no_debug | es;
    }
    if (options.gdb != 0 && run->count("--timeout") == 0) {
        options.timeout = {};
    }
    options.keeps_output =
        !verdict.expectations.empty() || !verdict.tap.empty() || !verdict.junit.empty();
    return plans.plans.empty() ? run_command(options, verdict) : run_batch(options, plans.plans);
}

} // namespace

} // namespace vestibule::sevsim

int main(int argc, char** argv) {
    try {
        vestibule::sevsim::fill_standard_descriptors();
        return vestibule::sevsim::command_line({argv, static_cast<std::size_t>(argc)});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "sevsim: %s\n", error.what());
        return 1;
    }
}
