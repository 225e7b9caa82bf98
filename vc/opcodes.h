// SPDX-License-Identifier: BSD-2-Clause-Patent
// The opcodes that the decoder knows, as a table, and the maps made of it at compile time (APM
// volume 3, appendix A). What the table does not hold is refused.
#pragma once

#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

/// What follows an opcode, and what its operands are. The names are appendix A's: E is ModRM's
/// memory operand, G its register, I an immediate, O an address; b a byte, w a word, d a
/// doubleword, v of the operand size, z the same but 4 bytes at most; the first operand is the
/// destination.
namespace form {
inline constexpr u16 plain = 0;

// The bits of a form.
inline constexpr u16 group_mask     = 7;      // its mnemonic is in the group, by ModRM.reg
inline constexpr u16 has_modrm      = 1 << 3; // and its E is memory
inline constexpr u16 byte_operand   = 1 << 4; // else of the operand size
inline constexpr u16 with_register  = 1 << 5; // G, or rAX where there is no ModRM
inline constexpr u16 to_memory      = 1 << 6; // memory is the first operand
inline constexpr u16 immediate_byte = 1 << 7; // sign-extended
inline constexpr u16 immediate_full = 1 << 8; // of the operand size, at most 4, sign-extended
inline constexpr u16 zero_extended  = 1 << 9; // the immediate
inline constexpr u16 port_in_dx     = 1 << 10;
inline constexpr u16 port           = 1 << 11;       // REX.W does not count
inline constexpr u16 absolute       = 1 << 12;       // an address of the address size follows
inline constexpr u16 always_es      = with_register; // of strings, which have no register
inline constexpr u16 memory_mask    = 3 << 13; // one of the next three, else of the operand size
inline constexpr u16 memory_byte    = 1 << 13;
inline constexpr u16 memory_word    = 2 << 13;
inline constexpr u16 memory_none    = 3 << 13;
inline constexpr u16 special        = 1 << 15; // has rules of its own

/// Forms that have none of these are over after the opcode, or after a byte with a port.
inline constexpr u16 long_mask = has_modrm | absolute | immediate_full | special;

inline constexpr u16 group1  = 1;
inline constexpr u16 group3  = 2;
inline constexpr u16 group4  = 3; // and what is here of group 5
inline constexpr u16 group8  = 4;
inline constexpr u16 group11 = 5;

inline constexpr u16 ev     = has_modrm | to_memory;
inline constexpr u16 ev_gv  = has_modrm | to_memory | with_register;
inline constexpr u16 gv_ev  = has_modrm | with_register;
inline constexpr u16 ev_ib  = has_modrm | to_memory | immediate_byte;
inline constexpr u16 ev_iz  = has_modrm | to_memory | immediate_full;
inline constexpr u16 eb     = ev | byte_operand;
inline constexpr u16 eb_gb  = ev_gv | byte_operand;
inline constexpr u16 gb_eb  = gv_ev | byte_operand;
inline constexpr u16 eb_ib  = ev_iz | byte_operand;
inline constexpr u16 gv_eb  = gv_ev | memory_byte;
inline constexpr u16 gv_ew  = gv_ev | memory_word;
inline constexpr u16 gv_ed  = gv_ev | special;
inline constexpr u16 eax_ov = absolute | with_register;
inline constexpr u16 ov_eax = absolute | with_register | to_memory;
inline constexpr u16 al_ob  = eax_ov | byte_operand;
inline constexpr u16 ob_al  = ov_eax | byte_operand;

// Strings: X is DS:rSI, Y is ES:rDI.
inline constexpr u16 yv_xv  = to_memory;
inline constexpr u16 yv_eax = to_memory | always_es;
inline constexpr u16 yv_dx  = to_memory | always_es | port | port_in_dx;
inline constexpr u16 dx_xv  = port | port_in_dx;
inline constexpr u16 yb_xb  = yv_xv | byte_operand;
inline constexpr u16 yb_al  = yv_eax | byte_operand;
inline constexpr u16 yb_dx  = yv_dx | byte_operand;
inline constexpr u16 dx_xb  = dx_xv | byte_operand;

// IN and OUT: the mnemonic says which of the two is the destination.
inline constexpr u16 eax_ib = port | memory_none | immediate_byte | zero_extended;
inline constexpr u16 eax_dx = port | memory_none | port_in_dx;
inline constexpr u16 al_ib  = eax_ib | byte_operand;
inline constexpr u16 al_dx  = eax_dx | byte_operand;
inline constexpr u16 ib_eax = eax_ib;
inline constexpr u16 dx_eax = eax_dx;
inline constexpr u16 ib_al  = al_ib;
inline constexpr u16 dx_al  = al_dx;
} // namespace form

enum class Map : u8 { one_byte, two_byte }; // two_byte: after 0F

struct Opcode {
    Map map;
    u8 byte;
    Mnemonic mnemonic;
    u16 form;
};

inline constexpr Opcode opcodes[] = {
    {Map::one_byte, 0x00, Mnemonic::add,       form::eb_gb                                     },
    {Map::one_byte, 0x01, Mnemonic::add,       form::ev_gv                                     },
    {Map::one_byte, 0x02, Mnemonic::add,       form::gb_eb                                     },
    {Map::one_byte, 0x03, Mnemonic::add,       form::gv_ev                                     },
    {Map::one_byte, 0x08, Mnemonic::or_,       form::eb_gb                                     },
    {Map::one_byte, 0x09, Mnemonic::or_,       form::ev_gv                                     },
    {Map::one_byte, 0x0A, Mnemonic::or_,       form::gb_eb                                     },
    {Map::one_byte, 0x0B, Mnemonic::or_,       form::gv_ev                                     },
    {Map::one_byte, 0x10, Mnemonic::adc,       form::eb_gb                                     },
    {Map::one_byte, 0x11, Mnemonic::adc,       form::ev_gv                                     },
    {Map::one_byte, 0x12, Mnemonic::adc,       form::gb_eb                                     },
    {Map::one_byte, 0x13, Mnemonic::adc,       form::gv_ev                                     },
    {Map::one_byte, 0x18, Mnemonic::sbb,       form::eb_gb                                     },
    {Map::one_byte, 0x19, Mnemonic::sbb,       form::ev_gv                                     },
    {Map::one_byte, 0x1A, Mnemonic::sbb,       form::gb_eb                                     },
    {Map::one_byte, 0x1B, Mnemonic::sbb,       form::gv_ev                                     },
    {Map::one_byte, 0x20, Mnemonic::and_,      form::eb_gb                                     },
    {Map::one_byte, 0x21, Mnemonic::and_,      form::ev_gv                                     },
    {Map::one_byte, 0x22, Mnemonic::and_,      form::gb_eb                                     },
    {Map::one_byte, 0x23, Mnemonic::and_,      form::gv_ev                                     },
    {Map::one_byte, 0x28, Mnemonic::sub,       form::eb_gb                                     },
    {Map::one_byte, 0x29, Mnemonic::sub,       form::ev_gv                                     },
    {Map::one_byte, 0x2A, Mnemonic::sub,       form::gb_eb                                     },
    {Map::one_byte, 0x2B, Mnemonic::sub,       form::gv_ev                                     },
    {Map::one_byte, 0x30, Mnemonic::xor_,      form::eb_gb                                     },
    {Map::one_byte, 0x31, Mnemonic::xor_,      form::ev_gv                                     },
    {Map::one_byte, 0x32, Mnemonic::xor_,      form::gb_eb                                     },
    {Map::one_byte, 0x33, Mnemonic::xor_,      form::gv_ev                                     },
    {Map::one_byte, 0x38, Mnemonic::cmp,       form::eb_gb                                     },
    {Map::one_byte, 0x39, Mnemonic::cmp,       form::ev_gv                                     },
    {Map::one_byte, 0x3A, Mnemonic::cmp,       form::gb_eb                                     },
    {Map::one_byte, 0x3B, Mnemonic::cmp,       form::gv_ev                                     },
    {Map::one_byte, 0x63, Mnemonic::movsx,     form::gv_ed                                     },
    {Map::one_byte, 0x6C, Mnemonic::ins,       form::yb_dx                                     },
    {Map::one_byte, 0x6D, Mnemonic::ins,       form::yv_dx                                     },
    {Map::one_byte, 0x6E, Mnemonic::outs,      form::dx_xb                                     },
    {Map::one_byte, 0x6F, Mnemonic::outs,      form::dx_xv                                     },
    {Map::one_byte, 0x80, Mnemonic::none,      form::group1 | form::eb_ib                      },
    {Map::one_byte, 0x81, Mnemonic::none,      form::group1 | form::ev_iz                      },
    {Map::one_byte, 0x82, Mnemonic::none,      form::group1 | form::eb_ib | form::special      },
    {Map::one_byte, 0x83, Mnemonic::none,      form::group1 | form::ev_ib                      },
    {Map::one_byte, 0x84, Mnemonic::test,      form::eb_gb                                     },
    {Map::one_byte, 0x85, Mnemonic::test,      form::ev_gv                                     },
    {Map::one_byte, 0x86, Mnemonic::xchg,      form::eb_gb                                     },
    {Map::one_byte, 0x87, Mnemonic::xchg,      form::ev_gv                                     },
    {Map::one_byte, 0x88, Mnemonic::mov,       form::eb_gb                                     },
    {Map::one_byte, 0x89, Mnemonic::mov,       form::ev_gv                                     },
    {Map::one_byte, 0x8A, Mnemonic::mov,       form::gb_eb                                     },
    {Map::one_byte, 0x8B, Mnemonic::mov,       form::gv_ev                                     },
    {Map::one_byte, 0xA0, Mnemonic::mov,       form::al_ob                                     },
    {Map::one_byte, 0xA1, Mnemonic::mov,       form::eax_ov                                    },
    {Map::one_byte, 0xA2, Mnemonic::mov,       form::ob_al                                     },
    {Map::one_byte, 0xA3, Mnemonic::mov,       form::ov_eax                                    },
    {Map::one_byte, 0xA4, Mnemonic::movs,      form::yb_xb                                     },
    {Map::one_byte, 0xA5, Mnemonic::movs,      form::yv_xv                                     },
    {Map::one_byte, 0xAA, Mnemonic::stos,      form::yb_al                                     },
    {Map::one_byte, 0xAB, Mnemonic::stos,      form::yv_eax                                    },
    {Map::one_byte, 0xC6, Mnemonic::none,      form::group11 | form::eb_ib                     },
    {Map::one_byte, 0xC7, Mnemonic::none,      form::group11 | form::ev_iz                     },
    {Map::one_byte, 0xE4, Mnemonic::in,        form::al_ib                                     },
    {Map::one_byte, 0xE5, Mnemonic::in,        form::eax_ib                                    },
    {Map::one_byte, 0xE6, Mnemonic::out,       form::ib_al                                     },
    {Map::one_byte, 0xE7, Mnemonic::out,       form::ib_eax                                    },
    {Map::one_byte, 0xEC, Mnemonic::in,        form::al_dx                                     },
    {Map::one_byte, 0xED, Mnemonic::in,        form::eax_dx                                    },
    {Map::one_byte, 0xEE, Mnemonic::out,       form::dx_al                                     },
    {Map::one_byte, 0xEF, Mnemonic::out,       form::dx_eax                                    },
    {Map::one_byte, 0xF6, Mnemonic::none,      form::group3 | form::eb                         },
    {Map::one_byte, 0xF7, Mnemonic::none,      form::group3 | form::ev                         },
    {Map::one_byte, 0xFE, Mnemonic::none,      form::group4 | form::eb                         },
    {Map::one_byte, 0xFF, Mnemonic::none,      form::group4 | form::ev                         },
    {Map::two_byte, 0x01, Mnemonic::vmmcall,   form::special                                   },
    {Map::two_byte, 0x08, Mnemonic::invd,      form::plain                                     },
    {Map::two_byte, 0x09, Mnemonic::wbinvd,    form::special                                   },
    {Map::two_byte, 0x21, Mnemonic::read_dr7,  form::special                                   },
    {Map::two_byte, 0x23, Mnemonic::write_dr7, form::special                                   },
    {Map::two_byte, 0x30, Mnemonic::wrmsr,     form::plain                                     },
    {Map::two_byte, 0x31, Mnemonic::rdtsc,     form::plain                                     },
    {Map::two_byte, 0x32, Mnemonic::rdmsr,     form::plain                                     },
    {Map::two_byte, 0x33, Mnemonic::rdpmc,     form::plain                                     },
    {Map::two_byte, 0xA2, Mnemonic::cpuid,     form::plain                                     },
    {Map::two_byte, 0xA3, Mnemonic::bt,        form::ev_gv                                     },
    {Map::two_byte, 0xAB, Mnemonic::bts,       form::ev_gv                                     },
    {Map::two_byte, 0xB3, Mnemonic::btr,       form::ev_gv                                     },
    {Map::two_byte, 0xB6, Mnemonic::movzx,     form::gv_eb                                     },
    {Map::two_byte, 0xB7, Mnemonic::movzx,     form::gv_ew                                     },
    {Map::two_byte, 0xBA, Mnemonic::none,      form::group8 | form::ev_ib | form::zero_extended},
    {Map::two_byte, 0xBB, Mnemonic::btc,       form::ev_gv                                     },
    {Map::two_byte, 0xBE, Mnemonic::movsx,     form::gv_eb                                     },
    {Map::two_byte, 0xBF, Mnemonic::movsx,     form::gv_ew                                     },
};

/// The groups, in the order of `form`, each by ModRM.reg (section A.1.3).
struct Group {
    Mnemonic mnemonic[8];
};

// clang-format off
inline constexpr Group groups[] = {
    {Mnemonic::add,  Mnemonic::or_,  Mnemonic::adc,  Mnemonic::sbb, Mnemonic::and_, Mnemonic::sub, Mnemonic::xor_, Mnemonic::cmp},
    {Mnemonic::test, Mnemonic::test, Mnemonic::not_, Mnemonic::neg},
    {Mnemonic::inc,  Mnemonic::dec},
    {Mnemonic::none, Mnemonic::none, Mnemonic::none, Mnemonic::none, Mnemonic::bt,  Mnemonic::bts, Mnemonic::btr,  Mnemonic::btc},
    {Mnemonic::mov},
};
// clang-format on

/// What follows 0F 01, where the whole ModRM byte is the opcode (section A.1.3, group 7).
struct Group7 {
    u8 modrm;
    Mnemonic mnemonic;
};

inline constexpr Group7 group7[] = {
    {0xC8, Mnemonic::monitor },
    {0xC9, Mnemonic::mwait   },
    {0xD9, Mnemonic::vmmcall },
    {0xF9, Mnemonic::rdtscp  },
    {0xFA, Mnemonic::monitorx},
    {0xFB, Mnemonic::mwaitx  },
};

/// The bytes that are prefixes (section 1.2.1). Segments come first, numbered as `Segment` does.
enum class LegacyPrefix : u8 {
    es,
    cs,
    ss,
    ds,
    fs,
    gs,
    operand_size,
    address_size,
    lock,
    repeat_f2,
    repeat_f3
};

struct PrefixByte {
    u8 byte;
    LegacyPrefix prefix;
};

inline constexpr PrefixByte legacy_prefixes[] = {
    {0x26, LegacyPrefix::es          },
    {0x2E, LegacyPrefix::cs          },
    {0x36, LegacyPrefix::ss          },
    {0x3E, LegacyPrefix::ds          },
    {0x64, LegacyPrefix::fs          },
    {0x65, LegacyPrefix::gs          },
    {0x66, LegacyPrefix::operand_size},
    {0x67, LegacyPrefix::address_size},
    {0xF0, LegacyPrefix::lock        },
    {0xF2, LegacyPrefix::repeat_f2   },
    {0xF3, LegacyPrefix::repeat_f3   },
};

/// The tables as they are looked up: the number of a row by opcode byte. Numbers from 1 on are
/// prefixes, from `refused` on opcodes. 0 is what is neither, in the one-byte map only.
struct OpcodeTable {
    struct Row {
        Mnemonic mnemonic;
        u16 form;
    };

    static constexpr u8 refused = 1 + static_cast<u8>(LegacyPrefix::repeat_f3) + 1;

    static constexpr unsigned count = 1 + (sizeof(opcodes) / sizeof(Opcode));

    u8 row_of[2][256];
    // The columns of the rows, one by one: together they would be padded to a third more.
    u16 form[count];
    Mnemonic mnemonic[count];

    static constexpr bool is_opcode(u8 row) { return row >= refused; }

    static constexpr bool is_prefix(u8 row) { return row != 0 && row < refused; }

    static constexpr LegacyPrefix prefix(u8 row) { return static_cast<LegacyPrefix>(row - 1); }

    [[nodiscard]] constexpr Row opcode(u8 row) const {
        return {.mnemonic = mnemonic[row - refused], .form = form[row - refused]};
    }

    static consteval OpcodeTable make() {
        OpcodeTable table{};
        for (const PrefixByte& one : legacy_prefixes) {
            table.row_of[0][one.byte] = static_cast<u8>(1 + static_cast<u8>(one.prefix));
        }
        for (u8& row : table.row_of[1]) {
            row = refused;
        }
        u8 row = 0;
        for (const Opcode& opcode : opcodes) {
            ++row;
            table.row_of[static_cast<u8>(opcode.map)][opcode.byte] = static_cast<u8>(refused + row);
            table.form[row]                                        = opcode.form;
            table.mnemonic[row]                                    = opcode.mnemonic;
        }
        return table;
    }
};

inline constexpr OpcodeTable opcode_table = OpcodeTable::make();

} // namespace vestibule::vc
