// SPDX-License-Identifier: BSD-2-Clause-Patent
// Every rule of SEV-SNP's pages and calls broken, and what comes of it.
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

alignas(page_size) constinit u8 page[page_size]{};
alignas(page_size) constinit u8 other[page_size]{};

constexpr u64 page_state_change = 0x8000'0010;
constexpr u64 ap_creation       = 0x8000'0013;

/// ghcb-not-registered: a call before the registration, and one by another page than the
/// registered.
void call_unregistered() {
    check(call(0x8000'FFFD, 0, 0).info_1 == refused);
    msr_request(address_of(page) | 0x012);
    const Answer answer = call(0x8000'FFFD, 0, 0);
    check(answer.info_1 == refused && answer.info_2 == 1);
    register_ghcb();
    check(call(0x8000'FFFD, 0, 0).info_1 == 0);
}

/// rmp-not-assigned, rmp-not-validated: memory that nobody was asked for.
void use_unlaunched() {
    check(probe_read(&at(free_memory)) == not_validated);
    check(probe_write(&at(free_memory), 1) == not_validated);
    check(pvalidate(free_memory + page_size, 0, 1) == 0); // assigned unasked
    check(probe_write(&at(free_memory + page_size), 1) == 0);
}

/// rmp-validated-twice, rmp-rescinded-twice: CF says so.
void validate_twice() {
    check(pvalidate(address_of(page), 0, 1) == carry);
    check(pvalidate(free_memory, 0, 0) == carry);
}

/// rmp-operand: a page that is shared, not aligned, or not there; attributes that are none.
void use_wrong_operands() {
    check(pvalidate(ghcb_gpa(), 0, 1) == fail_input);
    check(pvalidate(free_memory + page_size, 1, 1) == fail_input);
    check(rmpadjust(address_of(page), 0, 0x8000'0001) == fail_input);
    check(pvalidate(u64{1} << 40, 0, 1) == fault(14, 0)); // not mapped
    check(rmpadjust(free_memory, 0, 1) == not_validated);
}

/// psc-validated: shared without having been taken back. rmp-shared-access: without having been
/// made shared.
void share_carelessly() {
    check(change_state(address_of(other), to_shared) == 0);
    check(change_state(address_of(other), to_private) == 0);
    check(probe_read(other) == not_validated);
    check(pvalidate(address_of(other), 0, 1) == 0);
    map_page(address_of(page), false);
    check(probe_write(page, 1) == 0);
    map_page(address_of(page), true);
    check(probe_read(page) == not_validated);
    check(pvalidate(address_of(page), 0, 1) == 0);
}

/// psc-list: the header, an entry, a page; by page and by MSR.
void ask_for_nonsense() {
    put_list(0, 253);
    check(call(page_state_change, 0, 0).info_2 == 0x1'0000'0001);
    put_entry(0, list_entry(free_memory, 7));
    put_list(0, 0);
    check(call(page_state_change, 0, 0).info_2 == 0x1'0000'0002);
    check(list_current() == 0);
    put_entry(0, list_entry(free_memory + page_size, to_private, true)); // not aligned
    put_list(0, 0);
    check(call(page_state_change, 0, 0).info_2 == 0x1'0000'0002);
    put_entry(0, list_entry(free_memory, to_private, true) | 513); // more than all done
    put_list(0, 0);
    check(call(page_state_change, 0, 0).info_2 == 0x1'0000'0002);
    put_entry(0, list_entry(u64{1} << 40, to_private)); // no memory
    put_list(0, 0);
    check(call(page_state_change, 0, 0).info_2 == 0x1'0000'0002);
    check(change_state(free_memory, 3) != 0); // a hint, which the MSR protocol does not have
    check(change_state(u64{1} << 40, to_private) != 0);
    put(field::scratch, address_of(page)); // outside the GHCB
    check(call(page_state_change, 0, 0).info_1 == refused);
}

/// psc-in-use: the very page of the call.
void take_ghcb_back() {
    put_entry(0, list_entry(ghcb_gpa(), to_private));
    put_list(0, 0);
    put(field::exit_code, page_state_change);
    put(field::exit_info_1, 0);
    put(field::exit_info_2, 0);
    at<u16>(ghcb_gpa() + 0xFFA) = 2;
    x86::Cpu::wrmsr(x86::Msr::ghcb, ghcb_gpa());
    x86::Cpu::vmgexit();
    check(change_state(ghcb_gpa(), to_shared) == 0);
    memset(reinterpret_cast<void*>(ghcb_gpa()), 0, page_size);
}

/// ap-vmsa: a page that is no VMSA, and one that VMRUN would refuse. No vCPU, no request.
void create_nonsense() {
    put(field::rax, 1);
    check(call(ap_creation, 1, address_of(page)).info_1 == refused);
    memset(page, 0, page_size);
    check(rmpadjust(address_of(page), 0, 0x1'0001) == 0);
    put(field::rax, 1);
    check(call(ap_creation, 1, address_of(page)).info_1 == refused); // EFER.SVME is not set
    check(rmpadjust(address_of(page), 0, 1) == 0);
    put(field::rax, 1);
    check(call(ap_creation, u64{9} << 32 | 1, address_of(page)).info_1 == refused);
    put(field::rax, 1);
    check(call(ap_creation, 3, address_of(page)).info_1 == refused);
}

} // namespace

void guest_main() {
    start_without_ghcb();
    share_ghcb();
    call_unregistered();
    use_unlaunched();
    validate_twice();
    use_wrong_operands();
    share_carelessly();
    ask_for_nonsense();
    take_ghcb_back();
    create_nonsense();
    finish();
}
