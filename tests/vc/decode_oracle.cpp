// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "tests/vc/decode_oracle.h"
#include <cstdio>

namespace vestibule::test {

using vc::CodeSize;
using vc::Decoded;
using vc::DecodeError;
using vc::Instruction;
using vc::MemoryOperand;
using vc::Mnemonic;
using vc::Operand;

namespace {

/// What Zydis's mnemonic is to this decoder, and what must be among its operands to be served.
enum class Needs : u8 { nothing, memory, string };

struct Wanted {
    ZydisMnemonic theirs;
    Mnemonic ours;
    Needs needs;
};

constexpr Wanted wanted[] = {
    {ZYDIS_MNEMONIC_CPUID,    Mnemonic::cpuid,    Needs::nothing},
    {ZYDIS_MNEMONIC_RDMSR,    Mnemonic::rdmsr,    Needs::nothing},
    {ZYDIS_MNEMONIC_WRMSR,    Mnemonic::wrmsr,    Needs::nothing},
    {ZYDIS_MNEMONIC_IN,       Mnemonic::in,       Needs::nothing},
    {ZYDIS_MNEMONIC_OUT,      Mnemonic::out,      Needs::nothing},
    {ZYDIS_MNEMONIC_INSB,     Mnemonic::ins,      Needs::string },
    {ZYDIS_MNEMONIC_INSW,     Mnemonic::ins,      Needs::string },
    {ZYDIS_MNEMONIC_INSD,     Mnemonic::ins,      Needs::string },
    {ZYDIS_MNEMONIC_OUTSB,    Mnemonic::outs,     Needs::string },
    {ZYDIS_MNEMONIC_OUTSW,    Mnemonic::outs,     Needs::string },
    {ZYDIS_MNEMONIC_OUTSD,    Mnemonic::outs,     Needs::string },
    {ZYDIS_MNEMONIC_RDTSC,    Mnemonic::rdtsc,    Needs::nothing},
    {ZYDIS_MNEMONIC_RDTSCP,   Mnemonic::rdtscp,   Needs::nothing},
    {ZYDIS_MNEMONIC_RDPMC,    Mnemonic::rdpmc,    Needs::nothing},
    {ZYDIS_MNEMONIC_INVD,     Mnemonic::invd,     Needs::nothing},
    {ZYDIS_MNEMONIC_WBINVD,   Mnemonic::wbinvd,   Needs::nothing},
    {ZYDIS_MNEMONIC_MONITOR,  Mnemonic::monitor,  Needs::nothing},
    {ZYDIS_MNEMONIC_MONITORX, Mnemonic::monitorx, Needs::nothing},
    {ZYDIS_MNEMONIC_MWAIT,    Mnemonic::mwait,    Needs::nothing},
    {ZYDIS_MNEMONIC_MWAITX,   Mnemonic::mwaitx,   Needs::nothing},
    {ZYDIS_MNEMONIC_VMMCALL,  Mnemonic::vmmcall,  Needs::nothing},
    {ZYDIS_MNEMONIC_MOVSB,    Mnemonic::movs,     Needs::string },
    {ZYDIS_MNEMONIC_MOVSW,    Mnemonic::movs,     Needs::string },
    {ZYDIS_MNEMONIC_MOVSD,    Mnemonic::movs,     Needs::string },
    {ZYDIS_MNEMONIC_MOVSQ,    Mnemonic::movs,     Needs::string },
    {ZYDIS_MNEMONIC_STOSB,    Mnemonic::stos,     Needs::string },
    {ZYDIS_MNEMONIC_STOSW,    Mnemonic::stos,     Needs::string },
    {ZYDIS_MNEMONIC_STOSD,    Mnemonic::stos,     Needs::string },
    {ZYDIS_MNEMONIC_STOSQ,    Mnemonic::stos,     Needs::string },
    {ZYDIS_MNEMONIC_MOV,      Mnemonic::mov,      Needs::memory },
    {ZYDIS_MNEMONIC_MOVZX,    Mnemonic::movzx,    Needs::memory },
    {ZYDIS_MNEMONIC_MOVSX,    Mnemonic::movsx,    Needs::memory },
    {ZYDIS_MNEMONIC_MOVSXD,   Mnemonic::movsx,    Needs::memory },
    {ZYDIS_MNEMONIC_CMP,      Mnemonic::cmp,      Needs::memory },
    {ZYDIS_MNEMONIC_TEST,     Mnemonic::test,     Needs::memory },
    {ZYDIS_MNEMONIC_BT,       Mnemonic::bt,       Needs::memory },
    {ZYDIS_MNEMONIC_ADD,      Mnemonic::add,      Needs::memory },
    {ZYDIS_MNEMONIC_OR,       Mnemonic::or_,      Needs::memory },
    {ZYDIS_MNEMONIC_ADC,      Mnemonic::adc,      Needs::memory },
    {ZYDIS_MNEMONIC_SBB,      Mnemonic::sbb,      Needs::memory },
    {ZYDIS_MNEMONIC_AND,      Mnemonic::and_,     Needs::memory },
    {ZYDIS_MNEMONIC_SUB,      Mnemonic::sub,      Needs::memory },
    {ZYDIS_MNEMONIC_XOR,      Mnemonic::xor_,     Needs::memory },
    {ZYDIS_MNEMONIC_XCHG,     Mnemonic::xchg,     Needs::memory },
    {ZYDIS_MNEMONIC_INC,      Mnemonic::inc,      Needs::memory },
    {ZYDIS_MNEMONIC_DEC,      Mnemonic::dec,      Needs::memory },
    {ZYDIS_MNEMONIC_NOT,      Mnemonic::not_,     Needs::memory },
    {ZYDIS_MNEMONIC_NEG,      Mnemonic::neg,      Needs::memory },
    {ZYDIS_MNEMONIC_BTS,      Mnemonic::bts,      Needs::memory },
    {ZYDIS_MNEMONIC_BTR,      Mnemonic::btr,      Needs::memory },
    {ZYDIS_MNEMONIC_BTC,      Mnemonic::btc,      Needs::memory },
};

/// By Zydis's mnemonic: row of the table above plus one.
const u8* wanted_rows() {
    static const auto rows = [] {
        struct {
            u8 of[ZYDIS_MNEMONIC_MAX_VALUE + 1];
        } result{};
        for (size_t row = 0; row < std::size(wanted); ++row) {
            result.of[wanted[row].theirs] = static_cast<u8>(row + 1);
        }
        return result;
    }();
    return rows.of;
}

bool is_general(ZydisRegister reg) {
    switch (ZydisRegisterGetClass(reg)) {
    case ZYDIS_REGCLASS_GPR8:
    case ZYDIS_REGCLASS_GPR16:
    case ZYDIS_REGCLASS_GPR32:
    case ZYDIS_REGCLASS_GPR64: return true;
    default: return false;
    }
}

bool is_memory(const ZydisDecodedOperand& operand) {
    return operand.type == ZYDIS_OPERAND_TYPE_MEMORY;
}

bool is_string(const ZydisDecodedInstruction& theirs) {
    return theirs.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT;
}

/// The register number of ours that Zydis's is; `no_register` for none.
u8 number_of(ZydisRegister reg) {
    if (reg == ZYDIS_REGISTER_NONE) {
        return MemoryOperand::no_register;
    }
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
        return MemoryOperand::rip;
    }
    return static_cast<u8>(ZydisRegisterGetId(reg));
}

bool is_high_byte(ZydisRegister reg) {
    return reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
}

std::string hex(const u8* bytes, size_t size) {
    std::string text;
    for (size_t n = 0; n < size; ++n) {
        char digits[4];
        (void)std::snprintf(digits, sizeof digits, "%02X ", bytes[n]);
        text += digits;
    }
    return text;
}

std::string differs(const char* what, long long ours, long long theirs) {
    return std::string{what} + ": ours " + std::to_string(ours) + ", theirs "
           + std::to_string(theirs);
}

bool has_prefix(const ZydisDecodedInstruction& theirs, u8 prefix) {
    for (size_t n = 0; n < theirs.raw.prefix_count; ++n) {
        if (theirs.raw.prefixes[n].value == prefix) {
            return true;
        }
    }
    return false;
}

constexpr DecodeOracle::Difference known_differences[] = {
    {"F3 0F 09 is WBNOINVD, which Zydis 4.0 does not know (APM volume 3, WBNOINVD)",
     [](const ZydisDecodedInstruction& theirs,                                                                                 const Decoded& ours) {
         return theirs.mnemonic == ZYDIS_MNEMONIC_WBINVD && has_prefix(theirs, 0xF3)
                && ours.instruction.mnemonic == Mnemonic::wbnoinvd
                && ours.instruction.length == theirs.length;
     }                                                                                },
    {"66, F2, F3 before 0F 01 D9 (VMMCALL) and F9 (RDTSCP) are refused: F2 and F3 make VMGEXIT of "
     "the first (APM volume 2, 15.35.6), and choose among the others of the group (volume 3, "
     "A.1.3)",                                                                  [](const ZydisDecodedInstruction& theirs, const Decoded& ours) {
         return (theirs.mnemonic == ZYDIS_MNEMONIC_VMMCALL
                 || theirs.mnemonic == ZYDIS_MNEMONIC_RDTSCP)
                && (has_prefix(theirs, 0x66) || has_prefix(theirs, 0xF2)
                    || has_prefix(theirs, 0xF3))
                && ours.error == DecodeError::unknown_opcode;
     }},
    {"66 63 without REX.W is refused: APM volume 3, MOVSXD has no 16-bit form",
     [](const ZydisDecodedInstruction& theirs,                                                                                 const Decoded& ours) {
         return theirs.mnemonic == ZYDIS_MNEMONIC_MOVSXD && theirs.operand_width == 16
                && ours.error == DecodeError::unknown_opcode;
     }                                                                                },
    {"mod = 0 with SIB.base = 5 has no base whatever REX.B says (APM volume 3, 1.4.2), which Zydis "
     "forgets for 32-bit addresses",                                            [](const ZydisDecodedInstruction& theirs, const Decoded& ours) {
         return theirs.address_width == 32 && theirs.raw.rex.B != 0 && theirs.raw.modrm.mod == 0
                && theirs.raw.modrm.rm == 4 && theirs.raw.sib.base == 5
                && ours.error == DecodeError::none
                && ours.instruction.memory.base == MemoryOperand::no_register
                && ours.instruction.memory.displacement == theirs.raw.disp.value
                && ours.instruction.length == theirs.length;
     }},
};

} // namespace

DecodeOracle::DecodeOracle(CodeSize size)
    : code_size{size}, differences{std::begin(known_differences), std::end(known_differences)} {
    const bool is_64 = size == CodeSize::bits64;
    ZydisDecoderInit(&decoder,
                     is_64                      ? ZYDIS_MACHINE_MODE_LONG_64
                     : size == CodeSize::bits32 ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
                                                : ZYDIS_MACHINE_MODE_LONG_COMPAT_16,
                     is_64                      ? ZYDIS_STACK_WIDTH_64
                     : size == CodeSize::bits32 ? ZYDIS_STACK_WIDTH_32
                                                : ZYDIS_STACK_WIDTH_16);
    // A processor of AMD's.
    ZydisDecoderEnableMode(&decoder, ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE);
}

/// The first thing in which the two differ, of an instruction that both accept; empty if none.
std::string DecodeOracle::disagreement(const Instruction& ours) const {
    const auto is = [](const char* what, auto our, auto their) {
        return static_cast<long long>(our) == static_cast<long long>(their)
                   ? std::string{}
                   : differs(what, static_cast<long long>(our), static_cast<long long>(their));
    };
    const Wanted& row = wanted[wanted_rows()[theirs.mnemonic] - 1];
    std::string text  = is("mnemonic", ours.mnemonic, row.ours);
    const auto check  = [&](const char* what, auto our, auto their) {
        if (text.empty()) {
            text = is(what, our, their);
        }
    };
    check("length", ours.length, theirs.length);
    check("address size", ours.address_size, theirs.address_width / 8);
    check("repeat", ours.repeat, has_prefix(theirs, 0xF2) || has_prefix(theirs, 0xF3));

    // Their explicit operands, and the one implied memory operand that counts.
    const ZydisDecodedOperand* memory    = nullptr;
    const ZydisDecodedOperand* reg       = nullptr;
    const ZydisDecodedOperand* immediate = nullptr;
    const ZydisDecodedOperand* dx        = nullptr;
    for (u8 n = 0; n < theirs.operand_count; ++n) {
        const ZydisDecodedOperand& operand = operands[n];
        if (operand.visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && row.needs != Needs::string) {
            continue;
        }
        if (is_memory(operand)) {
            // MOVS: the second one, its source.
            memory = &operand;
        } else if (operand.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            immediate = &operand;
        } else if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER
                   && operand.reg.value == ZYDIS_REGISTER_DX
                   && (row.ours == Mnemonic::in || row.ours == Mnemonic::out
                       || row.ours == Mnemonic::ins || row.ours == Mnemonic::outs)) {
            dx = &operand;
        } else if (operand.type == ZYDIS_OPERAND_TYPE_REGISTER && is_general(operand.reg.value)) {
            reg = &operand;
        }
    }
    const bool is_port = row.ours == Mnemonic::in || row.ours == Mnemonic::out;
    Operand other      = Operand::none;
    if (dx != nullptr) {
        other = Operand::dx;
    } else if (immediate != nullptr) {
        other = Operand::immediate;
    } else if (row.needs == Needs::memory && reg != nullptr) {
        other = Operand::general_register;
    }
    check("other operand", ours.other, other);

    // Sizes: Zydis's operand width of MOVZX and its like is the destination's.
    unsigned operand_size = 0;
    if (row.needs == Needs::memory) {
        operand_size = reg != nullptr ? reg->size / 8u : memory->size / 8u;
    } else if (row.needs == Needs::string) {
        operand_size = memory->size / 8u;
    } else if (is_port) {
        operand_size = reg->size / 8u;
    }
    check("operand size", ours.operand_size, operand_size);
    check("memory size", ours.memory_size,
          row.needs == Needs::memory || row.needs == Needs::string ? memory->size / 8u : 0);
    if (other == Operand::general_register) {
        const ZydisRegister value = reg->reg.value;
        u8 number                 = number_of(value);
        if (ZydisRegisterGetClass(value) == ZYDIS_REGCLASS_GPR8) {
            // Zydis numbers the byte registers AL..BL, AH..BH, SPL..DIL, R8B..R15B.
            number = value < ZYDIS_REGISTER_AH    ? static_cast<u8>(value - ZYDIS_REGISTER_AL)
                     : value < ZYDIS_REGISTER_SPL ? static_cast<u8>(value - ZYDIS_REGISTER_AH)
                                                  : static_cast<u8>(value - ZYDIS_REGISTER_SPL + 4);
        }
        check("register", ours.reg.number, number);
        check("high byte", ours.reg.high_byte, is_high_byte(value));
    }
    if (other == Operand::immediate) {
        const u64 kept = operand_size == 8 ? ~u64{0} : bit(8 * operand_size) - 1;
        check("immediate", ours.immediate & kept, immediate->imm.value.u & kept);
        if (!is_port && immediate->imm.is_signed) {
            check("immediate, extended", ours.immediate, immediate->imm.value.s);
        }
    }
    if (memory != nullptr && (row.needs == Needs::memory || row.needs == Needs::string)) {
        check("segment", static_cast<int>(ours.segment), memory->mem.segment - ZYDIS_REGISTER_ES);
        check("memory is destination", ours.memory_is_destination, is_memory(operands[0]));
    }
    if (row.needs == Needs::memory && memory != nullptr) {
        check("base", ours.memory.base, number_of(memory->mem.base));
        check("index", ours.memory.index, number_of(memory->mem.index));
        if (memory->mem.index != ZYDIS_REGISTER_NONE) {
            check("scale", ours.memory.scale, memory->mem.scale == 0 ? 1 : memory->mem.scale);
        }
        check("displacement", ours.memory.displacement,
              memory->mem.disp.has_displacement ? memory->mem.disp.value : 0);
    }
    if (row.ours == Mnemonic::monitor || row.ours == Mnemonic::monitorx) {
        check("segment", static_cast<int>(ours.segment),
              operands[0].type == ZYDIS_OPERAND_TYPE_MEMORY
                  ? operands[0].mem.segment - ZYDIS_REGISTER_ES
                  : static_cast<int>(ours.segment));
    }
    return text;
}

DecodeOracle::Verdict DecodeOracle::compare(const u8* bytes, size_t size) {
    size_t read           = 0;
    const Decoded decoded = vc::decode(code_size, [&](u8& byte) {
        if (read == size) {
            return false;
        }
        byte = bytes[read++];
        return true;
    });
    const bool ours       = decoded.error == DecodeError::none;

    ZydisDecoderContext context;
    const ZyanStatus status =
        ZydisDecoderDecodeInstruction(&decoder, &context, bytes, size, &theirs);
    const bool valid = ZYAN_SUCCESS(status);

    const auto disagree = [&](const std::string& why) {
        for (Difference& difference : differences) {
            if (valid && difference.applies(theirs, decoded)) {
                ++difference.count;
                return Verdict::listed_difference;
            }
        }
        static constexpr const char* modes[] = {"16", "32", "64"};
        message = std::string{modes[static_cast<u8>(code_size)]} + "-bit "
                  + hex(bytes, size < 15 ? size : 15) + ": " + why
                  + " (ours: " + vc::decode_error_name(decoded.error) + " after "
                  + std::to_string(read) + " bytes; theirs: "
                  + (valid ? ZydisMnemonicGetString(theirs.mnemonic)
                           : std::to_string(ZYAN_STATUS_CODE(status)))
                  + ")";
        return Verdict::disagree;
    };

    if (read > 15) {
        return disagree("more than 15 bytes read");
    }
    if (ours && read != decoded.instruction.length) {
        return disagree("bytes read beside the length");
    }
    if (!valid) {
        if (ours) {
            return disagree("accepted");
        }
        const bool cut       = decoded.error == DecodeError::out_of_bytes;
        const bool their_cut = status == ZYDIS_STATUS_NO_MORE_DATA;
        return cut && !their_cut && read < size ? disagree("wrong reason") : Verdict::both_refuse;
    }
    if (read > theirs.length) {
        return disagree("read past the instruction");
    }

    const u8 row_number = wanted_rows()[theirs.mnemonic];
    bool is_wanted      = row_number != 0;
    if (is_wanted || ours) {
        ZydisDecoderDecodeOperands(&decoder, &context, &theirs, operands, theirs.operand_count);
    }
    if (is_wanted) {
        switch (wanted[row_number - 1].needs) {
        case Needs::nothing: break;
        case Needs::string: is_wanted = is_string(theirs); break;
        case Needs::memory:
            is_wanted = false;
            for (u8 n = 0; n < theirs.operand_count_visible; ++n) {
                is_wanted = is_wanted || is_memory(operands[n]);
            }
            for (u8 n = 0; n < theirs.operand_count_visible; ++n) {
                if (operands[n].type == ZYDIS_OPERAND_TYPE_REGISTER
                    && !is_general(operands[n].reg.value)) {
                    is_wanted = false; // a segment, control or debug register
                }
            }
            break;
        }
    }
    // MOV from and to DR7 is a MOV to Zydis.
    if (theirs.mnemonic == ZYDIS_MNEMONIC_MOV
        && (operands[0].reg.value == ZYDIS_REGISTER_DR7
            || operands[1].reg.value == ZYDIS_REGISTER_DR7)
        && operands[0].type == ZYDIS_OPERAND_TYPE_REGISTER
        && operands[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        const bool write               = operands[0].reg.value == ZYDIS_REGISTER_DR7;
        const ZydisDecodedOperand& gpr = operands[write ? 1 : 0];
        const Instruction& instruction = decoded.instruction;
        if (!ours || instruction.length != theirs.length
            || instruction.mnemonic != (write ? Mnemonic::write_dr7 : Mnemonic::read_dr7)
            || instruction.operand_size != gpr.size / 8 || instruction.memory_size != 0
            || instruction.other != Operand::general_register || instruction.reg.high_byte
            || instruction.reg.number != number_of(gpr.reg.value)) {
            return disagree("MOV with DR7");
        }
        return Verdict::both_accept;
    }
    if (is_wanted != ours) {
        return disagree(ours ? "accepted" : "refused");
    }
    if (!ours) {
        return Verdict::both_refuse;
    }
    const std::string why = disagreement(decoded.instruction);
    return why.empty() ? Verdict::both_accept : disagree(why);
}

} // namespace vestibule::test
