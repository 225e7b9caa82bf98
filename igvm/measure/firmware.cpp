// SPDX-License-Identifier: BSD-2-Clause-Patent
// See firmware.h. Every length and offset in the volume is whatever its author wrote: none is used
// before it has been compared with what is left.
#include "igvm/measure/firmware.h"

#include "igvm/format/guid.h"
#include "igvm/format/reader.h"

#include <algorithm>

namespace vestibule::igvm {

namespace {
constexpr Guid footer_guid   = guid("96b582de-1fb2-45f7-baea-a366c55a082d");
constexpr Guid reset_guid    = guid("00f771de-1a7e-4fcb-890e-68c77e2fb44e");
constexpr Guid hashes_guid   = guid("7255371f-3a3b-4b04-927b-1da6efa8d454");
constexpr Guid secret_guid   = guid("4c2eb361-7d9b-4cc3-8081-127c90d3d294");
constexpr Guid metadata_guid = guid("dc886566-984a-4798-a75e-5585a7bf67cc");

/// From the table's end to the volume's: the reset vector.
constexpr u64 behind_table = 32;
/// An entry ends in its length, of data and these two, and its GUID.
constexpr u64 entry_tail = sizeof(u16) + sizeof(Guid);

constexpr u64 largest_volume = u64{16} << 20;

struct MetadataHeader {
    u32 signature; // "ASEV"
    u32 size;
    u32 version;
    u32 count;
};

constexpr u32 metadata_signature = 0x5645'5341;

using Failed = std::unexpected<FirmwareError>;

Failed failed(u64 offset, u64 found, std::string_view expected) {
    return Failed({.offset = offset, .found = found, .expected = expected});
}

constexpr bool is_known(SectionType type) {
    switch (type) {
    case SectionType::sec_mem:
    case SectionType::secrets:
    case SectionType::cpuid:
    case SectionType::svsm_caa:
    case SectionType::kernel_hashes: return true;
    }
    return false;
}

std::expected<std::vector<FirmwareSection>, FirmwareError> metadata(std::span<const u8> bytes,
                                                                    u64 entry) {
    const auto from_end = load<u32>(bytes, entry);
    if (from_end > bytes.size() || from_end < sizeof(MetadataHeader)) {
        return failed(entry, from_end, "an offset from the end to SEV metadata in the volume");
    }
    const u64 start   = bytes.size() - from_end;
    const auto header = load<MetadataHeader>(bytes, start);
    if (header.signature != metadata_signature) {
        return failed(start, header.signature, "the signature \"ASEV\"");
    }
    if (header.version != 1) {
        return failed(start + offsetof(MetadataHeader, version), header.version,
                      "SEV metadata version 1");
    }
    const u64 room = from_end - sizeof(MetadataHeader);
    if (header.count > room / sizeof(FirmwareSection)) {
        return failed(start + offsetof(MetadataHeader, count), header.count,
                      "as many sections as the volume has room for");
    }
    if (header.size < sizeof(MetadataHeader) + header.count * sizeof(FirmwareSection)
        || header.size > from_end) {
        return failed(start + offsetof(MetadataHeader, size), header.size,
                      "the size of the SEV metadata with its sections");
    }
    std::vector<FirmwareSection> found;
    for (u64 i = 0; i < header.count; ++i) {
        const u64 at       = start + sizeof(header) + i * sizeof(FirmwareSection);
        const auto section = load<FirmwareSection>(bytes, at);
        if (!is_known(section.type)) {
            return failed(at + offsetof(FirmwareSection, type), static_cast<u32>(section.type),
                          "a section type of 1 to 4 or 0x10");
        }
        if (section.gpa % page_size != 0) {
            return failed(at, section.gpa, "a page-aligned address");
        }
        const u64 room_above = (u64{1} << 32) - section.gpa;
        if (section.size % page_size != 0 || section.size == 0 || section.size > room_above) {
            return failed(at + offsetof(FirmwareSection, size), section.size,
                          "whole pages that end below 4 GiB");
        }
        found.push_back(section);
    }
    return found;
}
} // namespace

std::expected<Firmware, FirmwareError> parse_firmware(std::span<const u8> bytes) {
    if (bytes.size() < page_size || bytes.size() % page_size != 0
        || bytes.size() > largest_volume) {
        return failed(0, bytes.size(), "a volume of whole pages, of 16 MiB at the most");
    }
    Firmware firmware{
        .bytes = bytes, .reset_address = {}, .hash_table = {}, .secret_area = {}, .sections = {}};
    u64 end = bytes.size() - behind_table;
    if (load<Guid>(bytes, end - sizeof(Guid)) != footer_guid) {
        return firmware;
    }
    const u64 footer = end - entry_tail;
    const auto size  = load<u16>(bytes, footer);
    if (size < entry_tail || size > end) {
        return failed(footer, size, "the length of a table that begins in the volume");
    }
    const u64 begin = end - size;
    end             = footer;
    while (end > begin) {
        if (end - begin < entry_tail) {
            return failed(begin, end - begin, "room for a table entry's length and GUID");
        }
        const u64 tail    = end - entry_tail;
        const auto length = load<u16>(bytes, tail);
        if (length < entry_tail || length > end - begin) {
            return failed(tail, length, "the length of an entry that begins in the table");
        }
        const auto name     = load<Guid>(bytes, tail + sizeof(u16));
        const u64 data      = end - length;
        const u64 data_size = length - entry_tail;
        const bool short_of =
            (name == reset_guid || name == metadata_guid)
                ? data_size < sizeof(u32)
                : (name == hashes_guid || name == secret_guid) && data_size < sizeof(HashTableArea);
        if (short_of) {
            return failed(tail, length, "a longer entry of this kind");
        }
        if (name == reset_guid) {
            firmware.reset_address = load<u32>(bytes, data);
        } else if (name == hashes_guid) {
            firmware.hash_table = load<HashTableArea>(bytes, data);
        } else if (name == secret_guid) {
            firmware.secret_area = load<SecretArea>(bytes, data);
        } else if (name == metadata_guid) {
            auto found = metadata(bytes, data);
            if (!found) {
                return std::unexpected(found.error());
            }
            firmware.sections = std::move(*found);
        }
        end = data;
    }
    return firmware;
}

} // namespace vestibule::igvm
