// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an IGVM file puts into a guest on one platform: its directives in the file's order, with
// parameters filled in (igvm_defs; QEMU 11.1's list of directives and COMMAND_LINE).
#pragma once

#include "igvm/format/page_type.h"
#include "igvm/format/reader.h"

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct GpaRange {
    u64 gpa;
    u64 size;
};

/// The machine around the guest, as far as parameters tell of it.
struct GuestMachine {
    u64 memory = u64{256} << 20; // in bytes, whole pages
    u32 vcpus  = 1;
    std::string command_line;
};

/// Where RAM is: below 3 GiB, and the rest from 4 GiB on.
std::vector<GpaRange> ram_of(u64 memory);

/// Pages that are launched alike.
struct GuestPiece {
    GpaRange range;
    PageType type;
    bool shared;              // left to the host, never launched
    std::span<const u8> data; // as long as the range, or empty for zeros
};

/// Refers to the file's bytes, which must outlive it.
struct FileContent {
    std::vector<GuestPiece> pieces;
    std::map<u32, std::span<const u8>> contexts; // VP index to the page of its context
    std::vector<GpaRange> required;
    std::optional<SnpIdBlock> id_block;
    std::optional<u64> policy;
    std::deque<std::vector<u8>> owned; // parameters
};

/// The content, or what in the file cannot be launched, in words. The platform is one of the
/// file's.
std::expected<FileContent, std::string> file_content(const File& file, PlatformType platform,
                                                     const GuestMachine& machine);

/// RAM, and behind it the runs of the content's pages that are not in it; or which page there can
/// be no memory for, in words.
std::expected<std::vector<GpaRange>, std::string> memory_of(const FileContent& content, u64 memory);

/// The bytes of a parameter; empty for a directive that is none (igvm.md, section 3).
std::vector<u8> parameter_bytes(HeaderType type, const GuestMachine& machine);

} // namespace vestibule::igvm
