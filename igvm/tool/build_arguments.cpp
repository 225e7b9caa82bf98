// SPDX-License-Identifier: BSD-2-Clause-Patent
// See build_arguments.h.
#include "igvm/tool/build_arguments.h"

#include "igvm/format/guest_policy.h"
#include "igvm/image/flash.h"
#include "igvm/show/describe.h"
#include "igvm/vmm/rules.h"

#include "hand_over32.h"
#include "hand_over64.h"
#include "hand_over_compat.h"
#include "stub32.h"
#include "stub64.h"
#include "stub_compat.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
constexpr EntryName entry_names[] = {
    {.name      = "32",
     .entry     = boot::Entry::legacy32,
     .selftest  = embedded::stub32,
     .hand_over = embedded::hand_over32     },
    {.name      = "compat",
     .entry     = boot::Entry::compat,
     .selftest  = embedded::stub_compat,
     .hand_over = embedded::hand_over_compat},
    {.name      = "64",
     .entry     = boot::Entry::long64,
     .selftest  = embedded::stub64,
     .hand_over = embedded::hand_over64     },
};

struct ProtocolName {
    std::string_view name;
    PayloadProtocol protocol;
};

constexpr ProtocolName protocol_names[] = {
    {.name = "auto",      .protocol = PayloadProtocol::automatic},
    {.name = "boot-info", .protocol = PayloadProtocol::boot_info},
    {.name = "pvh",       .protocol = PayloadProtocol::pvh      },
    {.name = "linux",     .protocol = PayloadProtocol::linux64  },
};

struct ParameterName {
    std::string_view name;
    bool BuildOptions::* wanted;
};

constexpr ParameterName parameter_names[] = {
    {.name = "memory-map", .wanted = &BuildOptions::memory_map},
    {.name = "vp-count",   .wanted = &BuildOptions::vp_count  },
};

PlatformType platform_of(const std::string& name) {
    const auto platform = platform_named(name);
    if (!platform || !is_buildable(*platform)) {
        throw CLI::ValidationError(
            "--platform", fmt::format("found {}, expected native, sev-es or sev-snp", name));
    }
    return *platform;
}

void add_payload_options(CLI::App& verb, BuildArguments& arguments) {
    auto* payload = verb.add_option(
        "--payload", arguments.payload,
        "What the stub enters instead of its selftest: an ELF64, a Linux bzImage or unified kernel "
        "image, or a flat binary");
    payload->type_name(cli::input_file);
    cli::add_number(verb, "--payload-address", arguments.payload_address,
                    "Where a flat binary lies and is entered, or a position-independent ELF64 lies "
                    "(0x1000000)")
        ->needs(payload);
    verb.add_option(
            "--payload-protocol", arguments.payload_protocol,
            "How it is entered: boot-info; pvh, as an ELF64 with a PVH note asks for; linux, by "
            "Linux's 64-bit boot protocol, as a bzImage in any case; auto: what of these the file "
            "asks for, an ELF64 without a note boot-info")
        ->needs(payload);
    verb.add_option("--initrd", arguments.initrd, "A file that the payload finds in memory")
        ->needs(payload)
        ->type_name(cli::input_file);
    verb.add_option(cli::words::command_line, arguments.command_line, "The payload's command line")
        ->needs(payload);
    auto* memory = cli::add_size(
        verb, "--memory", arguments.memory,
        "Memory of the guest, up to 1024G, whose map is measured: a Linux or PVH kernel is told in "
        "any case (256M), another payload if this is given");
    cli::add_size(verb, "--memory-below-4g", arguments.memory_below_4g,
                  "How much of it lies below the devices that a PC has up to 4 GiB; the rest lies "
                  "from 4 GiB on. QEMU's pc and sevsim: less than 3584M all of it, otherwise 3G; "
                  "QEMU's q35: less than 2816M all of it, otherwise 2G")
        ->needs(memory);
    verb.add_option(
            "--accept", arguments.accept,
            "What of --memory an SEV-SNP guest accepts before its payload is entered: all, "
            "or payload, its own memory, and boot info, or EFI's tables for Linux, say what it has "
            "to accept itself")
        ->needs(payload)
        ->capture_default_str();
}
} // namespace

const EntryName& entry_of(const BuildArguments& arguments) {
    const std::string_view unless_given = arguments.flash.empty() ? "64" : "32";
    const std::string_view wanted       = arguments.entry.empty() ? unless_given : arguments.entry;
    const auto* row                     = std::ranges::find(entry_names, wanted, &EntryName::name);
    if (row == std::end(entry_names)) {
        throw CLI::ValidationError(
            "--entry", fmt::format("found {}, expected 32, compat or 64", arguments.entry));
    }
    return *row;
}

PayloadProtocol protocol_of(const BuildArguments& arguments) {
    const auto* row =
        std::ranges::find(protocol_names, arguments.payload_protocol, &ProtocolName::name);
    if (row == std::end(protocol_names)) {
        throw CLI::ValidationError("--payload-protocol",
                                   fmt::format("found {}, expected auto, boot-info, pvh or linux",
                                               arguments.payload_protocol));
    }
    return row->protocol;
}

const VmmProfile* monitor_of(const BuildArguments& arguments) {
    if (arguments.monitor.empty()) {
        return nullptr;
    }
    const VmmProfile* const found = find_profile(arguments.monitor);
    if (found == nullptr || !found->loads_igvm) {
        throw CLI::ValidationError(
            "--for", fmt::format("found {}, expected a monitor that loads IGVM files, by its name "
                                 "in igvmtool check --list",
                                 arguments.monitor));
    }
    return found;
}

/// What a monitor's files have that others need not.
static void take_monitor(const VmmProfile& monitor, const std::vector<std::string>& platforms,
                         BuildOptions& options) {
    for (const PlatformType platform :
         {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp}) {
        if (platforms.empty() && launches(monitor, platform)) {
            options.platforms.push_back(platform);
        }
    }
    options.zeros_as_data = monitor.empty_page == PageType::zero;
    // It writes its answers into a page that has to be there (vmm/src/igvm/igvm_loader.rs).
    options.cpuid_leaves = monitor.vmm == Vmm::cloud_hypervisor_mshv;
}

static void check_outputs(const BuildArguments& arguments) {
    if (!arguments.monitor.empty() && !arguments.flash.empty()) {
        throw CLI::ValidationError("--for", "a flash image is for monitors that load no IGVM "
                                            "files: expected --out");
    }
    if (arguments.out.empty() == arguments.flash.empty()) {
        throw CLI::ValidationError(
            arguments.out.empty() ? "--out" : "--flash",
            "expected one of --out, for an IGVM file, and --flash, for a flash image");
    }
    if (arguments.memory && arguments.payload.empty() && !arguments.direct_boot) {
        throw CLI::RequiresError("--memory", "--payload");
    }
    if (arguments.direct_boot && !arguments.payload.empty()) {
        throw CLI::ValidationError("--direct-boot",
                                   "the kernel is the monitor's: expected no --payload");
    }
    if (!arguments.flash.empty() && !arguments.policy.empty()) {
        throw CLI::ValidationError("--policy", "a flash image has no place for the guest's policy, "
                                               "which the monitor is given: expected none");
    }
}

BuildOptions options_of(const BuildArguments& arguments) {
    check_outputs(arguments);
    BuildOptions options = arguments.options;
    options.entry        = entry_of(arguments).entry;
    options.platforms.clear();
    for (const std::string& name : arguments.platforms) {
        options.platforms.push_back(platform_of(name));
    }
    if (const VmmProfile* const monitor = monitor_of(arguments)) {
        take_monitor(*monitor, arguments.platforms, options);
    } else if (options.platforms.empty()) {
        options.platforms = {PlatformType::native, PlatformType::sev_es};
    }
    for (const std::string& name : arguments.parameters) {
        const auto* row = std::ranges::find(parameter_names, name, &ParameterName::name);
        if (row == std::end(parameter_names)) {
            throw CLI::ValidationError(
                "--parameters", fmt::format("found {}, expected memory-map or vp-count", name));
        }
        options.*row->wanted = true;
    }
    if (!arguments.policy.empty() && !options.is_for(PlatformType::sev_snp)) {
        throw CLI::ValidationError(
            "--policy", "only SNP takes the guest's policy from the file: expected --platform "
                        "sev-snp among others");
    }
    if (!arguments.policy.empty()) {
        const auto policy = snp_policy_of(arguments.policy);
        if (!policy) {
            throw CLI::ValidationError("--policy", policy.error());
        }
        options.snp_policy = *policy;
    }
    constexpr u64 snp_active = 1;
    if ((options.sev_features & snp_active) == 0
        || (options.sev_features != snp_active && !options.is_for(PlatformType::sev_snp))) {
        throw CLI::ValidationError("--sev-features",
                                   "these are an SNP guest's: expected bit 0 set, and --platform "
                                   "sev-snp among others");
    }
    constexpr u64 most_vmpls = 255; // wrong_option() says what is right
    options.vmpl             = static_cast<u8>(std::min(arguments.vmpl.value_or(0), most_vmpls));
    if ((options.vmpl != 0) != !arguments.service.empty()) {
        throw CLI::ValidationError(
            "--vmpl", "below VMPL 0 a service is needed, and only there: expected both "
                      "--vmpl of 1 to 3 and --svsm, or neither");
    }
    options.report_data     = report_data_of(arguments.report);
    options.accepts_payload = arguments.accept == "payload";
    if (!options.accepts_payload && arguments.accept != "all") {
        throw CLI::ValidationError(
            "--accept", fmt::format("found {}, expected all or payload", arguments.accept));
    }
    options.memory          = arguments.memory.value_or(options.memory);
    options.memory_below_4g = arguments.memory_below_4g;
    options.tells_memory    = arguments.memory.has_value() || arguments.direct_boot;
    options.direct_boot     = arguments.direct_boot;
    auto wrong              = wrong_option(options);
    if (!wrong && !arguments.flash.empty()) {
        wrong = wrong_flash_option(options);
    }
    if (wrong) {
        throw CLI::ValidationError(std::string(*wrong));
    }
    return options;
}

void add_build_options(CLI::App& verb, BuildArguments& arguments) {
    verb.add_option(cli::words::output, arguments.out, "The IGVM file to write")
        ->type_name(cli::output_file);
    verb.add_option("--flash", arguments.flash,
                    "Write a flash image instead: a firmware volume that starts the guest at the "
                    "reset vector, for monitors that load no IGVM files (docs/flash.md)")
        ->type_name(cli::output_file);
    verb.add_flag(
        "--direct-boot", arguments.direct_boot,
        "Boot the kernel, initrd and command line that the monitor is given (QEMU's -kernel), by "
        "fw_cfg, after their hashes, which its launch has measured: QEMU's of a flash image, "
        "cloud-hypervisor's of an IGVM file");
    verb.add_option("--manifest", arguments.manifest,
                    "Record as JSON what went in, and where it lies")
        ->type_name(cli::output_file);
    add_payload_options(verb, arguments);
    verb.add_option("--stub", arguments.stub, "A guest image (ELF64) instead of the built-in one")
        ->type_name(cli::input_file);
    verb.add_option("--platform", arguments.platforms,
                    "Platforms that the file is for: native, sev-es, sev-snp; native,sev-es unless "
                    "it is said, or those that the monitor of --for launches")
        ->delimiter(',');
    verb.add_option("--for", arguments.monitor,
                    "Build what this monitor demands (a name of igvmtool check --list), and check "
                    "that it loads the file")
        ->type_name("VMM");
    verb.add_option("--entry", arguments.entry,
                    "CPU mode of the first instruction: 32 (legacy protected mode, paging off), "
                    "compat (32-bit code in long mode) or 64, which is the default but for "
                    "--flash, where it is 32");
    cli::add_number(verb, "--cbit", arguments.options.c_bit,
                    "Position of the C-bit: 47 up to EPYC Rome, 51 from Milan on; with --entry 32 "
                    "the guest finds it");
    cli::add_number(verb, "--base", arguments.options.base,
                    "Where the stub lies in guest memory: the first free 2 MiB from 0x200000 on "
                    "unless it is said");
    cli::add_number(verb, cli::words::vcpus, arguments.options.vcpus,
                    "vCPUs that are measured; all but the first wait in a loop of HLT");
    verb.add_option("--policy", arguments.policy,
                    "The SNP guest's policy (0x30000), or words that change that: "
                    "smt=off,debug=off,ciphertext-hiding,abi=1.55");
    cli::add_number(verb, "--sev-features", arguments.options.sev_features,
                    "SEV_FEATURES of every vCPU of the SNP guest, for example 0x21 with DebugSwap");
    cli::add_number(verb, "--vmpl", arguments.vmpl,
                    "The VMPL of the SEV-SNP guest: below 0 it runs under the service of --svsm");
    verb.add_option(
            "--svsm", arguments.service,
            "A guest image (ELF64) that runs at VMPL 0 in the same file and serves the guest "
            "by the SVSM specification (docs/snp.md)")
        ->type_name(cli::input_file);
    add_report_data_options(verb, arguments.report,
                            "Have the SEV-SNP guest ask for an attestation report over SHA-512 of "
                            "this nonce, for boot info; the selftest prints it");
    verb.add_option("--parameters", arguments.parameters,
                    "What the loader is to tell the guest, unmeasured: memory-map, vp-count")
        ->delimiter(',');
}

} // namespace vestibule::igvm
