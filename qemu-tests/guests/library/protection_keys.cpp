// SPDX-License-Identifier: BSD-2-Clause-Patent
// Protection keys (APM volume 2, section 5.6.7): a process gives its own code a key that may only
// be executed, and its data keys that may not be read or written. The library reads that code all
// the same, and of data it takes no more than the process could. Keys of supervisor pages are
// refused. To be run on a CPU with PKU and PKS. Exit code 0 if all is as it should be.
#include "ghcb/termination.h"
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u64 iopl3            = u64{3} << 12;
constexpr u32 all_denied       = 0x5555'5555; // access-disable for each of 16 keys
constexpr unsigned key         = 5;
constexpr u32 deny_access      = 1U << (2 * key);
constexpr u32 deny_write       = 2U << (2 * key);
constexpr u16 scratch          = 0x81;
constexpr auto setup_processor = static_cast<vestibule_reason>(
    ghcb::reason::setup_processor.set << 8 | ghcb::reason::setup_processor.code);
constexpr u32 user_present = 5; // of a #PF's error code: a right that the page's key does not give
constexpr u32 by_key       = 1 << 5;

constexpr u64 code_segments[] = {user_code64, user_code32};

void set_key(const void* page, u64 number) {
    constexpr u64 mask         = u64{15} << 59;
    x86::PageTableEntry& entry = entry_of(page);
    entry.value                = (entry.value & ~mask) | number << 59;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

u64 user_data_page() { return reinterpret_cast<u64>(machine.user_stack); }

/// The instruction and INT 0x80, with rSI and rDI at the data page; RAX behind it.
template <unsigned length>
u64 run_user(const u8 (&instruction)[length], u32 pkru, u64 rax, u64 cs = user_code64) {
    const auto data      = static_cast<u32>(user_data_page());
    const u8 low[4]      = {static_cast<u8>(data), static_cast<u8>(data >> 8),
                            static_cast<u8>(data >> 16), static_cast<u8>(data >> 24)};
    u8* to               = machine.user_code;
    constexpr u8 moves[] = {0xBE, 0xBF}; // MOV ESI, imm32; MOV EDI, imm32
    for (const u8 opcode : moves) {
        *to++ = opcode;
        for (const u8 byte : low) {
            *to++ = byte;
        }
    }
    for (const u8 byte : instruction) {
        *to++ = byte;
    }
    *to++          = 0xCD;
    *to++          = 0x80;
    u64 rax_rdx[2] = {rax, scratch};
    x86::Cpu::set_pkru(pkru);
    enter_user(reinterpret_cast<u64>(machine.user_code), user_data_page() + page_size, cs,
               user_data, x86::rflags::reserved_one | iopl3, rax_rdx);
    check(x86::Cpu::pkru() == pkru, "PKRU is not what it was");
    x86::Cpu::set_pkru(0);
    return rax_rdx[0];
}

constexpr u8 cpuid[] = {0x31, 0xC0, 0x31, 0xC9, 0x0F, 0xA2}; // XOR EAX, EAX; XOR ECX, ECX; CPUID
constexpr u8 outsb[] = {0x6E};
constexpr u8 insb[]  = {0x6C};

/// One string instruction; the error code of the #PF that it must raise, or 0.
template <unsigned length>
void run_string(const u8 (&instruction)[length], u32 pkru, u32 wanted, u64 cs, const char* what) {
    const unsigned before = machine.seen.count;
    machine.skip          = wanted != 0 ? length : 0;
    (void)run_user(instruction, pkru, 0, cs);
    const bool faulted = machine.seen.count != before;
    check(faulted == (wanted != 0)
              && (!faulted
                  || (machine.seen.vector == x86::exception::page_fault
                      && machine.seen.frame.error_code == wanted
                      && x86::Cpu::cr2() == user_data_page())),
          what);
}

int always(const vestibule_user_request*) { return 1; }

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.user_may        = always;
    start_library(setup);
    load_user_data();
    x86::Cpu::set_cr4(x86::Cpu::cr4() | x86::cr4::pke);
    say("protection keys");
    const u32 vendor = x86::Cpu::cpuid(0).ebx;
    for (const u64 cs : code_segments) {
        set_key(machine.user_code, 0);
        set_key(machine.user_stack, 0);
        check(run_user(cpuid, all_denied, 0, cs) == x86::Cpu::cpuid(0).eax,
              "CPUID, every key denied");
        set_key(machine.user_code, key);
        check(run_user(cpuid, deny_access, 0, cs) == x86::Cpu::cpuid(0).eax,
              "CPUID in code that may only be executed");
        set_key(machine.user_code, 0);
        set_key(machine.user_stack, key);
        machine.user_stack[0] = 0x3C;
        run_string(outsb, 0, 0, cs, "OUTSB");
        check(x86::Cpu::in8(scratch) == 0x3C, "what OUTSB wrote");
        machine.user_stack[0] = 0xC3;
        run_string(outsb, deny_access, user_present | by_key, cs, "OUTSB, key denies access");
        check(x86::Cpu::in8(scratch) == 0x3C, "what the key denies went out");
        run_string(insb, deny_access, user_present | by_key | 2, cs, "INSB, key denies access");
        run_string(insb, deny_write, user_present | by_key | 2, cs, "INSB, key denies writing");
        check(machine.user_stack[0] == 0xC3, "INSB wrote what the key denies");
        run_string(outsb, deny_write, 0, cs, "OUTSB, key denies writing");
        check(x86::Cpu::in8(scratch) == 0xC3, "what OUTSB wrote after that");
        run_string(insb, all_denied & ~deny_access, 0, cs, "INSB, other keys denied");
    }
    check(vendor == x86::Cpu::cpuid(0).ebx, "CPUID");
    // Keys of supervisor pages are nobody's that the library starts for, who has it started again.
    x86::Cpu::set_cr4(x86::Cpu::cr4() | x86::cr4::pks);
    check(vestibule_cpu_start(&machine.cpu, &setup) == setup_processor, "a start with CR4.PKS");
    x86::Cpu::set_cr4(x86::Cpu::cr4() & ~x86::cr4::pks);
    check(vendor == x86::Cpu::cpuid(0).ebx, "CPUID behind a refused start");
    say("done");
    end_run();
}
