// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/control_registers.h"

#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/single_step.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

namespace vestibule::sevsim {

namespace {

constexpr unsigned mov_length = 3; // from the opcode's first byte

u8 modrm(const FetchedInstruction& instruction) {
    return instruction.bytes[instruction.opcode + 2];
}

/// The general register of a MOV to or from a control register: ModRM.rm, extended by REX.B.
unsigned general_operand(const FetchedInstruction& instruction) {
    return (modrm(instruction) & 7u) | ((instruction.rex & 1u) << 3);
}

/// The control register: ModRM.reg, extended by REX.R, or by LOCK, by which code that has no REX
/// reaches CR8 (APM volume 3, MOV CRn). That there is such a register QEMU has seen to.
unsigned control_operand(const FetchedInstruction& instruction) {
    constexpr u8 lock = 0xF0;
    unsigned number   = ((modrm(instruction) >> 3) & 7u) | ((instruction.rex & 4u) << 1);
    for (unsigned n = 0; n < instruction.opcode; ++n) {
        number |= instruction.bytes[n] == lock ? 8u : 0u;
    }
    return number;
}

u64 operand_value(Vcpu& vcpu, const FetchedInstruction& instruction) {
    const u64 value = vcpu.general_register(general_operand(instruction));
    return vcpu.is_64_bit_code() ? value : low_half(value);
}

/// Paging switched on with EFER.LME set activates long mode, switched off leaves it (APM volume 2,
/// section 14.6); VMRUN wants the result, so it is worked out here.
void set_cr0(Vcpu& vcpu, u64 value) {
    x86::Vmsa& state = vcpu.state();
    const bool pages = (value & x86::cr0::pg) != 0;
    if (pages && (state.efer & x86::efer::lme) != 0) {
        state.efer |= x86::efer::lma;
    } else {
        state.efer &= ~x86::efer::lma;
    }
    state.cr0 = value | x86::cr0::et;
    vcpu.set_cr3(vcpu.cr3); // the C-bit comes and goes with long mode
}

/// Values that raise #GP rather than become CR0 (APM volume 3, MOV CRn).
bool is_bad_cr0(Vcpu& vcpu, u64 value) {
    using namespace x86;
    const auto without = [value](u64 one, u64 other) {
        return (value & one) != 0 && (value & other) == 0;
    };
    const bool to_long_mode = (value & cr0::pg) != 0 && (vcpu.state().efer & efer::lme) != 0;
    return high_half(value) != 0 || without(cr0::pg, cr0::pe) || without(cr0::nw, cr0::cd)
           || (to_long_mode && (vcpu.state().cr4 & cr4::pae) == 0);
}

/// Reserved bits of CR3 in long mode, where the C-bit is the highest bit of an address (APM volume
/// 2, section 5.3.2).
bool is_bad_cr3(Vcpu& vcpu, u64 value) {
    return vcpu.is_long_mode() && (value & ~(2 * vcpu.c_bit() - 1)) != 0;
}

u64 control_register(Vcpu& vcpu, unsigned number) {
    switch (number) {
    case 0: return vcpu.state().cr0;
    case 2: return vcpu.state().cr2;
    case 3: return vcpu.cr3;
    case 4: return vcpu.state().cr4;
    case 8: return x86::Cpu::cr8(); // the local APIC is the processor's, and so the vCPU's
    default: end_run_by_monitor_error("a control register is read that there is not");
    }
}

/// False where that is a #GP.
bool set_control_register(Vcpu& vcpu, unsigned number, u64 value) {
    constexpr u64 keep_tlb_entries = bit(63); // with PCIDs; every entry flushes anyway
    switch (number) {
    case 0:
        if (is_bad_cr0(vcpu, value)) {
            return false;
        }
        set_cr0(vcpu, value);
        return true;
    case 3:
        value &= ~keep_tlb_entries;
        if (is_bad_cr3(vcpu, value)) {
            return false;
        }
        vcpu.set_cr3(value);
        return true;
    default: end_run_by_monitor_error("a control register is written that is not intercepted");
    }
}

} // namespace

void intercept_control_registers(Vcpu& vcpu) {
    constexpr u16 both = intercept::cr0 | intercept::cr3;
    // The nested tables show the root's page without the C-bit too (alias_private), but to all
    // VMPLs alike.
    const bool has_c_bit = (vcpu.cr3 & vcpu.c_bit()) != 0;
    const bool finds_root =
        has_c_bit
        || (vcpu.vmpl == 0 && is_guest_memory(vcpu.cr3 & x86::PageTableEntry::address_mask));
    vcpu.owns_cr3 = vcpu.is_64_bit_code() && finds_root;
    // Firmware goes from here to 16-bit code without an exit: see read_control_register().
    const u16 owned_reads       = vcpu.options.counted_time && !has_c_bit ? intercept::cr0 : u16{0};
    vcpu.vmcb.intercept_cr_read = vcpu.owns_cr3 ? owned_reads : both;
    vcpu.vmcb.intercept_cr_write = vcpu.owns_cr3 ? u16{0} : both;
    if (vcpu.owns_cr3) {
        vcpu.vmcb.intercept_misc1 |= intercept::cr0_sel;
        vcpu.state().cr3 = vcpu.cr3;
    } else {
        vcpu.vmcb.intercept_misc1 &= ~intercept::cr0_sel;
        vcpu.state().cr3 = vcpu.is_long_mode() ? vcpu.cr3 | vcpu.c_bit() : vcpu.cr3;
    }
}

void read_control_register(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    if (!instruction.is(0x0F, 0x20)) {
        step_over_intercepts(vcpu); // SMSW
        return;
    }
    const u64 value = control_register(vcpu, control_operand(instruction));
    u64& to         = vcpu.general_register(general_operand(instruction));
    to              = vcpu.is_64_bit_code() ? value : low_half(value);
    vcpu.skip_instruction(instruction.opcode + mov_length);
}

void write_control_register(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    if (instruction.is(0x0F, 0x22)) {
        if (set_control_register(vcpu, control_operand(instruction),
                                 operand_value(vcpu, instruction))) {
            vcpu.skip_instruction(instruction.opcode + mov_length);
        } else {
            inject(vcpu, event::exception(x86::exception::general_protection, 0));
        }
    } else if (instruction.is(0x0F, 0x06)) { // CLTS
        set_cr0(vcpu, vcpu.state().cr0 & ~x86::cr0::ts);
        vcpu.skip_instruction(instruction.opcode + 2);
    } else {
        step_over_intercepts(vcpu); // LMSW, which changes nothing that paging goes by
    }
}

} // namespace vestibule::sevsim
