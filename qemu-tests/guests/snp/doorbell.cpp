// SPDX-License-Identifier: BSD-2-Clause-Patent
// Restricted injection: nothing comes to this guest but #HV, which points to its doorbell page
// (GHCB specification, exits 0x80000014 and 0x80000015; APM volume 2, section 15.36.15). It holds
// against the machine what an interrupt, an NMI and a timer do there, and that none comes by its
// own gate.
#include "qemu-tests/guests/snp/machine.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

extern "C" [[gnu::visibility("hidden")]] void on_hv();

namespace {

constexpr u64 doorbell_page = 0x8000'0014;
constexpr u64 hv_ipi        = 0x8000'0015;
constexpr u64 features      = 0x8000'FFFD;
constexpr u64 mmio_write    = 0x8000'0002;

enum Operation : u64 { preferred, set, query, clear };

constexpr u64 self = u64{1} << 18; // of the interrupt command register
constexpr u64 nmi  = u64{4} << 8;

constexpr u8 nmi_pending       = 1u << 0;
constexpr u8 no_further_signal = 1u << 7;

alignas(page_size) constinit u8 page[page_size]{};

// What #HV has found.
constinit volatile u64 signals      = 0;
constinit volatile u8 vector        = 0;
constinit volatile u8 flags         = 0;
constinit volatile bool wants_more  = true; // clears no_further_signal
constinit volatile u8 left_required = 0;

volatile u8& byte(unsigned n) { return at<u8>(address_of(page) + n); }

u8 take(unsigned n) {
    u8 value = 0;
    asm volatile("xchgb %0, %1" : "+q"(value), "+m"(byte(n)));
    return value;
}

/// Its registers are the interrupted code's: none but these is changed.
[[gnu::naked]] void hv_entry() {
    asm volatile("push %%rax; push %%rcx; push %%rdx; push %%rsi; push %%rdi\n"
                 "push %%r8; push %%r9; push %%r10; push %%r11\n"
                 "call on_hv\n"
                 "pop %%r11; pop %%r10; pop %%r9; pop %%r8\n"
                 "pop %%rdi; pop %%rsi; pop %%rdx; pop %%rcx; pop %%rax\n"
                 "iretq" ::);
}

/// #HV is vector 28 of the IDT that machine.cpp has made; others would end the guest.
void catch_hv() {
    x86::TableRegister table{};
    asm volatile("sidt %0" : "=m"(table));
    constexpr u64 hv = 28;
    reinterpret_cast<x86::InterruptGate*>(table.base)[hv] =
        x86::InterruptGate::to(reinterpret_cast<u64>(&hv_entry), 8);
}

void write_local_apic(u64 offset, u32 value) {
    put(field::scratch, ghcb_gpa() + field::buffer);
    at<u32>(ghcb_gpa() + field::buffer) = value;
    call(mmio_write, 0xFEE0'0000 + offset, sizeof value);
}

void end_of_interrupt() { write_local_apic(0xB0, 0); }

bool comes(u64 wanted) {
    for (u64 patience = 1'000'000; patience != 0 && signals != wanted; --patience) {
        x86::Cpu::pause();
    }
    return signals == wanted;
}

} // namespace

void on_hv() {
    if (wants_more) {
        asm volatile("lock andb %1, %0"
                     : "+m"(byte(1))
                     : "iq"(static_cast<u8>(~no_further_signal)));
    }
    left_required = byte(2);
    flags         = byte(1) & nmi_pending;
    byte(1)       = byte(1) & static_cast<u8>(~nmi_pending);
    vector        = take(0);
    signals       = signals + 1;
}

void guest_main() {
    start();
    catch_hv();
    check((call(features, 0, 0).info_2 & bit(2)) != 0);
    check(call(doorbell_page, preferred, 0).info_2 == ~u64{0}); // wherever the guest likes
    check(call(doorbell_page, query, 0).info_2 == 0);
    check(call(doorbell_page, set, address_of(page)).info_1 == refused); // it is private
    check(call(doorbell_page, 4, 0).info_1 == refused);

    check(call(hv_ipi, self | 0x50, 0).info_1 == 0); // nobody can be told of it yet
    check(!comes(1));
    share(page);
    check(call(doorbell_page, set, address_of(page)).info_1 == 0);
    check(call(doorbell_page, query, 0).info_2 == address_of(page));
    check(comes(1) && vector == 0x50 && flags == 0); // with RFLAGS.IF clear
    check(left_required == 0);                       // so it wants an end of interrupt
    end_of_interrupt();

    // Of two, the second waits until the first has ended.
    call(hv_ipi, self | 0x51, 0);
    check(comes(2) && vector == 0x51);
    call(hv_ipi, self | 0x40, 0);
    check(!comes(3));
    end_of_interrupt();
    check(comes(3) && vector == 0x40);
    end_of_interrupt();

    // Who has left the bit set is told no more, and finds it on the page.
    wants_more = false;
    call(hv_ipi, self | 0x52, 0);
    check(comes(4) && vector == 0x52 && (byte(1) & no_further_signal) != 0);
    end_of_interrupt();
    call(hv_ipi, self | 0x53, 0);
    call(features, 0, 0); // the hypervisor has a look
    check(!comes(5) && take(0) == 0x53);
    end_of_interrupt();
    wants_more = true;
    byte(1)    = 0;

    call(hv_ipi, self | nmi, 0);
    check(comes(5) && vector == 0 && flags == nmi_pending);

    // A timer's wakes it from HLT with RFLAGS.IF clear.
    write_local_apic(0x3E0, 3);    // divided by 16
    write_local_apic(0x320, 0x60); // once
    write_local_apic(0x380, 2'000'000);
    asm volatile("hlt");
    check(signals == 6 && vector == 0x60);
    end_of_interrupt();

    check(call(doorbell_page, clear, 0).info_1 == 0);
    check(call(doorbell_page, query, 0).info_2 == 0);
    call(hv_ipi, self | 0x54, 0);
    check(!comes(7));
    check(call(doorbell_page, set, address_of(page)).info_1 == 0);
    check(comes(7) && vector == 0x54);
    finish();
}
