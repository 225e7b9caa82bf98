// The guest image as the linker leaves it: an ELF64 linked at base 0 that runs from any 2 MiB
// boundary (System V ABI, "ELF-64 Object File Format"). The file is hostile. What an image has to
// keep:
//   - the page at 0 stays free: igvmtool puts the initial page tables there;
//   - PT_LOAD segments are page-aligned, ascending, apart, and all within one 2 MiB region;
//   - no relocations are left, since nobody would apply them;
//   - p_flags bit 0x00100000 marks a segment as payload, all others are the stub's.
// Memory beyond a segment's file size is for the stub to clear: it is not in the IGVM file.
#pragma once

#include "x86/types.h"

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::igvm {

struct StubSegment {
    u64 address;              // from the image's base
    std::span<const u8> data; // what the file has of it
    u64 memory_size;
    bool executable;
    bool payload;

    static constexpr u32 payload_flag = 0x0010'0000; // of those that PF_MASKOS leaves to the system
};

struct StubImage {
    std::vector<StubSegment> segments; // refer to the ELF's bytes
    u64 entry;                         // from the base
    u64 size;                          // from the base to the end, in whole pages
};

struct ImageError {
    std::string_view expected;
    u64 offset; // in the file
    u64 found;
    std::string section; // of relocations, by name
};

std::expected<StubImage, ImageError> read_stub_image(std::span<const u8> elf);

} // namespace vestibule::igvm
