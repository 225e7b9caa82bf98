// The runtime #VC handler: from the frame to the answer in the frame. Follow it down: decode.h says
// which instruction it is, events.h who serves it, ghcb/call.h how the hypervisor is asked.
#pragma once

#include "ghcb/call.h"
#include "vc/decode.h"
#include "vc/events.h"
#include "vc/frame.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// What the handler needs to know of the vCPU it runs on.
struct Context {
    ghcb::Channel ghcb;
    u16 kernel_code64 = 0; // selector of the 64-bit code segment at CPL 0
};

/// Serves one #VC. When the outcome is done, the frame holds the registers as the instruction would
/// have left them; when it is anything else, the frame is as it was.
template <class Cpu>
ghcb::Outcome handle(Frame& frame, Context& context) {
    if (context.ghcb.in_use) {
        return ghcb::Outcome::terminate(ghcb::reason::ghcb_reentered);
    }
    if (!Events::serves(frame.error_code)) {
        return ghcb::Outcome::terminate(
            {ghcb::reason::set_runtime_exit, ghcb::exit_as_reason_code(frame.error_code)});
    }
    if (frame.cs != context.kernel_code64) {
        return ghcb::Outcome::terminate(ghcb::reason::vc_code_segment);
    }
    const auto* next      = reinterpret_cast<const volatile u8*>(frame.rip);
    const Decoded decoded = decode(CodeSize::bits64, [&next](u8& byte) {
        byte = *next++;
        return true;
    });
    if (decoded.error != DecodeError::none) {
        return ghcb::Outcome::terminate(ghcb::reason::vc_opcode_mismatch);
    }
    const ghcb::Outcome outcome =
        Events::serve<Cpu>(frame.error_code, frame, decoded.instruction, context.ghcb);
    if (outcome.is_done()) {
        frame.rip += decoded.instruction.length;
        // A fault saves RF as one, so that its instruction can be restarted; this one is complete.
        frame.rflags &= ~x86::rflags::rf;
    }
    return outcome;
}

} // namespace vestibule::vc
