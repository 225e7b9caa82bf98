// SPDX-License-Identifier: BSD-2-Clause-Patent
// MMIO of a plain SEV guest. Its hypervisor would read the instruction's bytes, which the processor
// gives it (decode assists, APM volume 2, section 15.8.4), and do the access. Here the processor
// does it: devices are QEMU's, so their pages are put where the guest looks for them; of the flash,
// which is the monitor's, a page is put there for one instruction.
#include "sevsim/monitor/hypervisor/flash.h"
#include "sevsim/monitor/hypervisor/visible_exits.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/processor/single_step.h"
#include "sevsim/monitor/recording/outcome.h"

#include <optional>

namespace vestibule::sevsim {

namespace {

alignas(page_size) constinit u8 flash_page[page_size]{};

bool is_private(Vcpu& vcpu, u64 gpa) { return !vcpu.is_long_mode() || (gpa & vcpu.c_bit()) != 0; }

/// Executes the instruction at RIP with `flash_page` at an address; false where something else came
/// first, and it is still to be executed.
bool step_with_flash_page(Vcpu& vcpu, u64 gpa) {
    x86::PageTableEntry& entry = nested::page_entry(
        is_private(vcpu, vcpu.vmcb.exitinfo2) ? nested::private_view : nested::shared_view, gpa);
    const u64 before = entry.value;
    entry.value      = layout::physical(flash_page) | nested::page_flags;
    ++nested::generation;
    const bool done = step_instruction(vcpu);
    entry.value     = before;
    ++nested::generation;
    return done;
}

/// The byte that the instruction has written: the one that is not as it was, or, where it wrote
/// what stood there, the one that the fault was about.
u8 written_byte(u64 gpa, u8 filling) {
    for (const u8 byte : flash_page) {
        if (byte != filling) {
            return byte;
        }
    }
    return flash_page[gpa % page_size];
}

} // namespace

bool execute_flash_write(Vcpu& vcpu) {
    const u64 gpa = vcpu.without_c_bit(vcpu.vmcb.exitinfo2);
    if (!is_flash(gpa)) {
        return false;
    }
    constexpr u8 filling = 0x5A; // no command, and no state that a block has often
    memset(flash_page, filling, sizeof flash_page);
    if (step_with_flash_page(vcpu, gpa)) {
        write_flash(gpa, written_byte(gpa, filling));
    }
    return true;
}

void execute_mmio(Vcpu& vcpu) {
    const u64 gpa = vcpu.without_c_bit(vcpu.vmcb.exitinfo2);
    if (is_flash(gpa)) { // not to be read as an array now: all of it shows the status
        memset(flash_page, static_cast<u8>(read_flash(1)), sizeof flash_page);
        if ((vcpu.vmcb.exitinfo1 & nested_fault::write) != 0) {
            (void)execute_flash_write(vcpu);
        } else {
            (void)step_with_flash_page(vcpu, gpa);
        }
        return;
    }
    before_mmio_write(gpa); // of which no other will be seen
    if (!map_device(gpa, is_private(vcpu, vcpu.vmcb.exitinfo2))) {
        end_run_by_stop("it uses an address where there is neither memory nor a device");
    }
}

} // namespace vestibule::sevsim
