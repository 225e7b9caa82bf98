// SPDX-License-Identifier: BSD-2-Clause-Patent
// ELF64 as far as images and payloads are read here (System V ABI, "ELF-64 Object File Format").
// EFI's target has no <elf.h>.
#pragma once

#include "x86/types.h"

#include <stddef.h>

namespace vestibule::elf {

struct Header {
    u8 magic[4];
    u8 file_class;
    u8 encoding;
    u8 rest_of_ident[10];
    u16 type;
    u16 machine;
    u32 version;
    u64 entry;
    u64 program_headers; // offset in the file
    u64 section_headers;
    u32 flags;
    u16 header_size;
    u16 program_header_size;
    u16 program_header_count;
    u16 section_header_size;
    u16 section_header_count;
    u16 section_names;
};

struct ProgramHeader {
    u32 type;
    u32 flags;
    u64 offset;
    u64 virtual_address;
    u64 physical_address;
    u64 file_size;
    u64 memory_size;
    u64 alignment;
};

struct Dynamic {
    u64 tag;
    u64 value;
};

struct Rela {
    u64 offset;
    u64 info; // type in the lower half
    u64 addend;
};

struct Note {
    u32 name_size;
    u32 description_size;
    u32 type;
};

struct SectionHeader {
    u32 name; // in the table of strings
    u32 type;
    u64 flags;
    u64 address;
    u64 offset;
    u64 size;
    u32 link; // of a symbol table: the section with its names
    u32 info;
    u64 alignment;
    u64 entry_size;
};

struct Symbol {
    u32 name;
    u8 info;
    u8 other;
    u16 section; // 0: not defined here
    u64 value;
    u64 size;
};

static_assert(sizeof(Header) == 64);
static_assert(sizeof(ProgramHeader) == 56);
static_assert(sizeof(SectionHeader) == 64);
static_assert(sizeof(Symbol) == 24);

inline constexpr u8 class_64_bit  = 2; // ELFCLASS64
inline constexpr u8 little_endian = 1; // ELFDATA2LSB

inline constexpr u16 type_executable           = 2; // ET_EXEC
inline constexpr u16 type_position_independent = 3; // ET_DYN
inline constexpr u16 machine_x86_64            = 62;
inline constexpr u16 count_elsewhere           = 0xFFFF; // PN_XNUM

inline constexpr u32 segment_load    = 1;
inline constexpr u32 segment_dynamic = 2;
inline constexpr u32 segment_note    = 4;
inline constexpr u32 flag_executable = 1;

inline constexpr u32 section_symbols = 2;  // SHT_SYMTAB
inline constexpr u32 section_rela    = 4;  // SHT_RELA
inline constexpr u32 section_rel     = 9;  // SHT_REL
inline constexpr u32 section_relr    = 19; // SHT_RELR

inline constexpr u64 dynamic_end          = 0;
inline constexpr u64 dynamic_needed       = 1;
inline constexpr u64 dynamic_plt_rel_size = 2;
inline constexpr u64 dynamic_rela         = 7;
inline constexpr u64 dynamic_rela_size    = 8;
inline constexpr u64 dynamic_rela_entry   = 9;
inline constexpr u64 dynamic_rel_size     = 18;
inline constexpr u64 dynamic_relr_size    = 35;
inline constexpr u64 dynamic_relr         = 36;

inline constexpr u32 relocation_none     = 0; // R_X86_64_NONE
inline constexpr u32 relocation_relative = 8; // R_X86_64_RELATIVE

/// The note "Xen", XEN_ELFNOTE_PHYS32_ENTRY, that says where a kernel is entered in 32-bit
/// protected mode (Xen's docs/misc/pvh.pandoc).
inline constexpr u32 note_phys32_entry = 18;

} // namespace vestibule::elf
