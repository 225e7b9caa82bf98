// SPDX-License-Identifier: BSD-2-Clause-Patent
// See host.h.
#include "kvm/host.h"

#include <fmt/format.h>

namespace vestibule::kvm {

Host open_host(Calls& calls) {
    Host host{.kvm      = calls.open("/dev/kvm"),
              .vm_types = 0,
              .release  = calls.kernel.read("/proc/sys/kernel/osrelease")};
    const int version = calls.call(host.kvm, KVM_GET_API_VERSION);
    if (version != KVM_API_VERSION) {
        throw Error(
            fmt::format("KVM_GET_API_VERSION: found {}, expected {}", version, KVM_API_VERSION));
    }
    host.vm_types = static_cast<u64>(calls.call(host.kvm, KVM_CHECK_EXTENSION, abi::cap_vm_types));
    while (!host.release.empty() && host.release.back() <= ' ') {
        host.release.pop_back();
    }
    return host;
}

std::string obstacle(Kernel& kernel, const Host& host, abi::VmType type) {
    if (type == abi::VmType::standard) {
        return "";
    }
    const bool snp         = type == abi::VmType::snp;
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
    if (snp && !host.makes(type)) {
        return fmt::format("KVM of Linux {} makes no SNP guests: 6.11 or newer is needed",
                           host.release);
    }
    return "";
}

} // namespace vestibule::kvm
