// SPDX-License-Identifier: BSD-2-Clause-Patent
// The short way of memory-mapped I/O (vc/quick.h): 64-bit kernel code that moves a general register
// to or from memory, which is what drivers do. Whatever is not as it mostly is, from an AH to a
// page fault, is left to the long way (vc/mmio.h), which finds out anew.
#pragma once

#include "vc/decode_address.h"
#include "vc/memory.h"
#include "vc/opening.h"
#include "vc/quick.h"

namespace vestibule::vc {

/// MOV between a general register and ModRM's operand: 88 to 8B (APM volume 3, section A.1).
namespace plain_move {
inline constexpr u8 first         = 0x88;
inline constexpr u8 whole_operand = 1; // else a byte
inline constexpr u8 to_register   = 2; // else to memory

constexpr bool is(u8 opcode) { return (opcode & ~(whole_operand | to_register)) == first; }

static_assert([] {
    for (unsigned byte = 0; byte < 256; ++byte) {
        const u8 row    = opcode_table.row_of[0][byte];
        const u16 wants = form::has_modrm | form::with_register
                          | ((byte & whole_operand) != 0 ? 0 : form::byte_operand)
                          | ((byte & to_register) != 0 ? 0 : form::to_memory);
        const bool found = OpcodeTable::is_opcode(row)
                           && opcode_table.opcode(row).mnemonic == Mnemonic::mov
                           && opcode_table.opcode(row).form == wants;
        if (found != is(static_cast<u8>(byte))) {
            return false;
        }
    }
    return true;
}());
} // namespace plain_move

/// Whether the linear address of ModRM's operand is base + index × scale + displacement, and no
/// base is RSP or RIP; it then reads what there is behind ModRM.
[[gnu::always_inline]] inline bool plain_address(Frame& frame, ModRm modrm, Prefixes prefixes,
                                                 OpeningReader& reader, u64& address) {
    u8 base   = modrm.rm();
    u64 index = 0;
    if (base == register_number::sp) {
        const ModRm sib{reader.byte()};
        const auto number = static_cast<u8>(sib.reg() | prefixes.extension(Prefixes::rex_x));
        if (number != register_number::sp) {
            index = saved_register(frame, number) << sib.mod();
        }
        base = sib.rm();
    }
    const auto number = static_cast<u8>(base | prefixes.extension(Prefixes::rex_b));
    if ((base == register_number::bp && modrm.mod() == 0) || number == register_number::sp) {
        return false;
    }
    address = saved_register(frame, number) + index;
    if (modrm.mod() == 1) {
        address += static_cast<u64>(reader.signed_byte());
    } else if (modrm.mod() == 2) {
        address += static_cast<u64>(reader.signed_doubleword());
    }
    return true;
}

/// Device registers have 4 bytes, nearly all.
[[gnu::always_inline]] inline u64 load_mostly_4(const volatile void* from, u8 size) {
    if (size == 4) [[likely]] {
        return *static_cast<const volatile u32*>(from);
    }
    return load(from, size);
}

[[gnu::always_inline]] inline void store_mostly_4(volatile void* to, u8 size, u64 value) {
    if (size == 4) [[likely]] {
        *static_cast<volatile u32*>(to) = static_cast<u32>(value);
    } else {
        store(to, size, value);
    }
}

/// Serves a nested page fault if it is one of those.
template <class Cpu>
[[gnu::always_inline]] inline Served serve_mmio_quickly(Frame& frame, Context& context) {
    if (!OpeningBytes::fit_at(frame.rip)) {
        return {};
    }
    const OpeningBytes opening = OpeningBytes::at(frame.rip);
    const Served not_here{.opening = opening};
    OpeningReader reader{opening};
    Prefixes prefixes;
    u8 opcode = reader.byte();
    if ((opcode & 0xF0) == 0x40) {
        prefixes.take_rex(opcode);
        opcode = reader.byte();
    }
    const ModRm modrm{reader.byte()};
    const u8 number = modrm.reg() | prefixes.extension(Prefixes::rex_r);
    // Byte registers 4 to 7 are others with REX than without.
    if (!plain_move::is(opcode) || !modrm.names_memory() || number == register_number::sp
        || ((opcode & plain_move::whole_operand) == 0 && number >= 4)) {
        return not_here;
    }
    u64 address = 0;
    if (!plain_address(frame, modrm, prefixes, reader, address)) {
        return not_here;
    }
    const u8 size =
        (opcode & plain_move::whole_operand) == 0 ? 1 : prefixes.operand_bytes(CodeSize::bits64);
    const bool writes = (opcode & plain_move::to_register) == 0;
    if (static_cast<u64>(static_cast<i64>(address << 16) >> 16) != address
        || (address & (page_size - 1)) > page_size - size) {
        return not_here;
    }
    const Translation place = walk<Cpu, Cpu::serves_kernel>(
        context, address, writes ? page_fault::write : 0, frame.rflags);
    // SECURITY: what is mapped private is memory (judge_place in vc/mmio.h).
    if (place.faults || place.is_private || is_in_ghcb(context, place.gpa)) {
        return not_here;
    }
    ghcb::Call<Cpu> call{context.ghcb};
    u64& reg = saved_register(frame, number);
    u64 code = static_cast<u64>(x86::ExitCode::mmio_read);
    if (writes) {
        code = static_cast<u64>(x86::ExitCode::mmio_write);
        store_mostly_4(call.buffer(), size, reg);
    }
    call.put_buffer();
    const ghcb::Outcome outcome = call.leave(code, place.gpa, size, ghcb::registers::none);
    if (outcome.is_done() && !writes) {
        u64 value = load_mostly_4(call.buffer(), size);
        if (size == 1) [[unlikely]] {
            value |= reg & ~u64{0xFF};
        }
        reg = value;
    }
    return {.outcome = outcome, .length = reader.length()};
}

} // namespace vestibule::vc
