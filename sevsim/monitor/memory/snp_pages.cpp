// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/snp_pages.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim::nested {

using x86::PageTableEntry;

namespace {

constinit bool launch_over = false;
constinit View lower_views[reverse_map::vmpl_count - 1]{}; // of VMPL 1 to 3

/// Never the same twice: what a page holds that changes its owner is the ciphertext of another key.
u64 fresh_seed(u64 seed, u64 page) {
    static constinit u64 times = 0;
    return (seed ^ page) + (++times << 48);
}

/// The monitor's address of what is behind a page of the private view.
u8* private_backing(u64 page) {
    return is_firmware(page) ? firmware_memory(page)
                             : layout::at_physical(layout::private_base + page);
}

/// The entry's address of it. Firmware lies behind the guest's files, at its own address too.
u64 backing_address(u64 page) { return reinterpret_cast<u64>(private_backing(page)); }

/// VMPL 0's entry for one page.
PageTableEntry& private_entry(u64 page) {
    if (is_guest_memory(page)) {
        split_private_block(page);
    }
    return page_entry(private_view, page);
}

void clear(PageTableEntry& entry) {
    if (entry.is_present()) {
        entry.value = 0;
        ++generation;
    }
}

/// A walk or fetch through a mapping without the C-bit has shown the private page here. Few pages
/// have that, and each table that is not looked at spares QEMU a walk of its own.
void drop_alias(u64 page) {
    reverse_map::Entry& entry = reverse_map::at(page);
    if (entry.aliased && is_guest_memory(page)) {
        PageTableEntry& shared = page_entry(shared_view, page);
        if (shared.is_present() && shared.address(0) == backing_address(page)) {
            clear(shared);
        }
    }
    entry.aliased = false;
}

/// How a VMPL above 0 may use the page. The nested tables know no supervisor: a page that one of
/// the two may execute, both may.
u64 flags_of(u8 permissions) {
    using namespace reverse_map;
    u64 flags = page_flags;
    if ((permissions & may_write) == 0) {
        flags &= ~PageTableEntry::writable;
    }
    if ((permissions & (may_execute_user | may_execute_supervisor)) == 0) {
        flags |= PageTableEntry::no_execute;
    }
    return flags;
}

bool allows(u8 permissions, u64 exitinfo1, u8 cpl) {
    using namespace reverse_map;
    if ((permissions & may_read) == 0) {
        return false;
    }
    if ((exitinfo1 & nested_fault::fetch) != 0) {
        return (permissions & (cpl == 3 ? may_execute_user : may_execute_supervisor)) != 0;
    }
    return (exitinfo1 & nested_fault::write) == 0 || (permissions & may_write) != 0;
}

void map_for_vmpl0(u64 page) {
    const u64 block = page & ~(x86::large_page_size - 1);
    if (is_guest_memory(page) && !directory_entry(private_view, block).is_present()
        && reverse_map::is_private_block(block)) {
        map_private(page, false); // all 2 MiB
        return;
    }
    PageTableEntry& entry = private_entry(page);
    if (!entry.is_present()) {
        if (is_guest_memory(page)) {
            fill_with_noise(private_backing(page), page_size, fresh_seed(private_seed, page));
        }
        entry.value = backing_address(page) | page_flags;
    }
}

NestedFault map_for_lower(Vcpu& vcpu, u64 exitinfo1, u64 page) {
    const u8 permissions = reverse_map::at(page).permissions_of(vcpu.vmpl);
    // QEMU probes the guest's own tables as if they were written.
    const bool probes = (exitinfo1 & nested_fault::guest_table) != 0;
    const u64 access  = probes ? exitinfo1 & ~nested_fault::write : exitinfo1;
    if (!allows(permissions, access, vcpu.state().cpl)) {
        report_violation(Rule::vmpl_permission,
                         "an access that RMPADJUST has not allowed its VMPL");
        return NestedFault::vmpl_permission;
    }
    map_for_vmpl0(page); // whose first look brings the noise: it is one page, whoever is first
    const u64 flags = flags_of(permissions) | (probes ? PageTableEntry::writable : 0);
    page_entry(private_view_of(vcpu.vmpl), page).value = backing_address(page) | flags;
    return NestedFault::resolved;
}

/// Data through a mapping without the C-bit, of a page that is the guest's. KVM makes it shared
/// then, and what the page held is lost. `is_misled`: the guest was told that this is the C-bit.
void share_unasked(u64 page, bool is_misled) {
    if (!reverse_map::at(page).falsified && !is_misled) {
        report_violation(Rule::rmp_shared_access,
                         "an access without the C-bit to a page that is assigned to the guest");
    }
    unmap_private(page);
    if (reverse_map::at(page).large) {
        reverse_map::smash(page);
    }
    reverse_map::at(page) = {.was_shared = true};
    become_shared(page);
}

} // namespace

View private_view_of(unsigned vmpl) {
    if (vmpl == 0) {
        return private_view;
    }
    View& view = lower_views[vmpl - 1];
    if (view.pointers == nullptr) {
        view.pointers = new_table();
    }
    return view;
}

bool is_launch_over() { return launch_over; }

void end_launch(u64 memory_end) {
    launch_over = true;
    for (u64 block = 0; block < memory_end; block += x86::large_page_size) {
        if (!is_guest_memory(block) || !directory_entry(private_view, block).is_present()
            || reverse_map::is_private_block(block)) {
            continue;
        }
        for (u64 page = block; page < block + x86::large_page_size; page += page_size) {
            if (is_guest_memory(page) && !reverse_map::at(page).is_private()) {
                unmap_private(page);
            }
        }
    }
    ++generation;
}

void map_validated(u64 page) {
    if (is_guest_memory(page)) {
        fill_with_noise(private_backing(page), page_size, fresh_seed(private_seed, page));
        private_entry(page).value = backing_address(page) | page_flags;
    }
}

void unmap_private(u64 page) {
    drop_alias(page);
    if (is_guest_memory(page) && !directory_entry(private_view, page).is_present()) {
        return; // nobody has looked at the whole block
    }
    clear(private_entry(page));
    for (unsigned vmpl = 1; vmpl < reverse_map::vmpl_count; ++vmpl) {
        unmap_private(page, vmpl);
    }
}

void unmap_private(u64 page, unsigned vmpl) {
    const View view = lower_views[vmpl - 1];
    if (view.pointers != nullptr && directory_entry(view, page).is_present()) {
        clear(page_entry(view, page));
    }
}

void unmap_shared(u64 page) { clear(page_entry(shared_view, page)); }

void scramble_shared(u64 page) {
    fill_with_noise(layout::at_physical(page), page_size, fresh_seed(shared_seed, page));
}

void assign_unasked(u64 page) {
    reverse_map::Entry& entry = reverse_map::at(page);
    if (!entry.falsified) {
        report_violation(Rule::rmp_not_assigned,
                         "a page is used as private that the hypervisor was not asked to assign");
    }
    unmap_shared(page);
    entry.assigned  = true;
    entry.falsified = false;
}

NestedFault resolve_snp_fault(Vcpu& vcpu, u64 exitinfo1, u64 gpa) {
    const u64 page        = vcpu.without_c_bit(gpa) & ~(page_size - 1);
    const bool table_code = (exitinfo1 & (nested_fault::fetch | nested_fault::guest_table)) != 0;
    const bool is_private = !vcpu.is_long_mode() || (gpa & vcpu.c_bit()) != 0
                            || vcpu.options.hostile.has(Lie::cbit_no_effect);
    reverse_map::Entry& entry = reverse_map::at(page);
    if (!is_private && !table_code) {
        if (entry.assigned) {
            share_unasked(page, (gpa & vcpu.wrong_c_bit()) != 0);
        }
        map_shared(page, false); // the tables count pages that were touched so
        page_entry(shared_view, page).value = page | page_flags | PageTableEntry::no_execute;
        return NestedFault::resolved;
    }
    if (!entry.assigned) {
        assign_unasked(page);
    }
    if (!entry.validated) {
        report_violation(Rule::rmp_not_validated, "an access to a page that is not validated");
        return NestedFault::not_validated;
    }
    if (!is_private) { // walks and fetches are, whatever the mapping says
        page_entry(shared_view, page).value = backing_address(page) | page_flags;
        entry.aliased                       = true;
        ++generation;
        return NestedFault::resolved;
    }
    if (vcpu.vmpl != 0) {
        return map_for_lower(vcpu, exitinfo1, page);
    }
    map_for_vmpl0(page);
    return NestedFault::resolved;
}

} // namespace vestibule::sevsim::nested
