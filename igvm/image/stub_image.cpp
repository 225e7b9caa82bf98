// Checks of the guest image: ELF header, program headers one after another, then the section
// headers, which are read for two reasons: to know that no relocations are left, and to find the
// entry points that the ELF header does not name.
#include "igvm/image/stub_image.h"

#include "boot/hand_over/header.h"
#include "igvm/format/reader.h"
#include "x86/page_table.h"

#include <algorithm>
#include <utility>

namespace vestibule::igvm {

/// Section headers are needed: without them nothing would say whether relocations are left.
static std::expected<Elf64_Ehdr, ImageError> read_image_header(std::span<const u8> elf) {
    const auto header = read_elf_header(elf);
    if (!header) {
        return std::unexpected(header.error());
    }
    const ImageRow rows[] = {
        {.expected = "section headers of 64 bytes",
         .offset   = offsetof(Elf64_Ehdr, e_shentsize),
         .found    = header->e_shentsize,
         .right    = header->e_shentsize == sizeof(Elf64_Shdr)},
        {.expected = "section headers within the file",
         .offset   = offsetof(Elf64_Ehdr, e_shoff),
         .found    = header->e_shoff,
         .right    = header->e_shoff != 0 && header->e_shnum != 0
                  && holds_table(elf, header->e_shoff, header->e_shnum, sizeof(Elf64_Shdr))},
    };
    if (const auto right = all_right(rows); !right) {
        return std::unexpected(right.error());
    }
    return header;
}

/// The segment of a PT_LOAD whose header stands at `at`; the segments before it end at `previous`.
static std::expected<StubSegment, ImageError> read_segment(std::span<const u8> elf, u64 at,
                                                           u64 previous) {
    const auto segment = load<Elf64_Phdr>(elf, at);
    if (segment.p_vaddr % page_size != 0) {
        return refuse("a page-aligned segment", at + offsetof(Elf64_Phdr, p_vaddr),
                      segment.p_vaddr);
    }
    if (segment.p_vaddr < page_size) {
        return refuse("no segment in the first page, which is for the page tables",
                      at + offsetof(Elf64_Phdr, p_vaddr), segment.p_vaddr);
    }
    if (segment.p_vaddr < previous) {
        return refuse("segments that ascend without sharing a page",
                      at + offsetof(Elf64_Phdr, p_vaddr), segment.p_vaddr);
    }
    if (segment.p_vaddr > x86::large_page_size
        || segment.p_memsz > x86::large_page_size - segment.p_vaddr) {
        return refuse("an image that ends within 2 MiB", at + offsetof(Elf64_Phdr, p_memsz),
                      segment.p_memsz);
    }
    if (const auto right = check_segment_data(elf, at, segment); !right) {
        return std::unexpected(right.error());
    }
    return StubSegment{.address     = segment.p_vaddr,
                       .data        = elf.subspan(segment.p_offset, segment.p_filesz),
                       .memory_size = segment.p_memsz,
                       .executable  = (segment.p_flags & PF_X) != 0,
                       .payload     = (segment.p_flags & StubSegment::payload_flag) != 0};
}

/// The string at offset `name` of the string table that is section `table`.
static std::optional<std::string> string_at(std::span<const u8> elf, const Elf64_Ehdr& header,
                                            u64 table, u64 name) {
    if (table >= header.e_shnum) {
        return std::nullopt;
    }
    const auto names = load<Elf64_Shdr>(elf, header.e_shoff + table * sizeof(Elf64_Shdr));
    if (names.sh_offset > elf.size() || names.sh_size > elf.size() - names.sh_offset
        || name >= names.sh_size) {
        return std::nullopt;
    }
    const auto rest = elf.subspan(names.sh_offset, names.sh_size).subspan(name);
    return std::string{rest.begin(), std::ranges::find(rest, u8{0})};
}

/// Takes what the image's symbols say of its other entry points.
static std::optional<ImageError> read_entry_points(std::span<const u8> elf,
                                                   const Elf64_Ehdr& header, StubImage& image) {
    for (u64 i = 0; i < header.e_shnum; ++i) {
        const u64 at       = header.e_shoff + i * sizeof(Elf64_Shdr);
        const auto section = load<Elf64_Shdr>(elf, at);
        if (section.sh_type != SHT_SYMTAB) {
            continue;
        }
        if (section.sh_offset > elf.size() || section.sh_size > elf.size() - section.sh_offset) {
            return refuse("a symbol table within the file", at + offsetof(Elf64_Shdr, sh_offset),
                          section.sh_offset)
                .error();
        }
        for (u64 n = 0; n + sizeof(Elf64_Sym) <= section.sh_size; n += sizeof(Elf64_Sym)) {
            const auto symbol = load<Elf64_Sym>(elf, section.sh_offset + n);
            if (symbol.st_shndx == SHN_UNDEF) {
                continue;
            }
            const auto name = string_at(elf, header, section.sh_link, symbol.st_name);
            for (const auto& [own, value] : {
                     std::pair{"entry_compat",   &image.entry_compat  },
                     {"entry32",        &image.entry32       },
                     {"entry_ap",       &image.entry_ap      },
                     {"payload_header", &image.payload_header}
            }) {
                if (name == own) {
                    *value = symbol.st_value;
                }
            }
        }
    }
    return std::nullopt;
}

static std::optional<ImageError> find_relocations(std::span<const u8> elf,
                                                  const Elf64_Ehdr& header) {
    constexpr u32 sht_relr = 19; // not in every <elf.h>
    for (u64 i = 0; i < header.e_shnum; ++i) {
        const u64 at           = header.e_shoff + i * sizeof(Elf64_Shdr);
        const auto section     = load<Elf64_Shdr>(elf, at);
        const bool relocations = section.sh_type == SHT_RELA || section.sh_type == SHT_REL
                                 || section.sh_type == sht_relr;
        if (relocations && section.sh_size != 0) {
            return ImageError{.expected = "no relocations left: nothing in the guest applies them",
                              .offset   = at + offsetof(Elf64_Shdr, sh_size),
                              .found    = section.sh_size,
                              .section  = string_at(elf, header, header.e_shstrndx, section.sh_name)
                                             .value_or("(unnamed)")};
        }
    }
    return std::nullopt;
}

/// The image's bytes from `address` on, up to the end of the file's part of a segment.
static std::span<const u8> data_at(const StubImage& image, u64 address) {
    for (const StubSegment& segment : image.segments) {
        if (address >= segment.address && address - segment.address < segment.data.size()) {
            return segment.data.subspan(address - segment.address);
        }
    }
    return {};
}

static bool is_code(const StubImage& image, u64 address) {
    return std::ranges::any_of(image.segments, [&](const StubSegment& segment) {
        return segment.executable && address >= segment.address
               && address - segment.address < segment.data.size();
    });
}

std::expected<StubImage, ImageError> read_stub_image(std::span<const u8> elf) {
    const auto header = read_image_header(elf);
    if (!header) {
        return std::unexpected(header.error());
    }
    StubImage image{.segments       = {},
                    .entry          = header->e_entry,
                    .entry_compat   = {},
                    .entry32        = {},
                    .entry_ap       = {},
                    .payload_header = {},
                    .size           = page_size};
    for (u64 i = 0; i < header->e_phnum; ++i) {
        const u64 at     = header->e_phoff + i * sizeof(Elf64_Phdr);
        const auto entry = load<Elf64_Phdr>(elf, at);
        if (entry.p_type != PT_LOAD || entry.p_memsz == 0) {
            continue;
        }
        const auto segment = read_segment(elf, at, image.size);
        if (!segment) {
            return std::unexpected(segment.error());
        }
        image.segments.push_back(*segment);
        image.size = (segment->address + segment->memory_size + page_size - 1) & ~(page_size - 1);
    }
    if (image.segments.empty()) {
        return refuse("a segment to load", offsetof(Elf64_Ehdr, e_phnum), header->e_phnum);
    }
    if (auto relocations = find_relocations(elf, *header)) {
        return std::unexpected(*relocations);
    }
    if (auto error = read_entry_points(elf, *header, image)) {
        return std::unexpected(*error);
    }
    for (const std::optional<u64> entry :
         {std::optional(image.entry), image.entry_compat, image.entry32, image.entry_ap}) {
        if (entry && !is_code(image, *entry)) {
            return refuse("an entry point in the file's part of an executable segment",
                          offsetof(Elf64_Ehdr, e_entry), *entry);
        }
    }
    if (image.payload_header) {
        using boot::PayloadHeader;
        const auto record = data_at(image, *image.payload_header);
        if (record.size() < sizeof(PayloadHeader)) {
            return refuse("a payload header in the file's part of a segment", 0,
                          *image.payload_header);
        }
        const u32 version = load<u32>(record, offsetof(PayloadHeader, version));
        if (version != PayloadHeader::current_version) {
            return refuse("a payload header of version 2", 0, version);
        }
    }
    return image;
}

} // namespace vestibule::igvm
