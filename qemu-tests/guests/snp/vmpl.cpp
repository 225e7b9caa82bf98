// SPDX-License-Identifier: BSD-2-Clause-Patent
// VMPL 1 beside VMPL 0 on one vCPU: RMPADJUST says what it may see, AP creation gives it a VMSA,
// RUN_VMPL goes to and fro, and VMPL 0 finds the other's registers in its VMSA (APM volume 2,
// section 15.36.7; GHCB specification, MSR request 0x016).
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

alignas(page_size) constinit u8 vmsa_page[page_size]{};
alignas(page_size) constinit u8 stack[page_size]{};
alignas(page_size) constinit u8 letter[page_size]{}; // VMPL 1 may read it and not write to it
alignas(page_size) constinit u8 own[page_size]{};    // VMPL 0's alone

constexpr u64 run_vmpl = 0x016;
constexpr u64 answered = 0x017;

constexpr u64 all_permissions = 0xF00;
constexpr u64 read_only       = 0x100;

constexpr u64 block = u64{64} << 20; // of 2 MiB, which VMPL 1 is the first to use

volatile u64 steps = 0;

/// What VMPL 1 runs: each finding is one more step.
void at_vmpl_1() {
    steps = steps + (at(address_of(letter)) == 0x1234 ? 1 : 100);
    // No PVALIDATE, no RMPADJUST of its own level or of what it has not itself.
    steps     = steps + (pvalidate(address_of(letter), 0, 0) == fail_permission ? 1 : 100);
    steps     = steps + (rmpadjust(address_of(letter), 0, 0x0101) == fail_permission ? 1 : 100);
    steps     = steps + (rmpadjust(address_of(letter), 0, 0x0302) == fail_permission ? 1 : 100);
    steps     = steps + (rmpadjust(address_of(letter), 0, 0x0102) == 0 ? 1 : 100);
    at(block) = 0x9ABC;
    at(block + 0x1F'F000) = 0xDEF0;
    steps = steps + (msr_request(run_vmpl) == answered ? 1 : 100); // and back, some time
    steps = steps + (at(address_of(letter)) == 0x5678 ? 1 : 100);
    msr_request(run_vmpl);
#ifdef OVERSTEP
    at(address_of(OVERSTEP)) = 1;
    msr_request(run_vmpl);
#endif
}

u64 run_vmpl_1() { return msr_request(u64{1} << 32 | run_vmpl); }

} // namespace

void guest_main() {
    start();
    check(run_vmpl_1() >> 32 != 0); // there is none yet
    const u64 image = address_of(own) & ~(x86::large_page_size - 1);
    for (u64 page = image; page < address_of(image_end); page += page_size) {
        if (page != ghcb_gpa() && page != address_of(own) && page != address_of(letter)) {
            rmpadjust(page, 0, all_permissions | 1);
        }
    }
    map_all();
    put_list(0, 0);
    put_entry(0, list_entry(block, to_private, true));
    check(call(0x8000'0010, 0, 0).info_2 == 0 && pvalidate(block, 1, 1) == 0);
    check(rmpadjust(block, 1, all_permissions | 1) == 0);
    check(rmpadjust(address_of(letter), 0, read_only | 1) == 0);
    at(address_of(letter)) = 0x1234;
    make_vmsa(vmsa_page, at_vmpl_1, stack + sizeof stack, 1);
    check(rmpadjust(address_of(vmsa_page), 0, bit(16) | 1) == 0);
    put(field::rax, 1);
    check(call(0x8000'0013, bit(16) | 1, address_of(vmsa_page)).info_1 == 0);
    check(rmpadjust(address_of(vmsa_page), 0, 1) == fail_in_use);

    check(run_vmpl_1() == answered);
    check(steps == 5);
    check(at(block) == 0x9ABC && at(block + 0x1F'F000) == 0xDEF0);
    const auto& vmsa = *reinterpret_cast<const volatile x86::Vmsa*>(vmsa_page);
    check(vmsa.vmpl == 1 && vmsa.rsp > address_of(stack)
          && vmsa.rsp < address_of(stack + page_size));
    at(address_of(letter)) = 0x5678;
    check(run_vmpl_1() == answered);
    check(steps == 7);

    // The list of vCPUs, into a shared page: first how large it must be.
    put(field::rax, 0);
    check(call(0x8000'0017, 0, 0).info_1 == 0 && get(field::rax) == 1);
    check(call(0x8000'0018, 3, 0).info_1 == refused);
#ifdef OVERSTEP
    run_vmpl_1();
#endif
    finish();
}
