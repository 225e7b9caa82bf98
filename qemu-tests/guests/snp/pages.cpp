// SPDX-License-Identifier: BSD-2-Clause-Patent
// The reverse map table and page state changes used as they should be, with every code and flag
// that comes back (APM volume 3, PVALIDATE, RMPADJUST, RMPQUERY; GHCB specification, exit
// 0x80000010).
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

alignas(page_size) constinit u8 page[page_size]{};

constexpr u64 block(u64 n) { return free_memory + n * x86::large_page_size; }

/// Private, shared, and private again: what it held is gone each time.
void change_one_page() {
    const u64 gpa = address_of(page);
    at(gpa)       = 0x1234'5678;
    check(pvalidate(gpa, 0, 0) == 0);
    check(change_state(gpa, to_shared) == 0);
    map_page(gpa, false);
    check(at(gpa) != 0x1234'5678);
    at(gpa) = 0x9ABC'DEF0;
    check(at(gpa) == 0x9ABC'DEF0);
    map_page(gpa, true);
    check(change_state(gpa, to_private) == 0);
    check(pvalidate(gpa, 0, 1) == 0);
    check(at(gpa) != 0x1234'5678 && at(gpa) != 0x9ABC'DEF0);
}

/// All forms of entries in one list: 4 KiB, 2 MiB, and the two hints that change nothing.
void change_by_list() {
    put_entry(0, list_entry(block(0), to_private, true));
    put_entry(1, list_entry(block(1), to_private));
    put_entry(2, list_entry(block(0), 3, true));
    put_entry(3, list_entry(block(0), 4, true));
    put_list(0, 3);
    const Answer answer = call(0x8000'0010, 0, 0);
    check(answer.info_1 == 0 && answer.info_2 == 0);
    check(list_current() == 4);
    check((get_entry(0) & 0xFFF) == 512);
    check((get_entry(1) & 0xFFF) == 1);
}

void validate() {
    // 2 MiB on an entry of 2 MiB, on entries of 4 KiB, and 4 KiB on an entry of 2 MiB.
    check(pvalidate(block(0), 1, 1) == 0);
    check(probe_write(&at(block(0) + x86::large_page_size - 8), 1) == 0);
    check(pvalidate(block(1), 1, 1) == fail_size_mismatch);
    check(pvalidate(block(1), 0, 1) == 0);
    check(probe_write(&at(block(1)), 1) == 0);
    check(pvalidate(block(0) + page_size, 0, 0) == 0); // which splits it
    check(pvalidate(block(0), 1, 0) == fail_size_mismatch);
    check(pvalidate(block(0) + page_size, 0, 1) == 0);
    // Bits beside the lowest of ECX and EDX do not count.
    check(pvalidate(block(1), 0xFFFF'FFFE, 0xFFFF'FFFE) == 0);
    check(pvalidate(block(1), 0x1'B400, 0x1'B401) == 0);
}

/// A list of which some is done already goes on from there.
void go_on_with_list() {
    put_entry(0, ~u64{0}); // not looked at
    put_entry(1, list_entry(block(2), to_private));
    put_list(1, 1);
    check(call(0x8000'0010, 0, 0).info_2 == 0);
    check(list_current() == 2);
    // Half of 2 MiB was done by whoever was interrupted.
    put_entry(0, list_entry(block(3), to_private, true) | 256);
    put_list(0, 0);
    check(call(0x8000'0010, 0, 0).info_2 == 0);
    check((get_entry(0) & 0xFFF) == 512);
    check(pvalidate(block(3) + 300 * page_size, 0, 1) == 0);
    check(pvalidate(block(3) + 511 * page_size, 0, 1) == 0);
}

void adjust() {
    const u64 gpa  = address_of(page);
    u64 attributes = 1;
    u64 size       = ~u64{0};
    check(rmpquery(gpa, attributes, size) == 0);
    check(attributes == 1 && size == 0);
    check(rmpadjust(gpa, 0, 0x0301) == 0); // VMPL 1 may read and write
    attributes = 1;
    check(rmpquery(gpa, attributes, size) == 0 && attributes == 0x0301);
    attributes = 2;
    check(rmpquery(gpa, attributes, size) == 0 && attributes == 0x0002);
    attributes = 0;
    check(rmpquery(gpa, attributes, size) == fail_permission);
    check(rmpadjust(gpa, 0, 0x0F00) == fail_permission); // of its own VMPL
    check(rmpadjust(gpa, 0, 0x1'0001) == 0);             // a VMSA
    attributes = 1;
    check(rmpquery(gpa, attributes, size) == 0 && attributes == 0x1'0001);
    check(rmpadjust(gpa, 0, 1) == 0);
    check(rmpadjust(block(0), 1, 0x0101) == fail_size_mismatch);
}

void ask_by_msr() {
    check(x86::Cpu::rdmsr(x86::Msr::sev_status) == 7);
    check(msr_request(0x080) >> 12 == 0x33);            // SEV-SNP, AP creation, APIC IDs, VMPLs
    check(msr_request(0x010) == (~u64{0xFFF} | 0x011)); // no preferred GHCB
    check(msr_request(ghcb_gpa() | 0x012) == (ghcb_gpa() | 0x013));
    check(call(0x8000'FFFD, 0, 0).info_2 == 0x33);
}

} // namespace

void guest_main() {
    start();
    change_one_page();
    change_by_list();
    validate();
    go_on_with_list();
    adjust();
    ask_by_msr();
    finish();
}
