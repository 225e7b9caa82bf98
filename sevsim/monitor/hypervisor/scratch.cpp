// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/scratch.h"

#include "sevsim/monitor/memory/nested_tables.h"

namespace vestibule::sevsim {

u8* find_scratch(Vcpu& vcpu, const GhcbView& ghcb, u64 size) {
    const u64 begin = ghcb.get(field::scratch);
    const u64 end   = begin + size;
    const u64 page  = vcpu.ghcb_msr; // the GHCB's address
    if (size > scratch_limit || end < begin) {
        return nullptr;
    }
    if (begin >= page + field::buffer && end <= page + field::buffer_end) {
        return shared_memory(page) + (begin - page);
    }
    const bool touches_ghcb = begin < page + page_size && end > page;
    if (ghcb.version() != 1 || touches_ghcb) {
        return nullptr;
    }
    // The shared view lies at its own addresses, so pages that are all there are one piece.
    for (u64 at = begin & ~(page_size - 1); at < end; at += page_size) {
        if (shared_memory(at) == nullptr) {
            return nullptr;
        }
    }
    return shared_memory(begin & ~(page_size - 1)) + begin % page_size;
}

} // namespace vestibule::sevsim
