// SPDX-License-Identifier: BSD-2-Clause-Patent
// Gives the interrupted code an exception through the guest's own IDT, as the CPU would have (APM
// volume 2, section 8.9): the handler's stack is chosen and written, and the frame is changed so
// that the #VC entry's IRETQ goes to that handler instead of back.
//
// The gate must lead to 64-bit code at CPL 0; other gates end the guest, as does whatever would be
// a double fault.
#pragma once

#include "ghcb/outcome.h"
#include "vc/frame.h"
#include "vc/refuse.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// The stack that the CPU switches to, or the interrupted code's.
template <class Cpu>
bool handler_stack(const Frame& frame, const x86::InterruptGate& gate, u64& rsp) {
    if (gate.ist == 0 && privilege_level(frame) == 0) {
        rsp = frame.rsp;
        return true;
    }
    x86::TableRegister task{};
    if (!Cpu::task_state(task) || task.limit < sizeof(x86::TaskState) - 1) {
        return false;
    }
    const u64 offset = gate.ist == 0
                           ? offsetof(x86::TaskState, rsp)
                           : offsetof(x86::TaskState, ist) + (u64{gate.ist} - 1) * sizeof(u64);
    // Where the CPU reads it, which is not aligned.
    rsp = *reinterpret_cast<const volatile u64*>(task.base + offset);
    return true;
}

/// Delivers the exception; an outcome other than done says why it could not be. CR2 and DR6 are set
/// already, where it has any.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome deliver(Frame& frame, u8 vector, u32 error_code) {
    using ghcb::Outcome;
    const Outcome refused        = Outcome::terminate(ghcb::reason::vc_undeliverable);
    const x86::TableRegister idt = Cpu::sidt();
    const u64 place              = u64{vector} * sizeof(x86::InterruptGate);
    if (place + sizeof(x86::InterruptGate) - 1 > idt.limit) {
        return refused;
    }
    const auto* words = reinterpret_cast<const volatile u64*>(idt.base + place);
    const auto gate   = x86::InterruptGate::from(words[0], words[1]);
    x86::SegmentDescriptor code{};
    u64 rsp = 0;
    if (!gate.leads_to_handler() || (gate.selector & 3) != 0
        || !Cpu::read_descriptor(gate.selector, code) || !code.is_code() || !code.is_long()
        || code.dpl() != 0 || !handler_stack<Cpu>(frame, gate, rsp)) {
        return refused;
    }
    const bool has_error_code = x86::exception::pushes_error_code(vector);
    const u64 size            = (has_error_code ? 6 : 5) * sizeof(u64);
    rsp                       = (rsp & ~u64{15}) - size;
    // The stack of the #VC gate, on which the frame is, cannot be the handler's as well.
    if (rsp < reinterpret_cast<u64>(&frame + 1) && rsp + size > reinterpret_cast<u64>(&frame)) {
        return refused;
    }
    auto* pushed = reinterpret_cast<volatile u64*>(rsp);
    if (has_error_code) {
        *pushed++ = error_code;
    }
    pushed[0] = frame.rip;
    pushed[1] = frame.cs;
    pushed[2] = frame.rflags;
    pushed[3] = frame.rsp;
    pushed[4] = frame.ss;

    namespace flag = x86::rflags;
    frame.rflags &= ~(flag::tf | flag::nt | flag::rf | (gate.clears_if() ? flag::interrupt : 0));
    if (privilege_level(frame) != 0) {
        frame.ss = 0; // null, as a change of CPL leaves it
    }
    frame.rip = gate.offset();
    frame.cs  = gate.selector;
    frame.rsp = rsp;
    return Outcome::done();
}

} // namespace vestibule::vc
