// SPDX-License-Identifier: BSD-2-Clause-Patent
// PVALIDATE in loops that use registers alone, as Linux's. A machine may go from one to the next
// without entering its guest, and nobody may see that: not by results, not by #DB, not by code that
// is no more the guest's.
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

extern "C" {
u64 validate_pages(u64 first, u64 end, u32 validate);
u64 try_again(u64 page, u64 size, u64 tries);
u64 step_pages(u64 first, u64 end, u32 validate);
void count_trap();
u64 take_own_page_back(u64 other);
}

namespace {

constexpr u64 large = x86::large_page_size;

/// Of 4 KiB each, in one entry of 2 MiB, and in three.
void validate_blocks() {
    put_entry(0, list_entry(free_memory, to_private, true));
    put_entry(1, list_entry(free_memory + large, to_private, true));
    put_list(0, 1);
    check(call(0x8000'0010, 0, 0).info_2 == 0);
    check(validate_pages(free_memory, free_memory + 2 * large, 1) == 0);
    check(probe_write(&at(free_memory + 2 * large - 8), 1) == 0);
}

/// Three that are validated already: the loop has another way for them.
void validate_in_vain() {
    check(validate_pages(free_memory, free_memory + 100 * page_size, 0) == 0);
    check(probe_read(&at(free_memory + 99 * page_size)) == not_validated);
    check(probe_read(&at(free_memory + 100 * page_size)) == 0);
    for (u64 n = 0; n < 100; n += 40) {
        check(pvalidate(free_memory + n * page_size, 0, 1) == 0);
    }
    check(validate_pages(free_memory, free_memory + 100 * page_size, 1) == 3);
}

/// One that fails may be waiting for another vCPU, so here the guest is entered for each.
void fail() { check(try_again(free_memory, 1, 400) == fail_size_mismatch); }

/// Of a page's nine instructions each has its #DB, and those around the loop.
void step() {
    const x86::TableRegister idt = x86::Cpu::sidt();
    constexpr u16 code           = 8;
    reinterpret_cast<x86::InterruptGate*>(idt.base)[x86::exception::debug] =
        x86::InterruptGate::to(reinterpret_cast<u64>(count_trap), code);
    constexpr u64 each = 9; // instructions
    const u64 of_one   = step_pages(free_memory, free_memory + page_size, 0);
    const u64 of_eight = step_pages(free_memory + page_size, free_memory + 9 * page_size, 0);
    check(of_one > each && of_eight - of_one == 7 * each);
    check(validate_pages(free_memory, free_memory + 9 * page_size, 1) == 0);
}

/// What follows it is not there any more.
void take_code_back() {
    const u64 other = free_memory + large;
    check(probe_call(take_own_page_back, other) == not_validated);
    check(probe_write(&at(other), 1) == 0);
    check(pvalidate(reinterpret_cast<u64>(take_own_page_back), 0, 1) == 0);
}

} // namespace

void guest_main() {
    start();
    validate_blocks();
    validate_in_vain();
    fail();
    step();
    take_code_back();
    finish();
}
