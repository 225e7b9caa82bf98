// SPDX-License-Identifier: BSD-2-Clause-Patent
// See cpuid.h.
#include "kvm/cpuid.h"

#include "x86/sev.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace vestibule::kvm {

namespace {
constexpr u32 topology_leaves[] = {0xB, 0x1F};

/// CPUID page (SEV-SNP firmware ABI, table of its layout).
struct PageEntry {
    u32 eax_in, ecx_in;
    u64 xcr0_in, xss_in;
    u32 eax, ebx, ecx, edx;
    u64 reserved;
};

static_assert(sizeof(PageEntry) == 48);

constexpr u32 most_page_entries = 64;
constexpr u64 page_header       = 16; // the count, then zeros
} // namespace

abi::Cpuid supported_cpuid(Calls& calls, int kvm) {
    abi::Cpuid cpuid{};
    cpuid.count = abi::most_cpuid_entries;
    calls.call(kvm, abi::get_supported_cpuid, cpuid);
    cpuid.count = std::min(cpuid.count, abi::most_cpuid_entries);
    return cpuid;
}

abi::Cpuid cpuid_of(const abi::Cpuid& supported, u32 vcpu, u32 vcpus) {
    constexpr u32 hypervisor = 1u << 31;
    abi::Cpuid cpuid         = supported;
    for (u32 n = 0; n < cpuid.count; ++n) {
        auto& entry = cpuid.entries[n];
        if (entry.function == x86::cpuid_leaf::features) {
            entry.ebx = (entry.ebx & 0xFFFF) | vcpus << 16 | vcpu << 24;
            entry.ecx |= hypervisor;
        } else if (std::ranges::count(topology_leaves, entry.function) != 0) {
            entry.edx = vcpu;
        }
    }
    return cpuid;
}

std::vector<u8> cpuid_page(const abi::Cpuid& supported) {
    std::vector<u8> page(page_size);
    u32 count = 0;
    for (u32 n = 0; n < supported.count; ++n) {
        const auto& from = supported.entries[n];
        PageEntry entry{.eax_in   = from.function,
                        .ecx_in   = from.index,
                        .xcr0_in  = 0,
                        .xss_in   = 0,
                        .eax      = from.eax,
                        .ebx      = from.ebx,
                        .ecx      = from.ecx,
                        .edx      = from.edx,
                        .reserved = 0};
        // The size of the area is the guest's to compute: here with XCR0 of 1.
        if (from.function == x86::cpuid_leaf::extended_state && from.index <= 1) {
            entry.xcr0_in = 1;
            entry.ebx     = 0x240;
        }
        if ((from.eax | from.ebx | from.ecx | from.edx) == 0) {
            continue; // as good as not there
        }
        if (count == most_page_entries) {
            throw Error(fmt::format("KVM_GET_SUPPORTED_CPUID: found more than {} entries that are "
                                    "not zero, which is what an SNP CPUID page holds: let the file "
                                    "bring a CPUID page of its own",
                                    most_page_entries));
        }
        std::memcpy(page.data() + page_header + u64{count} * sizeof(entry), &entry, sizeof(entry));
        ++count;
    }
    std::memcpy(page.data(), &count, sizeof(count));
    return page;
}

} // namespace vestibule::kvm
