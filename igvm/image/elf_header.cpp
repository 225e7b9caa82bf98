// See elf_header.h.
#include "igvm/image/elf_header.h"

#include "igvm/format/reader.h"

#include <fmt/format.h>

#include <cstring>

namespace vestibule::igvm {

std::string describe(const ImageError& error) {
    const std::string section =
        error.section.empty() ? "" : fmt::format(" (section {})", error.section);
    return fmt::format("offset {:#x}{}: found {:#x}, expected {}", error.offset, section,
                       error.found, error.expected);
}

std::expected<Elf64_Ehdr, ImageError> read_elf_header(std::span<const u8> elf) {
    if (elf.size() < sizeof(Elf64_Ehdr)) {
        return refuse("a whole ELF64 header", 0, elf.size());
    }
    const auto header = load<Elf64_Ehdr>(elf);
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
        return refuse("the magic of an ELF file", 0, load<u32>(elf));
    }
    const ImageRow rows[] = {
        {.expected = "a 64-bit ELF",
         .offset   = EI_CLASS,
         .found    = header.e_ident[EI_CLASS],
         .right    = header.e_ident[EI_CLASS] == ELFCLASS64},
        {.expected = "a little-endian ELF",
         .offset   = EI_DATA,
         .found    = header.e_ident[EI_DATA],
         .right    = header.e_ident[EI_DATA] == ELFDATA2LSB},
        {.expected = "an executable, position-independent or not",
         .offset   = offsetof(Elf64_Ehdr, e_type),
         .found    = header.e_type,
         .right    = header.e_type == ET_EXEC || header.e_type == ET_DYN},
        {.expected = "an image for x86-64",
         .offset   = offsetof(Elf64_Ehdr, e_machine),
         .found    = header.e_machine,
         .right    = header.e_machine == EM_X86_64},
        {.expected = "program headers of 56 bytes",
         .offset   = offsetof(Elf64_Ehdr, e_phentsize),
         .found    = header.e_phentsize,
         .right    = header.e_phentsize == sizeof(Elf64_Phdr)},
        {.expected = "program headers, fewer than 65535, within the file",
         .offset   = offsetof(Elf64_Ehdr, e_phoff),
         .found    = header.e_phoff,
         .right    = header.e_phnum != 0 && header.e_phnum != PN_XNUM
                  && holds_table(elf, header.e_phoff, header.e_phnum, sizeof(Elf64_Phdr))},
    };
    if (const auto right = all_right(rows); !right) {
        return std::unexpected(right.error());
    }
    return header;
}

std::expected<void, ImageError> check_segment_data(std::span<const u8> elf, u64 at,
                                                   const Elf64_Phdr& segment) {
    const ImageRow rows[] = {
        {.expected = "a file size not above the memory size",
         .offset   = at + offsetof(Elf64_Phdr, p_filesz),
         .found    = segment.p_filesz,
         .right    = segment.p_filesz <= segment.p_memsz                                        },
        {.expected = "a segment whose data is within the file",
         .offset   = at + offsetof(Elf64_Phdr, p_offset),
         .found    = segment.p_offset,
         .right =
             segment.p_offset <= elf.size() && segment.p_filesz <= elf.size() - segment.p_offset},
    };
    return all_right(rows);
}

} // namespace vestibule::igvm
