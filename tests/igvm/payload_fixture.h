// SPDX-License-Identifier: BSD-2-Clause-Patent
// Payloads for tests: an executable, a position-independent one with relocations, and a bzImage,
// each good until a test breaks it.
#pragma once

#include "tests/igvm/elf_fixture.h"

#include "igvm/image/payload.h"

#include <cstring>

namespace vestibule::igvm::test {

inline Elf empty_executable() {
    Elf elf = good_elf();
    elf.segments.clear();
    elf.contents.clear();
    elf.sections.clear();
    elf.names.clear();
    elf.header.e_type  = ET_EXEC;
    elf.header.e_entry = 0;
    return elf;
}

inline void add_at(Elf& elf, u32 flags, u64 address, Bytes content, u64 memory_size) {
    elf.add_segment(flags, address, std::move(content), memory_size);
    elf.segments.back().p_paddr = address;
}

/// Code, then data that begins on the code's last page, with memory behind it.
inline Elf executable() {
    Elf elf            = empty_executable();
    elf.header.e_entry = 0x100'0010;
    add_at(elf, PF_R | PF_X, 0x100'0000, Bytes(0x1800, 0xC0), 0x1800);
    add_at(elf, PF_R | PF_W, 0x100'1900, Bytes(0x800, 0xDA), 0x4000);
    return elf;
}

/// Two words of data to relocate, at 0x1000 and 0x1010 as linked, by a DT_RELA and a DT_RELR entry.
inline Elf position_independent() {
    Elf elf            = empty_executable();
    elf.header.e_type  = ET_DYN;
    elf.header.e_entry = 0x10;
    elf.add_segment(PF_R | PF_X, 0, Bytes(0x100, 0xC0), 0x100);

    struct {
        u64 words[4] = {0x1111, 0x2222, 0x3000, 0x4444};
        Elf64_Rela rela{
            .r_offset = 0x1000, .r_info = ELF64_R_INFO(0, R_X86_64_RELATIVE), .r_addend = 0x5000};
        u64 relr = 0x1010;
        Elf64_Dyn dynamic[7]{};
    } data;

    const u64 rela          = 0x1000 + offsetof(decltype(data), rela);
    const u64 relr          = 0x1000 + offsetof(decltype(data), relr);
    const u64 entries[7][2] = {
        {DT_RELA,    rela              },
        {DT_RELASZ,  sizeof(Elf64_Rela)},
        {DT_RELAENT, sizeof(Elf64_Rela)},
        {36,         relr              },
        {35,         sizeof(u64)       },
        {37,         sizeof(u64)       },
        {DT_NULL,    0                 }
    };
    for (u64 i = 0; i < 7; ++i) {
        data.dynamic[i].d_tag      = static_cast<i64>(entries[i][0]);
        data.dynamic[i].d_un.d_val = entries[i][1];
    }
    const auto bytes = bytes_of(data);
    elf.add_segment(PF_R | PF_W, 0x1000, Bytes(bytes.begin(), bytes.end()), bytes.size());
    const auto dynamic = bytes_of(data.dynamic);
    elf.add_segment(PF_R | PF_W, 0x1000 + offsetof(decltype(data), dynamic),
                    Bytes(dynamic.begin(), dynamic.end()), dynamic.size());
    elf.segments.back().p_type = PT_DYNAMIC;
    return elf;
}

/// The executable with a PVH note, of whose entry point it says where it is.
inline Elf pvh_executable(u32 entry = 0x100'0040) {
    Elf elf = executable();

    struct {
        u32 name_size        = 4;
        u32 description_size = 4;
        u32 type             = 18; // XEN_ELFNOTE_PHYS32_ENTRY
        u32 name             = 0x6E'6558;
        u32 entry;
    } note{.entry = entry};

    const auto bytes = bytes_of(note);
    elf.add_segment(PF_R, 0x200'0000, Bytes(bytes.begin(), bytes.end()), bytes.size());
    elf.segments.back().p_type  = PT_NOTE;
    elf.segments.back().p_align = 4;
    return elf;
}

/// Real-mode code of 1 KiB, a kernel of 3 KiB that takes 64 KiB.
inline Bytes bzimage() {
    Bytes file(0x1000, 0x4B);
    std::fill(file.begin(), file.begin() + 0x400, u8{0});
    store(file, 0x1F1, u8{1});
    store(file, 0x1FE, u16{0xAA55});
    store(file, 0x201, u8{0x66});
    store(file, 0x202, u32{0x5372'6448});
    store(file, 0x206, u16{0x020F});
    store(file, 0x211, u8{1});
    store(file, 0x22C, u32{0x7FFF'FFFF});
    store(file, 0x236, u16{1});
    store(file, 0x238, u32{255});
    store(file, 0x258, u64{0x100'0000});
    store(file, 0x260, u32{0x1'0000});
    return file;
}

/// A PE file with that kernel at 0x400, behind it an initrd of 5 bytes and a command line.
inline Bytes unified_kernel_image() {
    const Bytes kernel = bzimage();
    Bytes file(0x400);
    store(file, 0, u16{0x5A4D});
    store(file, 0x3C, u32{0x80});
    store(file, 0x80, u32{0x4550});
    store(file, 0x84, u16{0x8664});
    store(file, 0x86, u16{3});
    u64 header         = 0x98;
    const auto section = [&](const char* name, const Bytes& content) {
        std::memcpy(&file[header], name, std::strlen(name));
        store(file, header + 8, static_cast<u32>(content.size()));
        store(file, header + 16, static_cast<u32>(content.size()));
        store(file, header + 20, static_cast<u32>(file.size()));
        header += 40;
        file.insert(file.end(), content.begin(), content.end());
    };
    section(".linux", kernel);
    section(".initrd", Bytes(5, 0x1D));
    section(".cmdline", {'q', 'u', 'i', 'e', 't', '\n'});
    return file;
}

} // namespace vestibule::igvm::test
