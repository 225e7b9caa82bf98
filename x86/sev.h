// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the CPU itself says of memory encryption: SEV_STATUS and CPUID 0x8000001F
// (APM volume 2, section 15.34; volume 3, appendix E.4.17).
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

/// MSR 0xC0010131. Bit n + 2 mirrors bit n of the VMSA's SEV_FEATURES.
struct SevStatus {
    u64 value;

    static constexpr u64 sev                  = bit(0);
    static constexpr u64 sev_es               = bit(1);
    static constexpr u64 snp                  = bit(2);
    static constexpr u64 vtom                 = bit(3);
    static constexpr u64 reflect_vc           = bit(4);
    static constexpr u64 restricted_injection = bit(5);
    static constexpr u64 alternate_injection  = bit(6);
    static constexpr u64 debug_swap           = bit(7);
    static constexpr u64 prevent_host_ibs     = bit(8);
    static constexpr u64 btb_isolation        = bit(9);
    static constexpr u64 secure_tsc           = bit(11);
    static constexpr u64 smt_protection       = bit(17);
    static constexpr u64 ibpb_on_entry        = bit(23);

    /// Features that change nothing for the code that runs inside.
    static constexpr u64 transparent =
        debug_swap | prevent_host_ibs | btb_isolation | smt_protection | ibpb_on_entry;

    constexpr bool has(u64 mask) const { return (value & mask) == mask; }

    /// The bits set beyond `supported`: a guest that does not implement them must not run on.
    constexpr u64 beyond(u64 supported) const { return value & ~supported; }
};

/// SEV_FEATURES of a VMSA (APM volume 2, table B-4).
struct SevFeatures {
    static constexpr unsigned status_shift = 2; // to where SEV_STATUS mirrors them

    static constexpr u64 snp_active           = SevStatus::snp >> status_shift;
    static constexpr u64 restricted_injection = bit(3); // of events, none but #HV (vector 28)
    static constexpr u64 debug_swap           = SevStatus::debug_swap >> status_shift;
    static constexpr u64 secure_tsc           = SevStatus::secure_tsc >> status_shift;
};

namespace cpuid_leaf {
inline constexpr u32 max_standard      = 0x0000'0000;
inline constexpr u32 features          = 0x0000'0001;
inline constexpr u32 extended_state    = 0x0000'000D;
inline constexpr u32 max_extended      = 0x8000'0000;
inline constexpr u32 memory_encryption = 0x8000'001F;
} // namespace cpuid_leaf

/// CPUID 1 ECX.
inline constexpr u32 cpuid_xsave = 1u << 26;

/// CPUID 0x8000001F EAX.
inline constexpr u32 cpuid_sev    = 1u << 1;
inline constexpr u32 cpuid_sev_es = 1u << 3; // may be clear in an SEV-ES guest
inline constexpr u32 cpuid_snp    = 1u << 4;

/// CPUID 0x8000001F EBX: the processor keeps caches coherent over a change of a page's validated
/// state, so that software need not (CVE-2025-38560).
inline constexpr u32 cpuid_coherency_sfw_no = 1u << 31;

/// CPUID 0x8000001F EBX[5:0]: the number of the C-bit in a page-table entry.
constexpr unsigned c_bit_position(u32 ebx) { return ebx & 0x3F; }

} // namespace vestibule::x86
