// SPDX-License-Identifier: BSD-2-Clause-Patent
// A page between private and shared, for kernels: its cache lines, and what SEV-SNP asks of the
// hypervisor.
#pragma once

#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "snp/page_state.h"

namespace vestibule::library {

/// What the cache has of one view must not be written back over the other later: it may tag its
/// lines with the C-bit.
inline void flush_page(u64 linear) {
    constexpr u64 line = 64;
    for (u64 at = 0; at < page_size; at += line) {
        Cpu::flush_cache_line(reinterpret_cast<const void*>(linear + at));
    }
}

/// A page state change of pages of 4 KiB, one list of them.
inline vestibule_reason change_pages(vestibule_cpu& cpu, u64 gpa, u64 pages,
                                     snp::PageOperation operation) {
    const InterruptsOff off;
    ghcb::Channel& channel = PerCpu::of(cpu).context.ghcb;
    return channel.has_room() ? as_reason(snp::change_pages<Cpu>(
                                    channel, gpa, pages, snp::RmpPageSize::small, operation))
                              : public_reason(ghcb::reason::ghcb_reentered);
}

} // namespace vestibule::library
