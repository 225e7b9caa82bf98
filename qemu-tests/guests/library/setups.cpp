// SPDX-License-Identifier: BSD-2-Clause-Patent
// Every reason for which vestibule_cpu_start refuses a setup, then one that it takes. Exit code 0
// if each was named.
#include "boot/image.h"
#include "ghcb/termination.h"
#include "qemu-tests/guests/library/machine.h"

using namespace vestibule;
using namespace vestibule::guests;
namespace reason = ghcb::reason;

namespace {

constinit unsigned bad_rows = 0;
constinit unsigned row      = 0;
constinit u64 bad_mask      = 0;

constexpr vestibule_reason of(ghcb::Reason r) {
    return static_cast<vestibule_reason>(r.set << 8 | r.code);
}

void try_setup(ghcb::Reason wanted, const vestibule_setup& setup, vestibule_cpu* cpu = nullptr) {
    const vestibule_reason got = vestibule_cpu_start(cpu != nullptr ? cpu : &machine.cpu, &setup);
    if (got != of(wanted)) {
        ++bad_rows;
        bad_mask |= bit(row);
    }
    ++row;
}

/// A setup with one thing changed.
template <class Change>
void refuses(ghcb::Reason wanted, Change change) {
    vestibule_setup setup = good_setup();
    change(setup);
    try_setup(wanted, setup);
}

/// The good setup, with one page-table entry changed meanwhile.
void refuses_mapping(ghcb::Reason wanted, const void* page, u64 toggled) {
    entry_of(page).value ^= toggled;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
    try_setup(wanted, good_setup());
    entry_of(page).value ^= toggled;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

void nmi(const vestibule_frame*, void*) {}

void bad_words() {
    refuses(reason::setup_c_bit, [](vestibule_setup& s) { s.c_bit = 0; });
    refuses(reason::setup_c_bit, [](vestibule_setup& s) { s.c_bit |= s.c_bit >> 1; });
    refuses(reason::setup_c_bit, [](vestibule_setup& s) { s.c_bit = bit(31); });
    refuses(reason::setup_c_bit, [](vestibule_setup& s) { s.c_bit = bit(52); });
    refuses(reason::setup_c_bit, [](vestibule_setup& s) { s.physical_bits = 48; });
    refuses(reason::setup_c_bit, [](vestibule_setup& s) { s.physical_bits = 200; });
    refuses(reason::setup_version, [](vestibule_setup& s) { s.protocol_version = 0; });
    refuses(reason::setup_version, [](vestibule_setup& s) { s.protocol_version = 3; });
    refuses(reason::setup_registers, [](vestibule_setup& s) { s.vmmcall_registers = 1 << 0; });
    refuses(reason::setup_registers, [](vestibule_setup& s) { s.vmmcall_registers = 1 << 4; });
    refuses(reason::setup_nmi, [](vestibule_setup& s) { s.nmi_ist = nmi_ist; });
    refuses(reason::setup_nmi, [](vestibule_setup& s) { s.nmi = nmi; });
    refuses(reason::setup_nmi, [](vestibule_setup& s) { s.mc_ist = mc_ist; });
    refuses(reason::setup_nmi, [](vestibule_setup& s) { s.mc = nmi; });
    refuses(reason::setup_reserved, [](vestibule_setup& s) { s.reserved = 1; });
}

void bad_segments() {
    constexpr u16 selectors[] = {
        0,     boot::data_selector,      boot::code32_selector, user_code64, task,
        0x100, boot::code64_selector | 4};
    for (const u16 selector : selectors) {
        refuses(reason::setup_code_segment, [=](vestibule_setup& s) { s.kernel_code = selector; });
    }
    refuses(reason::setup_task_state, [](vestibule_setup& s) { s.tss = &machine.gdt; });
    refuses(reason::setup_task_state, [](vestibule_setup& s) { s.vc_ist = 0; });
    refuses(reason::setup_task_state, [](vestibule_setup& s) {
        s.tss         = nullptr;
        s.vc_ist      = 0;
        s.guard_pages = 1;
    });
    refuses(reason::setup_task_state, [](vestibule_setup& s) {
        s.tss     = nullptr;
        s.vc_ist  = 0;
        s.nmi     = nmi;
        s.nmi_ist = nmi_ist;
    });
    refuses(reason::setup_task_state, [](vestibule_setup& s) { s.vc_ist = 8; });
    refuses(reason::setup_task_state, [](vestibule_setup& s) {
        s.nmi     = nmi;
        s.nmi_ist = s.vc_ist;
    });
    refuses(reason::setup_task_state, [](vestibule_setup& s) {
        s.nmi     = nmi;
        s.nmi_ist = 8;
    });
    refuses(reason::setup_task_state, [](vestibule_setup& s) {
        s.mc     = nmi;
        s.mc_ist = s.vc_ist;
    });
}

void bad_memory() {
    using x86::PageTableEntry;
    const u64 c_bit = machine.platform.c_bit;
    try_setup(reason::setup_cpu_block, good_setup(),
              reinterpret_cast<vestibule_cpu*>(machine.cpu.opaque + page_size));
    const u8* last = machine.cpu.opaque + VESTIBULE_CPU_SIZE - page_size;
    refuses_mapping(reason::setup_cpu_block, last, PageTableEntry::writable);
    refuses_mapping(reason::setup_cpu_block, machine.cpu.opaque + page_size,
                    PageTableEntry::present);
    refuses_mapping(reason::setup_cpu_block, last, c_bit);
    refuses(reason::setup_cpu_block, [](vestibule_setup& s) { s.guard_pages = 1; }); // mapped
    refuses(reason::setup_ghcb_address, [](vestibule_setup& s) { s.ghcb_gpa += page_size; });
    refuses(reason::setup_ghcb_address, [](vestibule_setup& s) {
        s.ghcb = machine.ghcb + 8;
        s.ghcb_gpa += 8;
    });
    refuses_mapping(reason::setup_ghcb_address, machine.ghcb, PageTableEntry::writable);
    refuses_mapping(reason::setup_ghcb_address, machine.ghcb, PageTableEntry::present);
    refuses_mapping(reason::setup_ghcb_private, machine.ghcb, c_bit);
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    bad_words();
    bad_segments();
    bad_memory();
    const bool untouched =
        machine.task.ist[vc_ist - 1U] == 0 && machine.task.ist[nmi_ist - 1U] == 0;
    start_library(good_setup()); // from here on there is a serial port
    check(untouched, "a setup that was refused has left a stack behind");
    check(bad_rows == 0, "a setup was not refused for its reason");
    for (unsigned n = 0; n < row; ++n) {
        say((bad_mask >> n & 1) != 0 ? "wrong" : "refused");
    }
    say(row == 40 ? "setups: 40" : "setups: another number");
    end_run();
}
