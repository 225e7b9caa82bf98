// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls of the kernel's own (include/vestibule/calls.h): any event, and those of the machine.
#include "include/vestibule/calls.h"

#include "ghcb/call.h"
#include "ghcb/last_words.h"
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "x86/cpu.h"

using namespace vestibule;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

using Call = ghcb::Call<library::Cpu>;

constexpr u16 rsp        = 1 << 4;
constexpr u16 answerable = 0xF; // RAX, RCX, RDX, RBX
constexpr u8 known_fields =
    VESTIBULE_SHOW_CPL | VESTIBULE_SHOW_XCR0 | VESTIBULE_SHOW_XSS | VESTIBULE_WANT_EXITINFO2;
constexpr u64 feature_version = 2; // of the protocol

static_assert(VESTIBULE_BUFFER_SIZE == sizeof(ghcb::Page::shared_buffer));

bool is_right(const vestibule_call& call) {
    const bool has_data = call.bytes_out != 0 || call.bytes_in != 0;
    return (call.shown & rsp) == 0 && (call.wanted & ~answerable) == 0
           && (call.fields & ~known_fields) == 0 && call.bytes_out <= VESTIBULE_BUFFER_SIZE
           && call.bytes_in <= VESTIBULE_BUFFER_SIZE && (!has_data || call.buffer != nullptr)
           && (call.reserved[0] | call.reserved[1] | call.reserved[2]) == 0;
}

void show(Call& page, const vestibule_call& call) {
    for (ghcb::RegisterSet rest{call.shown}; !rest.empty();) {
        const unsigned number = rest.take_lowest();
        page.put_register(ghcb::RegisterSet::of(number), call.reg[number]);
    }
    if ((call.fields & VESTIBULE_SHOW_CPL) != 0) {
        page.put(ghcb::Field::cpl, call.cpl);
    }
    if ((call.fields & VESTIBULE_SHOW_XCR0) != 0) {
        page.put(ghcb::Field::xcr0, call.xcr0);
    }
    if ((call.fields & VESTIBULE_SHOW_XSS) != 0) {
        page.put(ghcb::Field::xss, call.xss);
    }
    if (call.bytes_out != 0 || call.bytes_in != 0) {
        page.put_buffer();
    }
    const auto* from = static_cast<const u8*>(call.buffer);
    for (unsigned n = 0; n < call.bytes_out; ++n) {
        page.buffer()[n] = from[n];
    }
}

ghcb::Outcome exchange(ghcb::Channel& channel, vestibule_call& call) {
    Call page{channel};
    show(page, call);
    const ghcb::Answer answer =
        page.exit(static_cast<x86::ExitCode>(call.exit_code), call.exitinfo1, call.exitinfo2,
                  ghcb::RegisterSet{call.wanted});
    if (!answer.outcome.is_done()) {
        return answer.outcome;
    }
    u64 exitinfo2 = 0;
    if ((call.fields & VESTIBULE_WANT_EXITINFO2) != 0) {
        if (!page.answered_exitinfo2(exitinfo2)) {
            return ghcb::Outcome::terminate(reason::ghcb_missing_output);
        }
        call.exitinfo2 = exitinfo2;
    }
    for (ghcb::RegisterSet rest{call.wanted}; !rest.empty();) {
        const unsigned number = rest.take_lowest();
        call.reg[number]      = answer.reg[number];
    }
    auto* to = static_cast<u8*>(call.buffer);
    for (unsigned n = 0; n < call.bytes_in; ++n) {
        to[n] = page.buffer()[n];
    }
    return answer.outcome;
}

/// A call of two words that returns one, which then is in `exitinfo2`.
vestibule_reason exchange_word(vestibule_cpu* cpu, x86::ExitCode code, u64 exitinfo1,
                               u64& exitinfo2) {
    const library::InterruptsOff off;
    ghcb::Channel& channel = PerCpu::of(*cpu).context.ghcb;
    if (!channel.has_room()) {
        return library::public_reason(reason::ghcb_reentered);
    }
    Call page{channel};
    ghcb::Outcome outcome = page.exit(code, exitinfo1, exitinfo2, ghcb::registers::none).outcome;
    u64 told              = 0;
    if (outcome.is_done() && !page.answered_exitinfo2(told)) {
        outcome = ghcb::Outcome::terminate(reason::ghcb_missing_output);
    }
    if (outcome.is_done()) {
        exitinfo2 = told;
    }
    return library::as_reason(outcome);
}

} // namespace

vestibule_reason vestibule_ghcb_call(vestibule_cpu* cpu, vestibule_call* call) {
    if (!is_right(*call)) {
        return library::public_reason(reason::call_argument);
    }
    const library::InterruptsOff off;
    ghcb::Channel& channel = PerCpu::of(*cpu).context.ghcb;
    if (!channel.has_room()) {
        return library::public_reason(reason::ghcb_reentered);
    }
    return library::as_reason(exchange(channel, *call));
}

vestibule_reason vestibule_hypervisor_features(vestibule_cpu* cpu, uint64_t* features) {
    *features = 0;
    if (PerCpu::of(*cpu).context.ghcb.version < feature_version) {
        return 0;
    }
    u64 told                      = 0;
    const vestibule_reason reason = exchange_word(cpu, x86::ExitCode::hv_features, 0, told);
    if (reason == 0) {
        *features = told;
    }
    return reason;
}

namespace {

constexpr u64 set_table = 0;
constexpr u64 get_table = 1;

} // namespace

vestibule_reason vestibule_ap_jump_table(vestibule_cpu* cpu, uint64_t* gpa) {
    u64 told = 0;
    const vestibule_reason reason =
        exchange_word(cpu, x86::ExitCode::ap_jump_table, get_table, told);
    if (reason == 0) {
        *gpa = told;
    }
    return reason;
}

vestibule_reason vestibule_set_ap_jump_table(vestibule_cpu* cpu, uint64_t gpa) {
    u64 address = gpa;
    return exchange_word(cpu, x86::ExitCode::ap_jump_table, set_table, address);
}

vestibule_reason vestibule_ap_reset_hold(vestibule_cpu* cpu) {
    // 0 in SW_EXITINFO2: woken by something else than a SIPI.
    u64 woken               = 0;
    vestibule_reason reason = 0;
    while (reason == 0 && woken == 0) {
        reason = exchange_word(cpu, x86::ExitCode::ap_reset_hold, 0, woken);
    }
    return reason;
}

void vestibule_terminate_at(vestibule_cpu* cpu, vestibule_reason reason, uint64_t rip,
                            uint64_t error_code, uint64_t address) {
    const ghcb::Reason inner = library::inner_reason(reason);
    ghcb::leave_last_words(PerCpu::of(*cpu).context.ghcb, inner, rip, error_code, address);
    library::end(inner);
}

void vestibule_reset(vestibule_cpu* cpu) {
    constexpr u16 reset_control = 0xCF9;
    constexpr u8 hard           = 1 << 1;
    constexpr u8 now            = 1 << 2;
    vestibule_out(cpu, reset_control, 1, hard);
    vestibule_out(cpu, reset_control, 1, hard | now);
    constexpr u16 keyboard_controller = 0x64;
    constexpr u8 pulse_reset          = 0xFE;
    vestibule_out(cpu, keyboard_controller, 1, pulse_reset);
    library::end(reason::general);
}

void vestibule_power_off(vestibule_cpu* cpu, uint16_t pm1a_control, uint8_t sleep_type) {
    constexpr u32 sleep_enable = 1u << 13;
    constexpr u32 sleep_types  = 7u << 10;
    const u32 kept             = vestibule_in(cpu, pm1a_control, 2) & ~(sleep_enable | sleep_types);
    vestibule_out(cpu, pm1a_control, 2,
                  kept | ((u32{sleep_type} << 10) & sleep_types) | sleep_enable);
    library::end(reason::general);
}
