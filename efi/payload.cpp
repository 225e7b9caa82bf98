#include "efi/payload.h"

namespace vestibule::efi {

namespace {

constexpr u64 page_down(u64 address) { return address & ~(page_size - 1); }

constexpr u64 page_up(u64 address) { return page_down(address + page_size - 1); }

/// `path: what`, as a problem of that file.
Problem of_file(Text path, const Problem& wrong) {
    return problem(wrong.kind, path, ": ", wrong.words.text());
}

} // namespace

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

Problem Payload::load(Volume& volume, const Config& config) {
    u64 size = 0;
    if (Problem wrong = volume.read(config.payload, file_, size); wrong.is_there()) {
        return wrong;
    }
    bytes_ = {file_.at(), size};
    if (Problem wrong = read_elf(bytes_, elf_); wrong.is_there()) {
        return of_file(config.payload, wrong);
    }
    if (Problem wrong = place(config.payload); wrong.is_there()) {
        return wrong;
    }
    load_segments(bytes_, elf_, bias_);
    if (Problem wrong = relocate(bytes_, elf_, bias_); wrong.is_there()) {
        return of_file(config.payload, wrong);
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
    header.entry             = elf_.entry + bias_;
    header.payload_base      = elf_.base() + bias_;
    header.payload_size      = elf_.end() - elf_.base();
    header.initrd            = initrd_size_ != 0 ? initrd_.base() : 0;
    header.initrd_size       = initrd_size_;
    header.command_line_size = command_line.size;
    __builtin_memcpy(header.command_line, command_line.data, command_line.size);
    return no_problem;
}

} // namespace vestibule::efi
