// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory-mapped I/O: #VC by a nested page fault (exit 0x400), asked for by MMIO read and MMIO write
// (GHCB specification, table 5), one element of at most 8 bytes each. String instructions do one
// element and are executed again; an element across the end of a page is refused, no driver has
// one.
#pragma once

#include "vc/alu.h"
#include "vc/exchange.h"
#include "vc/memory.h"
#include "vc/string_step.h"

namespace vestibule::vc {

/// Memory that was there a moment ago; of kernel code, since no other gets so far.
template <class Cpu>
ghcb::Outcome lost(const Place& place, u32 access) {
    Cpu::set_cr2(place.linear);
    return ghcb::Outcome::raise(x86::exception::page_fault, access);
}

/// The value of `size` bytes, from memory if they are private, else from the hypervisor.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome
read_place(const Request& request, const Place& place, u8 size, u64& value) {
    if (place.is_private) {
        return try_load<Cpu>(place.linear, size, value) ? ghcb::Outcome::done()
                                                        : lost<Cpu>(place, 0);
    }
    ghcb::Call<Cpu> call{request.context.ghcb};
    const ghcb::Outcome outcome = call.exit_with_buffer(x86::ExitCode::mmio_read, place.gpa, size);
    if (outcome.is_done()) {
        value = load(call.buffer(), size);
    }
    return outcome;
}

template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome
write_place(const Request& request, const Place& place, u8 size, u64 value) {
    if (place.is_private) {
        return try_store<Cpu>(place.linear, size, value) ? ghcb::Outcome::done()
                                                         : lost<Cpu>(place, page_fault::write);
    }
    ghcb::Call<Cpu> call{request.context.ghcb};
    store(call.buffer(), size, value);
    return call.exit_with_buffer(x86::ExitCode::mmio_write, place.gpa, size);
}

/// SECURITY: a page mapped private is memory, whatever exit code the hypervisor chose. To ask for
/// it would write the guest's secrets into the shared buffer, or read memory of the hypervisor's
/// making. Nor is the GHCB page a device.
constexpr ghcb::Outcome judge_place(Context& context, const Place& place) {
    const bool is_memory = place.is_private || is_in_ghcb(context, place.gpa);
    if (!is_memory && !place.crosses_page) {
        return ghcb::Outcome::done();
    }
    context.culprit = place.linear;
    return ghcb::Outcome::terminate(is_memory ? ghcb::reason::vc_mmio_private
                                              : ghcb::reason::vc_mmio_crosses_page);
}

struct MmioEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::npf;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic >= Mnemonic::mov; }

    template <class Cpu>
    [[clang::minsize]] static ghcb::Outcome serve(const Request& request) {
        using ghcb::Outcome;
        Frame& frame                   = request.frame;
        const Instruction& instruction = request.instruction;
        const Mnemonic mnemonic        = instruction.mnemonic;
        const u8 size                  = instruction.operand_size;
        const u8 memory_size           = instruction.memory_size;
        const bool moves               = mnemonic == Mnemonic::movs;
        const bool is_string           = moves || mnemonic == Mnemonic::stos;
        const bool to_memory           = instruction.memory_is_destination;
        const bool only_looks          = mnemonic >= Mnemonic::cmp && mnemonic <= Mnemonic::bt;
        const bool writes              = to_memory && !only_looks;

        if (is_string && elements_left(request) == 0) {
            return Outcome::done();
        }
        u64 other = instruction.immediate & size_mask(size);
        if (instruction.other != Operand::immediate) { // STOS: RAX, INC and the like: whatever
            other = read_register(frame, instruction.reg, size);
        }
        // Where the operand is, and for MOVS where it comes from: one of the two may be memory.
        Place from;
        Place place;
        u64 offset      = 0;
        Segment segment = instruction.segment;
        Outcome outcome = Outcome::done();
        if (is_string) {
            const u64 mask = size_mask(instruction.address_size);
            offset         = frame.rdi & mask;
            if (moves) {
                outcome = find_place<Cpu>(request, segment, false, frame.rsi & mask, size, from);
                segment = Segment::es;
            }
        } else {
            const bool bits = mnemonic == Mnemonic::bt || mnemonic >= Mnemonic::bts;
            offset          = effective_offset(request, bits ? choose_bit(instruction, other) : 0);
        }
        if (outcome.is_done()) {
            outcome = find_place<Cpu>(request, segment, writes, offset, memory_size, place);
        }
        if (outcome.is_done() && !(moves && place.is_private && !from.is_private)) {
            outcome = judge_place(request.context, place);
        }
        const UserAccess<Cpu> user_access;
        u64 memory = 0;
        if (outcome.is_done() && moves) {
            outcome = from.is_private ? Outcome::done() : judge_place(request.context, from);
            if (outcome.is_done()) {
                outcome = read_place<Cpu>(request, from, size, other);
            }
        } else if (outcome.is_done() && !(to_memory && mnemonic <= Mnemonic::stos)) {
            outcome = read_place<Cpu>(request, place, memory_size, memory);
        }
        if (!outcome.is_done()) {
            return outcome;
        }
        u64 source = memory;
        if (mnemonic == Mnemonic::movsx) {
            const unsigned unused = (64 - 8u * memory_size) & 63;
            source                = static_cast<u64>(static_cast<i64>(memory << unused) >> unused);
        }
        const AluResult result = to_memory ? compute(mnemonic, memory, other, size, frame.rflags)
                                           : compute(mnemonic, other, source, size, frame.rflags);
        if (writes) {
            outcome = write_place<Cpu>(request, place, memory_size, result.value);
            if (!outcome.is_done()) {
                return outcome;
            }
        }
        if (mnemonic == Mnemonic::xchg) {
            write_register(frame, instruction.reg, size, memory);
        } else if (!to_memory && !only_looks) {
            write_register(frame, instruction.reg, size, result.value);
        }
        frame.rflags = result.rflags;
        return is_string ? next_element(request, moves) : outcome;
    }

  private:
    /// A bit string begins at the memory operand: a register's number reaches beyond it, either
    /// way; an immediate's does not. `number` becomes that of the bit in its operand.
    static constexpr i64 choose_bit(const Instruction& instruction, u64& number) {
        const u8 size         = instruction.operand_size;
        const unsigned unused = (64 - 8u * size) & 63;
        const auto whole      = static_cast<i64>(number << unused) >> unused;
        number &= 8u * size - 1;
        return instruction.other == Operand::general_register
                   ? (whole - static_cast<i64>(number)) / 8
                   : 0;
    }

    [[clang::minsize]] static ghcb::Outcome next_element(const Request& request, bool moves) {
        const u64 step = element_step(request);
        if (moves) {
            move_on(request, gpr::rsi, step);
        }
        move_on(request, gpr::rdi, step);
        return count_down(request, 1);
    }
};

} // namespace vestibule::vc
