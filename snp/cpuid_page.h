// SPDX-License-Identifier: BSD-2-Clause-Patent
// The CPUID page: what the processor offers this guest, given by the hypervisor at launch and
// checked there by the secure processor, which refuses a function that the silicon does not have
// (SEV-SNP firmware ABI, section 8.17, "CPUID page").
//
// SECURITY: the firmware looks at each function by itself. What it leaves, and what a hypervisor
// would have of it, is refused here:
//   - a count beyond the table: the guest would read functions out of what lies behind it;
//   - reserved words, and an XCR0 or XSS where none matters: two readers of the page may take them
//     for different things;
//   - a function that is there twice: whoever takes the first and whoever takes the last run on two
//     different machines;
//   - a page without SEV, SEV-ES and SEV-SNP in 0x8000001F, or with maxima that hide that leaf:
//   code
//     that goes by CPUID keeps its secrets in shared memory;
//   - another C-bit than the measured one: the same.
// What is not in the page reads as zero. The sizes that depend on XCR0 and XSS are computed
// (cpuid_answer.h), since a save area that is too small is a buffer that overflows.
#pragma once

#include "ghcb/outcome.h"
#include "x86/cpuid.h"
#include "x86/sev.h"

namespace vestibule::snp {

struct CpuidFunction {
    u32 leaf     = 0;
    u32 subleaf  = 0;
    u64 xcr0     = 0; // for which 0xD/0 and 0xD/1 are given
    u64 xss      = 0;
    u32 eax      = 0;
    u32 ebx      = 0;
    u32 ecx      = 0;
    u32 edx      = 0;
    u64 reserved = 0;
};

struct CpuidPage {
    static constexpr u32 most_functions = 64;

    u32 count;
    u32 reserved0;
    u64 reserved1;
    CpuidFunction functions[most_functions];
    u8 rest[page_size - 16 - u64{most_functions} * sizeof(CpuidFunction)];
};

static_assert(sizeof(CpuidFunction) == 48);
static_assert(sizeof(CpuidPage) == page_size);

/// Whether this is 0xD/0 or 0xD/1, of which there may be one for each XCR0.
constexpr bool depends_on_xcr0(const CpuidFunction& function) {
    return function.leaf == x86::cpuid_leaf::extended_state && function.subleaf <= 1;
}

/// Of those, the ones that serve: with x87, or x87 and SSE alone, from which the rest is computed.
constexpr bool is_usable(const CpuidFunction& function) {
    return !depends_on_xcr0(function)
           || ((function.xcr0 == 1 || function.xcr0 == 3) && function.xss == 0);
}

/// Where a function stands, by its leaf. 64 functions compared one after another would be a third
/// of what a whole #VC may cost.
struct CpuidIndex {
    static constexpr u32 leaves     = 64; // of each range
    static constexpr u8 number_mask = 0x7F;
    static constexpr u8 indexed     = 0x80; // its sub-leaves are chained by `next`

    /// Number of the function, from 1; 0: none. Ranges: 0x0, 0x40000000, 0x80000000.
    u8 first[3][leaves];
    u8 next[CpuidPage::most_functions];

    /// The function, or nullptr where the page has none: all its registers are zero.
    const CpuidFunction* find(const CpuidPage& page, u32 leaf, u32 subleaf) const {
        const u32 range = leaf >> 30;
        const u32 n     = leaf & 0x3FFF'FFFF;
        if (range > 2 || n >= leaves) {
            return nullptr;
        }
        const u8 head = first[range][n];
        u32 number    = head & number_mask;
        while (number != 0) {
            const CpuidFunction& function = page.functions[number - 1];
            if ((head & indexed) == 0 || function.subleaf == subleaf) {
                return &function;
            }
            number = next[number - 1];
        }
        return nullptr;
    }
};

/// The function of a leaf without sub-leaves, for who needs no index; nullptr where the page has
/// none of it, or more than one.
constexpr const CpuidFunction* find_only(const CpuidPage& page, u32 leaf) {
    const CpuidFunction* found = nullptr;
    for (u32 n = 0; n < page.count && n < CpuidPage::most_functions; ++n) {
        if (page.functions[n].leaf != leaf) {
            continue;
        }
        if (found != nullptr) {
            return nullptr;
        }
        found = &page.functions[n];
    }
    return found;
}

/// Takes one function into the index, or says what is wrong with it. Functions of leaves that no
/// processor has so far are left out: nobody can ask for them.
constexpr ghcb::Outcome enter_function(CpuidIndex& index, const CpuidPage& page, u32 number) {
    const CpuidFunction& function = page.functions[number - 1];
    const u32 range               = function.leaf >> 30;
    const u32 n                   = function.leaf & 0x3FFF'FFFF;
    const bool is_indexed         = x86::is_indexed_leaf(function.leaf);
    const bool names_state        = (function.xcr0 | function.xss) != 0;
    if (function.reserved != 0 || (names_state && function.leaf != x86::cpuid_leaf::extended_state)
        || (function.subleaf != 0 && !is_indexed)) {
        return ghcb::Outcome::terminate(ghcb::reason::snp_cpuid_page);
    }
    if (range > 2 || n >= CpuidIndex::leaves || !is_usable(function)) {
        return ghcb::Outcome::done();
    }
    u8& head = index.first[range][n];
    for (u32 other = head & CpuidIndex::number_mask; other != 0; other = index.next[other - 1]) {
        if (page.functions[other - 1].subleaf == function.subleaf) {
            return ghcb::Outcome::terminate(ghcb::reason::snp_cpuid_conflict);
        }
    }
    index.next[number - 1] = head & CpuidIndex::number_mask;
    head                   = static_cast<u8>(number | (is_indexed ? CpuidIndex::indexed : 0));
    return ghcb::Outcome::done();
}

/// Checks the page and makes its index, which is zero so far. `c_bit` is the mask that was
/// measured, or 0 where it is this page that says what it is.
constexpr ghcb::Outcome open_cpuid_page(const CpuidPage& page, CpuidIndex& index, u64 c_bit) {
    if (page.count > CpuidPage::most_functions || page.reserved0 != 0 || page.reserved1 != 0) {
        return ghcb::Outcome::terminate(ghcb::reason::snp_cpuid_page);
    }
    for (u32 number = 1; number <= page.count; ++number) {
        const ghcb::Outcome outcome = enter_function(index, page, number);
        if (!outcome.is_done()) {
            return outcome;
        }
    }
    namespace leaf             = x86::cpuid_leaf;
    const auto* max            = index.find(page, leaf::max_extended, 0);
    const auto* encryption     = index.find(page, leaf::memory_encryption, 0);
    constexpr u32 all_features = x86::cpuid_sev | x86::cpuid_sev_es | x86::cpuid_snp;
    if (max == nullptr || max->eax < leaf::memory_encryption || encryption == nullptr
        || (encryption->eax & all_features) != all_features
        || (c_bit != 0 && c_bit != bit(x86::c_bit_position(encryption->ebx)))) {
        return ghcb::Outcome::terminate(ghcb::reason::snp_cpuid_conflict);
    }
    return ghcb::Outcome::done();
}

} // namespace vestibule::snp
