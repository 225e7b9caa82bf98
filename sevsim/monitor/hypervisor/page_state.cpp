// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/page_state.h"

#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/memory/snp_pages.h"
#include "sevsim/monitor/processor/processors.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/page_table.h"

namespace vestibule::sevsim {

namespace {

/// True of the page by which a vCPU calls at this moment. A registered one that is not in the GHCB
/// MSR the guest may do with what it likes: Linux's decompressor takes its own back like that.
bool is_ghcb(u64 page) {
    for (const Vcpu& vcpu : vcpus()) {
        if (vcpu.ghcb_msr == page) {
            return true;
        }
    }
    return false;
}

/// RMPUPDATE refuses what a vCPU runs from (APM volume 2, section 15.36.4).
bool may_change(u64 gpa, u64 size) {
    for (u64 page = gpa; page < gpa + size; page += page_size) {
        if (reverse_map::at(page).in_use) {
            report_violation(Rule::psc_in_use, "page state change of a VMSA that a vCPU runs from");
            return false;
        }
    }
    return true;
}

void give_to_guest(u64 page, bool is_large) {
    reverse_map::Entry& entry = reverse_map::at(page);
    if (is_ghcb(page)) {
        report_violation(Rule::psc_in_use, "a page becomes private that is the GHCB of this call");
    }
    if (!entry.assigned) {
        nested::unmap_shared(page);
        entry.assigned = true;
    }
    entry.large     = is_large;
    entry.falsified = false;
}

void take_from_guest(u64 page) {
    reverse_map::Entry& entry = reverse_map::at(page);
    if (entry.validated) {
        report_violation(Rule::psc_validated,
                         "a page becomes shared that the guest has not taken back by PVALIDATE");
    }
    if (entry.assigned) {
        nested::unmap_private(page);
        if (entry.was_shared) {
            nested::scramble_shared(page);
        } else {
            become_shared(page);
        }
    }
    entry = {.was_shared = true};
}

} // namespace

bool change_page_state(u64 gpa, unsigned operation, bool is_large) {
    using namespace page_operation;
    const u64 size = is_large ? x86::large_page_size : page_size;
    if (operation == smash || operation == unsmash) {
        return true;
    }
    if ((operation != assign_private && operation != assign_shared) || gpa % size != 0
        || !is_guest_memory(gpa) || !is_guest_memory(gpa + size - page_size)
        || !may_change(gpa, size)) {
        return false;
    }
    if (!is_large && reverse_map::at(gpa).large) {
        reverse_map::smash(gpa);
    }
    for (u64 page = gpa; page < gpa + size; page += page_size) {
        if (operation == assign_private) {
            give_to_guest(page, is_large);
        } else {
            take_from_guest(page);
        }
    }
    return true;
}

void falsify_page_state(u64 gpa, bool is_large) {
    const u64 size = is_large ? x86::large_page_size : page_size;
    for (u64 page = gpa; page < gpa + size && reverse_map::has(page); page += page_size) {
        reverse_map::at(page).falsified = true;
    }
}

} // namespace vestibule::sevsim
