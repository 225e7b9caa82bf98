// SPDX-License-Identifier: BSD-2-Clause-Patent
// The runtime #VC handler: from the frame to the answer in the frame. Follow it down: decode.h says
// which instruction it is, events.h who serves it, ghcb/call.h how the hypervisor is asked.
#pragma once

#include "ghcb/call.h"
#include "vc/code.h"
#include "vc/context.h"
#include "vc/events.h"
#include "vc/fetch.h"
#include "vc/frame.h"
#include "vc/quick.h"
#include "vc/quick_mmio.h"
#include "vc/refuse.h"
#include "vc/undecoded.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// The interrupted code is stepped one instruction at a time: it has just completed one, or an
/// iteration of a string instruction, and the trap is due now (APM volume 2, section 13.1.4). Left
/// to the CPU it would come after the next one. RF stays one between iterations.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome single_step() {
    Cpu::set_dr6(Cpu::dr6() | x86::dr6_bs);
    return ghcb::Outcome::raise(x86::exception::debug);
}

/// Any #VC for which there is an instruction.
template <class Cpu>
[[gnu::noinline, clang::minsize]] Served serve_any(Frame& frame, Context& context,
                                                   OpeningBytes opening) {
    const Code code = interrupted_code<Cpu>(frame, context.kernel_code64);
    if (!code.known) {
        return {.outcome = refuse(frame, ghcb::reason::vc_code_segment)};
    }
    Fetch<Cpu> fetch{.code = code, .frame = frame, .context = context, .opening = opening};
    Decoded decoded;
    {
        const CodeAccess<Cpu> code_access{code.cpl != 0};
        decoded = decode(code.size, [&](u8& byte) { return fetch.next(byte); });
    }
    if (!fetch.is_mapped) { // executed again, it faults as it should
        return {.outcome = ghcb::Outcome::again()};
    }
    if (decoded.error != DecodeError::none) {
        return {.outcome = Events::refuse_instruction<Cpu>(frame, context)};
    }
    const u8 length = decoded.instruction.length;
    return {
        .outcome = Events::serve<Cpu>(
            {.frame = frame, .context = context, .instruction = decoded.instruction, .code = code}),
        .length       = length,
        .ends_segment = Cpu::serves_kernel && !may_return_to<Cpu>(code, frame.rip + length)};
}

/// Whether a frame is where the CPU pushed it, or somewhere else, where is_whole() says nothing.
enum class FramePlace : u8 { as_pushed, copied };

/// Serves one #VC. When the outcome is done, the frame holds the registers as the instruction would
/// have left them; `again` is the same after part of a string instruction, or of none. A #DB among
/// the exceptions is due behind that. For any other outcome the frame is as it was.
template <class Cpu, FramePlace place = FramePlace::copied>
[[gnu::always_inline]] inline ghcb::Outcome handle(Frame& frame, Context& context) {
    if (!context.ghcb.has_room()) {
        return ghcb::Outcome::terminate(ghcb::reason::ghcb_reentered);
    }
    Served served;
    if (frame.cs == context.kernel_code64) {
        if (Events::may_be_quick(frame.error_code)) {
            served = serve_quickly<Cpu>(frame, context);
        } else if (frame.error_code == static_cast<u64>(x86::ExitCode::npf)) {
            served = serve_mmio_quickly<Cpu>(frame, context);
        }
    }
    if (served.length == 0) {
        // Not before: where `cs` is in truth RFLAGS, whose bit 1 is one, it is no CPL 0 selector.
        if (place == FramePlace::as_pushed && !is_whole(frame)) {
            return ghcb::Outcome::terminate(ghcb::reason::bad_frame);
        }
        if (names_no_instruction(frame.error_code)) {
            return serve_undecoded(frame.error_code);
        }
        served = serve_any<Cpu>(frame, context, served.opening);
    }
    if (served.outcome.is_done()) [[likely]] {
        frame.rip += served.length;
        // A fault saves RF as one, so that its instruction can be restarted; this one is complete.
        frame.rflags &= ~x86::rflags::rf;
    } else if (!served.outcome.is_again() || served.length == 0) {
        return served.outcome;
    }
    if ((frame.rflags & x86::rflags::tf) != 0) {
        return single_step<Cpu>();
    }
    // The instruction is done and has its results; what faults is the fetch of the next one.
    return Cpu::serves_kernel && served.ends_segment && served.outcome.is_done()
               ? ghcb::Outcome::raise(x86::exception::general_protection)
               : served.outcome;
}

} // namespace vestibule::vc
