// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC before there is a TSS: the entry (library/boot_entry.asm) is on the interrupted stack, which
// says nothing of the CPU. So there is one CPU's block that it serves for, and one word of memory
// that says which; kernels that do not use this entry do not carry it.
#include "include/vestibule/vestibule.h"
#include "library/end.h"
#include "vc/frame.h"
#include "vc/refuse.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

using namespace vestibule;

extern "C" {
// Called from library/boot_entry.asm.
u64 vestibule_boot_vc(vc::Frame& frame);
}

namespace {

constinit vestibule_cpu* served = nullptr;

/// An interrupt gate to code at CPL 0 on the interrupted stack: anything else would need a TSS, or
/// another way to enter it than a jump.
u64 handler_of(const vc::Frame& frame, u8 vector) {
    const x86::TableRegister idt = x86::Cpu::sidt();
    const u64 place              = u64{vector} * sizeof(x86::InterruptGate);
    if (vc::privilege_level(frame) == 0 && place + sizeof(x86::InterruptGate) - 1 <= idt.limit) {
        const auto* words = reinterpret_cast<const volatile u64*>(idt.base + place);
        const auto gate   = x86::InterruptGate::from(words[0], words[1]);
        if (gate.leads_to_handler() && gate.clears_if() && gate.ist == 0
            && gate.selector == x86::Cpu::segment_selector(1)) {
            return gate.offset();
        }
    }
    library::end(ghcb::reason::vc_undeliverable);
}

} // namespace

/// 0: the frame is what to return to. Else an exception is due: 1, its handler's address is in the
/// frame's error code, since it takes none; or that address, and the error code is in the frame.
u64 vestibule_boot_vc(vc::Frame& frame) {
    if (served == nullptr) {
        library::end(ghcb::reason::vc_undeliverable);
    }
    if (!vc::is_whole(frame)) {
        library::end(ghcb::reason::bad_frame);
    }
    const u8 vector = vestibule_handle_vc(served, reinterpret_cast<vestibule_frame*>(&frame), 0);
    if (vector == 0) {
        return 0;
    }
    const u64 handler = handler_of(frame, vector);
    if (x86::exception::pushes_error_code(vector)) {
        return handler;
    }
    frame.error_code = handler;
    return 1;
}

void vestibule_boot_entry_serves(vestibule_cpu* cpu) { served = cpu; }
