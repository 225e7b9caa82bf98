// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "kernel/uki.h"

namespace vestibule::kernel {

namespace {

constexpr u16 dos_magic         = 0x5A4D; // "MZ"
constexpr u64 pe_offset         = 0x3C;   // u32, where the PE header lies
constexpr u32 pe_magic          = 0x4550; // "PE", and two zero bytes
constexpr u16 machine_amd64     = 0x8664;
constexpr u64 largest_file_size = u64{1} << 32; // whose offsets have 32 bits

/// The COFF file header, behind PE's magic.
struct FileHeader {
    u32 magic;
    u16 machine;
    u16 section_count;
    u32 time;
    u32 symbols;
    u32 symbol_count;
    u16 optional_header_size;
    u16 characteristics;
};

static_assert(sizeof(FileHeader) == 24);

struct SectionHeader {
    char name[8];
    u32 virtual_size; // what of its data counts
    u32 virtual_address;
    u32 raw_size; // filled up to the file's alignment
    u32 raw_offset;
    u32 others[4];
};

static_assert(sizeof(SectionHeader) == 40);

struct Part {
    elf::Phrase name;
    elf::Phrase once; // what is expected of it
    Bytes Uki::* bytes;
};

constexpr Part parts[] = {
    {".linux",   "one section .linux",           &Uki::linux       },
    {".initrd",  "at most one section .initrd",  &Uki::initrd      },
    {".cmdline", "at most one section .cmdline", &Uki::command_line},
};

/// Names end with a zero byte unless they are 8 characters long.
bool is_called(const SectionHeader& section, elf::Phrase name) {
    return __builtin_memcmp(section.name, name.data, name.size) == 0
           && (name.size == sizeof(section.name) || section.name[name.size] == 0);
}

/// The data of a section, if it is there; `size` counts, and not what fills it up.
bool is_within(Bytes file, const SectionHeader& section, Sections where) {
    return where == Sections::in_memory
               ? file.hold(section.virtual_address, section.virtual_size)
               : section.virtual_size <= section.raw_size
                     && file.hold(section.raw_offset, section.virtual_size);
}

Bytes data_of(Bytes file, const SectionHeader& section, Sections where) {
    const u64 at = where == Sections::in_memory ? section.virtual_address : section.raw_offset;
    return {file.data + at, section.virtual_size};
}

bool is_blank(u8 character) {
    return character == 0 || character == ' ' || character == '\n' || character == '\r'
           || character == '\t';
}

} // namespace

bool is_pe(Bytes file) {
    if (!file.hold(0, pe_offset + sizeof(u32)) || file.load<u16>(0) != dos_magic) {
        return false;
    }
    const u64 at = file.load<u32>(pe_offset);
    return file.hold(at, sizeof(FileHeader)) && file.load<u32>(at) == pe_magic;
}

Bytes section_of(Bytes file, elf::Phrase name, Sections where) {
    const u64 at      = file.load<u32>(pe_offset);
    const auto header = file.load<FileHeader>(at);
    const u64 table   = at + sizeof(FileHeader) + header.optional_header_size;
    if (!file.hold(table, u64{header.section_count} * sizeof(SectionHeader))) {
        return {};
    }
    for (u64 i = 0; i < header.section_count; ++i) {
        const auto section = file.load<SectionHeader>(table + i * sizeof(SectionHeader));
        if (is_called(section, name)) {
            return is_within(file, section, where) ? data_of(file, section, where) : Bytes{};
        }
    }
    return {};
}

Fault read_uki(Bytes file, Uki& uki, Sections where) {
    uki                   = {};
    const u64 at          = file.load<u32>(pe_offset);
    const auto header     = file.load<FileHeader>(at);
    const u64 table       = at + sizeof(FileHeader) + header.optional_header_size;
    const elf::Row rows[] = {
        {.expected = "a file of less than 4 GiB",
         .offset   = 0,
         .found    = file.size,
         .right    = file.size < largest_file_size},
        {.expected = "a PE file for x86-64",
         .offset   = at + offsetof(FileHeader, machine),
         .found    = header.machine,
         .right    = header.machine == machine_amd64},
        {.expected = "a table of sections within the file",
         .offset   = at + offsetof(FileHeader, section_count),
         .found    = header.section_count,
         .right    = file.hold(table, u64{header.section_count} * sizeof(SectionHeader))},
    };
    if (const Fault fault = elf::all_right(rows); fault.is_there()) {
        return fault;
    }
    for (u64 i = 0; i < header.section_count; ++i) {
        const u64 place    = table + i * sizeof(SectionHeader);
        const auto section = file.load<SectionHeader>(place);
        if (is_called(section, ".profile")) {
            break;
        }
        for (const Part& part : parts) {
            if (!is_called(section, part.name)) {
                continue;
            }
            if ((uki.*part.bytes).data != nullptr) {
                return elf::damaged(part.once, place, i);
            }
            if (!is_within(file, section, where)) {
                return elf::damaged("a section whose data is within the file",
                                    place + offsetof(SectionHeader, virtual_size),
                                    section.virtual_size);
            }
            uki.*part.bytes = data_of(file, section, where);
        }
    }
    if (uki.linux.size == 0) {
        return elf::unsupported("a section .linux, as unified kernel images have it",
                                at + offsetof(FileHeader, section_count), header.section_count);
    }
    Bytes& line = uki.command_line;
    while (line.size != 0 && is_blank(line.data[line.size - 1])) {
        --line.size;
    }
    return elf::no_fault;
}

} // namespace vestibule::kernel
