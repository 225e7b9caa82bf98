// An ELF64 payload: what has to be loaded where, from a file that may be anything. Knows nothing of
// EFI, so that unit tests can feed it. Its rules are igvmtool's (igvm/image/payload_elf.cpp), so
// that one payload serves both; igvmtool's code is for a host and allocates as it likes.
#pragma once

#include "efi/problem.h"

namespace vestibule::efi {

/// A PT_LOAD. Its place is physical, as linked; a position-independent payload is moved from there.
struct Segment {
    u64 place;
    u64 memory_size;
    u64 offset; // of its data, in the file
    u64 file_size;
    u64 virtual_address;
    bool executable;

    [[nodiscard]] constexpr u64 end() const { return place + memory_size; }
};

struct ElfPayload {
    static constexpr u32 max_segments = 32;

    Segment segments[max_segments]; // ascending and apart
    u32 segment_count;
    bool position_independent;
    bool pvh;         // entered as its PVH note says (efi/elf_notes.h), not with boot info
    u64 alignment;    // of the whole, at least a page
    u64 entry;        // physical, as linked
    u64 dynamic;      // PT_DYNAMIC: offset in the file,
    u64 dynamic_size; // and size, 0 where there is none

    /// From the first byte's page to the last one's.
    [[nodiscard]] constexpr u64 base() const { return segments[0].place & ~(page_size - 1); }

    [[nodiscard]] constexpr u64 end() const {
        return (segments[segment_count - 1].end() + page_size - 1) & ~(page_size - 1);
    }
};

/// Checks everything that can be checked before there is memory for it.
Problem read_elf(Bytes file, ElfPayload& payload);

/// Copies the segments to their places and zeroes the rest of them. The memory must be there.
void load_segments(Bytes file, const ElfPayload& payload, u64 bias);

/// Applies what relocations a loaded position-independent payload has: relative ones, which need no
/// symbols.
Problem relocate(Bytes file, const ElfPayload& payload, u64 bias);

} // namespace vestibule::efi
