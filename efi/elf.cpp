// See elf.h. The headers, and where the segments go; notes are in elf_notes.cpp, relocations in
// elf_relocations.cpp.
#include "efi/elf.h"

#include "efi/elf_notes.h"

namespace vestibule::efi {

namespace {

constexpr u64 limit = u64{1} << 32; // of the memory that the stub maps

template <class T>
T load(Bytes file, u64 at) {
    T value;
    __builtin_memcpy(&value, file.data + at, sizeof(T));
    return value;
}

constexpr Problem damaged(const auto&... parts) { return problem(Trouble::damaged, parts...); }

Problem check_header(Bytes file, const elf::Header& header) {
    if (header.file_class != 2 || header.encoding != 1) {
        return damaged("it is no 64-bit little-endian ELF: class ", header.file_class,
                       ", encoding ", header.encoding);
    }
    if (header.machine != elf::machine_x86_64) {
        return damaged("it is for machine ", header.machine, ", expected 62, x86-64");
    }
    if (header.type != elf::type_executable && header.type != elf::type_position_independent) {
        return damaged("it is an ELF of type ", header.type,
                       ", expected 2 or 3, an executable, position-independent or not");
    }
    if (header.program_header_size != sizeof(elf::ProgramHeader)) {
        return damaged("its program headers have ", header.program_header_size,
                       " bytes, expected 56");
    }
    if (header.program_header_count == 0 || header.program_header_count == elf::count_elsewhere
        || !file.hold(header.program_headers,
                      u64{header.program_header_count} * sizeof(elf::ProgramHeader))) {
        return damaged("its ", header.program_header_count, " program headers at ",
                       Hex{header.program_headers}, " are not in the file of ", file.size,
                       " bytes");
    }
    return no_problem;
}

/// Puts a segment among the others, which ascend.
Problem insert(ElfPayload& payload, const Segment& segment) {
    if (payload.segment_count == ElfPayload::max_segments) {
        return damaged("it has more than ", payload.segment_count, " segments to load");
    }
    u32 at = payload.segment_count++;
    for (; at != 0 && payload.segments[at - 1].place > segment.place; --at) {
        payload.segments[at] = payload.segments[at - 1];
    }
    payload.segments[at] = segment;
    return no_problem;
}

Problem read_segment(Bytes file, u32 index, const elf::ProgramHeader& header, ElfPayload& payload) {
    if (header.file_size > header.memory_size) {
        return damaged("segment ", index, " has ", header.file_size, " bytes in the file and ",
                       header.memory_size, " in memory");
    }
    if (!file.hold(header.offset, header.file_size)) {
        return damaged("segment ", index, ", ", header.file_size, " bytes at ", Hex{header.offset},
                       ", is not in the file of ", file.size, " bytes");
    }
    // Nobody fills in physical addresses for what has no address of its own.
    const u64 place =
        payload.position_independent ? header.virtual_address : header.physical_address;
    if (place > limit || header.memory_size > limit - place) {
        return damaged("segment ", index, ", ", Hex{header.memory_size}, " bytes at ", Hex{place},
                       ", does not end below 4 GiB");
    }
    const u64 align = header.alignment;
    if (align > payload.alignment) {
        constexpr u64 most = u64{1} << 30;
        if ((align & (align - 1)) != 0 || align > most) {
            return damaged("segment ", index, " wants to be aligned to ", Hex{align});
        }
        payload.alignment = align;
    }
    return insert(payload, {.place           = place,
                            .memory_size     = header.memory_size,
                            .offset          = header.offset,
                            .file_size       = header.file_size,
                            .virtual_address = header.virtual_address,
                            .executable      = (header.flags & elf::flag_executable) != 0});
}

/// Whether `address` lies in what the file has of an executable segment, which begins at `start`.
bool is_code(const Segment& segment, u64 start, u64 address) {
    return segment.executable && address >= start && address - start < segment.file_size;
}

/// Kernels that move themselves up give their entry point as a physical address, others as a
/// virtual one like the rest.
Problem find_entry(u64 entry, ElfPayload& payload) {
    constexpr u64 Segment::* starts[] = {&Segment::place, &Segment::virtual_address};
    for (const auto start : starts) {
        for (u32 i = 0; i < payload.segment_count; ++i) {
            const Segment& segment = payload.segments[i];
            if (is_code(segment, segment.*start, entry)) {
                payload.entry = segment.place + (entry - segment.*start);
                return no_problem;
            }
        }
    }
    return damaged("its entry point ", Hex{entry},
                   " is not in what the file has of an executable segment");
}

/// That of a PVH note is physical, whatever the ELF header says of another one.
Problem find_pvh_entry(u64 entry, ElfPayload& payload) {
    for (u32 i = 0; i < payload.segment_count; ++i) {
        if (is_code(payload.segments[i], payload.segments[i].place, entry)) {
            payload.entry = entry;
            payload.pvh   = true;
            return no_problem;
        }
    }
    return damaged("the entry point ", Hex{entry},
                   " of its PVH note is not in what the file has of an executable segment");
}

} // namespace

Problem read_elf(Bytes file, ElfPayload& payload) {
    payload           = {};
    payload.alignment = page_size;
    if (file.size < 4 || __builtin_memcmp(file.data, "\177ELF", 4) != 0) {
        return damaged("it is no ELF file");
    }
    if (file.size < sizeof(elf::Header)) {
        return damaged("it ends within its ELF header, after ", file.size, " bytes");
    }
    const auto header = load<elf::Header>(file, 0);
    if (Problem wrong = check_header(file, header); wrong.is_there()) {
        return wrong;
    }
    payload.position_independent = header.type == elf::type_position_independent;
    PvhNote pvh;
    for (u32 i = 0; i < header.program_header_count; ++i) {
        const auto segment =
            load<elf::ProgramHeader>(file, header.program_headers + i * sizeof(elf::ProgramHeader));
        if (segment.type == elf::segment_note) {
            if (Problem wrong = read_notes(file, segment, pvh); wrong.is_there()) {
                return wrong;
            }
        }
        if (segment.type == elf::segment_dynamic && segment.file_size != 0) {
            if (!file.hold(segment.offset, segment.file_size)) {
                return damaged("its dynamic section, ", segment.file_size, " bytes at ",
                               Hex{segment.offset}, ", is not in the file of ", file.size,
                               " bytes");
            }
            payload.dynamic      = segment.offset;
            payload.dynamic_size = segment.file_size;
        }
        if (segment.type != elf::segment_load || segment.memory_size == 0) {
            continue;
        }
        if (Problem wrong = read_segment(file, i, segment, payload); wrong.is_there()) {
            return wrong;
        }
    }
    if (payload.segment_count == 0) {
        return damaged("it has no segment to load");
    }
    for (u32 i = 1; i < payload.segment_count; ++i) {
        if (payload.segments[i].place < payload.segments[i - 1].end()) {
            return damaged("its segments at ", Hex{payload.segments[i - 1].place}, " and ",
                           Hex{payload.segments[i].place}, " overlap");
        }
    }
    return pvh.is_there ? find_pvh_entry(pvh.entry, payload) : find_entry(header.entry, payload);
}

void load_segments(Bytes file, const ElfPayload& payload, u64 bias) {
    for (u32 i = 0; i < payload.segment_count; ++i) {
        const Segment& segment = payload.segments[i];
        auto* const place      = reinterpret_cast<u8*>(segment.place + bias);
        __builtin_memcpy(place, file.data + segment.offset, segment.file_size);
        __builtin_memset(place + segment.file_size, 0, segment.memory_size - segment.file_size);
    }
}

} // namespace vestibule::efi
