#include "efi/payload.h"

#include "elf/notes.h"
#include "elf/relocations.h"

namespace vestibule::efi {

namespace {

constexpr u64 page_down(u64 address) { return address & ~(page_size - 1); }

constexpr u64 page_up(u64 address) { return page_down(address + page_size - 1); }

/// What is wrong with the file at `path`.
Problem of_file(Text path, const elf::Fault& fault) {
    const auto kind =
        fault.kind == elf::Trouble::unsupported ? Trouble::unsupported : Trouble::damaged;
    return problem(kind, path, ": at ", Hex{fault.offset}, " found ", Hex{fault.found},
                   ", expected ", Text{fault.expected.data, fault.expected.size});
}

} // namespace

Problem Payload::read(Text path) {
    elf::PvhNote pvh;
    elf::Fault fault = elf::read_image(bytes_, elf_);
    if (!fault.is_there()) {
        fault = elf::read_pvh_note(bytes_, elf_, pvh);
    }
    pvh_ = pvh.is_there;
    if (pvh_) {
        entry_ = pvh.entry;
    } else if (!fault.is_there()) {
        fault = elf::find_entry(elf_, entry_);
    }
    return fault.is_there() ? of_file(path, fault) : no_problem;
}

Problem Payload::place(Text path) {
    if (elf_.position_independent) {
        const u64 size = elf_.end() - elf_.base();
        if (!memory_[0].allocate(size, elf_.alignment, EfiLoaderCode)) {
            return problem(Trouble::memory, "too little memory: ", path, " needs ", size,
                           " bytes below 4 GiB");
        }
        bias_ = memory_[0].base() - elf_.base();
        return no_problem;
    }
    u32 used = 0;
    for (u32 i = 0; i < elf_.segment_count;) {
        const u64 first = page_down(elf_.segments[i].place);
        u64 end         = page_up(elf_.segments[i].end());
        for (++i; i < elf_.segment_count && page_down(elf_.segments[i].place) <= end; ++i) {
            end = page_up(elf_.segments[i].end());
        }
        if (!memory_[used++].allocate_at(first, end - first, EfiLoaderCode)) {
            return problem(Trouble::memory, path, " wants memory from ", Hex{first}, " to ",
                           Hex{end}, ", which is not all there or not free");
        }
    }
    return no_problem;
}

/// Copies the segments to their places and zeroes the rest of them.
void Payload::load_segments() const {
    for (u32 i = 0; i < elf_.segment_count; ++i) {
        const elf::Segment& segment = elf_.segments[i];
        auto* const place           = reinterpret_cast<u8*>(segment.place + bias_);
        __builtin_memcpy(place, bytes_.data + segment.offset, segment.file_size);
        __builtin_memset(place + segment.file_size, 0, segment.memory_size - segment.file_size);
    }
}

Problem Payload::relocate(Text path) const {
    elf::Relocations relocations;
    elf::MovingWord word;
    elf::Fault fault = relocations.open(bytes_, elf_);
    for (;;) {
        if (!fault.is_there()) {
            fault = relocations.next(word);
        }
        if (fault.is_there()) {
            return of_file(path, fault);
        }
        if (!word.is_there) {
            return no_problem;
        }
        auto* const place = reinterpret_cast<u8*>(word.place + bias_);
        if (!word.has_value) {
            __builtin_memcpy(&word.value, place, sizeof(word.value));
        }
        word.value += bias_;
        __builtin_memcpy(place, &word.value, sizeof(word.value));
    }
}

Problem Payload::load(Volume& volume, const Config& config) {
    u64 size = 0;
    if (Problem wrong = volume.read(config.payload, file_, size); wrong.is_there()) {
        return wrong;
    }
    bytes_ = {file_.at(), size};
    if (Problem wrong = read(config.payload); wrong.is_there()) {
        return wrong;
    }
    if (Problem wrong = place(config.payload); wrong.is_there()) {
        return wrong;
    }
    load_segments();
    if (Problem wrong = relocate(config.payload); wrong.is_there()) {
        return wrong;
    }
    file_.release();
    return config.initrd.empty() ? no_problem : volume.read(config.initrd, initrd_, initrd_size_);
}

Problem Payload::describe(boot::PayloadHeader& header, Text command_line) const {
    constexpr u64 most = sizeof(header.command_line) - 1;
    if (command_line.size > most) {
        return problem(Trouble::config, "the command line has ", command_line.size,
                       " characters, expected at most ", most);
    }
    header.kind              = boot::PayloadKind::boot_info;
    header.entry             = entry_ + bias_;
    header.payload_base      = elf_.base() + bias_;
    header.payload_size      = elf_.end() - elf_.base();
    header.initrd            = initrd_size_ != 0 ? initrd_.base() : 0;
    header.initrd_size       = initrd_size_;
    header.command_line_size = command_line.size;
    __builtin_memcpy(header.command_line, command_line.data, command_line.size);
    return no_problem;
}

} // namespace vestibule::efi
