// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where a machine of so much memory has it, and where the monitor lies then: QEMU's pc, whose
// memory up to 3.5 GiB is one piece, and of more of which 3 GiB lie below the devices and the rest
// from 4 GiB on. Behind that, at a multiple of 1 GiB, follows the memory device, which is the
// monitor's. Known to the host command and to the monitor. Freestanding: no library beyond
// x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

inline constexpr u64 four_gib = u64{4} << 30; // also where firmware ends

struct MemoryMap {
    u64 low;  // from 0 on
    u64 high; // from 4 GiB on

    /// Behind the last byte.
    constexpr u64 end() const { return high != 0 ? four_gib + high : low; }

    constexpr bool has(u64 gpa) const {
        return gpa < low || (gpa >= four_gib && gpa - four_gib < high);
    }

    /// Where QEMU puts the memory device. The monitor reads it out of the CMOS (monitor/start.asm).
    constexpr u64 device() const {
        constexpr u64 one_gib = four_gib / 4;
        return four_gib + (high + one_gib - 1) / one_gib * one_gib;
    }

    /// Of the memory device, how much holds the monitor itself: programs and data, and tables that
    /// grow with the guest. Five nested views by 4 KiB and the reverse map table take a 93rd.
    constexpr u64 monitor_size() const {
        constexpr u64 least = u64{64} << 20;
        constexpr u64 block = u64{2} << 20;
        constexpr u64 known = u64{2} << 30; // for a guest of that size `least` is enough
        return end() <= known ? least : least + (end() / 64 + block - 1) / block * block;
    }
};

constexpr MemoryMap memory_map(u64 memory) {
    constexpr u64 one_piece = four_gib / 8 * 7; // less than that is
    const u64 low           = memory < one_piece ? memory : four_gib / 4 * 3;
    return {.low = low, .high = memory - low};
}

} // namespace vestibule::sevsim
