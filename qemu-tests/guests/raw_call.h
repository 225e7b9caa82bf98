// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls through the GHCB page that ghcb/ would never make: everything filled in by hand, the page
// open to one mistake before it goes out.
#pragma once

#include "boot/fatal.h"
#include "boot/interrupts.h"
#include "ghcb/answer.h"
#include "ghcb/page.h"
#include "x86/cpu.h"
#include "x86/exit_code.h"

namespace vestibule::guests {

using ghcb::Field;
using ghcb::FieldSet;

constexpr u64 out_byte_to_com1 = 0x03F8'0210; // SW_EXITINFO1: OUT, 8 bits, 64-bit addresses

constexpr FieldSet always_valid = FieldSet::of(Field::sw_exitcode)
                                  | FieldSet::of(Field::sw_exitinfo1)
                                  | FieldSet::of(Field::sw_exitinfo2);

inline u64 ghcb_gpa() { return boot::vc_context().ghcb.gpa; }

/// A call with no registers yet; `valid` says which ones the caller is going to fill in.
inline ghcb::Page& prepare(x86::ExitCode code, u64 info_1, u64 info_2, FieldSet valid) {
    const ghcb::Channel& channel = boot::vc_context().ghcb;
    ghcb::Page& page             = *channel.page;
    const FieldSet all           = valid | always_valid;
    page.sw_exitcode             = static_cast<u64>(code);
    page.sw_exitinfo1            = info_1;
    page.sw_exitinfo2            = info_2;
    page.valid_bitmap[0]         = all.low;
    page.valid_bitmap[1]         = all.high;
    page.protocol_version        = channel.version;
    page.ghcb_usage              = 0;
    return page;
}

/// A correct OUT of one character, up to the VMGEXIT.
inline ghcb::Page& prepare_out(char character) {
    ghcb::Page& page = prepare(x86::ExitCode::ioio, out_byte_to_com1, 0, FieldSet::of(Field::rax));
    page.rax         = static_cast<u8>(character);
    return page;
}

/// Sends the page; it holds the answer then.
inline const volatile ghcb::Page& send(ghcb::Page& page) {
    x86::Cpu::wrmsr(x86::Msr::ghcb, ghcb_gpa());
    x86::Cpu::vmgexit();
    return page;
}

/// Sends the page, and ends the guest with what the answer comes to.
[[noreturn]] inline void send_and_end(ghcb::Page& page) {
    const volatile ghcb::Page& answered = send(page);
    const ghcb::Outcome outcome         = ghcb::judge(answered.sw_exitinfo1, answered.sw_exitinfo2);
    if (outcome.kind == ghcb::Outcome::Kind::terminate) {
        boot::fail(outcome.reason);
    }
    x86::Cpu::out8(0xF4, 0); // the call was served
    x86::Cpu::halt();
}

/// OUT of a byte without an OUT, and so without a #VC.
inline void raw_out(u16 port, u8 value) {
    constexpr u64 byte_64 = 0x0210;
    ghcb::Page& page =
        prepare(x86::ExitCode::ioio, (u64{port} << 16) | byte_64, 0, FieldSet::of(Field::rax));
    page.rax = value;
    send(page);
}

/// A line on the serial port.
inline void say(const char* text) {
    for (; *text != '\0'; ++text) {
        raw_out(0x3F8, static_cast<u8>(*text));
    }
    raw_out(0x3F8, '\n');
}

/// Counts what was not as it should be, and names it.
class Checks {
  public:
    void that(bool holds, const char* what) {
        if (!holds) {
            say(what);
            wrong += wrong < 100 ? 1 : 0;
        }
    }

    /// Exit code: how many did not hold.
    [[noreturn]] void end() const {
        raw_out(0xF4, wrong);
        x86::Cpu::halt();
    }

  private:
    u8 wrong = 0;
};

} // namespace vestibule::guests
