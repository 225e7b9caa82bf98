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

/// The value of `size` bytes, from memory if they are private, else from the hypervisor.
template <class Cpu>
[[gnu::noinline]] ghcb::Outcome read_place(const Request& request, const Place& place, u8 size,
                                           u64& value) {
    if (place.is_private) {
        value = load(reinterpret_cast<const volatile void*>(place.linear), size);
        return ghcb::Outcome::done();
    }
    ghcb::Call<Cpu> call{request.context.ghcb};
    const ghcb::Outcome outcome = call.exit_with_buffer(x86::ExitCode::mmio_read, place.gpa, size);
    if (outcome.is_done()) {
        value = load(call.buffer(), size);
    }
    return outcome;
}

template <class Cpu>
[[gnu::noinline]] ghcb::Outcome write_place(const Request& request, const Place& place, u8 size,
                                            u64 value) {
    if (place.is_private) {
        store(reinterpret_cast<volatile void*>(place.linear), size, value);
        return ghcb::Outcome::done();
    }
    ghcb::Call<Cpu> call{request.context.ghcb};
    store(call.buffer(), size, value);
    return call.exit_with_buffer(x86::ExitCode::mmio_write, place.gpa, size);
}

/// SECURITY: a page mapped private is memory, whatever exit code the hypervisor chose. To ask for
/// it would write the guest's secrets into the shared buffer, or read memory of the hypervisor's
/// making.
constexpr ghcb::Outcome judge_place(const Place& place) {
    if (place.is_private) {
        return ghcb::Outcome::terminate(ghcb::reason::vc_mmio_private);
    }
    return place.crosses_page ? ghcb::Outcome::terminate(ghcb::reason::vc_mmio_crosses_page)
                              : ghcb::Outcome::done();
}

struct MmioEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::npf;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic >= Mnemonic::mov && mnemonic != Mnemonic::movs
               && mnemonic != Mnemonic::stos;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        using ghcb::Outcome;
        Frame& frame                   = request.frame;
        const Instruction& instruction = request.instruction;
        const Mnemonic mnemonic        = instruction.mnemonic;
        const u8 size                  = instruction.operand_size;
        const u8 memory_size           = instruction.memory_size;
        const bool to_memory           = instruction.memory_is_destination;
        const bool only_looks          = mnemonic >= Mnemonic::cmp && mnemonic <= Mnemonic::bt;

        u64 other = instruction.immediate & size_mask(size);
        if (instruction.other == Operand::general_register) {
            other = read_register(frame, instruction.reg, size);
        }
        i64 further = 0;
        if (mnemonic == Mnemonic::bt || mnemonic >= Mnemonic::bts) {
            further = choose_bit(instruction, other);
        }
        Place place;
        Outcome outcome = Reach<Cpu>{request, instruction.segment, to_memory && !only_looks}.find(
            effective_offset(request, further), memory_size, place);
        if (outcome.is_done()) {
            outcome = judge_place(place);
        }
        u64 memory = 0;
        if (outcome.is_done() && !(to_memory && mnemonic == Mnemonic::mov)) {
            outcome = read_place<Cpu>(request, place, memory_size, memory);
        }
        if (!outcome.is_done()) {
            return outcome;
        }
        const u64 read = memory;
        if (mnemonic == Mnemonic::movsx) {
            const unsigned unused = 64 - 8u * memory_size;
            memory                = static_cast<u64>(static_cast<i64>(memory << unused) >> unused);
        }
        const AluResult result = to_memory ? compute(mnemonic, memory, other, size, frame.rflags)
                                           : compute(mnemonic, other, memory, size, frame.rflags);
        if (to_memory && !only_looks) {
            outcome = write_place<Cpu>(request, place, memory_size, result.value);
            if (!outcome.is_done()) {
                return outcome;
            }
        }
        if (mnemonic == Mnemonic::xchg) {
            write_register(frame, instruction.reg, size, read);
        } else if (!to_memory && !only_looks) {
            write_register(frame, instruction.reg, size, result.value);
        }
        frame.rflags = result.rflags;
        return outcome;
    }

  private:
    /// A bit string begins at the memory operand: a register's number reaches beyond it, either
    /// way; an immediate's does not. `number` becomes that of the bit in its operand.
    static constexpr i64 choose_bit(const Instruction& instruction, u64& number) {
        const u8 size         = instruction.operand_size;
        const unsigned unused = 64 - 8u * size;
        const auto whole      = static_cast<i64>(number << unused) >> unused;
        number &= 8u * size - 1;
        return instruction.other == Operand::general_register
                   ? (whole - static_cast<i64>(number)) / 8
                   : 0;
    }
};

/// MOVS and STOS. One side of a MOVS may be memory.
struct MmioStringEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::npf;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::movs || mnemonic == Mnemonic::stos;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        using ghcb::Outcome;
        Frame& frame                   = request.frame;
        const Instruction& instruction = request.instruction;
        const bool moves               = instruction.mnemonic == Mnemonic::movs;
        const u8 size                  = instruction.operand_size;
        const u64 mask                 = size_mask(instruction.address_size);
        if (elements_left(request) == 0) {
            return Outcome::done();
        }
        u64 value = frame.rax;
        Place from{.is_private = true}; // AL, AX, EAX or RAX
        Place to;
        Outcome outcome = Outcome::done();
        if (moves) {
            outcome =
                Reach<Cpu>{request, instruction.segment, false}.find(frame.rsi & mask, size, from);
        }
        if (outcome.is_done()) {
            outcome = Reach<Cpu>{request, Segment::es, true}.find(frame.rdi & mask, size, to);
        }
        if (outcome.is_done() && !from.is_private) {
            outcome = judge_place(from);
        }
        if (outcome.is_done() && (from.is_private || !to.is_private)) {
            outcome = judge_place(to);
        }
        const UserAccess<Cpu> user_access;
        if (outcome.is_done() && moves) {
            outcome = read_place<Cpu>(request, from, size, value);
        }
        if (outcome.is_done()) {
            outcome = write_place<Cpu>(request, to, size, value);
        }
        if (!outcome.is_done()) {
            return outcome;
        }
        const u64 step = element_step(request);
        if (moves) {
            move_on(request, gpr::rsi, step);
        }
        move_on(request, gpr::rdi, step);
        return count_down(request, 1);
    }
};

} // namespace vestibule::vc
