// sevsim: an SEV-ES and SEV-SNP machine in software. The command line.
#include "igvm/format/hex.h"
#include "monitor_image.h"
#include "sevsim/certificates.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/options.h"
#include "sevsim/report.h"
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

constexpr int wrong_use = 2;

constexpr const char* description =
    "An AMD SEV-ES and SEV-SNP machine in software, on plain QEMU without SEV hardware or KVM.\n"
    "It is written from the specifications and says nothing of silicon.";

constexpr const char* one_guest = "expected one guest: FILE, --kernel FILE or --firmware FILE";

constexpr const char* examples = R"(Examples:
  sevsim run guest.igvm
  sevsim run guest.igvm --platform native --memory 64M
  sevsim run guest.igvm --trace exits.jsonl     every #VC and VMGEXIT, a JSON object a line
  sevsim run guest.igvm --profile               instructions per #VC
  sevsim run guest.igvm --timeline boot.svg     when it asked for what, as a picture
  sevsim run guest.igvm --hostile no-sev        the guest must notice and refuse
  sevsim run guest.igvm --hostile vc:0x72@20    a forged CPUID where the 20th #VC was to be
  sevsim run guest.igvm -- -d int               what follows -- goes to QEMU
  sevsim run --kernel vmlinuz --initrd initrd.img --append console=ttyS0
  sevsim run --firmware /usr/share/ovmf/OVMF.fd --timeout 120
  sevsim run --platform sev-snp --kernel vmlinuz --initrd initrd.img --append console=ttyS0

Exit status: 0 the guest exited with code 0, powered off or reset the machine, and broke no rule;
1 anything else, 2 wrong use.)";

std::string run_footer() {
    std::string text = "LIE is what the hypervisor does to the guest:\n";
    for (const LieDescription& lie : lies) {
        const char* const forms[] = {"", "@N", ":CODE", ":CODE@N", ":WORD@N"};
        text +=
            fmt::format("  {:<20}{}\n",
                        lie.name + std::string{forms[static_cast<unsigned>(lie.form)]}, lie.what);
    }
    text += "\nRULE is what the guest may not do (sections of the GHCB specification):\n";
    for (const RuleDescription& rule : rules) {
        text += fmt::format("  {:<26}{}\n", rule.id, rule.what);
    }
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

void describe_run(CLI::App& run, RunOptions& options, GuestNames& guest) {
    run.footer(run_footer());
    run.add_option("FILE", guest.file, "The guest: an IGVM file")->type_name("");
    CLI::Option* const kernel =
        run.add_option("--kernel", guest.kernel, "The guest: a Linux kernel (bzImage)")
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
    run.add_option("--append", options.append,
                   "The kernel's command line; tsc_early_khz is added where it is not given")
        ->needs(kernel)
        ->type_name("TEXT");
    run.add_option("--platform", options.platform, "sev, sev-es, sev-snp (or snp) or native")
        ->check(CLI::IsMember({"sev", "sev-es", "sev-snp", "snp", "native"}))
        ->transform([](const std::string& name) { return name == "snp" ? "sev-snp" : name; })
        ->type_name("NAME")
        ->capture_default_str();
    run.add_option_function<std::string>(
           "--memory",
           [&options](const std::string& text) {
               const auto size = parse_memory(text);
               if (!size) {
                   throw CLI::ValidationError("--memory", size.error());
               }
               options.memory = *size;
           },
           "Guest memory: bytes, K, M or G; 32M to 2G in steps of 2M")
        ->type_name("SIZE")
        ->default_str("256M");
    run.add_option("--cbit", options.c_bit,
                   "The C-bit's position: 47, as in Naples and Rome, or 51, as in Milan and later")
        ->check(CLI::IsMember({47u, 51u}))
        ->type_name("N")
        ->capture_default_str();
    run.add_flag("--la57", options.la57, "Let CPUID offer 5-level paging to the guest");
    run.add_flag("--x2apic", options.x2apic,
                 "Let CPUID offer x2APIC to the guest, and call the hypervisor KVM, without any of "
                 "its features: Linux takes x2APIC of hypervisors that it knows");
    run.add_option("--smp", options.vcpus, "How many vCPUs")
        ->check(CLI::Range(1u, most_vcpus))
        ->type_name("N")
        ->capture_default_str();
    run.add_option_function<unsigned>(
           "--timeout",
           [&options](unsigned seconds) { options.timeout = std::chrono::seconds{seconds}; },
           "Stop the guest after so many seconds")
        ->check(CLI::Range(1u, 86'400u))
        ->type_name("S")
        ->default_str("60");
    run.add_option("--trace", options.trace, "Write what the monitor sees to FILE, as JSON lines")
        ->type_name("FILE");
    run.add_option("--timeline", options.timeline,
                   "Draw the run, VMGEXITs over time by kind, into FILE, an SVG picture")
        ->type_name("FILE");
    run.add_option("--gdb", options.gdb,
                   "Wait for gdb at this port of 127.0.0.1 before the guest starts; no --timeout "
                   "unless it is given (docs/sevsim.md says how to go on)")
        ->check(CLI::Range(u16{1}, u16{65'535}))
        ->expected(0, 1)
        ->default_str("1234")
        ->type_name("PORT");
    run.add_option("--dump", options.dump,
                   "Write the bytes that the guest sends to port 0x5EA to FILE; without this they "
                   "go nowhere")
        ->type_name("FILE");
    run.add_flag(
        "--repeatable", options.repeatable,
        "Let time be the count of executed instructions, whatever the host does meanwhile; "
        "waiting takes none. A run is then the same every time");
    run.add_flag("--profile", options.profile, "Count the guest's instructions per #VC, exactly");
    run.add_option_function<std::string>(
           "--hostile",
           [&options](const std::string& name) {
               const char* wrong = read_hostility(name.data(), name.size(), options.hostile);
               if (wrong != nullptr) {
                   throw CLI::ValidationError("--hostile", "'" + name + "': " + wrong);
               }
           },
           "Let the hypervisor tell a lie, or attack (below)")
        ->type_name("LIE");
    run.add_option("--allow", options.allowed,
                   "Let the guest break this rule without failing the run (below); may be repeated")
        ->check([](const std::string& id) {
            return std::ranges::find(rules, id, &RuleDescription::id) == std::end(rules)
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
                   "map table, into FILE, an SVG picture")
        ->type_name("FILE");
    run.add_option(
           "--root", options.root,
           "The keys of the platform, in a directory that `sevsim certs` has made: attestation "
           "reports are signed with them; without it each run has keys of its own")
        ->type_name("DIR");
    run.add_option("--report-version", options.report_version,
                   "sev-snp: the version of attestation reports: 2, 3 or 5")
        ->check(CLI::IsMember({2u, 3u, 5u}))
        ->type_name("N")
        ->capture_default_str();
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
    run.add_option("--sev-policy", options.sev_policy,
                   "sev, sev-es: the guest policy of the session: 5 on sev-es and 1 on sev unless "
                   "it is given")
        ->needs(session)
        ->type_name("N");
    CLI::Option* const secret =
        run.add_flag("--secret", options.takes_secret,
                     "sev, sev-es: wait, before the guest runs, for the packet that `igvmtool "
                     "secret --name NAME` makes for this launch's measurement")
            ->needs(session);
    run.add_option("--secret-at", options.secret_gpa,
                   "Where the secret goes in guest memory, for guests that are not firmware")
        ->needs(secret)
        ->type_name("GPA");
}

/// What is only for some platforms: one row a platform's own options.
struct PlatformOptions {
    std::vector<const char*> names;
    std::vector<std::string_view> platforms;
};

const PlatformOptions platform_options[] = {
    {{"--root"},                                                           {"sev", "sev-es", "sev-snp"}},
    {{"--session", "--sev-policy", "--secret", "--secret-at"},             {"sev", "sev-es"}           },
    {{"--report-version", "--vlek", "--host-data", "--no-flash", "--rmp"}, {"sev-snp"}                 },
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

int run_command(const RunOptions& options) {
    const auto result = run_guest(options, embedded::monitor_image());
    if (!result) {
        fmt::print(stderr, "sevsim: {}\n", result.error());
        return 1;
    }
    fmt::print("{}\n{}", result->line_open ? "\n" : "", report(*result));
    if (std::fflush(stdout) != 0) {
        return 1;
    }
    return exit_status(*result);
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
    describe_run(*run, options, guest);
    describe_secure_processor(*run, options);
    describe_launch(*run, options);
    CLI::App* const certs = app.add_subcommand(
        "certs", "Make the keys and certificates of a secure processor in a directory: ARK, ASK, "
                 "VCEK and VLEK, as AMD has them, every name with TEST in it.");
    std::string root;
    certs->add_option("DIR", root, "The directory, where none of its files is yet")
        ->required()
        ->type_name("");
    try {
        app.parse(count, arguments.data());
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : wrong_use;
    }
    if (certs->parsed()) {
        return certs_command(root);
    }
    if (const std::string wrong = misplaced_option(*run, options); !wrong.empty()) {
        fmt::print(stderr, "sevsim: {}\n", wrong);
        return wrong_use;
    }
    if (!options.root.empty() && options.session.empty() && !options.is_snp()) {
        fmt::print(stderr, "sevsim: --root has no effect on {} without --session\n",
                   options.platform);
        return wrong_use;
    }
    if (run->count("--sev-policy") == 0) {
        constexpr u32 no_debug = 1;
        constexpr u32 es       = 4;
        options.sev_policy     = options.platform == "sev" ? no_debug : no_debug | es;
    }
    if (options.gdb != 0) {
        if (run->count("--timeout") == 0) {
            options.timeout = std::chrono::hours{24};
        }
        fmt::print(stderr,
                   "sevsim: waiting for gdb: target remote :{}\n"
                   "sevsim: the guest's private memory lies at physical address {:#x}\n",
                   options.gdb, layout::private_base);
    }
    if (!guest.choose(options)) {
        fmt::print(stderr, "sevsim: {}\n", one_guest);
        return wrong_use;
    }
    if (options.kind == GuestKind::firmware && options.platform == "native") {
        fmt::print(stderr, "sevsim: --firmware runs on sev-es and sev-snp only\n");
        return wrong_use;
    }
    const bool has_vc = options.platform != "native" && options.platform != "sev";
    if (options.vcpus != 1 && !has_vc) {
        fmt::print(stderr,
                   "sevsim: --smp starts vCPUs by the protocol of SEV-ES, so a guest on {} has "
                   "one\n",
                   options.platform);
        return wrong_use;
    }
    if (options.vcpus != 1 && options.profile) {
        fmt::print(stderr, "sevsim: --profile counts instructions by a clock that all vCPUs share, "
                           "so the guest has one\n");
        return wrong_use;
    }
    if (options.profile && !has_vc) {
        fmt::print(stderr,
                   "sevsim: --profile counts what a #VC costs, and a guest on {} takes none\n",
                   options.platform);
        return wrong_use;
    }
    return run_command(options);
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
