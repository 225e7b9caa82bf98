// SPDX-License-Identifier: BSD-2-Clause-Patent
// What every reader of an ELF64 here agrees on: its header, and what each program header has to
// keep.
#pragma once

#include "elf/bytes.h"
#include "elf/fault.h"
#include "elf/format.h"

namespace vestibule::elf {

/// The header, if it is one of an executable for x86-64 whose program headers are in the file.
Fault read_header(Bytes file, Header& header);

/// Where the program header of that number stands.
constexpr u64 program_header_at(const Header& header, u64 number) {
    return header.program_headers + number * sizeof(ProgramHeader);
}

/// Whether `count` entries of `size` bytes at `offset` are inside the file. ELF's counts have 16
/// bits, so that the product cannot overflow.
constexpr bool holds_table(Bytes file, u64 offset, u64 count, u64 size) {
    return file.hold(offset, count * size);
}

/// Whether the file has the data of a segment whose program header stands at `at`.
Fault check_in_file(Bytes file, u64 at, const ProgramHeader& segment);

/// The same of a PT_LOAD, whose memory must have room for it.
Fault check_loaded(Bytes file, u64 at, const ProgramHeader& segment);

} // namespace vestibule::elf
