// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which leaves of CPUID depend on ECX (APM volume 3, appendix E): the union of what EDK2, Linux and
// the secure VM service module take for indexed.
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

constexpr bool is_indexed_leaf(u32 leaf) {
    constexpr u32 standard = (1u << 0x04) | (1u << 0x07) | (1u << 0x0B) | (1u << 0x0D)
                             | (1u << 0x0F) | (1u << 0x10) | (1u << 0x12) | (1u << 0x14)
                             | (1u << 0x17) | (1u << 0x18) | (1u << 0x1D) | (1u << 0x1E)
                             | (1u << 0x1F);
    if (leaf < 32) {
        return ((standard >> leaf) & 1) != 0;
    }
    return leaf == 0x24 || leaf == 0x8000'001D || leaf == 0x8000'0020;
}

} // namespace vestibule::x86
