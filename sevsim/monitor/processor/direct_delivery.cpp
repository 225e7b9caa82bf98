// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/direct_delivery.h"

#include "sevsim/monitor/memory/guest_memory.h"
#include "x86/registers.h"

namespace vestibule::sevsim {

namespace {

/// An entry of a long-mode IDT (APM volume 2, section 4.8.4).
struct Gate {
    u16 offset_low;
    u16 selector;
    u8 ist;
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;

    bool is_interrupt() const { return (type & 0x9F) == 0x8E; } // present, whatever its DPL

    bool is_trap() const { return (type & 0x9F) == 0x8F; }

    u64 offset() const { return from_halves(offset_high, low()); }

  private:
    u32 low() const { return u32{offset_middle} << 16 | offset_low; }
};

static_assert(sizeof(Gate) == 16);

/// Where the handler's code segment is the one that is loaded already, accessed bit and all.
bool is_loaded(Vcpu& vcpu, u16 selector) {
    constexpr u16 table_and_rpl = 7;
    const x86::Segment& cs      = vcpu.state().cs;
    u64 descriptor              = 0;
    if (selector != cs.selector || (selector & table_and_rpl) != 0
        || selector + sizeof descriptor - 1 > vcpu.state().gdtr.limit
        || !read_as_cpu(vcpu, vcpu.state().gdtr.base + selector, &descriptor, sizeof descriptor)) {
        return false;
    }
    // As the VMCB has them: [47:40] and [55:52] of the descriptor (APM volume 2, section 15.5.1).
    const u64 attributes = ((descriptor >> 40) & 0xFF) | ((descriptor >> 44) & 0xF00);
    return attributes == cs.attributes;
}

/// The stack that the gate asks for; false where it cannot be read.
bool find_stack(Vcpu& vcpu, unsigned ist, u64& rsp) {
    constexpr u64 ist_1 = 0x24; // in the task state segment (section 12.2.5)
    rsp                 = vcpu.state().rsp;
    if (ist != 0) {
        const u64 at = ist_1 + (ist - 1) * sizeof(u64);
        save_hidden_state(vcpu); // TR is the processor's
        if (at + sizeof(u64) - 1 > vcpu.state().tr.limit
            || !read_as_cpu(vcpu, vcpu.state().tr.base + at, &rsp, sizeof rsp)) {
            return false;
        }
    }
    rsp &= ~u64{15};
    return true;
}

bool is_canonical(Vcpu& vcpu, u64 address) {
    const unsigned bits = (vcpu.state().cr4 & x86::cr4::la57) != 0 ? 57 : 48;
    const u64 high      = address >> (bits - 1);
    return high == 0 || high == ~u64{0} >> (bits - 1);
}

} // namespace

bool deliver_directly(Vcpu& vcpu, u64 exit_code) {
    x86::Vmsa& state = vcpu.state();
    Gate gate{};
    u64 rsp = 0;
    if (state.cpl != 0 || vcpu.vmpl != 0 || !vcpu.is_64_bit_code()
        || !read_as_cpu(vcpu, state.idtr.base + x86::exception::vmm_communication * sizeof gate,
                        &gate, sizeof gate)
        || (!gate.is_interrupt() && !gate.is_trap()) || gate.ist > 7
        || !is_canonical(vcpu, gate.offset()) || !is_loaded(vcpu, gate.selector)
        || !find_stack(vcpu, gate.ist, rsp)) {
        return false;
    }

    const struct {
        u64 error_code, rip, cs, rflags, rsp, ss;
    } frame{exit_code, state.rip,        state.cs.selector, state.rflags | x86::rflags::rf,
            state.rsp, state.ss.selector};

    if (!write_as_cpu(vcpu, rsp - sizeof frame, &frame, sizeof frame)) {
        return false;
    }
    using namespace x86::rflags; // VM is not set in long mode
    state.rsp = rsp - sizeof frame;
    state.rip = gate.offset();
    state.rflags &= ~(tf | nt | rf | (gate.is_interrupt() ? interrupt : u64{0}));
    return true;
}

} // namespace vestibule::sevsim
