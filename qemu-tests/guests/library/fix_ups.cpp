// SPDX-License-Identifier: BSD-2-Clause-Patent
// What comes to the #VC handler from outside while it works for a process: memory that another CPU
// takes away between a look at the page tables and an access, and answers by an injected #GP
// (vestibule_fix_up). The page tables that the library looks at are other than the CPU's here, so
// that each access can be made to fail. Exit code 0 if the process gets what it should.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u64 iopl3      = u64{3} << 12;
constexpr u8 gp          = x86::exception::general_protection;
constexpr u8 page_fault  = x86::exception::page_fault;
constexpr u16 scratch    = 0x81;
constexpr u64 code_start = 10; // behind MOV ESI and MOV EDI

u64 code() { return reinterpret_cast<u64>(machine.user_code); }

u64 data() { return reinterpret_cast<u64>(machine.user_stack); }

/// MOV ESI, data; MOV EDI, data; the instruction; INT 0x80.
template <unsigned length>
void write_code(const u8 (&instruction)[length]) {
    constexpr u8 moves[] = {0xBE, 0xBF};
    u8* to               = machine.user_code;
    for (const u8 opcode : moves) {
        *to++ = opcode;
        for (unsigned shift = 0; shift < 32; shift += 8) {
            *to++ = static_cast<u8>(data() >> shift);
        }
    }
    for (const u8 byte : instruction) {
        *to++ = byte;
    }
    *to++ = 0xCD;
    *to++ = 0x80;
}

void enter(u64 rip, u64 cs = user_code64) {
    u64 rax_rdx[2] = {0x77, scratch};
    enter_user(rip, data() + page_size, cs, user_data, x86::rflags::reserved_one | iopl3, rax_rdx);
}

/// The instruction, at which this exception must come.
template <unsigned length>
void must_raise(const u8 (&instruction)[length], u8 vector, u64 error_code, const char* what) {
    write_code(instruction);
    const unsigned before = machine.seen.count;
    machine.skip          = length;
    enter(code());
    check(machine.seen.count == before + 1 && machine.seen.vector == vector
              && machine.seen.frame.error_code == error_code
              && machine.seen.frame.rip == code() + code_start
              && (vector != page_fault || x86::Cpu::cr2() == data()),
          what);
}

void toggle(const void* page, u64 bits) {
    entry_of(page).value ^= bits;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

vestibule_frame user_frame(u64 exit_code) {
    vestibule_frame frame{};
    frame.error_code = exit_code;
    frame.rip        = code();
    frame.cs         = user_code64;
    frame.rflags     = x86::rflags::reserved_one | iopl3;
    frame.rsp        = data() + page_size;
    frame.ss         = user_data;
    frame.rdx        = scratch;
    return frame;
}

constexpr u8 cpuid[] = {0x0F, 0xA2};
constexpr u8 outsb[] = {0x6E};
constexpr u8 insb[]  = {0x6C};

void counters() {
    constexpr u8 rdpmc[] = {0x89, 0xC1, 0x0F, 0x33}; // MOV ECX, EAX; RDPMC
    x86::Cpu::set_cr4(x86::Cpu::cr4() | x86::cr4::pce);
    write_code(rdpmc);
    const unsigned before = machine.seen.count;
    machine.skip          = 2;
    enter(code());
    check(machine.seen.count == before + 1 && machine.seen.vector == gp
              && machine.seen.frame.error_code == 0
              && machine.seen.frame.rip == code() + code_start + 2,
          "RDPMC of a counter that is not there, from user mode");
    machine.skip = 2;
    asm volatile("rdpmc" : : "c"(0x77) : "eax", "edx");
    check(machine.seen.count == before + 2 && machine.seen.vector == gp, "RDPMC at CPL 0");
}

void memory_goes_away() {
    // Of the code: it is executed again, and faults then.
    for (unsigned n = 0; n < sizeof cpuid; ++n) {
        machine.user_code[n] = cpuid[n];
    }
    toggle(machine.user_code, x86::PageTableEntry::present);
    vestibule_frame frame = user_frame(0x72);
    check(serve(frame) == 0 && frame.rip == code() && frame.rax == 0, "CPUID whose page is gone");
    toggle(machine.user_code, x86::PageTableEntry::present);
    // Of the data.
    toggle(machine.user_stack, x86::PageTableEntry::present);
    must_raise(outsb, page_fault, 4, "OUTSB whose memory is gone");
    must_raise(insb, page_fault, 6, "INSB whose memory is gone");
    toggle(machine.user_stack, x86::PageTableEntry::present);
    toggle(machine.user_stack, x86::PageTableEntry::writable);
    must_raise(insb, page_fault, 6, "INSB whose memory is not writable any more");
    toggle(machine.user_stack, x86::PageTableEntry::writable);
    check(machine.fixed_up >= 4, "nothing was fixed up");
}

/// A page table that has become something else: its entry leads nowhere.
void table_goes_away() {
    x86::PageTableEntry& entry = shadow_top_entry();
    const u64 before           = entry.value;
    entry.value =
        (before & ~x86::PageTableEntry::address_mask) | 0x1234'5678'9000 | machine.platform.c_bit;
    vestibule_frame frame = user_frame(0x72);
    const unsigned fixed  = machine.fixed_up;
    check(serve(frame) == 0 && frame.rip == code() && machine.fixed_up == fixed + 1,
          "CPUID whose page tables are gone");
    entry.value = before;
}

/// The process has a device's registers.
void device_memory() {
    constexpr u64 hpet = 0xFED0'0000;
    constexpr u64 bits = x86::PageTableEntry::present | x86::PageTableEntry::writable
                         | x86::PageTableEntry::user | x86::PageTableEntry::accessed
                         | x86::PageTableEntry::dirty;
    const u64 before                          = entry_of(machine.user_stack).value;
    const u64 shadow                          = shadow_entry_of(machine.user_stack).value;
    entry_of(machine.user_stack).value        = hpet | bits;
    shadow_entry_of(machine.user_stack).value = hpet | bits;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
    must_raise(outsb, gp, 0, "OUTSB from a device's memory");
    must_raise(insb, gp, 0, "INSB to a device's memory");
    entry_of(machine.user_stack).value        = before;
    shadow_entry_of(machine.user_stack).value = shadow;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

void extended_state() {
    constexpr u8 leaf[] = {0xB8, 0x0D, 0, 0, 0, 0xB9, 1, 0, 0, 0, 0x0F, 0xA2};
    write_code(leaf);
    const unsigned before = machine.seen.count;
    enter(code());
    check(machine.seen.count == before, "CPUID 0xD.1 from user mode");
}

/// Where GS's base is once the entry has executed SWAPGS.
void swapped_gs() {
    constexpr u8 outs_gs[] = {0x65, 0x6E};
    for (unsigned n = 0; n < sizeof outs_gs; ++n) {
        machine.user_code[n] = outs_gs[n];
    }
    machine.user_stack[0x20] = 0xA5;
    machine.user_stack[0x30] = 0x5A;
    x86::Cpu::wrmsr(x86::Msr::kernel_gs_base, data() + 0x20);
    x86::Cpu::wrmsr(x86::Msr::gs_base, data() + 0x30);
    vestibule_frame frame = user_frame(0x7B);
    check(serve(frame, true) == 0 && x86::Cpu::in8(scratch) == 0xA5, "OUTS GS: behind SWAPGS");
    frame = user_frame(0x7B);
    check(serve(frame, false) == 0 && x86::Cpu::in8(scratch) == 0x5A, "OUTS GS: without SWAPGS");
}

int always(const vestibule_user_request*) { return 1; }

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.user_may        = always;
    setup.uses_xss        = 1;
    setup.direct_map      = shadow_tables();
    start_library(setup);
    load_user_data();
    say("fix-ups");
    counters();
    memory_goes_away();
    table_goes_away();
    device_memory();
    extended_state();
    swapped_gs();
    say("done");
    end_run();
}
