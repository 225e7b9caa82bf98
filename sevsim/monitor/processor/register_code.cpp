// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/register_code.h"

#include "vc/alu.h"
#include "x86/registers.h"

namespace vestibule::sevsim {

namespace {

using vc::Mnemonic;

/// By bits 3 to 5 of the opcodes below 0x40, and of ModRM behind 81 and 83.
constexpr Mnemonic arithmetic[] = {Mnemonic::add,  Mnemonic::or_, Mnemonic::adc,  Mnemonic::sbb,
                                   Mnemonic::and_, Mnemonic::sub, Mnemonic::xor_, Mnemonic::cmp};

/// Conditions of Jcc by the low four bits of the opcode; of each pair the second is the opposite.
bool holds(unsigned condition, u64 flags) {
    namespace rflags     = x86::rflags;
    const bool less      = ((flags & rflags::sf) != 0) != ((flags & rflags::of) != 0);
    const bool are_met[] = {
        (flags & rflags::of) != 0,
        (flags & rflags::cf) != 0,
        (flags & rflags::zf) != 0,
        (flags & (rflags::cf | rflags::zf)) != 0,
        (flags & rflags::sf) != 0,
        (flags & rflags::pf) != 0,
        less,
        less || (flags & rflags::zf) != 0,
    };
    return are_met[condition >> 1] != ((condition & 1) != 0);
}

/// The instruction that is being executed: what has been read of it, and what it works on.
class Execution {
  public:
    Execution(RegisterState& state, std::span<const u8> code) : state_{state}, code_{code} {}

    bool execute() {
        u8 opcode = next();
        if ((opcode & 0xF0) == 0x40) {
            rex_   = opcode;
            opcode = next();
        }
        const bool is_served = opcode == 0x0F   ? execute_near_jump(next())
                               : opcode <= 0x3F ? execute_arithmetic(opcode)
                                                : execute_other(opcode);
        state_.rip += read_ + jump_;
        return is_served && !is_short_;
    }

  private:
    bool execute_arithmetic(u8 opcode) {
        const Mnemonic mnemonic = arithmetic[opcode >> 3];
        switch (opcode & 7) {
        case 1: return read_registers() && compute(mnemonic, rm(), reg());
        case 3: return read_registers() && compute(mnemonic, reg(), rm());
        case 5: return compute(mnemonic, state_.general[0], immediate(4));
        default: return false;
        }
    }

    bool execute_near_jump(u8 opcode) {
        return (opcode & 0xF0) == 0x80 && jump(holds(opcode & 15, state_.rflags), 4);
    }

    bool execute_other(u8 opcode) {
        if ((opcode & 0xF0) == 0x70) {
            return jump(holds(opcode & 15, state_.rflags), 1);
        }
        if ((opcode & 0xF8) == 0xB8) {
            return compute(Mnemonic::mov, register_in(opcode), immediate(size()));
        }
        switch (opcode) {
        case 0x81: return read_registers() && compute(arithmetic[group()], rm(), immediate(4));
        case 0x83: return read_registers() && compute(arithmetic[group()], rm(), immediate(1));
        case 0x85: return read_registers() && compute(Mnemonic::test, rm(), reg());
        case 0x89: return read_registers() && compute(Mnemonic::mov, rm(), reg());
        case 0x8B: return read_registers() && compute(Mnemonic::mov, reg(), rm());
        case 0x90: return rex_ == 0; // XCHG with R8 otherwise
        case 0xA9: return compute(Mnemonic::test, state_.general[0], immediate(4));
        case 0xC7:
            return read_registers() && group() == 0 && compute(Mnemonic::mov, rm(), immediate(4));
        case 0xE9: return jump(true, 4);
        case 0xEB: return jump(true, 1);
        case 0xFF:
            return read_registers() && group() <= 1
                   && compute(group() == 0 ? Mnemonic::inc : Mnemonic::dec, rm(), 0);
        default: return false;
        }
    }

    u8 next() {
        is_short_ |= read_ >= code_.size();
        return is_short_ ? u8{0} : code_[read_++];
    }

    /// Of so many bytes, little-endian, sign-extended.
    u64 immediate(unsigned bytes) {
        u64 value = 0;
        for (unsigned n = 0; n < bytes; ++n) {
            value |= u64{next()} << (8 * n);
        }
        const u64 sign = bit(8 * bytes - 1);
        return (value ^ sign) - sign;
    }

    /// Reads ModRM. False where an operand is memory.
    bool read_registers() {
        modrm_ = next();
        return modrm_ >= 0xC0;
    }

    unsigned size() const { return (rex_ & 8) != 0 ? 8 : 4; }

    unsigned group() const { return (modrm_ >> 3) & 7; }

    u64& reg() { return state_.general[group() | ((rex_ & 4u) << 1)]; }

    u64& rm() { return register_in(modrm_); }

    u64& register_in(u8 byte) { return state_.general[(byte & 7u) | ((rex_ & 1u) << 3)]; }

    /// What is written clears the upper half of the register where it has 32 bits.
    bool compute(Mnemonic mnemonic, u64& destination, u64 source) {
        const auto bytes = static_cast<u8>(size());
        const u64 mask   = vc::size_mask(bytes);
        const vc::AluResult result =
            vc::compute(mnemonic, destination & mask, source & mask, bytes, state_.rflags);
        state_.rflags = result.rflags;
        if (mnemonic != Mnemonic::cmp && mnemonic != Mnemonic::test) {
            destination = result.value & mask;
        }
        return true;
    }

    bool jump(bool is_taken, unsigned bytes) {
        const u64 distance = immediate(bytes);
        jump_              = is_taken ? distance : 0;
        return true;
    }

    RegisterState& state_;
    std::span<const u8> code_;
    u64 read_      = 0; // bytes
    bool is_short_ = false;
    u8 rex_        = 0;
    u8 modrm_      = 0;
    u64 jump_      = 0; // from the next instruction on
};

} // namespace

bool execute_on_registers(RegisterState& state, std::span<const u8> code) {
    return Execution{state, code}.execute();
}

} // namespace vestibule::sevsim
