// SPDX-License-Identifier: BSD-2-Clause-Patent
// See image.h. Which segments there are, and where they go.
#include "elf/image.h"

namespace vestibule::elf {

namespace {

/// Puts a segment among the others, which ascend.
Fault insert(Image& image, const Segment& segment) {
    if (image.segment_count == Image::max_segments) {
        return unsupported("at most 32 segments to load", segment.header, image.segment_count + 1);
    }
    u32 at = image.segment_count++;
    for (; at != 0 && image.segments[at - 1].place > segment.place; --at) {
        image.segments[at] = image.segments[at - 1];
    }
    image.segments[at] = segment;
    return no_fault;
}

Fault read_segment(Bytes file, u64 at, const ProgramHeader& header, Image& image) {
    if (const Fault fault = check_loaded(file, at, header); fault.is_there()) {
        return fault;
    }
    // Nobody fills in physical addresses for what has no address of its own.
    const bool moves = image.position_independent;
    const u64 place  = moves ? header.virtual_address : header.physical_address;
    if (place > memory_limit || header.memory_size > memory_limit - place) {
        const u64 field = moves ? offsetof(ProgramHeader, virtual_address)
                                : offsetof(ProgramHeader, physical_address);
        return damaged("a segment that ends below 4 GiB", at + field, place);
    }
    const u64 align = header.alignment;
    if (align > image.alignment) {
        constexpr u64 most = u64{1} << 30;
        if ((align & (align - 1)) != 0 || align > most) {
            return damaged("an alignment that is a power of two, at most 1 GiB",
                           at + offsetof(ProgramHeader, alignment), align);
        }
        image.alignment = align;
    }
    return insert(image, {.place           = place,
                          .memory_size     = header.memory_size,
                          .offset          = header.offset,
                          .file_size       = header.file_size,
                          .virtual_address = header.virtual_address,
                          .header          = at,
                          .executable      = (header.flags & flag_executable) != 0});
}

Fault read_dynamic(Bytes file, u64 at, const ProgramHeader& header, Image& image) {
    if (const Fault fault = check_in_file(file, at, header); fault.is_there()) {
        return fault;
    }
    if (image.dynamic_size != 0) {
        return damaged("one dynamic section", at, header.offset);
    }
    image.dynamic      = header.offset;
    image.dynamic_size = header.file_size;
    return no_fault;
}

Fault check_apart(const Image& image) {
    for (u32 i = 1; i < image.segment_count; ++i) {
        const Segment& segment = image.segments[i];
        if (segment.place < image.segments[i - 1].end()) {
            return damaged("segments that do not overlap",
                           segment.header + offsetof(ProgramHeader, physical_address),
                           segment.place);
        }
    }
    return no_fault;
}

/// Whether `address` lies in what the file has of an executable segment, which begins at `start`.
bool is_code_of(const Segment& segment, u64 start, u64 address) {
    return segment.executable && address >= start && address - start < segment.file_size;
}

} // namespace

Fault read_image(Bytes file, Image& image) {
    image           = {};
    image.alignment = page_size;
    Header header;
    if (const Fault fault = read_header(file, header); fault.is_there()) {
        return fault;
    }
    image.position_independent = header.type == type_position_independent;
    image.entry                = header.entry;
    for (u32 i = 0; i < header.program_header_count; ++i) {
        const u64 at       = program_header_at(header, i);
        const auto segment = file.load<ProgramHeader>(at);
        Fault fault;
        if (segment.type == segment_dynamic && segment.file_size != 0) {
            fault = read_dynamic(file, at, segment, image);
        } else if (segment.type == segment_load && segment.memory_size != 0) {
            fault = read_segment(file, at, segment, image);
        }
        if (fault.is_there()) {
            return fault;
        }
    }
    if (image.segment_count == 0) {
        return damaged("a segment to load", offsetof(Header, program_header_count),
                       header.program_header_count);
    }
    return check_apart(image);
}

bool is_code(const Image& image, u64 address) {
    for (u32 i = 0; i < image.segment_count; ++i) {
        if (is_code_of(image.segments[i], image.segments[i].place, address)) {
            return true;
        }
    }
    return false;
}

Fault find_entry(const Image& image, u64& entry) {
    if (is_code(image, image.entry)) {
        entry = image.entry;
        return no_fault;
    }
    for (u32 i = 0; i < image.segment_count; ++i) {
        const Segment& segment = image.segments[i];
        if (is_code_of(segment, segment.virtual_address, image.entry)) {
            entry = segment.place + (image.entry - segment.virtual_address);
            return no_fault;
        }
    }
    return damaged("an entry point in the file's part of an executable segment",
                   offsetof(Header, entry), image.entry);
}

} // namespace vestibule::elf
