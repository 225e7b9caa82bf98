// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/legacy/handlers.h"

#include "boot/gdt.h"
#include "boot/ports.h"
#include "ghcb/msr_protocol.h"
#include "vc/early.h"
#include "x86/cpu.h"

using namespace vestibule;

extern "C" {
// Assembly (boot/legacy/interrupts.asm).
u32 legacy_exception_entries();

// Called from assembly, with its argument in EAX.
[[gnu::regparm(1)]] void legacy_exception(vc::Frame32& frame);
}

namespace vestibule::boot::legacy {

namespace {

/// Bytes from one entry to the next.
constexpr u32 exception_entry_stride = 4;

/// The vector as which a #VC comes on a machine that is believed to be a native one: the last that
/// the architecture reserves.
constexpr u8 vc_on_native = x86::exception::count - 1;

/// SECURITY: nothing raises #VC where there is no SEV-ES, and no hypervisor is asked there. Who was
/// made believe that ends here, and costs the handlers of others nothing.
constexpr u32 entry_of(u32 vector, Platform platform) {
    return vector == x86::exception::vmm_communication && platform == Platform::native
               ? u32{vc_on_native}
               : vector;
}

/// What the running handlers were installed for. The IDT's address is all that a handler can find
/// of it. Should a hypervisor have SIDT raise #VC, that ends the guest as any unexpected exit.
Platform installed_platform() {
    return reinterpret_cast<const Handlers*>(x86::Cpu::sidt().base)->platform;
}

/// A CPU without SEV has no SEV_STATUS, and raises #GP for its read. The read then gives zero: no
/// SEV. Should the hypervisor raise this #GP, an image made for SEV-ES ends over that answer.
bool is_sev_status_read(const vc::Frame32& frame) {
    const auto* code = reinterpret_cast<const volatile u8*>(frame.eip);
    return frame.vector == x86::exception::general_protection && code[0] == 0x0F && code[1] == 0x32
           && frame.ecx == static_cast<u32>(x86::Msr::sev_status);
}

} // namespace

void install_handlers(Handlers& handlers, Platform platform) {
    const u32 entries = legacy_exception_entries();
    for (u32 vector = 0; vector < x86::exception::count; ++vector) {
        handlers.idt[vector] = x86::InterruptGate32::to(
            entries + entry_of(vector, platform) * exception_entry_stride, code32_selector);
    }
    handlers.platform = platform;
    const x86::TableRegister idtr{.limit = sizeof(handlers.idt) - 1,
                                  .base  = reinterpret_cast<u32>(&handlers)};
    x86::Cpu::lidt(idtr);
}

void fail(Platform platform, ghcb::Reason reason) {
    if (platform != Platform::native) {
        ghcb::msr_protocol::terminate<x86::Cpu>(reason);
    }
    x86::Cpu::out8(port::debug_exit, static_cast<u8>(0x80 | reason.code));
    x86::Cpu::halt();
}

} // namespace vestibule::boot::legacy

void legacy_exception(vc::Frame32& frame) {
    using namespace boot::legacy;
    if (frame.vector == x86::exception::vmm_communication) {
        const ghcb::Outcome outcome = vc::handle_early<x86::Cpu>(frame);
        if (!outcome.is_done()) {
            fail(boot::Platform::sev_es, outcome.reason);
        }
        return;
    }
    if (is_sev_status_read(frame)) {
        frame.eax = 0;
        frame.edx = 0;
        frame.eip += 2;
        return;
    }
    if (frame.vector == vc_on_native) {
        fail(boot::Platform::sev_es, ghcb::reason::sev_unexpected);
    }
    fail(installed_platform(), {ghcb::reason::set_exception, static_cast<u8>(frame.vector)});
}
