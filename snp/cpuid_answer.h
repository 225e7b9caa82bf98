// SPDX-License-Identifier: BSD-2-Clause-Patent
// What CPUID gives in an SEV-SNP guest, from the CPUID page and from the vCPU itself, without
// asking the hypervisor (SEV-SNP firmware ABI, section 8.17; APM volume 3, appendix E).
//
// What is the vCPU's own state, and not in the page, is put in as the processor would: OSXSAVE,
// OSPKE and the sizes of leaf 0xD. APIC IDs are those of the page, which is the first vCPU's; a
// further one reads its own from its local APIC.
#pragma once

#include "snp/cpuid_page.h"
#include "x86/cpu.h"
#include "x86/registers.h"

namespace vestibule::snp {

/// The CPUID page of this guest, checked.
struct CpuidTable {
    const CpuidPage* page;
    CpuidIndex index;
};

/// Size of the XSAVE area for the state components in `enabled`; 0 where the page lacks one of
/// them, or gives one a place that no area has.
[[gnu::noinline, clang::minsize]] inline u32 xsave_area(const CpuidTable& table, u64 enabled,
                                                        bool compacted) {
    constexpr u32 legacy_and_header = 0x240;
    constexpr u32 limit             = 0x10'0000;
    u32 size                        = legacy_and_header;
    constexpr u64 legacy            = 3; // x87 and SSE
    for (u64 rest = enabled & ~legacy; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<u32>(__builtin_ctzll(rest));
        const CpuidFunction* state =
            table.index.find(*table.page, x86::cpuid_leaf::extended_state, n);
        if (state == nullptr || state->eax > limit || state->ebx > limit) {
            return 0;
        }
        constexpr u32 aligned = 1u << 1; // of ECX: to 64 bytes in the compacted form
        if (compacted) {
            size = ((state->ecx & aligned) != 0 ? (size + 63) & ~63u : size) + state->eax;
        } else if (const u32 end = state->ebx + state->eax; end > size) {
            size = end;
        }
        if (size > limit) {
            return 0;
        }
    }
    return size;
}

/// Leaf 0xD, of which the page has what every processor of its kind has.
template <class Cpu>
[[gnu::noinline, clang::minsize]] bool answer_extended_state(const CpuidTable& table, u32 subleaf,
                                                             u64 xss, x86::CpuidResult& answer) {
    constexpr u32 xsavec = 1u << 1;
    constexpr u32 xsaves = 1u << 3;
    if (subleaf > 1 || (answer.eax | answer.ebx | answer.ecx | answer.edx) == 0
        || (subleaf == 1 && (answer.eax & (xsavec | xsaves)) == 0)) {
        return true;
    }
    // Before CR4.OSXSAVE is set XCR0 has its reset value, and XGETBV would be #UD.
    const u64 xcr0 = (Cpu::cr4() & x86::cr4::osxsave) != 0 ? Cpu::xcr0() : 1;
    answer.ebx     = xsave_area(table, subleaf == 1 ? xcr0 | xss : xcr0, subleaf == 1);
    return answer.ebx != 0;
}

/// False where the page contradicts what the vCPU has switched on.
template <class Cpu>
[[gnu::always_inline]] inline bool answer_cpuid(const CpuidTable& table, u32 leaf, u32 subleaf,
                                                u64 xss, x86::CpuidResult& answer) {
    constexpr u32 osxsave         = 1u << 27;
    constexpr u32 ospke           = 1u << 4;
    constexpr u32 further         = 7;
    const CpuidFunction* function = table.index.find(*table.page, leaf, subleaf);
    if (function == nullptr) {
        answer = {};
        return true;
    }
    answer = {function->eax, function->ebx, function->ecx, function->edx};
    if (leaf == x86::cpuid_leaf::features) {
        const bool is_on = (Cpu::cr4() & x86::cr4::osxsave) != 0;
        answer.ecx       = is_on ? answer.ecx | osxsave : answer.ecx & ~osxsave;
    } else if (leaf == further && subleaf == 0) {
        const bool is_on = (Cpu::cr4() & x86::cr4::pke) != 0;
        answer.ecx       = is_on ? answer.ecx | ospke : answer.ecx & ~ospke;
    } else if (leaf == x86::cpuid_leaf::extended_state) {
        return answer_extended_state<Cpu>(table, subleaf, xss, answer);
    }
    return true;
}

} // namespace vestibule::snp
