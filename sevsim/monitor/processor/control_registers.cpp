#include "sevsim/monitor/processor/control_registers.h"

#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

constexpr unsigned mov_length = 3; // from the opcode's first byte

/// The general register of a MOV to or from a control register: ModRM.rm, extended by REX.B.
unsigned general_operand(const FetchedInstruction& instruction) {
    return (instruction.bytes[instruction.opcode + 2] & 7u) | ((instruction.rex & 1u) << 3);
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

} // namespace

void read_cr0(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    if (!instruction.is(0x0F, 0x20)) { // SMSW
        vcpu.may_read_cr0 = true;
        return;
    }
    vcpu.general_register(general_operand(instruction)) = vcpu.state().cr0;
    vcpu.skip_instruction(instruction.opcode + mov_length);
}

void read_cr3(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    if (!instruction.is(0x0F, 0x20)) {
        end_run_by_monitor_error("CR3 is read by an instruction other than MOV");
    }
    vcpu.general_register(general_operand(instruction)) = vcpu.cr3;
    vcpu.skip_instruction(instruction.opcode + mov_length);
}

void write_cr3(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    if (!instruction.is(0x0F, 0x22)) {
        end_run_by_monitor_error("CR3 is written by an instruction other than MOV");
    }
    constexpr u64 keep_tlb_entries = bit(63); // with PCIDs; every entry flushes anyway
    vcpu.set_cr3(operand_value(vcpu, instruction) & ~keep_tlb_entries);
    vcpu.skip_instruction(instruction.opcode + mov_length);
}

void write_cr0(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    const u64 old                        = vcpu.state().cr0;
    if (instruction.is(0x0F, 0x22)) {
        set_cr0(vcpu, operand_value(vcpu, instruction));
        vcpu.skip_instruction(instruction.opcode + mov_length);
    } else if (instruction.is(0x0F, 0x06)) { // CLTS
        set_cr0(vcpu, old & ~x86::cr0::ts);
        vcpu.skip_instruction(instruction.opcode + 2);
    } else if (instruction.is(0x0F, 0x01) && instruction.bytes[instruction.opcode + 2] >= 0xF0
               && instruction.bytes[instruction.opcode + 2] < 0xF8) { // LMSW register
        constexpr u64 status_word = 0xF;                              // it sets but never clears PE
        const u64 value           = operand_value(vcpu, instruction) & status_word;
        set_cr0(vcpu, (old & ~(status_word & ~x86::cr0::pe)) | value);
        vcpu.skip_instruction(instruction.opcode + mov_length);
    } else {
        end_run_by_monitor_error("CR0 is written by an instruction that the monitor cannot decode");
    }
}

} // namespace vestibule::sevsim
