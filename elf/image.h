// SPDX-License-Identifier: BSD-2-Clause-Patent
// An ELF64 payload: what has to be loaded where, from a file that may be anything. igvmtool and the
// EFI application read payloads by this, so that what one of them takes the other takes as well. It
// allocates nothing and knows neither of them.
#pragma once

#include "elf/header.h"

namespace vestibule::elf {

/// Payloads end below 4 GiB: that much the stub maps for them.
inline constexpr u64 memory_limit = u64{1} << 32;

/// A PT_LOAD. Its place is physical, as linked; a position-independent payload is moved from there.
struct Segment {
    u64 place;
    u64 memory_size;
    u64 offset; // of its data, in the file
    u64 file_size;
    u64 virtual_address;
    u64 header; // where its program header stands, in the file
    bool executable;

    [[nodiscard]] constexpr u64 end() const { return place + memory_size; }

    [[nodiscard]] constexpr u64 data_end() const { return place + file_size; }
};

struct Image {
    static constexpr u32 max_segments = 32;

    Segment segments[max_segments]; // ascending and apart
    u32 segment_count;
    bool position_independent;
    u64 alignment;    // of the whole, at least a page
    u64 entry;        // as the ELF header has it
    u64 dynamic;      // PT_DYNAMIC: offset in the file,
    u64 dynamic_size; // and size, 0 where there is none

    /// From the first byte's page to the last one's.
    [[nodiscard]] constexpr u64 base() const { return segments[0].place & ~(page_size - 1); }

    [[nodiscard]] constexpr u64 end() const {
        return (segments[segment_count - 1].end() + page_size - 1) & ~(page_size - 1);
    }
};

/// Checks everything that can be checked before there is memory for it.
Fault read_image(Bytes file, Image& image);

/// The entry point as a physical address, as linked. Kernels that move themselves up give it as one
/// already, others as a virtual address like the rest.
Fault find_entry(const Image& image, u64& entry);

/// Whether `address`, physical and as linked, is in what the file has of an executable segment.
bool is_code(const Image& image, u64 address);

} // namespace vestibule::elf
