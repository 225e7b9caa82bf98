// SPDX-License-Identifier: BSD-2-Clause-Patent
// See header.h.
#include "elf/header.h"

namespace vestibule::elf {

Fault read_header(Bytes file, Header& header) {
    // Another kind of file is to be told from an ELF that was cut, however short it is.
    if (file.hold(0, sizeof(header.magic))
        && __builtin_memcmp(file.data, "\177ELF", sizeof(header.magic)) != 0) {
        return damaged("the magic of an ELF file", 0, file.load<u32>(0));
    }
    if (file.size < sizeof(Header)) {
        return damaged("a whole ELF64 header", 0, file.size);
    }
    header           = file.load<Header>(0);
    const Row rows[] = {
        {.expected = "a 64-bit ELF",
         .offset   = offsetof(Header, file_class),
         .found    = header.file_class,
         .right    = header.file_class == class_64_bit},
        {.expected = "a little-endian ELF",
         .offset   = offsetof(Header, encoding),
         .found    = header.encoding,
         .right    = header.encoding == little_endian},
        {.expected = "an executable, position-independent or not",
         .offset   = offsetof(Header, type),
         .found    = header.type,
         .right    = header.type == type_executable || header.type == type_position_independent},
        {.expected = "an image for x86-64",
         .offset   = offsetof(Header, machine),
         .found    = header.machine,
         .right    = header.machine == machine_x86_64},
        {.expected = "program headers of 56 bytes",
         .offset   = offsetof(Header, program_header_size),
         .found    = header.program_header_size,
         .right    = header.program_header_size == sizeof(ProgramHeader)},
        {.expected = "program headers, fewer than 65535, within the file",
         .offset   = offsetof(Header, program_headers),
         .found    = header.program_headers,
         .right = header.program_header_count != 0 && header.program_header_count != count_elsewhere
                  && holds_table(file, header.program_headers, header.program_header_count,
         sizeof(ProgramHeader))},
    };
    return all_right(rows);
}

Fault check_in_file(Bytes file, u64 at, const ProgramHeader& segment) {
    return file.hold(segment.offset, segment.file_size)
               ? no_fault
               : damaged("a segment whose data is within the file",
                         at + offsetof(ProgramHeader, offset), segment.offset);
}

Fault check_loaded(Bytes file, u64 at, const ProgramHeader& segment) {
    if (segment.file_size > segment.memory_size) {
        return damaged("a file size not above the memory size",
                       at + offsetof(ProgramHeader, file_size), segment.file_size);
    }
    return check_in_file(file, at, segment);
}

} // namespace vestibule::elf
