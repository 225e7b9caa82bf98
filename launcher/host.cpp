// See host.h.
#include "launcher/host.h"

#include "igvm/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vestibule::launcher {

using igvm::PlatformType;

Host open_host(Calls& calls) {
    Host host{.kvm      = calls.open("/dev/kvm"),
              .vm_types = 0,
              .release  = calls.kernel.read("/proc/sys/kernel/osrelease")};
    const int version = calls.call(host.kvm, KVM_GET_API_VERSION);
    if (version != KVM_API_VERSION) {
        throw LaunchError(
            fmt::format("KVM_GET_API_VERSION: found {}, expected {}", version, KVM_API_VERSION));
    }
    host.vm_types = static_cast<u64>(calls.call(host.kvm, KVM_CHECK_EXTENSION, abi::cap_vm_types));
    while (!host.release.empty() && host.release.back() <= ' ') {
        host.release.pop_back();
    }
    return host;
}

std::string obstacle(Kernel& kernel, const Host& host, PlatformType platform) {
    if (platform == PlatformType::native) {
        return "";
    }
    const bool snp         = platform == PlatformType::sev_snp;
    const char* const name = snp ? "sev_snp" : "sev_es";
    const std::string path = fmt::format("/sys/module/kvm_amd/parameters/{}", name);
    const std::string text = kernel.read(path.c_str());
    if (text.empty()) {
        return kernel.read("/sys/module/kvm_amd/parameters/nested").empty()
                   ? "kvm_amd is not loaded: `modprobe kvm_amd`, on an EPYC processor"
                   : fmt::format(
                         "this kernel's kvm_amd has no parameter {}: {} or newer is needed, "
                         "with CONFIG_KVM_AMD_SEV",
                         name, snp ? "Linux 6.11" : "Linux 5.11");
    }
    if (text[0] != 'Y' && text[0] != '1') {
        return fmt::format(
            "kvm_amd has {} off: `modprobe -r kvm_amd; modprobe kvm_amd sev=1 sev_es=1 "
            "sev_snp=1`; if it stays off, enable SMEE, SEV-ES ASIDs and for SNP the "
            "RMP in the firmware setup, and see `dmesg | grep -i -e sev -e ccp`",
            name);
    }
    if (snp && (host.vm_types >> static_cast<unsigned>(abi::VmType::snp) & 1) == 0) {
        return fmt::format("KVM of Linux {} makes no SNP guests: 6.11 or newer is needed",
                           host.release);
    }
    return "";
}

Choice choose_platform(Kernel& kernel, const Host& host, const igvm::File& file,
                       std::optional<PlatformType> wanted) {
    Choice choice{.platform = PlatformType::native, .passed_over = {}};
    for (const PlatformType platform :
         {PlatformType::sev_snp, PlatformType::sev_es, PlatformType::native}) {
        if ((wanted && platform != *wanted) || file.mask_of(platform) == 0) {
            continue;
        }
        const std::string why = obstacle(kernel, host, platform);
        if (why.empty()) {
            choice.platform = platform;
            return choice;
        }
        choice.passed_over.push_back(fmt::format("{}: {}", igvm::name_of(platform), why));
    }
    if (choice.passed_over.empty()) {
        throw LaunchError(
            fmt::format("found {}, expected {} among the file's platforms",
                        igvm::names_of(file, igvm::all_platforms),
                        wanted ? igvm::name_of(*wanted) : "native, sev-es or sev-snp"));
    }
    throw LaunchError(fmt::format("{}", fmt::join(choice.passed_over, "; ")));
}

} // namespace vestibule::launcher
