// SPDX-License-Identifier: BSD-2-Clause-Patent
// Guest images for tests, put together header by header so that each can be wrong in its own way.
#pragma once

#include "tests/igvm/fixture.h"

#include "igvm/image/stub_image.h"

#include <elf.h>

#include <algorithm>

namespace vestibule::igvm::test {

/// What to write; finish() lays out ELF header, program headers, contents, section headers.
struct Elf {
    Elf64_Ehdr header{};
    std::vector<Elf64_Phdr> segments;
    std::vector<Bytes> contents; // of the segments
    std::vector<Elf64_Shdr> sections;
    std::vector<Elf64_Sym> symbols;
    std::string names; // of sections and symbols

    void add_segment(u32 flags, u64 address, Bytes content, u64 memory_size) {
        Elf64_Phdr segment{};
        segment.p_type   = PT_LOAD;
        segment.p_flags  = flags;
        segment.p_vaddr  = address;
        segment.p_filesz = content.size();
        segment.p_memsz  = memory_size;
        segments.push_back(segment);
        contents.push_back(std::move(content));
    }

    void add_section(u32 type, u64 size, const std::string& name) {
        Elf64_Shdr section{};
        section.sh_type = type;
        section.sh_size = size;
        section.sh_name = static_cast<u32>(names.size());
        names += name + '\0';
        sections.push_back(section);
    }

    void add_symbol(const std::string& name, u64 value) {
        Elf64_Sym symbol{};
        symbol.st_name  = static_cast<u32>(names.size());
        symbol.st_shndx = 1;
        symbol.st_value = value;
        names += name + '\0';
        symbols.push_back(symbol);
    }

    [[nodiscard]] Bytes finish() const {
        Elf64_Ehdr ehdr            = header;
        std::vector<Elf64_Phdr> ph = segments;
        std::vector<Elf64_Shdr> sh = sections;
        Bytes data;
        const u64 start = sizeof(Elf64_Ehdr) + ph.size() * sizeof(Elf64_Phdr);
        for (u64 i = 0; i < ph.size(); ++i) {
            ph[i].p_offset = start + data.size();
            data.insert(data.end(), contents[i].begin(), contents[i].end());
        }
        if (!symbols.empty()) {
            Elf64_Shdr table{};
            table.sh_type   = SHT_SYMTAB;
            table.sh_offset = start + data.size();
            table.sh_size   = symbols.size() * sizeof(Elf64_Sym);
            table.sh_link   = static_cast<u32>(sh.size() + 1); // the strings come next
            for (const Elf64_Sym& symbol : symbols) {
                const auto bytes = bytes_of(symbol);
                data.insert(data.end(), bytes.begin(), bytes.end());
            }
            sh.push_back(table);
        }
        Elf64_Shdr strings{};
        strings.sh_type   = SHT_STRTAB;
        strings.sh_offset = start + data.size();
        strings.sh_size   = names.size();
        data.insert(data.end(), names.begin(), names.end());
        sh.push_back(strings);
        ehdr.e_phnum    = static_cast<u16>(ph.size());
        ehdr.e_phoff    = sizeof(Elf64_Ehdr);
        ehdr.e_shnum    = static_cast<u16>(sh.size());
        ehdr.e_shstrndx = static_cast<u16>(sh.size() - 1);
        ehdr.e_shoff    = start + data.size();

        Bytes file;
        const auto append = [&](std::span<const u8> bytes) {
            file.insert(file.end(), bytes.begin(), bytes.end());
        };
        append(bytes_of(ehdr));
        for (const Elf64_Phdr& segment : ph) {
            append(bytes_of(segment));
        }
        append(data);
        for (const Elf64_Shdr& section : sh) {
            append(bytes_of(section));
        }
        return file;
    }
};

/// Code of two pages, a page of zeros, one and a half pages of data with memory to clear behind,
/// and two pages of payload.
inline Elf good_elf() {
    Elf elf;
    std::memcpy(elf.header.e_ident, ELFMAG, SELFMAG);
    elf.header.e_ident[EI_CLASS] = ELFCLASS64;
    elf.header.e_ident[EI_DATA]  = ELFDATA2LSB;
    elf.header.e_type            = ET_DYN;
    elf.header.e_machine         = EM_X86_64;
    elf.header.e_phentsize       = sizeof(Elf64_Phdr);
    elf.header.e_shentsize       = sizeof(Elf64_Shdr);
    elf.header.e_entry           = 0x1010;

    Bytes code(2 * page_size, 0xF4);
    code.resize(3 * page_size);
    elf.add_segment(PF_R | PF_X, 0x1000, code, code.size());
    elf.add_segment(PF_R | PF_W, 0x4000, Bytes(page_size + page_size / 2, 0xDA), 5 * page_size);
    elf.add_segment(PF_R | StubSegment::payload_flag, 0xA000, Bytes(2 * page_size, 0x9A),
                    2 * page_size);
    elf.add_section(SHT_PROGBITS, 1, ".text");
    elf.add_section(SHT_RELA, 0, ".rela.empty");
    return elf;
}

} // namespace vestibule::igvm::test
