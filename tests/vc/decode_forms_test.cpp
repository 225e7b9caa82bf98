// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the decoder says of single instructions: the rules for prefixes and sizes (vc-exceptions 4
// and 5), and the lines of the conformance list that are the decoder's. Some are decoded by the
// compiler already.
#include "vc/decode.h"
#include <gtest/gtest.h>
#include <initializer_list>
#include <vector>

namespace vestibule::test {

using vc::CodeSize;
using vc::Decoded;
using vc::DecodeError;
using vc::Instruction;
using vc::MemoryOperand;
using vc::Mnemonic;
using vc::Operand;
using vc::Segment;

using Bytes = std::initializer_list<u8>;

static constexpr Decoded decode(CodeSize code_size, Bytes bytes) {
    const u8* next = bytes.begin();
    return vc::decode(code_size, [&](u8& byte) {
        if (next == bytes.end()) {
            return false;
        }
        byte = *next++;
        return true;
    });
}

static constexpr Instruction in16(Bytes bytes) {
    return decode(CodeSize::bits16, bytes).instruction;
}

static constexpr Instruction in32(Bytes bytes) {
    return decode(CodeSize::bits32, bytes).instruction;
}

static constexpr Instruction in64(Bytes bytes) {
    return decode(CodeSize::bits64, bytes).instruction;
}

static constexpr DecodeError refused64(Bytes bytes) {
    return decode(CodeSize::bits64, bytes).error;
}

static_assert(in64({0x0F, 0xA2}).mnemonic == Mnemonic::cpuid);
static_assert(in16({0x0F, 0xA2}).mnemonic == Mnemonic::cpuid);
static_assert(in64({0x48, 0x8B, 0x04, 0xC8}).memory.scale == 8);
static_assert(refused64({}) == DecodeError::out_of_bytes);
static_assert(refused64({0xF0, 0x0F, 0xA2}) == DecodeError::lock_prefix);

TEST(DecodeForms, OperandSizesOfInAndOut) {
    EXPECT_EQ(in64({0xED}).operand_size, 4);
    EXPECT_EQ(in64({0x66, 0xED}).operand_size, 2);
    EXPECT_EQ(in64({0x48, 0xED}).operand_size, 4); // REX.W has no effect
    EXPECT_EQ(in64({0x66, 0x48, 0xED}).operand_size, 4);
    EXPECT_EQ(in64({0x48, 0x66, 0xED}).operand_size, 2); // this REX is ignored
    EXPECT_EQ(in32({0xED}).operand_size, 4);
    EXPECT_EQ(in32({0x66, 0xED}).operand_size, 2);
    EXPECT_EQ(in16({0xED}).operand_size, 2);
    EXPECT_EQ(in16({0x66, 0xED}).operand_size, 4);
    for (const u8 opcode : Bytes{0xE4, 0xE6, 0xEC, 0xEE, 0x6C, 0x6E}) {
        EXPECT_EQ(in64({opcode, 0x80}).operand_size, 1);
        EXPECT_EQ(in64({0x66, opcode, 0x80}).operand_size, 1); // bytes ignore 66
        EXPECT_EQ(in16({0x66, opcode, 0x80}).operand_size, 1);
    }
}

TEST(DecodeForms, ImmediatePortsAreZeroExtended) {
    const Instruction out = in64({0xE7, 0xF4});
    EXPECT_EQ(out.mnemonic, Mnemonic::out);
    EXPECT_EQ(out.other, Operand::immediate);
    EXPECT_EQ(out.immediate, 0xF4U);
    EXPECT_EQ(in64({0xEF}).other, Operand::dx);
    EXPECT_EQ(in64({0x6F}).other, Operand::dx);
}

TEST(DecodeForms, OperandSizesThroughMemory) {
    EXPECT_EQ(in64({0x8B, 0x03}).operand_size, 4);
    EXPECT_EQ(in64({0x66, 0x8B, 0x03}).operand_size, 2);
    EXPECT_EQ(in64({0x48, 0x8B, 0x03}).operand_size, 8);
    EXPECT_EQ(in64({0x66, 0x48, 0x8B, 0x03}).operand_size, 8);
    EXPECT_EQ(in32({0x8B, 0x03}).operand_size, 4);
    EXPECT_EQ(in16({0x8B, 0x03}).operand_size, 2);
    EXPECT_EQ(in16({0x66, 0x8B, 0x03}).operand_size, 4);
    EXPECT_EQ(in64({0x0F, 0xB6, 0x03}).memory_size, 1);
    EXPECT_EQ(in64({0x48, 0x0F, 0xBF, 0x03}).memory_size, 2);
    EXPECT_EQ(in64({0x48, 0x63, 0x03}).memory_size, 4);
    EXPECT_EQ(in64({0x48, 0x63, 0x03}).operand_size, 8);
    EXPECT_EQ(in64({0x66, 0xA5}).operand_size, 2);
}

TEST(DecodeForms, AddressSizes) {
    EXPECT_EQ(in64({0xED}).address_size, 8);
    EXPECT_EQ(in64({0x67, 0xED}).address_size, 4);
    EXPECT_EQ(in32({0xED}).address_size, 4);
    EXPECT_EQ(in32({0x67, 0xED}).address_size, 2);
    EXPECT_EQ(in16({0xED}).address_size, 2);
    EXPECT_EQ(in16({0x67, 0xED}).address_size, 4);
}

TEST(DecodeForms, RexIsAnIncOutsideOf64BitCode) {
    EXPECT_EQ(decode(CodeSize::bits32, {0x48, 0x0F, 0xA2}).error, DecodeError::unknown_opcode);
    EXPECT_EQ(decode(CodeSize::bits16, {0x48, 0x0F, 0xA2}).error, DecodeError::unknown_opcode);
}

/// Conformance 5.
TEST(DecodeForms, HighBytesAreNotTheRegistersOfTheirNumbers) {
    for (u8 number = 0; number < 8; ++number) {
        const u8 modrm          = static_cast<u8>(number << 3 | 3);
        const Instruction plain = in64({0x88, modrm});
        EXPECT_EQ(plain.reg.number, number % 4);
        EXPECT_EQ(plain.reg.high_byte, number >= 4);
        const Instruction rex = in64({0x40, 0x88, modrm});
        EXPECT_EQ(rex.reg.number, number);
        EXPECT_FALSE(rex.reg.high_byte);
        EXPECT_EQ(in64({0x44, 0x88, modrm}).reg.number, number + 8);
        EXPECT_FALSE(in64({0x89, modrm}).reg.high_byte);
        EXPECT_EQ(in64({0x0F, 0xB6, modrm}).reg.number, number); // MOVZX: the wide register
        // A REX that another prefix follows does not count.
        EXPECT_EQ(in64({0x40, 0x2E, 0x88, modrm}).reg.high_byte, number >= 4);
    }
}

/// Conformance 10.
TEST(DecodeForms, OutsHonoursSegmentsAndInsDoesNot) {
    EXPECT_EQ(in32({0x6E}).segment, Segment::ds);
    EXPECT_EQ(in32({0x26, 0x6E}).segment, Segment::es);
    EXPECT_EQ(in32({0x2E, 0x6E}).segment, Segment::cs);
    EXPECT_EQ(in64({0x65, 0x6F}).segment, Segment::gs);
    EXPECT_EQ(in64({0x26, 0x6F}).segment, Segment::ds); // of no effect in 64-bit code
    EXPECT_EQ(in64({0x64, 0x26, 0x6F}).segment, Segment::fs);
    EXPECT_EQ(in32({0x64, 0x26, 0x6F}).segment, Segment::es);
    for (const u8 opcode : Bytes{0x6C, 0x6D, 0xAA, 0xAB}) {
        EXPECT_EQ(in32({opcode}).segment, Segment::es);
        EXPECT_EQ(in32({0x65, opcode}).segment, Segment::es);
        EXPECT_EQ(in64({0x65, opcode}).segment, Segment::es);
    }
    EXPECT_EQ(in64({0x64, 0xA4}).segment, Segment::fs); // the source's
}

/// Conformance 11.
TEST(DecodeForms, StringInstructionsFollowTheAddressSize) {
    for (const u8 opcode : Bytes{0x6C, 0x6D, 0x6E, 0x6F, 0xA4, 0xA5, 0xAA, 0xAB}) {
        EXPECT_EQ(in64({0xF3, opcode}).address_size, 8);
        EXPECT_EQ(in64({0xF3, 0x67, opcode}).address_size, 4);
        EXPECT_EQ(in32({0x67, 0xF2, opcode}).address_size, 2);
        EXPECT_EQ(in16({0xF3, opcode}).address_size, 2);
        EXPECT_TRUE(in64({0xF2, opcode}).repeat);
        EXPECT_TRUE(in64({0xF3, opcode}).repeat);
        EXPECT_FALSE(in64({opcode}).repeat);
    }
}

/// Conformance 12, and what is told apart by a prefix or by a part of ModRM.
TEST(DecodeForms, OpcodesAreExact) {
    EXPECT_EQ(in64({0xA2, 1, 2, 3, 4, 5, 6, 7, 8}).mnemonic, Mnemonic::mov);
    EXPECT_EQ(refused64({0x0F, 0x0F, 0xA2}), DecodeError::unknown_opcode);
    EXPECT_EQ(in64({0x0F, 0x01, 0xD9}).mnemonic, Mnemonic::vmmcall);
    for (const u8 prefix : Bytes{0xF2, 0xF3}) { // VMGEXIT
        EXPECT_EQ(refused64({prefix, 0x0F, 0x01, 0xD9}), DecodeError::unknown_opcode);
    }
    EXPECT_EQ(refused64({0x0F, 0x01, 0xD8}), DecodeError::unknown_opcode);       // VMRUN
    EXPECT_EQ(refused64({0xF3, 0x0F, 0x01, 0xFA}), DecodeError::unknown_opcode); // MCOMMIT
    EXPECT_EQ(in64({0x0F, 0x09}).mnemonic, Mnemonic::wbinvd);
    EXPECT_EQ(in64({0xF3, 0x0F, 0x09}).mnemonic, Mnemonic::wbnoinvd);
    EXPECT_EQ(refused64({0xC5, 0xF8, 0x77}), DecodeError::unknown_opcode);
    EXPECT_EQ(refused64({0x62, 0xF1, 0x7C, 0x48}), DecodeError::unknown_opcode);
}

TEST(DecodeForms, DebugRegister7IgnoresMod) {
    for (const u8 mod : Bytes{0x00, 0x40, 0x80, 0xC0}) {
        const Instruction read = in64({0x41, 0x0F, 0x21, static_cast<u8>(mod | 7 << 3 | 4)});
        EXPECT_EQ(read.mnemonic, Mnemonic::read_dr7);
        EXPECT_EQ(read.reg.number, 12);
        EXPECT_EQ(read.operand_size, 8);
        EXPECT_EQ(read.length, 4);
        const Instruction write = in32({0x0F, 0x23, static_cast<u8>(mod | 7 << 3)});
        EXPECT_EQ(write.mnemonic, Mnemonic::write_dr7);
        EXPECT_EQ(write.operand_size, 4);
    }
    EXPECT_EQ(refused64({0x44, 0x0F, 0x21, 0xF8}), DecodeError::unknown_opcode); // DR15
    EXPECT_EQ(refused64({0x0F, 0x21, 0xF0}), DecodeError::unknown_opcode);       // DR6
}

/// Conformance 17: whatever follows the instruction is not asked for.
TEST(DecodeForms, NothingPastTheInstructionIsRead) {
    const std::vector<std::vector<u8>> all = {
        {0xEC},
        {0x0F, 0xA2},
        {0x0F, 0x01, 0xD9},
        {0x8B, 0x03},
        {0x8B, 0x43, 0x10},
        {0xC6, 0x03, 0x55},
        {0xF7, 0x03, 1, 2, 3, 4},
        {0xF7, 0x13},
        {0x48, 0xA3, 1, 2, 3, 4, 5, 6, 7, 8},
    };
    for (const auto& bytes : all) {
        size_t given          = 0;
        const Decoded decoded = vc::decode(CodeSize::bits64, [&](u8& byte) {
            EXPECT_LT(given, bytes.size());
            byte = given < bytes.size() ? bytes[given++] : u8{0};
            return true;
        });
        EXPECT_EQ(decoded.error, DecodeError::none);
        EXPECT_EQ(given, bytes.size());
        EXPECT_EQ(decoded.instruction.length, bytes.size());
    }
}

TEST(DecodeForms, Lock) {
    EXPECT_EQ(in64({0xF0, 0x01, 0x03}).mnemonic, Mnemonic::add);
    EXPECT_EQ(in64({0xF0, 0x87, 0x03}).mnemonic, Mnemonic::xchg);
    EXPECT_EQ(in64({0xF0, 0x0F, 0xBA, 0x2B, 1}).mnemonic, Mnemonic::bts);
    EXPECT_EQ(refused64({0xF0, 0x03, 0x03}), DecodeError::lock_prefix);          // a load
    EXPECT_EQ(refused64({0xF0, 0x39, 0x03}), DecodeError::lock_prefix);          // CMP
    EXPECT_EQ(refused64({0xF0, 0x0F, 0xBA, 0x23, 1}), DecodeError::lock_prefix); // BT
    EXPECT_EQ(refused64({0xF0, 0x89, 0x03}), DecodeError::lock_prefix);          // MOV
    EXPECT_EQ(refused64({0xF0, 0xEC}), DecodeError::lock_prefix);
    EXPECT_EQ(refused64({0xF0, 0x90}), DecodeError::unknown_opcode);
}

TEST(DecodeForms, RegisterFormsHaveNoMemoryOperand) {
    EXPECT_EQ(refused64({0x8B, 0xC3}), DecodeError::no_memory_operand);
    EXPECT_EQ(refused64({0x0F, 0xB6, 0xC3}), DecodeError::no_memory_operand);
    EXPECT_EQ(refused64({0xF7, 0xD3}), DecodeError::no_memory_operand);
    EXPECT_EQ(refused64({0xF7, 0xE3}), DecodeError::unknown_opcode); // MUL, with memory either
    EXPECT_EQ(refused64({0xF7, 0x23}), DecodeError::unknown_opcode);
}

TEST(DecodeForms, Addresses) {
    const Instruction rip = in64({0x8B, 0x05, 0xFC, 0xFF, 0xFF, 0xFF});
    EXPECT_EQ(rip.memory.base, MemoryOperand::rip);
    EXPECT_EQ(rip.memory.displacement, -4);
    EXPECT_EQ(in32({0x8B, 0x05, 0, 0, 0, 0}).memory.base, MemoryOperand::no_register);

    const Instruction no_base = in64({0x47, 0x8B, 0x2C, 0xA5, 0, 0, 0, 0x80}); // R13 is no base
    EXPECT_EQ(no_base.memory.base, MemoryOperand::no_register);
    EXPECT_EQ(no_base.memory.index, 12); // but R12 an index
    EXPECT_EQ(no_base.memory.scale, 4);
    EXPECT_EQ(no_base.memory.displacement, -0x8000'0000LL);

    EXPECT_EQ(in64({0x8B, 0x45, 0}).segment, Segment::ss);
    EXPECT_EQ(in64({0x41, 0x8B, 0x45, 0}).segment, Segment::ds); // R13
    EXPECT_EQ(in32({0x8B, 0x04, 0x24}).segment, Segment::ss);
    EXPECT_EQ(in16({0x8B, 0x02}).segment, Segment::ss); // BP + SI
    EXPECT_EQ(in16({0x8B, 0x06, 0, 0}).segment, Segment::ds);
    EXPECT_EQ(in16({0x8B, 0x06, 0x34, 0x12}).memory.displacement, 0x1234);
    EXPECT_EQ(in64({0xA1, 0, 0, 0, 0, 0, 0, 0, 0x80}).length, 9);
    EXPECT_EQ(in64({0x67, 0xA1, 0, 0, 0, 0x80}).length, 6);
}

TEST(DecodeForms, Immediates) {
    EXPECT_EQ(in64({0x48, 0xC7, 0x03, 0, 0, 0, 0x80}).immediate, 0xFFFF'FFFF'8000'0000);
    EXPECT_EQ(in64({0x66, 0xC7, 0x03, 0x34, 0x12}).immediate, 0x1234U);
    EXPECT_EQ(in64({0x83, 0x0B, 0x80}).immediate, 0xFFFF'FFFF'FFFF'FF80);
    EXPECT_EQ(in64({0x0F, 0xBA, 0x2B, 0x80}).immediate, 0x80U);
    EXPECT_EQ(in64({0xF6, 0x0B, 0x7F}).immediate, 0x7FU); // TEST's other number
    EXPECT_EQ(in64({0xF6, 0x0B, 0x7F}).mnemonic, Mnemonic::test);
}

} // namespace vestibule::test
