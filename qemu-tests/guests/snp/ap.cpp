// SPDX-License-Identifier: BSD-2-Clause-Patent
// AP creation (GHCB specification, exit 0x80000013): at once, on INIT, again from the same VMSA,
// and destroyed while it runs and while it does not.
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

alignas(page_size) constinit u8 vmsa_page[page_size]{};
alignas(page_size) constinit u8 other_vmsa[page_size]{};
alignas(page_size) constinit u8 stack[page_size]{};

volatile u64 starts = 0;
volatile u64 beats  = 0;

void second_vcpu() {
    starts = starts + 1;
    for (;;) {
        beats = beats + 1;
        x86::Cpu::pause();
    }
}

constexpr u64 on_init = 0;
constexpr u64 now     = 1;
constexpr u64 destroy = 2;

u64 ap_creation(u64 request, const void* vmsa) {
    put(field::rax, 1);
    return call(0x8000'0013, bit(32) | request, address_of(vmsa)).info_1;
}

u64 destroy_ap() { return call(0x8000'0013, bit(32) | destroy, 0).info_1; }

bool wait_for_start(u64 wanted) {
    for (u64 n = 0; n < 100'000'000 && starts != wanted; ++n) {
        x86::Cpu::pause();
    }
    return starts == wanted;
}

/// Out of the guest, where the other vCPU's processor can come in.
void let_others() { call(0x8000'FFFD, 0, 0); }

/// Whether it goes on, for which it has all the time that a busy machine takes.
bool beats_on() {
    const u64 before = beats;
    for (u64 n = 0; n < 100'000'000 && beats == before; ++n) {
        x86::Cpu::pause();
    }
    return beats != before;
}

/// Whether the page of its state is the guest's own again, once its processor has come out of it.
bool gives_back(const void* vmsa) {
    u64 result = fail_in_use;
    for (u64 n = 0; n < 1'000'000 && result == fail_in_use; ++n) {
        let_others();
        result = rmpadjust(address_of(vmsa), 0, 1);
    }
    return result == 0;
}

bool stands_still() {
    const u64 before = beats;
    for (u64 n = 0; n < 200; ++n) {
        let_others();
    }
    return beats == before;
}

/// To vCPU 1, by the local APIC's registers.
void send_init() {
    constexpr u64 command      = 0xFEE0'0300;
    constexpr u64 command_high = 0xFEE0'0310;
    const auto write           = [](u64 gpa, u32 value) {
        at<u32>(ghcb_gpa() + field::buffer) = value;
        put(field::scratch, ghcb_gpa() + field::buffer);
        call(0x8000'0002, gpa, 4);
    };
    write(command_high, 1u << 24);
    write(command, 5u << 8 | 1u << 14);
}

void prepare(u8* page) {
    make_vmsa(page, second_vcpu, stack + sizeof stack, 0);
    check(rmpadjust(address_of(page), 0, 0x1'0001) == 0);
}

} // namespace

void guest_main() {
    start();
    prepare(vmsa_page);
    check(ap_creation(now, vmsa_page) == 0);
    check(wait_for_start(1));
    // It runs from the page: that cannot be taken away, nor be made shared.
    check(rmpadjust(address_of(vmsa_page), 0, 1) == fail_in_use);
    check(pvalidate(address_of(vmsa_page), 0, 0) == fail_in_use);
    check(change_state(address_of(vmsa_page), to_shared) != 0);
    check(beats_on());
    check(destroy_ap() == 0);
    check(gives_back(vmsa_page));
    check(stands_still());
    // The same page again, filled anew.
    prepare(vmsa_page);
    check(ap_creation(now, vmsa_page) == 0);
    check(wait_for_start(2));
    // Another one while it runs.
    prepare(other_vmsa);
    check(ap_creation(now, other_vmsa) == 0);
    check(wait_for_start(3));
    check(rmpadjust(address_of(vmsa_page), 0, 1) == 0);
    check(destroy_ap() == 0);
    check(gives_back(other_vmsa));
    check(stands_still());
    check(destroy_ap() == 0); // which is no more than it was
    // On INIT.
    prepare(vmsa_page);
    check(ap_creation(on_init, vmsa_page) == 0);
    check(stands_still() && starts == 3);
    send_init();
    check(wait_for_start(4));
    finish();
}
