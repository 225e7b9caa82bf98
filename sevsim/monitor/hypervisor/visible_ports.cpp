// SPDX-License-Identifier: BSD-2-Clause-Patent
// IN, OUT, INS and OUTS of a plain SEV guest. EXITINFO1 describes the access, EXITINFO2 is the next
// instruction's address (APM volume 2, section 15.10.2). The hypervisor reaches memory operands by
// their guest-physical addresses, without the guest's key: of a private page it reads ciphertext,
// and what it writes there the guest decrypts to noise. Guests know that, and use no string forms
// on private memory (Linux, CC_ATTR_GUEST_UNROLL_STRING_IO).
#include "sevsim/monitor/hypervisor/ports.h"
#include "sevsim/monitor/hypervisor/visible_exits.h"
#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

/// EXITINFO1. QEMU gives neither address size nor segment: those are the instruction's prefixes.
struct PortExit {
    u64 word;

    bool is_in() const { return (word & bit(0)) != 0; }

    bool is_string() const { return (word & bit(2)) != 0; }

    bool repeats() const { return (word & bit(3)) != 0; }

    unsigned size() const { return static_cast<unsigned>(word >> 4) & 7; }

    u16 port() const { return static_cast<u16>(word >> 16); }

    /// `old` with the operand's bytes replaced; 32 bits clear the upper half.
    u64 merge(u64 old, u32 value) const {
        const u64 mask = bit(8 * size()) - 1;
        return size() == 4 ? value : (old & ~mask) | (value & mask);
    }
};

/// What the prefixes of INS or OUTS say of its memory operand.
struct StringOperand {
    u64 address_mask;
    u64 base;
};

StringOperand string_operand(Vcpu& vcpu, PortExit access) {
    constexpr u16 default_32             = 1u << 10; // D, as the VMCB has attributes
    constexpr u8 address_size            = 0x67;
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    x86::Vmsa& state                     = vcpu.state();
    const bool is_64_bit                 = vcpu.is_64_bit_code();
    const x86::Segment* segment          = access.is_in() ? &state.es : &state.ds;
    bool other_size                      = false;
    for (unsigned n = 0; n < instruction.opcode; ++n) {
        const u8 prefix = instruction.bytes[n];
        other_size |= prefix == address_size;
        if (access.is_in()) {
            continue; // ES it is
        }
        switch (prefix) {
        case 0x26: segment = &state.es; break;
        case 0x2E: segment = &state.cs; break;
        case 0x36: segment = &state.ss; break;
        case 0x3E: segment = &state.ds; break;
        case 0x64: segment = &state.fs; break;
        case 0x65: segment = &state.gs; break;
        default: break;
        }
    }
    const bool has_base = !is_64_bit || segment == &state.fs || segment == &state.gs;
    const bool is_32 =
        is_64_bit ? other_size : ((state.cs.attributes & default_32) != 0) != other_size;
    u64 mask = 0xFFFF;
    if (is_32) {
        mask = 0xFFFF'FFFF;
    } else if (is_64_bit) {
        mask = ~u64{0};
    }
    return {mask, has_base ? segment->base : 0};
}

/// Where an element's bytes lie for the hypervisor, one by one, since they may cross a page's end;
/// false where the guest's tables have no page: #PF.
bool find_byte(Vcpu& vcpu, u64 linear, bool write, u8*& byte) {
    u64 gpa = 0;
    if (!translate_linear(vcpu, linear, gpa)) {
        constexpr u32 wrote = 1u << 1;
        constexpr u32 user  = 1u << 2;
        vcpu.state().cr2    = linear;
        inject(vcpu, event::exception(x86::exception::page_fault,
                                      (write ? wrote : 0) | (vcpu.state().cpl == 3 ? user : 0)));
        return false;
    }
    if (!vcpu.is_long_mode() || (gpa & vcpu.c_bit()) != 0) {
        report_violation(Rule::private_string_io,
                         "INS or OUTS with its memory operand in private memory");
    }
    byte = hypervisors_view(vcpu.without_c_bit(gpa), write);
    return true;
}

/// One element; false where it raises an exception.
bool move_element(Vcpu& vcpu, PortExit access, u64 linear) {
    u8* bytes[4]{};
    const unsigned size = std::min(access.size(), 4u);
    for (unsigned n = 0; n < size; ++n) {
        if (!find_byte(vcpu, linear + n, access.is_in(), bytes[n])) {
            return false;
        }
    }
    u32 value = access.is_in() ? read_guest_port(vcpu.options, access.port(), size) : 0;
    for (unsigned n = 0; n < size; ++n) {
        u8 nowhere   = 0xFF;
        u8& byte     = bytes[n] == nullptr ? nowhere : *bytes[n];
        const u32 at = 8 * n;
        if (access.is_in()) {
            byte = static_cast<u8>(value >> at);
        } else {
            value |= u32{byte} << at;
        }
    }
    if (!access.is_in()) {
        write_guest_port(vcpu.options, access.port(), size, value);
    }
    return true;
}

/// The elements, RCX, and RSI or RDI as far as it comes.
void execute_string(Vcpu& vcpu, PortExit access) {
    constexpr u64 df            = bit(10);
    const StringOperand operand = string_operand(vcpu, access);
    const u64 mask              = operand.address_mask;
    u64& index                  = access.is_in() ? vcpu.registers.rdi : vcpu.registers.rsi;
    const auto put              = [mask](u64& to, u64 value) {
        // A 32-bit register clears the upper half, a 16-bit one leaves the rest.
        to = mask == 0xFFFF ? (to & ~mask) | (value & mask) : value & mask;
    };
    for (u64 left = access.repeats() ? vcpu.registers.rcx & mask : 1; left != 0; --left) {
        const u64 offset = index & mask;
        const u64 linear =
            vcpu.is_64_bit_code() ? operand.base + offset : low_half(operand.base + offset);
        if (!move_element(vcpu, access, linear)) {
            return; // RIP stays: what is left is done after the exception
        }
        const u64 step = access.size();
        put(index, (vcpu.state().rflags & df) != 0 ? offset - step : offset + step);
        if (access.repeats()) {
            put(vcpu.registers.rcx, left - 1);
        }
    }
    vcpu.state().rip = vcpu.vmcb.exitinfo2;
}

} // namespace

void execute_port(Vcpu& vcpu) {
    const PortExit access{vcpu.vmcb.exitinfo1};
    ++vcpu.emulated;
    if (access.is_string()) {
        execute_string(vcpu, access);
        return;
    }
    const u64 rax = vcpu.state().rax;
    if (access.is_in()) {
        vcpu.state().rax =
            access.merge(rax, read_guest_port(vcpu.options, access.port(), access.size()));
    } else {
        const u64 mask = bit(8 * access.size()) - 1;
        write_guest_port(vcpu.options, access.port(), access.size(), low_half(rax & mask));
    }
    vcpu.state().rip = vcpu.vmcb.exitinfo2;
}

} // namespace vestibule::sevsim
