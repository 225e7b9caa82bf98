// See elf_notes.h. Notes lie one behind the other: three words, name, descriptor, each filled up to
// the segment's alignment (System V ABI, "Note Section").
#include "efi/elf_notes.h"

namespace vestibule::efi {

namespace {

constexpr Problem damaged(const auto&... parts) { return problem(Trouble::damaged, parts...); }

/// The descriptor: a number, 4 or 8 bytes long (Xen's xen/include/public/elfnote.h).
Problem read_entry(Bytes descriptor, PvhNote& pvh) {
    if (pvh.is_there) {
        return damaged("it has more than one PVH note");
    }
    if (descriptor.size != sizeof(u32) && descriptor.size != sizeof(u64)) {
        return damaged("the entry point in its PVH note has ", descriptor.size,
                       " bytes, expected 4 or 8");
    }
    pvh.is_there = true;
    __builtin_memcpy(&pvh.entry, descriptor.data, descriptor.size);
    return no_problem;
}

} // namespace

Problem read_notes(Bytes file, const elf::ProgramHeader& segment, PvhNote& pvh) {
    if (!file.hold(segment.offset, segment.file_size)) {
        return damaged("its notes, ", segment.file_size, " bytes at ", Hex{segment.offset},
                       ", are not in the file of ", file.size, " bytes");
    }
    const Bytes notes{file.data + segment.offset, segment.file_size};
    const u64 alignment = segment.alignment == sizeof(u64) ? sizeof(u64) : sizeof(u32);
    const auto up       = [alignment](u64 at) { return (at + alignment - 1) & ~(alignment - 1); };
    for (u64 at = 0; notes.hold(at, sizeof(elf::Note));) {
        elf::Note note;
        __builtin_memcpy(&note, notes.data + at, sizeof(note));
        const u64 name       = at + sizeof(note);
        const u64 descriptor = up(name + note.name_size);     // sizes of 32 bits: no overflow
        if (!notes.hold(descriptor, note.description_size)) { // which lies behind the name
            return damaged("its note at ", Hex{segment.offset + at}, ", a name of ", note.name_size,
                           " bytes and a descriptor of ", note.description_size,
                           ", does not end in its segment of ", segment.file_size, " bytes");
        }
        if (note.type == elf::note_phys32_entry && note.name_size == sizeof("Xen")
            && __builtin_memcmp(notes.data + name, "Xen", sizeof("Xen")) == 0) {
            const Bytes number{notes.data + descriptor, note.description_size};
            if (Problem wrong = read_entry(number, pvh); wrong.is_there()) {
                return wrong;
            }
        }
        at = up(descriptor + note.description_size);
    }
    return no_problem;
}

} // namespace vestibule::efi
