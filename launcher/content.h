// What an IGVM file puts into a guest on one platform: its directives in the file's order, with
// parameters filled in (igvm_defs; QEMU 11.1's list of directives and COMMAND_LINE).
#pragma once

#include "igvm/reader.h"
#include "igvm/vmm_profiles.h"

#include <deque>
#include <map>
#include <string>
#include <vector>

namespace vestibule::launcher {

struct Range {
    u64 gpa;
    u64 size;
};

/// The machine around the guest, as far as parameters tell of it.
struct Machine {
    u64 memory = u64{256} << 20; // in bytes, whole pages
    u32 vcpus  = 1;
    std::string command_line;
};

/// Where RAM is: below 3 GiB, and the rest from 4 GiB on.
std::vector<Range> ram_of(u64 memory);

/// Pages that are launched alike.
struct Piece {
    Range range;
    igvm::PageType type;
    bool shared;              // left to the host, never launched
    std::span<const u8> data; // as long as the range, or empty for zeros
};

/// Refers to the file's bytes, which must outlive it.
struct Content {
    std::vector<Piece> pieces;
    std::map<u32, std::span<const u8>> contexts; // VP index to the page of its context
    std::vector<Range> required;
    std::optional<igvm::SnpIdBlock> id_block;
    std::optional<u64> policy;
    std::deque<std::vector<u8>> owned; // parameters
};

/// The content, or what in the file cannot be launched, in words. The platform is one of the
/// file's.
std::expected<Content, std::string> content_of(const igvm::File& file, igvm::PlatformType platform,
                                               const Machine& machine);

/// The bytes of a parameter; empty for a directive that is none (igvm.md, section 3).
std::vector<u8> parameter(igvm::HeaderType type, const Machine& machine);

} // namespace vestibule::launcher
