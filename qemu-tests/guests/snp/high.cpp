// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory from 4 GiB on: as much as the CMOS says, and nothing behind it, where the emulated machine
// has what is its own.
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

constexpr u64 four_gib = u64{4} << 30;
constexpr u64 no_page  = fault(29, 0x400); // #VC: no memory, so a device

/// The register that port 0x70 chooses (exit 0x7B, APM volume 2, section 15.10.2: the port in
/// [31:16], 64-bit addresses, 8 bits,
/// IN).
u64 cmos(u64 number) {
    constexpr u64 index = u64{0x70} << 16 | bit(9) | bit(4);
    constexpr u64 data  = u64{0x71} << 16 | bit(9) | bit(4) | bit(0);
    put(field::rax, number);
    call(0x7B, index, 0);
    put(field::rax, 0);
    call(0x7B, data, 0);
    return get(field::rax) & 0xFF;
}

u64 high_memory() { return (cmos(0x5B) | cmos(0x5C) << 8 | cmos(0x5D) << 16) << 16; }

/// Private, written and read, shared, written and read, and private again.
void use_page(u64 gpa) {
    check(change_state(gpa, to_private) == 0);
    map_far_page(gpa, true);
    check(probe_read(&at(gpa)) == not_validated);
    check(pvalidate(gpa, 0, 1) == 0);
    at(gpa) = 0x1234'5678;
    check(at(gpa) == 0x1234'5678);
    check(pvalidate(gpa, 0, 0) == 0);
    check(change_state(gpa, to_shared) == 0);
    map_far_page(gpa, false);
    check(at(gpa) != 0x1234'5678);
    at(gpa) = 0x9ABC'DEF0;
    check(at(gpa) == 0x9ABC'DEF0);
    check(msr_request(gpa | 0x012) == (gpa | 0x013)); // a GHCB may lie there
    check(msr_request(ghcb_gpa() | 0x012) == (ghcb_gpa() | 0x013));
    check(change_state(gpa, to_private) == 0);
    map_far_page(gpa, true);
    check(pvalidate(gpa, 0, 1) == 0);
    check(at(gpa) != 0x9ABC'DEF0);
}

void use_block(u64 gpa) {
    put_entry(0, list_entry(gpa, to_private, true));
    put_list(0, 0);
    const Answer answer = call(0x8000'0010, 0, 0);
    check(answer.info_1 == 0 && answer.info_2 == 0);
    const u64 last = gpa + x86::large_page_size - page_size;
    map_far_page(gpa, true);
    map_far_page(last, true);
    check(pvalidate(gpa, 1, 1) == 0);
    at(gpa)  = 1;
    at(last) = 2;
    check(at(gpa) == 1 && at(last) == 2);
}

} // namespace

void guest_main() {
    start();
    const u64 size = high_memory();
    const u64 end  = four_gib + size;
    check(size != 0);
    use_page(end - page_size);
    use_page(four_gib);
    use_block(end - 2 * x86::large_page_size);
    const u64 nowhere[] = {four_gib - 32 * x86::large_page_size, end};
    for (const u64 gpa : nowhere) {
        check(change_state(gpa, to_private) != 0);
        map_far_page(gpa, false);
        check(probe_read(&at(gpa)) == no_page);
    }
    finish();
}
