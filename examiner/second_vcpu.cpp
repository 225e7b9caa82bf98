// SPDX-License-Identifier: BSD-2-Clause-Patent
// See second_vcpu.h.
#include "examiner/second_vcpu.h"

#include "examiner/conversation.h"
#include "examiner/machine.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;

constexpr u64 own_page_number = 3; // of the arena
constexpr u32 apic_id         = 1;

alignas(16) constinit u8 stack[page_size]{};
constinit volatile u64 arrived = 0;
constinit volatile u64 order   = 0;
constinit volatile u64 taken   = 0; // orders taken up
constinit volatile u64 obeyed  = 0; // orders done
constinit Held result{};
constinit u64 nmis = 0; // sent

volatile ghcb::Page& own_page() {
    return *reinterpret_cast<volatile ghcb::Page*>(arena_gpa(own_page_number));
}

void hold_by_page() {
    volatile ghcb::Page& page = own_page();
    const FieldSet valid      = fields::code | fields::info_1 | fields::info_2;
    page.sw_exitcode          = static_cast<u64>(ExitCode::ap_reset_hold);
    page.sw_exitinfo1         = 0;
    page.sw_exitinfo2         = 0;
    page.valid_bitmap[0]      = valid.low;
    page.valid_bitmap[1]      = valid.high;
    page.protocol_version     = version();
    page.ghcb_usage           = 0;
    Cpu::wrmsr(x86::Msr::ghcb, arena_gpa(own_page_number));
    Cpu::vmgexit();
    result = {.msr = 0, .info_1 = page.sw_exitinfo1, .info_2 = page.sw_exitinfo2};
}

void obey(u64 what) {
    if (what == static_cast<u64>(Order::hold_by_msr)) {
        result = {.msr = exchange(msr::reset_hold), .info_1 = 0, .info_2 = 0};
    } else {
        hold_by_page();
    }
}

/// Where it comes to from the mailbox.
[[noreturn]] void obey_for_ever(u64) {
    if (is_snp()) {
        (void)exchange(arena_gpa(own_page_number) | msr::register_gpa);
    }
    arrived = 1;
    for (;;) {
        while (order == 0) {
            Cpu::pause();
        }
        const u64 what = order;
        order          = 0;
        taken          = taken + 1;
        obey(what);
        obeyed = obeyed + 1;
    }
}

// --- The local APIC (APM volume 2, chapter 16) ---

constexpr u64 apic_page      = 0xFEE0'0000;
constexpr u64 command_low    = apic_page + 0x300;
constexpr u64 command_high   = apic_page + 0x310;
constexpr u32 x2apic_command = 0x830;
constexpr u32 apic_base_msr  = 0x1B;
constexpr u64 extended       = bit(10);
constexpr u32 init           = 0x0000'4500;
constexpr u32 startup        = 0x0000'4600;
constexpr u32 nmi            = 0x0000'4400;
constexpr u32 to_self        = 0x0004'0000;

void write_register(u64 gpa, u32 value) {
    set_buffer_word(0, value);
    (void)perform(call_of(ExitCode::mmio_write, gpa, 4).with_scratch());
}

void send(u32 command, u32 destination) {
    const bool is_x2apic =
        (perform(call_of(ExitCode::msr).with_rcx(apic_base_msr)).rax & extended) != 0;
    if (is_x2apic) {
        (void)perform(call_of(ExitCode::msr, 1)
                          .with_rcx(x2apic_command)
                          .with_rax(command)
                          .with_rdx(destination));
        return;
    }
    write_register(command_high, destination << 24);
    write_register(command_low, command);
}

} // namespace

bool start_second_vcpu() {
    if (arrived != 0) {
        return true;
    }
    if (!has_second_vcpu() || !make_shared(arena_gpa(own_page_number))) {
        return false;
    }
    auto& box = *reinterpret_cast<vestibule_ap_mailbox*>(info().ap_mailbox);
    box.stack = reinterpret_cast<u64>(stack) + sizeof stack;
    *const_cast<volatile u64*>(&box.entry) = reinterpret_cast<u64>(&obey_for_ever);
    send_init();
    send_startup();
    return wait_for(arrived, 1);
}

bool give(Order what) {
    const u64 wanted = taken + 1;
    order            = static_cast<u64>(what);
    return wait_for(taken, wanted);
}

bool is_done_now() { return obeyed == taken; }

bool is_done_soon() { return wait_for(obeyed, taken); }

Held held() { return result; }

void send_init() { send(init, apic_id); }

void send_startup() { send(startup, apic_id); }

void send_nmi_to_self() {
    ++nmis;
    send(nmi | to_self, 0);
}

u64 nmis_sent() { return nmis; }

} // namespace vestibule::examiner
