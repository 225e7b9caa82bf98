// SPDX-License-Identifier: BSD-2-Clause-Patent
// The instructions that a #VC can stand at, as the decoder names them: the intercepted ones, and
// those that can touch memory-mapped I/O.
#pragma once

#include "x86/types.h"

namespace vestibule::vc {

/// Default operand and address size of the interrupted code: CS.L, else CS.D.
enum class CodeSize : u8 { bits16, bits32, bits64 };

/// Those that take a LOCK prefix when memory is their destination stand between `add` and `btc`
/// (APM volume 3, section 1.2.5).
enum class Mnemonic : u8 {
    none,
    // intercepted
    cpuid,
    rdmsr,
    wrmsr,
    in,
    out,
    ins,
    outs,
    rdtsc,
    rdtscp,
    rdpmc,
    invd,
    wbinvd,
    wbnoinvd,
    monitor,
    monitorx,
    mwait,
    mwaitx,
    vmmcall,
    read_dr7,  // MOV reg, DR7
    write_dr7, // MOV DR7, reg
    // through memory
    mov,
    movzx,
    movsx, // MOVSXD too
    movs,
    stos,
    cmp,
    test,
    bt,
    add,
    or_,
    adc,
    sbb,
    and_,
    sub,
    xor_,
    xchg,
    inc,
    dec,
    not_,
    neg,
    bts,
    btr,
    btc,
};

/// Numbered as in MOV from and to segment registers.
enum class Segment : u8 { es, cs, ss, ds, fs, gs };

/// What an instruction works on beside memory; without memory, on what it works.
enum class Operand : u8 {
    none,
    general_register, // Instruction::reg
    immediate,        // Instruction::immediate
    dx,               // IN, OUT, INS, OUTS: the port is in DX
};

/// Numbered as the machine does: RAX 0, RCX 1, RDX 2, RBX 3, RSP 4, ... R15 15.
struct GeneralRegister {
    u8 number      = 0;
    bool high_byte = false; // bits 15:8 of register 0 to 3: AH, CH, DH, BH
};

/// The effective address: base + index × scale + displacement, all cut to
/// Instruction::address_size. No base, no index: an absolute address.
struct MemoryOperand {
    static constexpr u8 no_register = 0xFF;
    static constexpr u8 rip         = 0xFE; // as a base: the address of the next instruction

    u8 base          = no_register;
    u8 index         = no_register;
    u8 scale         = 1; // 1, 2, 4 or 8
    i64 displacement = 0; // sign-extended
};

struct Instruction {
    Mnemonic mnemonic = Mnemonic::none;
    u8 length         = 0; // in bytes, prefixes included
    u8 operand_size   = 0; // in bytes; 0 where the instruction has none to choose
    u8 memory_size    = 0; // in bytes: less than operand_size for MOVZX and MOVSX; 0 without memory
    u8 address_size   = 0; // 2, 4 or 8: of the effective address, of rSI, rDI and rCX, of rAX

    bool repeat = false; // F2 or F3 was there: REP for INS, OUTS, MOVS, STOS, nothing for others

    /// Memory is the first operand. CMP, TEST and BT write nothing all the same.
    bool memory_is_destination = false;

    Operand other = Operand::none;

    GeneralRegister reg;

    /// Of the memory operand. For MOVS and OUTS, of the source; INS, STOS and the destination of
    /// MOVS are always ES. In 64-bit code, only FS and GS have a base.
    Segment segment = Segment::ds;

    /// Not filled in for string instructions: theirs are rSI and rDI.
    MemoryOperand memory;

    /// Sign-extended; ports and bit offsets (BT, BTS, BTR, BTC), zero-extended.
    u64 immediate = 0;
};

/// Why the decoder refuses.
enum class DecodeError : u8 {
    none,
    unknown_opcode,    // no instruction that this decoder serves
    too_long,          // more than 15 bytes
    out_of_bytes,      // the source ended inside the instruction
    lock_prefix,       // LOCK before an instruction that does not take it: #UD
    no_memory_operand, // known with a memory operand only, but works on registers here
};

constexpr const char* decode_error_name(DecodeError error) {
    switch (error) {
    case DecodeError::none: return "none";
    case DecodeError::unknown_opcode: return "unknown opcode";
    case DecodeError::too_long: return "longer than 15 bytes";
    case DecodeError::out_of_bytes: return "out of bytes";
    case DecodeError::lock_prefix: return "LOCK prefix";
    case DecodeError::no_memory_operand: return "no memory operand";
    }
    return "?";
}

} // namespace vestibule::vc
