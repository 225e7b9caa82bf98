// SPDX-License-Identifier: BSD-2-Clause-Patent
// See launch_arguments.h.
#include "igvm/tool/launch_arguments.h"

#include "igvm/format/number.h"
#include "igvm/measure/cpu_types.h"
#include "igvm/show/describe.h"

#include <fmt/format.h>

#include <cpuid.h>

namespace vestibule::igvm {

namespace {
/// Of those that a command line may name, a file's bytes stay in the file: it may be 4 GiB.
MappedFile map(const std::string& path) {
    auto file = MappedFile::open(path);
    if (!file) {
        throw Failure(file.error());
    }
    return std::move(*file);
}

/// Where there are two, the arguments are wrong and none is opened.
const std::string& path_of(const LaunchArguments& arguments) {
    if (arguments.file.empty() == arguments.firmware.empty()) {
        throw CLI::RequiredError("an IGVM file, or --firmware,");
    }
    return arguments.firmware.empty() ? arguments.file : arguments.firmware;
}

std::optional<u32> vcpus_of(const std::string& text) {
    if (text.empty()) {
        return std::nullopt;
    }
    const auto count = number_of(text, {.least = 1, .most = max_vcpus});
    if (!count) {
        throw CLI::ValidationError("--vcpus", count.error());
    }
    return static_cast<u32>(*count);
}

std::string host_names() {
    std::string names;
    for (const CpuType& host : host_cpus) {
        names += fmt::format("{}{:#x} ({})", names.empty() ? "" : ", ", host.signature, host.name);
    }
    return names;
}

/// This host's own, as -cpu host gives it to a guest.
u32 host_signature() {
    u32 eax = 0;
    u32 ebx = 0;
    u32 ecx = 0;
    u32 edx = 0;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) == 0 || cpu_name(eax).empty()) {
        throw CLI::ValidationError(
            "--vcpu-type", fmt::format("host: this machine's own signature, {:#x}, is no EPYC's; "
                                       "that of the guest's host may be {}",
                                       eax, host_names()));
    }
    return eax;
}

u32 signature_of(const std::string& name) {
    if (const auto signature = find_cpu_signature(name)) {
        return *signature;
    }
    if (name == "host") {
        return host_signature();
    }
    if (name == "0") {
        return 0;
    }
    if (const auto value = number_of(name, {.most = ~u32{0}}); value && name.starts_with("0x")) {
        return static_cast<u32>(*value);
    }
    throw CLI::ValidationError(
        "--vcpu-type",
        fmt::format("found {}, expected EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa or EPYC-Turin, "
                    "with or without -v1 and so on, host, 0, or a signature such as 0xa00f11",
                    name));
}
} // namespace

ApiVersion api_version_of(const std::string& text) {
    const auto parts = numbers_between(text, '.', {.most = 0xFF});
    if (parts.size() != 3) {
        throw CLI::ValidationError(
            "--api",
            fmt::format("found {}, expected major.minor.build, for example 1.55.16", text));
    }
    return {.major = static_cast<u8>(parts[0]),
            .minor = static_cast<u8>(parts[1]),
            .build = static_cast<u8>(parts[2])};
}

Digest256 hash_of_file(const std::string& path) { return sha256(map(path).bytes()); }

std::string monitor_names(bool firmware) {
    std::string names;
    for (const VmmProfile& profile : vmm_profiles) {
        if (firmware ? profile.loads_firmware : profile.loads_igvm) {
            names += names.empty() ? "" : ", ";
            names += profile.name;
        }
    }
    return names;
}

void add_launch_options(CLI::App& verb, LaunchArguments& arguments,
                        const std::string& file_option) {
    auto* file =
        verb.add_option(file_option, arguments.file, "An IGVM file")->type_name(cli::input_file);
    verb.add_option("--firmware", arguments.firmware,
                    "A firmware volume (OVMF.fd) instead of an IGVM file")
        ->excludes(file)
        ->type_name(cli::input_file);
    verb.add_option("--platform", arguments.platform,
                    "sev, sev-es or snp; without it the strongest that the file supports");
    verb.add_option("--vmm", arguments.vmm,
                    "The monitor: " + monitor_names(false) + "; for firmware " + monitor_names(true)
                        + ". Without it igvm, for firmware qemu");
    verb.add_option(cli::words::vcpus, arguments.vcpus,
                    "How many vCPUs; without it as many as the file brings")
        ->type_name("N");
    verb.add_option("--vcpu-type", arguments.vcpu_type,
                    "CPU model by QEMU's name, host for this machine's, or its signature: what RDX "
                    "holds at reset")
        ->capture_default_str();
    cli::add_number(verb, "--sev-features", arguments.sev_features,
                    "SEV_FEATURES of every vCPU, for example 0x21 with DebugSwap");
    verb.add_option("--kernel", arguments.kernel,
                    "A kernel that the firmware boots directly, or that cloud-hypervisor starts an "
                    "IGVM file with")
        ->type_name(cli::input_file);
    verb.add_option("--initrd", arguments.initrd,
                    "Its initrd; explain looks for it in an IGVM file")
        ->type_name(cli::input_file);
    verb.add_option(cli::words::append, arguments.append,
                    "Its command line; explain looks for it in an IGVM file");
    verb.add_option("--start-digest", arguments.start_digest,
                    "SNP: the digest of what was measured before, of a firmware volume's own pages "
                    "where there is --firmware")
        ->check([](const std::string& text) {
            return from_hex_or_base64(text, sizeof(Digest384)).empty()
                       ? "found " + text + ", expected 96 hexadecimal digits or 64 of base64"
                       : std::string();
        });
}

Subject::Subject(const LaunchArguments& arguments) : path_(path_of(arguments)), bytes_(map(path_)) {
    const bool firmware    = !arguments.firmware.empty();
    const std::string name = arguments.vmm.empty() ? (firmware ? "qemu" : "igvm") : arguments.vmm;
    const auto* profile    = find_profile(name);
    if (profile == nullptr || !(firmware ? profile->loads_firmware : profile->loads_igvm)) {
        throw CLI::ValidationError(
            "--vmm", fmt::format("found {}, expected one of {}", name, monitor_names(firmware)));
    }
    options_.vmm           = *profile;
    options_.vcpus         = vcpus_of(arguments.vcpus);
    options_.cpu_signature = signature_of(arguments.vcpu_type);
    options_.sev_features  = arguments.sev_features;

    if (firmware) {
        auto parsed = parse_firmware(bytes_.bytes());
        if (!parsed) {
            const FirmwareError& error = parsed.error();
            throw Failure(fmt::format("{}: offset {:#x}: found {:#x}, expected {}", path_,
                                      error.offset, error.found, error.expected));
        }
        firmware_ = std::move(*parsed);
    } else {
        const auto parsed = parse(bytes_.bytes());
        if (!parsed) {
            throw Failure(fmt::format("{}: {}", path_, describe(parsed.error())));
        }
        file_ = *parsed;
    }
    choose_platform(arguments.platform);
    if (!arguments.start_digest.empty()) {
        if (options_.platform != PlatformType::sev_snp) {
            throw CLI::ValidationError("--start-digest", "only SNP's digest is a chain");
        }
        start_ = load<Digest384>(from_hex_or_base64(arguments.start_digest, sizeof(Digest384)));
    }
    if (!arguments.kernel.empty()) {
        boot_ = DirectBoot{.kernel       = hash_of_file(arguments.kernel),
                           .initrd       = arguments.initrd.empty() ? sha256({})
                                                                    : hash_of_file(arguments.initrd),
                           .command_line = arguments.append.value_or("")};
    }
}

void Subject::choose_platform(const std::string& name) {
    if (name.empty()) {
        options_.platform = file_ ? strongest_platform(*file_) : PlatformType::sev_snp;
        if (!is_measured(options_.platform)) {
            throw Failure(fmt::format("{}: found {}, expected sev, sev-es or sev-snp: no other "
                                      "platform has a launch digest",
                                      path_, names_of(*file_, all_platforms)));
        }
        return;
    }
    const auto platform = platform_named(name);
    if (!platform || !is_measured(*platform)) {
        throw CLI::ValidationError("--platform",
                                   fmt::format("found {}, expected sev, sev-es or snp", name));
    }
    options_.platform = *platform;
    if (file_ && file_->mask_of(*platform) == 0) {
        throw Failure(fmt::format("{}: found {}, expected {} among its platforms", path_,
                                  names_of(*file_, all_platforms), name_of(*platform)));
    }
}

std::expected<Launch, std::string> Subject::launch(const LaunchOptions& options,
                                                   const std::optional<DirectBoot>& boot) const {
    const auto table = boot ? std::optional(hash_table(*boot)) : std::nullopt;
    if (file_) {
        return launch_of(*file_, options,
                         table ? std::span<const u8>(*table) : std::span<const u8>());
    }
    return launch_of(
        *firmware_,
        {.launch = options, .hash_table = table, .without_volume = start_ != Digest384{}});
}

} // namespace vestibule::igvm
