// SPDX-License-Identifier: BSD-2-Clause-Patent
// Checks of the guest image: ELF header, program headers one after another, then the section
// headers, which are read for two reasons: to know that no relocations are left, and to find the
// entry points that the ELF header does not name.
#include "igvm/image/stub_image.h"

#include "boot/attest/record.h"
#include "boot/hand_over/header.h"
#include "boot/hand_over/snp_launch.h"
#include "igvm/format/reader.h"
#include "x86/page_table.h"

#include <algorithm>
#include <utility>

namespace vestibule::igvm {

/// Section headers are needed: without them nothing would say whether relocations are left.
static std::expected<elf::Header, ImageError> read_image_header(std::span<const u8> file) {
    elf::Header header;
    if (const elf::Fault fault = elf::read_header(elf_bytes(file), header); fault.is_there()) {
        return refuse(fault);
    }
    const elf::Row rows[] = {
        {.expected = "section headers of 64 bytes",
         .offset   = offsetof(elf::Header, section_header_size),
         .found    = header.section_header_size,
         .right    = header.section_header_size == sizeof(elf::SectionHeader)},
        {.expected = "section headers within the file",
         .offset   = offsetof(elf::Header, section_headers),
         .found    = header.section_headers,
         .right    = header.section_headers != 0 && header.section_header_count != 0
                  && elf::holds_table(elf_bytes(file), header.section_headers,
         header.section_header_count, sizeof(elf::SectionHeader))},
    };
    if (const elf::Fault fault = elf::all_right(rows); fault.is_there()) {
        return refuse(fault);
    }
    return header;
}

/// The segment of a PT_LOAD whose header stands at `at`; the segments before it end at `previous`.
static std::expected<StubSegment, ImageError> read_segment(std::span<const u8> file, u64 at,
                                                           u64 previous) {
    const auto segment = load<elf::ProgramHeader>(file, at);
    if (segment.virtual_address % page_size != 0) {
        return refuse("a page-aligned segment", at + offsetof(elf::ProgramHeader, virtual_address),
                      segment.virtual_address);
    }
    if (segment.virtual_address < page_size) {
        return refuse("no segment in the first page, which is for the page tables",
                      at + offsetof(elf::ProgramHeader, virtual_address), segment.virtual_address);
    }
    if (segment.virtual_address < previous) {
        return refuse("segments that ascend without sharing a page",
                      at + offsetof(elf::ProgramHeader, virtual_address), segment.virtual_address);
    }
    if (segment.virtual_address > x86::large_page_size
        || segment.memory_size > x86::large_page_size - segment.virtual_address) {
        return refuse("an image that ends within 2 MiB",
                      at + offsetof(elf::ProgramHeader, memory_size), segment.memory_size);
    }
    if (const elf::Fault fault = elf::check_loaded(elf_bytes(file), at, segment);
        fault.is_there()) {
        return refuse(fault);
    }
    return StubSegment{.address     = segment.virtual_address,
                       .data        = file.subspan(segment.offset, segment.file_size),
                       .memory_size = segment.memory_size,
                       .executable  = (segment.flags & elf::flag_executable) != 0,
                       .payload     = (segment.flags & StubSegment::payload_flag) != 0,
                       .snp         = (segment.flags & StubSegment::snp_flag) != 0,
                       .attest      = (segment.flags & StubSegment::attest_flag) != 0,
                       .svsm        = (segment.flags & StubSegment::svsm_flag) != 0};
}

/// The string at offset `name` of the string table that is section `table`.
static std::optional<std::string> string_at(std::span<const u8> file, const elf::Header& header,
                                            u64 table, u64 name) {
    if (table >= header.section_header_count) {
        return std::nullopt;
    }
    const auto names =
        load<elf::SectionHeader>(file, header.section_headers + table * sizeof(elf::SectionHeader));
    if (names.offset > file.size() || names.size > file.size() - names.offset
        || name >= names.size) {
        return std::nullopt;
    }
    const auto rest = file.subspan(names.offset, names.size).subspan(name);
    return std::string{rest.begin(), std::ranges::find(rest, u8{0})};
}

/// Takes what the image's symbols say of its other entry points.
static std::optional<ImageError> read_entry_points(std::span<const u8> file,
                                                   const elf::Header& header, StubImage& image) {
    for (u64 i = 0; i < header.section_header_count; ++i) {
        const u64 at       = header.section_headers + i * sizeof(elf::SectionHeader);
        const auto section = load<elf::SectionHeader>(file, at);
        if (section.type != elf::section_symbols) {
            continue;
        }
        if (section.offset > file.size() || section.size > file.size() - section.offset) {
            return refuse("a symbol table within the file",
                          at + offsetof(elf::SectionHeader, offset), section.offset)
                .error();
        }
        for (u64 n = 0; n + sizeof(elf::Symbol) <= section.size; n += sizeof(elf::Symbol)) {
            const auto symbol = load<elf::Symbol>(file, section.offset + n);
            if (symbol.section == 0) {
                continue;
            }
            const auto name = string_at(file, header, section.link, symbol.name);
            for (const auto& [own, value] : {
                     std::pair{"entry_compat",          &image.entry_compat         },
                     {"entry32",               &image.entry32              },
                     {"entry_ap",              &image.entry_ap             },
                     {"entry64_snp",           &image.entry64_snp          },
                     {"entry_compat_snp",      &image.entry_compat_snp     },
                     {"entry32_snp",           &image.entry32_snp          },
                     {"entry64_snp_validated", &image.entry64_snp_validated},
                     {"snp_launch",            &image.snp_launch           },
                     {"attest_record",         &image.attest_record        },
                     {"payload_header",        &image.payload_header       }
            }) {
                if (name == own) {
                    *value = symbol.value;
                }
            }
        }
    }
    return std::nullopt;
}

static std::optional<ImageError> find_relocations(std::span<const u8> file,
                                                  const elf::Header& header) {
    for (u64 i = 0; i < header.section_header_count; ++i) {
        const u64 at           = header.section_headers + i * sizeof(elf::SectionHeader);
        const auto section     = load<elf::SectionHeader>(file, at);
        const bool relocations = section.type == elf::section_rela
                                 || section.type == elf::section_rel
                                 || section.type == elf::section_relr;
        if (relocations && section.size != 0) {
            return ImageError{.expected = "no relocations left: nothing in the guest applies them",
                              .offset   = at + offsetof(elf::SectionHeader, size),
                              .found    = section.size,
                              .section = string_at(file, header, header.section_names, section.name)
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

std::expected<StubImage, ImageError> read_stub_image(std::span<const u8> file) {
    const auto header = read_image_header(file);
    if (!header) {
        return std::unexpected(header.error());
    }
    StubImage image{.segments              = {},
                    .entry                 = header->entry,
                    .entry_compat          = {},
                    .entry32               = {},
                    .entry_ap              = {},
                    .payload_header        = {},
                    .size                  = page_size,
                    .entry64_snp           = {},
                    .entry_compat_snp      = {},
                    .entry32_snp           = {},
                    .entry64_snp_validated = {},
                    .snp_launch            = {},
                    .attest_record         = {}};
    for (u64 i = 0; i < header->program_header_count; ++i) {
        const u64 at     = header->program_headers + i * sizeof(elf::ProgramHeader);
        const auto entry = load<elf::ProgramHeader>(file, at);
        if (entry.type != elf::segment_load || entry.memory_size == 0) {
            continue;
        }
        const auto segment = read_segment(file, at, image.size);
        if (!segment) {
            return std::unexpected(segment.error());
        }
        image.segments.push_back(*segment);
        image.size = (segment->address + segment->memory_size + page_size - 1) & ~(page_size - 1);
    }
    if (image.segments.empty()) {
        return refuse("a segment to load", offsetof(elf::Header, program_header_count),
                      header->program_header_count);
    }
    if (auto relocations = find_relocations(file, *header)) {
        return std::unexpected(*relocations);
    }
    if (auto error = read_entry_points(file, *header, image)) {
        return std::unexpected(*error);
    }
    for (const std::optional<u64> entry :
         {std::optional(image.entry), image.entry_compat, image.entry32, image.entry_ap,
          image.entry64_snp, image.entry_compat_snp, image.entry32_snp}) {
        if (entry && !is_code(image, *entry)) {
            return refuse("an entry point in the file's part of an executable segment",
                          offsetof(elf::Header, entry), *entry);
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
            return refuse("a payload header of version 3", 0, version);
        }
    }
    if (image.snp_launch) {
        using boot::SnpLaunch;
        const auto record = data_at(image, *image.snp_launch);
        if (record.size() < sizeof(SnpLaunch)) {
            return refuse("a record of the SEV-SNP launch in the file's part of a segment", 0,
                          *image.snp_launch);
        }
        const u32 version = load<u32>(record, offsetof(SnpLaunch, version));
        if (version != SnpLaunch::current_version) {
            return refuse("a record of the SEV-SNP launch of version 2", 0, version);
        }
    }
    if (image.attest_record) {
        using boot::AttestRecord;
        const auto record = data_at(image, *image.attest_record);
        if (record.size() < sizeof(AttestRecord)) {
            return refuse("a record of the attestation report in the file's part of a segment", 0,
                          *image.attest_record);
        }
        const u32 version = load<u32>(record, offsetof(AttestRecord, version));
        if (version != AttestRecord::current_version) {
            return refuse("a record of the attestation report of version 1", 0, version);
        }
    }
    return image;
}

} // namespace vestibule::igvm
