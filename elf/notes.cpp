// SPDX-License-Identifier: BSD-2-Clause-Patent
// See notes.h. Notes lie one behind the other: three words, name, descriptor, each filled up to the
// segment's alignment (System V ABI, "Note Section").
#include "elf/notes.h"

namespace vestibule::elf {

namespace {

/// The descriptor at `at` in the file: a number, 4 or 8 bytes long (Xen's
/// xen/include/public/elfnote.h).
Fault read_entry(Bytes file, const Image& image, u64 at, u64 size, PvhNote& pvh) {
    if (pvh.is_there) {
        return damaged("one PVH note at most", at, 2);
    }
    if (size != sizeof(u32) && size != sizeof(u64)) {
        return damaged("an entry point of 4 or 8 bytes in the PVH note", at, size);
    }
    pvh.is_there = true;
    __builtin_memcpy(&pvh.entry, file.data + at, size);
    // It is physical, whatever the ELF header says of another one.
    return is_code(image, pvh.entry)
               ? no_fault
               : damaged(
                     "a PVH note whose entry point is in the file's part of an executable segment",
                     at, pvh.entry);
}

Fault read_notes(Bytes file, const Image& image, const ProgramHeader& segment, PvhNote& pvh) {
    const Bytes notes{file.data + segment.offset, segment.file_size};
    const u64 alignment = segment.alignment == sizeof(u64) ? sizeof(u64) : sizeof(u32);
    const auto up       = [alignment](u64 at) { return (at + alignment - 1) & ~(alignment - 1); };
    for (u64 at = 0; notes.hold(at, sizeof(Note));) {
        const auto note      = notes.load<Note>(at);
        const u64 name       = at + sizeof(note);
        const u64 descriptor = up(name + note.name_size);     // sizes of 32 bits: no overflow
        if (!notes.hold(descriptor, note.description_size)) { // which lies behind the name
            return damaged("a note that ends within its segment", segment.offset + at,
                           up(descriptor + note.description_size) - at);
        }
        if (note.type == note_phys32_entry && note.name_size == sizeof("Xen")
            && __builtin_memcmp(notes.data + name, "Xen", sizeof("Xen")) == 0) {
            if (const Fault fault = read_entry(file, image, segment.offset + descriptor,
                                               note.description_size, pvh);
                fault.is_there()) {
                return fault;
            }
        }
        at = up(descriptor + note.description_size);
    }
    return no_fault;
}

} // namespace

Fault read_pvh_note(Bytes file, const Image& image, PvhNote& pvh) {
    Header header;
    if (const Fault fault = read_header(file, header); fault.is_there()) {
        return fault;
    }
    for (u32 i = 0; i < header.program_header_count; ++i) {
        const u64 at       = program_header_at(header, i);
        const auto segment = file.load<ProgramHeader>(at);
        if (segment.type != segment_note) {
            continue;
        }
        if (const Fault fault = check_in_file(file, at, segment); fault.is_there()) {
            return fault;
        }
        if (const Fault fault = read_notes(file, image, segment, pvh); fault.is_there()) {
            return fault;
        }
    }
    return no_fault;
}

} // namespace vestibule::elf
