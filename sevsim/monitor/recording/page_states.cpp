// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/page_states.h"

#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/recording/records.h"
#include "sevsim/page_states.h"

namespace vestibule::sevsim {

namespace {

PageState state_of(u64 gpa) {
    const reverse_map::Entry& entry = reverse_map::at(gpa);
    if (!entry.assigned) {
        return entry.was_shared ? PageState::shared : PageState::untouched;
    }
    if (!entry.validated) {
        return PageState::assigned;
    }
    if (entry.vmsa) {
        return PageState::vmsa;
    }
    if ((entry.permissions[0] | entry.permissions[1] | entry.permissions[2]) != 0) {
        return PageState::lower_vmpl;
    }
    return entry.large ? PageState::validated_large : PageState::validated;
}

void send_run(u64 gpa, u64 end, PageState state) {
    Record("page-states")
        .hex("gpa", gpa)
        .number("pages", (end - gpa) / page_size)
        .text("state", page_state_names[static_cast<unsigned>(state)])
        .end();
}

/// The runs in a range, between holes in which there is no memory.
void send_range(u64 begin, u64 end) {
    u64 run         = begin;
    bool in_run     = false;
    PageState state = PageState::untouched;
    for (u64 gpa = begin; gpa < end; gpa += page_size) {
        const bool is_there  = reverse_map::has(gpa);
        const PageState next = is_there ? state_of(gpa) : PageState::untouched;
        if (in_run && (!is_there || next != state)) {
            send_run(run, gpa, state);
            in_run = false;
        }
        if (is_there && !in_run) {
            run    = gpa;
            state  = next;
            in_run = true;
        }
    }
    if (in_run) {
        send_run(run, end, state);
    }
}

} // namespace

void send_page_states(const Options& options) {
    if (!options.rmp) {
        return;
    }
    constexpr u64 firmware_window = u64{16} << 20;
    const MemoryMap map           = options.map();
    send_range(0, map.low);
    send_range(four_gib - firmware_window, four_gib);
    send_range(four_gib, four_gib + map.high);
}

} // namespace vestibule::sevsim
