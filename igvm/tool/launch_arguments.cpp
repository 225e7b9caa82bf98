// See launch_arguments.h.
#include "igvm/tool/launch_arguments.h"

#include "igvm/measure/cpu_types.h"
#include "igvm/show/describe.h"

#include <fmt/format.h>

#include <charconv>

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

u32 signature_of(const std::string& name) {
    if (const auto signature = find_cpu_signature(name)) {
        return *signature;
    }
    u32 value = 0;
    if (name.starts_with("0x")) {
        const auto [end, error] =
            std::from_chars(name.data() + 2, name.data() + name.size(), value, 16);
        if (error == std::errc() && end == name.data() + name.size()) {
            return value;
        }
    }
    throw CLI::ValidationError(
        "--vcpu-type",
        fmt::format("found {}, expected EPYC, EPYC-Rome, EPYC-Milan, EPYC-Genoa or EPYC-Turin, "
                    "with or without -v1 and so on, or a signature such as 0xa00f11",
                    name));
}
} // namespace

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

void add_launch_options(CLI::App& verb, LaunchArguments& arguments) {
    auto* file     = verb.add_option("file", arguments.file, "An IGVM file");
    auto* firmware = verb.add_option("--firmware", arguments.firmware,
                                     "A firmware volume (OVMF.fd) instead of an IGVM file")
                         ->excludes(file);
    verb.add_option("--platform", arguments.platform,
                    "sev, sev-es or snp; without it the strongest that the file supports");
    verb.add_option("--vmm", arguments.vmm,
                    "The monitor: " + monitor_names(false) + "; for firmware " + monitor_names(true)
                        + ". Without it igvm, for firmware qemu");
    verb.add_option("--vcpus", arguments.vcpus,
                    "How many vCPUs; without it as many as the file brings")
        ->check(CLI::Range(u32{1}, max_vcpus));
    verb.add_option("--vcpu-type", arguments.vcpu_type,
                    "CPU model by QEMU's name, or its signature: what RDX holds at reset")
        ->capture_default_str();
    verb.add_option("--sev-features", arguments.sev_features,
                    "SEV_FEATURES of every vCPU, for example 0x21 with DebugSwap");
    auto* kernel =
        verb.add_option("--kernel", arguments.kernel, "A kernel that the firmware boots directly")
            ->needs(firmware);
    verb.add_option("--initrd", arguments.initrd, "Its initrd")->needs(kernel);
    verb.add_option("--append", arguments.append, "Its command line")->needs(kernel);
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
    options_.vcpus         = arguments.vcpus;
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
        if (!arguments.kernel.empty()) {
            boot_ = DirectBoot{.kernel       = hash_of_file(arguments.kernel),
                               .initrd       = arguments.initrd.empty() ? sha256({})
                                                                        : hash_of_file(arguments.initrd),
                               .command_line = arguments.append.value_or("")};
        }
    } else {
        const auto parsed = parse(bytes_.bytes());
        if (!parsed) {
            throw Failure(fmt::format("{}: {}", path_, describe(parsed.error())));
        }
        file_ = *parsed;
    }
    choose_platform(arguments.platform);
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
    if (file_) {
        return launch_of(*file_, options);
    }
    return launch_of(
        *firmware_,
        {.launch = options, .hash_table = boot ? std::optional(hash_table(*boot)) : std::nullopt});
}

} // namespace vestibule::igvm
