// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/rmp_instructions.h"

#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/snp_pages.h"
#include "sevsim/monitor/processor/exits.h"
#include "sevsim/monitor/processor/register_code.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"
#include "x86/exit_code.h"
#include "x86/page_table.h"

#include <iterator>
#include <span>

namespace vestibule::sevsim {

namespace {

/// What EAX says afterwards.
enum class Result : u32 {
    success            = 0,
    fail_input         = 1,
    fail_permission    = 2,
    fail_in_use        = 3,
    fail_size_mismatch = 6,
};

constexpr u64 instruction_length = 3; // without prefixes

/// The page that RAX names.
struct Operand {
    u64 gpa;
    bool is_large; // ECX bit 0, the only one that counts: Linux 6.12 leaves others set
};

void finish(Vcpu& vcpu, const FetchedInstruction& instruction, Result result, bool carry = false) {
    const auto code  = static_cast<u32>(result);
    x86::Vmsa& state = vcpu.state();
    state.rax        = code;
    state.rflags &= ~x86::rflags::status;
    state.rflags |= carry ? x86::rflags::cf : 0;
    state.rflags |= code == 0 ? x86::rflags::zf : 0;
    state.rflags |= __builtin_parity(code) == 0 ? x86::rflags::pf : 0;
    vcpu.skip_instruction(instruction.opcode + instruction_length);
}

/// RAX, as wide as the address size says.
u64 linear_operand(Vcpu& vcpu, const FetchedInstruction& instruction) {
    constexpr u8 address_size = 0x67;
    constexpr u16 default_32  = 1u << 10; // of the code segment's attributes
    bool has_prefix           = false;
    for (unsigned n = 0; n < instruction.opcode; ++n) {
        has_prefix |= instruction.bytes[n] == address_size;
    }
    const u64 rax = vcpu.state().rax;
    if (vcpu.is_64_bit_code()) {
        return has_prefix ? low_half(rax) : rax;
    }
    const bool is_32_bit = ((vcpu.state().cs.attributes & default_32) != 0) != has_prefix;
    return is_32_bit ? low_half(rax) : rax & 0xFFFF;
}

/// Finds the page. False where the instruction has ended already, by a fault or a result.
bool find_page(Vcpu& vcpu, const FetchedInstruction& instruction, Operand& operand) {
    const u64 linear = linear_operand(vcpu, instruction);
    u64 gpa          = 0;
    if (!translate_linear(vcpu, linear, gpa)) {
        vcpu.state().cr2 = linear;
        inject(vcpu, event::exception(x86::exception::page_fault, 0)); // a read, not present
        return false;
    }
    const bool is_private = !vcpu.is_long_mode() || (gpa & vcpu.c_bit()) != 0;
    operand.gpa           = vcpu.without_c_bit(gpa) & ~(page_size - 1);
    operand.is_large      = (vcpu.registers.rcx & 1) != 0;
    const u64 size        = operand.is_large ? x86::large_page_size : page_size;
    const bool is_aligned = operand.gpa % size == 0;
    const bool is_there =
        reverse_map::has(operand.gpa) && reverse_map::has(operand.gpa + size - page_size);
    if (!is_private || !is_aligned || !is_there) {
        report_violation(Rule::rmp_operand, !is_private   ? "its page is mapped without the C-bit"
                                            : !is_aligned ? "a 2 MiB page that is not aligned"
                                                          : "there is no memory at its page");
        finish(vcpu, instruction, Result::fail_input);
        return false;
    }
    if (!reverse_map::at(operand.gpa).assigned) {
        nested::assign_unasked(operand.gpa);
    }
    return true;
}

/// A 2 MiB operand on an entry of 4 KiB does not fit. The reverse is a nested fault, which the
/// hypervisor answers by PSMASH, and the guest never sees.
bool sizes_match(const Operand& operand) {
    if (!operand.is_large) {
        if (reverse_map::at(operand.gpa).large) {
            reverse_map::smash(operand.gpa);
        }
        return true;
    }
    for (u64 page = operand.gpa; page < operand.gpa + x86::large_page_size; page += page_size) {
        const reverse_map::Entry& entry = reverse_map::at(page);
        if (!entry.assigned || !entry.large) {
            return false;
        }
    }
    return true;
}

/// True where that changes anything.
bool set_validated(u64 gpa, u64 size, bool validate) {
    bool changed = false;
    for (u64 page = gpa; page < gpa + size; page += page_size) {
        reverse_map::Entry& entry = reverse_map::at(page);
        if (entry.validated == validate) {
            continue;
        }
        changed         = true;
        entry.validated = validate;
        if (!validate) {
            entry.vmsa = false;
            memset(entry.permissions, 0, sizeof entry.permissions);
            nested::unmap_private(page);
        } else if (size == page_size) {
            nested::map_validated(page); // 2 MiB wait for the first access to each
        }
    }
    return changed;
}

void pvalidate(Vcpu& vcpu, const FetchedInstruction& instruction) {
    Operand operand{};
    if (vcpu.vmpl != 0) {
        report_violation(Rule::rmp_operand, "PVALIDATE at a VMPL other than 0");
        finish(vcpu, instruction, Result::fail_permission);
        return;
    }
    if (!find_page(vcpu, instruction, operand)) {
        return;
    }
    if (!sizes_match(operand)) {
        finish(vcpu, instruction, Result::fail_size_mismatch);
        return;
    }
    const bool validate = (vcpu.registers.rdx & 1) != 0; // of EDX, too, no other bit counts
    if (reverse_map::at(operand.gpa).in_use) {
        report_violation(Rule::rmp_in_use, "PVALIDATE of a VMSA that a vCPU runs from");
        finish(vcpu, instruction, Result::fail_in_use);
        return;
    }
    const u64 size     = operand.is_large ? x86::large_page_size : page_size;
    const bool changed = set_validated(operand.gpa, size, validate);
    if (!changed) {
        report_violation(validate ? Rule::rmp_validated_twice : Rule::rmp_rescinded_twice,
                         validate ? "PVALIDATE of a page that is validated"
                                  : "PVALIDATE takes back what is not validated");
    }
    finish(vcpu, instruction, Result::success, !changed);
}

/// The attributes of RMPADJUST and RMPQUERY in RDX: a VMPL, its permissions, and whether it is a
/// VMSA.
struct Attributes {
    u64 value;

    unsigned vmpl() const { return static_cast<unsigned>(value & 0xFF); }

    u8 permissions() const { return static_cast<u8>(value >> 8); }

    bool is_vmsa() const { return (value & bit(16)) != 0; }

    bool is_defined() const {
        constexpr u64 shadow_stack = bit(12); // not offered by CPUID here
        return (value & ~(u64{0x1'0FFF} | shadow_stack)) == 0 && (value & shadow_stack) == 0
               && vmpl() < reverse_map::vmpl_count;
    }
};

/// Only of less privileged VMPLs, and no more than what the caller's own has; VMSAs are VMPL 0's.
bool may_adjust(const Vcpu& vcpu, const reverse_map::Entry& entry, Attributes wanted) {
    const u8 own = entry.permissions_of(vcpu.vmpl);
    return wanted.vmpl() > vcpu.vmpl && (wanted.permissions() & ~own) == 0
           && (vcpu.vmpl == 0 || wanted.is_vmsa() == entry.vmsa);
}

Result adjust(const Vcpu& vcpu, const Operand& operand, Attributes wanted) {
    const u64 size = operand.is_large ? x86::large_page_size : page_size;
    if (operand.is_large && wanted.is_vmsa()) {
        return Result::fail_input;
    }
    for (u64 page = operand.gpa; page < operand.gpa + size; page += page_size) {
        reverse_map::Entry& entry = reverse_map::at(page);
        if (!may_adjust(vcpu, entry, wanted)) {
            return Result::fail_permission;
        }
        if (entry.in_use) {
            return Result::fail_in_use;
        }
    }
    for (u64 page = operand.gpa; page < operand.gpa + size; page += page_size) {
        reverse_map::Entry& entry            = reverse_map::at(page);
        entry.vmsa                           = wanted.is_vmsa();
        entry.permissions[wanted.vmpl() - 1] = wanted.permissions();
        nested::unmap_private(page, wanted.vmpl());
    }
    return Result::success;
}

void rmpadjust(Vcpu& vcpu, const FetchedInstruction& instruction) {
    Operand operand{};
    if (!find_page(vcpu, instruction, operand)) {
        return;
    }
    const Attributes wanted{vcpu.registers.rdx};
    if (!wanted.is_defined()) {
        report_violation(Rule::rmp_operand, "RMPADJUST with attributes that it does not have");
        finish(vcpu, instruction, Result::fail_input);
    } else if (!reverse_map::at(operand.gpa).validated) {
        report_violation(Rule::rmp_not_validated, "RMPADJUST of a page that is not validated");
        raise_vc(vcpu, static_cast<u64>(x86::ExitCode::page_not_validated));
    } else if (!sizes_match(operand)) {
        finish(vcpu, instruction, Result::fail_size_mismatch);
    } else {
        finish(vcpu, instruction, adjust(vcpu, operand, wanted));
    }
}

/// RDX names a VMPL and comes back with what it may do, RCX with the size of the entry.
void rmpquery(Vcpu& vcpu, const FetchedInstruction& instruction) {
    Operand operand{};
    if (!find_page(vcpu, instruction, operand)) {
        return;
    }
    const unsigned vmpl             = Attributes{vcpu.registers.rdx}.vmpl();
    const reverse_map::Entry& entry = reverse_map::at(operand.gpa);
    if (!entry.validated) {
        report_violation(Rule::rmp_not_validated, "RMPQUERY of a page that is not validated");
        raise_vc(vcpu, static_cast<u64>(x86::ExitCode::page_not_validated));
    } else if (vmpl <= vcpu.vmpl || vmpl >= reverse_map::vmpl_count) {
        finish(vcpu, instruction, vmpl <= vcpu.vmpl ? Result::fail_permission : Result::fail_input);
    } else {
        vcpu.registers.rdx =
            vmpl | u64{entry.permissions_of(vmpl)} << 8 | (entry.vmsa ? bit(16) : 0);
        vcpu.registers.rcx = entry.large ? 1 : 0;
        finish(vcpu, instruction, Result::success);
    }
}

struct Row {
    u8 prefix; // the one that belongs to the opcode
    u8 last_byte;
    bool only_64_bit;
    const char* name;
    void (*execute)(Vcpu& vcpu, const FetchedInstruction& instruction);
};

constexpr Row instructions[] = {
    {0xF2, 0xFF, false, "PVALIDATE", pvalidate},
    {0xF3, 0xFE, true,  "RMPADJUST", rmpadjust},
    {0xF3, 0xFD, true,  "RMPQUERY",  rmpquery },
};

/// Of F2 and F3 the last one counts.
u8 repeat_prefix(const FetchedInstruction& instruction) {
    u8 last = 0;
    for (unsigned n = 0; n < instruction.opcode; ++n) {
        last = instruction.bytes[n] >= 0xF2 ? instruction.bytes[n] : last;
    }
    return last;
}

/// The registers that such an instruction takes.
struct Asked {
    u64 rip;
    u64 rax;
    u64 rcx;
    u64 rdx;
};

/// What went in, and what stands in EAX and CF afterwards: of one that has faulted, what stood
/// there.
void trace(Vcpu& vcpu, const Row& row, const Asked& asked) {
    Record("rmp")
        .number("vcpu", vcpu.index)
        .number("time", vcpu.registers.left_at)
        .hex("rip", asked.rip)
        .text("name", row.name)
        .hex("rax", asked.rax)
        .hex("rcx", asked.rcx)
        .hex("rdx", asked.rdx)
        .hex("answer_rax", vcpu.state().rax)
        .number("carry", vcpu.state().rflags & x86::rflags::cf)
        .end();
}

constinit u64 pvalidates = 0;

/// Executes the instruction at RIP. False where it is none of these.
bool execute_rmp_instruction(Vcpu& vcpu) {
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    for (const Row& row : instructions) {
        if (!instruction.is(0x0F, 0x01, row.last_byte) || repeat_prefix(instruction) != row.prefix
            || (row.only_64_bit && !vcpu.is_64_bit_code())) {
            continue;
        }
        if (vcpu.state().cpl != 0) {
            inject(vcpu, event::exception(x86::exception::general_protection, 0));
            return true;
        }
        const Asked asked{vcpu.state().rip, vcpu.state().rax, vcpu.registers.rcx,
                          vcpu.registers.rdx};
        pvalidates += row.execute == pvalidate ? 1 : 0;
        row.execute(vcpu, instruction);
        if (vcpu.options.trace) {
            trace(vcpu, row, asked);
        }
        return true;
    }
    return false;
}

/// True where `code` starts with one of these and no other prefix.
bool starts_with_rmp_instruction(std::span<const u8> code) {
    for (const Row& row : instructions) {
        const u8 bytes[] = {row.prefix, 0x0F, 0x01, row.last_byte};
        if (code.size() >= sizeof bytes && memcmp(code.data(), bytes, sizeof bytes) == 0) {
            return true;
        }
    }
    return false;
}

/// From behind the instruction that was at `rip`: where the guest comes to the next of these by
/// registers alone, in the same page of code, it goes there. False, with nothing changed, where it
/// does not, or may not without being entered; and where the last one has failed: tried again and
/// again it waits for another vCPU, as for one that comes out of a VMSA.
bool go_to_next(Vcpu& vcpu, u64 rip) {
    constexpr unsigned most = 16; // instructions on the way
    RegisterState state{{}, vcpu.state().rip, vcpu.state().rflags};
    const bool has_failed = low_half(vcpu.state().rax) != static_cast<u32>(Result::success);
    if (has_failed || !may_go_on(vcpu) || (rip ^ state.rip) >= page_size) {
        return false;
    }
    const std::span<const u8> page = code_page(vcpu);
    if (page.empty()) {
        return false;
    }
    for (unsigned n = 0; n < std::size(state.general); ++n) {
        state.general[n] = vcpu.general_register(n);
    }
    for (unsigned n = 0; n < most && (rip ^ state.rip) < page_size; ++n) {
        const std::span<const u8> code = page.subspan(state.rip % page_size);
        if (starts_with_rmp_instruction(code)) {
            for (unsigned number = 0; number < std::size(state.general); ++number) {
                vcpu.general_register(number) = state.general[number];
            }
            vcpu.state().rip    = state.rip;
            vcpu.state().rflags = state.rflags;
            return true;
        }
        if (!execute_on_registers(state, code)) {
            return false;
        }
    }
    return false;
}

} // namespace

u64 pvalidate_count() { return pvalidates; }

void handle_invalid_opcode(Vcpu& vcpu) {
    // Then interrupts, and the other vCPUs, have their turn.
    constexpr unsigned most = 64;
    u64 rip                 = vcpu.state().rip;
    if (!execute_rmp_instruction(vcpu)) {
        inject(vcpu, event::exception(x86::exception::invalid_opcode));
        return;
    }
    for (unsigned n = 1; n < most && go_to_next(vcpu, rip); ++n) {
        rip = vcpu.state().rip;
        execute_rmp_instruction(vcpu);
    }
}

} // namespace vestibule::sevsim
