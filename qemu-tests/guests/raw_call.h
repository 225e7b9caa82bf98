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

constexpr u64 out_byte_to_com1 = 0x03F8'0210; // SW_EXITINFO1: OUT, 8 bits, 64-bit addresses

/// A correct OUT of one character, up to the VMGEXIT.
inline ghcb::Page& prepare_out(char character) {
    const ghcb::Channel& channel = boot::vc_context().ghcb;
    ghcb::Page& page             = *channel.page;
    using ghcb::Field;
    using ghcb::FieldSet;
    constexpr FieldSet valid = FieldSet::of(Field::rax) | FieldSet::of(Field::sw_exitcode)
                               | FieldSet::of(Field::sw_exitinfo1)
                               | FieldSet::of(Field::sw_exitinfo2);
    page.rax              = static_cast<u8>(character);
    page.sw_exitcode      = static_cast<u64>(x86::ExitCode::ioio);
    page.sw_exitinfo1     = out_byte_to_com1;
    page.sw_exitinfo2     = 0;
    page.valid_bitmap[0]  = valid.low;
    page.valid_bitmap[1]  = valid.high;
    page.protocol_version = channel.version;
    page.ghcb_usage       = 0;
    return page;
}

/// Sends the page, and ends the guest with what the answer comes to.
[[noreturn]] inline void send_and_end(ghcb::Page& page) {
    x86::Cpu::wrmsr(x86::Msr::ghcb, boot::vc_context().ghcb.gpa);
    x86::Cpu::vmgexit();
    const volatile ghcb::Page& answered = page;
    const ghcb::Outcome outcome         = ghcb::judge(answered.sw_exitinfo1, answered.sw_exitinfo2);
    if (outcome.kind == ghcb::Outcome::Kind::terminate) {
        boot::fail(outcome.reason);
    }
    x86::Cpu::out8(0xF4, 0); // the call was served
    x86::Cpu::halt();
}

} // namespace vestibule::guests
