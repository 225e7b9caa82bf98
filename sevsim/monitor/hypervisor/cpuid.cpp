// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/cpuid.h"

#include "sevsim/monitor/hypervisor/lies.h"
#include "x86/sev.h"

namespace vestibule::sevsim {

using x86::CpuidResult;

namespace {

namespace leaf_number {
constexpr u32 features          = 0x0000'0001;
constexpr u32 monitor           = 0x0000'0005;
constexpr u32 structured        = 0x0000'0007;
constexpr u32 hypervisor_first  = 0x4000'0000;
constexpr u32 hypervisor_last   = 0x4000'FFFF;
constexpr u32 extended_first    = 0x8000'0000;
constexpr u32 extended_features = 0x8000'0001;
constexpr u32 power_management  = 0x8000'0007;
constexpr u32 svm               = 0x8000'000A;
constexpr u32 memory_encryption = 0x8000'001F;
constexpr u32 extended_last     = 0x8000'0021;
} // namespace leaf_number

constexpr u32 osxsave = 1u << 27; // leaf 1, ECX
constexpr u32 x2apic  = 1u << 21;
constexpr u32 monitor = 1u << 3;

/// What QEMU says here is its own. This machine's hypervisor has no name, or that of one by which
/// guests take x2APIC for granted, with no feature of it.
CpuidResult hypervisor_leaf(const Options& options, u32 leaf) {
    constexpr u32 features = leaf_number::hypervisor_first + 1;
    if (options.x2apic && leaf == leaf_number::hypervisor_first) {
        return {features, 0x4B4D'564B, 0x564B'4D56, 0x0000'004D}; // "KVMKVMKVM"
    }
    return {};
}

/// EBX of 0x8000001F: the C-bit's number, and one physical address bit less for the guest's use.
u32 c_bit_word(const Options& options) { return options.c_bit_position | (1u << 6); }

} // namespace

CpuidResult honest_cpuid(Vcpu& vcpu, u32 leaf, u32 subleaf) {
    if (leaf >= leaf_number::hypervisor_first && leaf <= leaf_number::hypervisor_last) {
        return hypervisor_leaf(vcpu.options, leaf);
    }
    if (leaf == leaf_number::memory_encryption) {
        constexpr u32 asids = 16;
        if (vcpu.options.is_snp()) {
            constexpr u32 vmpls    = (1u << 5) | (1u << 6); // VMPLs, RMPQUERY
            constexpr u32 tsc      = 1u << 8;  // secure, for guests whose SEV_FEATURES want it
            constexpr u32 coherent = 1u << 10; // in hardware, across encryption domains
            // COHERENCY_SFW_NO: no cache holds stale ciphertext of a page that changes its owner.
            constexpr u32 no_eviction = 1u << 31;
            constexpr u32 vmpl_count  = 4u << 12;
            return {x86::cpuid_sev | x86::cpuid_sev_es | x86::cpuid_snp | vmpls | tsc | coherent,
                    c_bit_word(vcpu.options) | vmpl_count | no_eviction, asids, 1};
        }
        return {x86::cpuid_sev | (vcpu.options.has_vc() ? x86::cpuid_sev_es : 0),
                c_bit_word(vcpu.options), asids, 1};
    }
    // The processor underneath knows fewer extended leaves than the one that it plays.
    const u32 native_last = x86::Cpu::cpuid(leaf_number::extended_first).eax;
    if (leaf > native_last && leaf <= leaf_number::extended_last) {
        return {};
    }
    CpuidResult result = x86::Cpu::cpuid(leaf, subleaf);
    switch (leaf) {
    case leaf_number::features:
        result.ecx |= 1u << 31; // hypervisor present
        result.ecx = vcpu.options.x2apic ? result.ecx | x2apic : result.ecx & ~x2apic;
        // As KVM's guests have it. OVMF parks its further processors by MONITOR, a #VC in code that
        // can take none, where it is told that they have it (UefiCpuPkg, AsmRelocateApLoop).
        result.ecx &= ~monitor;
        // OSXSAVE mirrors the guest's CR4, of which hardware tells the hypervisor (a write trap).
        result.ecx &= ~osxsave;
        result.ecx |= (vcpu.state().cr4 & x86::cr4::osxsave) != 0 ? osxsave : 0;
        break;
    case leaf_number::monitor: return {};
    case leaf_number::structured:
        if (subleaf == 0) {
            // What the monitor has underneath is not what the guest was to have.
            constexpr u32 la57 = 1u << 16;
            result.ecx         = vcpu.options.la57 ? result.ecx | la57 : result.ecx & ~la57;
        }
        break;
    case leaf_number::extended_first: result.eax = leaf_number::extended_last; break;
    case leaf_number::extended_features: result.ecx &= ~(1u << 2); break; // SVM
    case leaf_number::power_management:
        // Invariant TSC, as this processor has it: QEMU's is one clock for all processors. Without
        // it a guest with several goes by the HPET, each look at which is a #VC.
        result.edx |= 1u << 8;
        break;
    case leaf_number::svm: result = {}; break;
    default: break;
    }
    return result;
}

CpuidResult guest_cpuid(Vcpu& vcpu, u32 leaf, u32 subleaf) {
    return told_cpuid(vcpu.options, leaf, honest_cpuid(vcpu, leaf, subleaf));
}

} // namespace vestibule::sevsim
