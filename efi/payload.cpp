// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/payload.h"

#include "elf/notes.h"
#include "elf/relocations.h"

namespace vestibule::efi {

using kernel::Form;
using kernel::Protocol;

namespace {

constexpr u64 page_down(u64 address) { return address & ~(page_size - 1); }

constexpr u64 page_up(u64 address) { return page_down(address + page_size - 1); }

Problem not_free(Text path, u64 first, u64 end) {
    return problem(Trouble::memory, path, " wants memory from ", Hex{first}, " to ", Hex{end},
                   ", which is not all there, or the firmware keeps some of it, or there is no "
                   "room for a copy: link it to another address, or make it position-independent");
}

/// Copies the segments to their places and zeroes the rest of them.
void load_segments(Bytes file, const elf::Image& image, u64 bias, const Moves& moves) {
    for (u32 i = 0; i < image.segment_count; ++i) {
        const elf::Segment& segment = image.segments[i];
        u8* const place             = moves.now_at(segment.place + bias);
        __builtin_memcpy(place, file.data + segment.offset, segment.file_size);
        __builtin_memset(place + segment.file_size, 0, segment.memory_size - segment.file_size);
    }
}

} // namespace

Problem of_file(Text path, const elf::Fault& fault) {
    const auto kind =
        fault.kind == elf::Trouble::unsupported ? Trouble::unsupported : Trouble::damaged;
    return problem(kind, path, ": at ", Hex{fault.offset}, " found ", Hex{fault.found},
                   ", expected ", Text{fault.expected.data, fault.expected.size});
}

Problem Payload::choose(const Config& config, Form form, bool has_pvh_note) {
    const u32 first        = bytes_.hold(0, sizeof(u32)) ? bytes_.load<u32>(0) : 0;
    const elf::Fault fault = kernel::choose(form, config.protocol, has_pvh_note, first, protocol_);
    return fault.is_there() ? of_file(config.payload, fault) : no_problem;
}

bool Payload::take(Pages& memory, u64 address, u64 bytes) {
    return memory.allocate_at(address, bytes, EfiLoaderCode) || moves_.add(address, bytes);
}

Problem Payload::place_elf(const Config& config, const elf::Image& image, u64& bias) {
    if (image.position_independent) {
        const u64 size = image.end() - image.base();
        if (config.address != 0) {
            bias = config.address - image.base();
            return take(memory_[0], config.address, size)
                       ? no_problem
                       : not_free(config.payload, config.address, config.address + size);
        }
        if (!memory_[0].allocate(size, image.alignment, EfiLoaderCode)) {
            return problem(Trouble::memory, "too little memory: ", config.payload, " needs ", size,
                           " bytes below 4 GiB");
        }
        bias = memory_[0].base() - image.base();
        return no_problem;
    }
    if (config.address != 0) {
        return problem(Trouble::config, config.payload,
                       " says itself where it lies: there is no address to be told");
    }
    u32 used = 0;
    for (u32 i = 0; i < image.segment_count;) {
        const u64 first = page_down(image.segments[i].place);
        u64 end         = page_up(image.segments[i].end());
        for (++i; i < image.segment_count && page_down(image.segments[i].place) <= end; ++i) {
            end = page_up(image.segments[i].end());
        }
        if (!take(memory_[used++], first, end - first)) {
            return not_free(config.payload, first, end);
        }
    }
    return no_problem;
}

Problem Payload::relocate(Text path, const elf::Image& image, u64 bias) const {
    elf::Relocations relocations;
    elf::MovingWord word;
    elf::Fault fault = relocations.open(bytes_, image);
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
        u8* const place = moves_.now_at(word.place + bias);
        if (!word.has_value) {
            __builtin_memcpy(&word.value, place, sizeof(word.value));
        }
        word.value += bias;
        __builtin_memcpy(place, &word.value, sizeof(word.value));
    }
}

Problem Payload::load_elf(const Config& config) {
    elf::Image image{};
    elf::PvhNote pvh;
    elf::Fault fault = elf::read_image(bytes_, image);
    if (!fault.is_there()
        && (config.protocol == Protocol::automatic || config.protocol == Protocol::pvh)) {
        fault = elf::read_pvh_note(bytes_, image, pvh);
    }
    u64 entry = pvh.entry;
    if (!fault.is_there() && !pvh.is_there) {
        fault = elf::find_entry(image, entry);
    }
    if (fault.is_there()) {
        return of_file(config.payload, fault);
    }
    if (Problem wrong = choose(config, Form::elf64, pvh.is_there); wrong.is_there()) {
        return wrong;
    }
    u64 bias = 0;
    if (Problem wrong = place_elf(config, image, bias); wrong.is_there()) {
        return wrong;
    }
    load_segments(bytes_, image, bias, moves_);
    if (protocol_ == Protocol::linux64) {
        linux_ = kernel::kernel_without_header();
    }
    place_ = {
        .base = image.base() + bias, .size = image.end() - image.base(), .entry = entry + bias};
    return relocate(config.payload, image, bias);
}

Problem Payload::load_flat(const Config& config) {
    if (Problem wrong = choose(config, Form::flat, false); wrong.is_there()) {
        return wrong;
    }
    if (config.address == 0 || bytes_.size == 0) {
        return problem(Trouble::damaged, config.payload, ": at 0x0 found ",
                       Hex{bytes_.hold(0, sizeof(u32)) ? bytes_.load<u32>(0) : 0},
                       ", expected an ELF64, a bzImage, a UKI, or a flat binary and an address "
                       "for it");
    }
    const u64 size = page_up(bytes_.size);
    if (size > four_gib - config.address || !take(memory_[0], config.address, size)) {
        return not_free(config.payload, config.address, config.address + size);
    }
    u8* const place = moves_.now_at(config.address);
    __builtin_memcpy(place, bytes_.data, bytes_.size);
    __builtin_memset(place + bytes_.size, 0, size - bytes_.size);
    place_ = {.base = config.address, .size = size, .entry = config.address};
    return no_problem;
}

Problem Payload::load_initrd(Volume& volume, const Config& config) {
    const u64 limit = protocol_ == Protocol::linux64 ? linux_.initrd_limit + 1 : four_gib;
    if (!config.initrd.empty()) {
        return volume.read(config.initrd, initrd_, initrd_size_, limit);
    }
    if (carried_initrd_.size == 0) {
        return no_problem;
    }
    if (!initrd_.allocate(carried_initrd_.size, page_size, EfiLoaderData, limit)) {
        return problem(Trouble::memory, "too little memory: the initrd in ", config.payload,
                       " has ", carried_initrd_.size, " bytes, for which there is no room below ",
                       Hex{limit});
    }
    initrd_size_ = carried_initrd_.size;
    __builtin_memcpy(initrd_.at(), carried_initrd_.data, initrd_size_);
    return no_problem;
}

Problem Payload::load(Volume& volume, const Config& config) {
    u64 size = 0;
    if (Problem wrong = volume.read(config.payload, file_, size); wrong.is_there()) {
        return wrong;
    }
    bytes_          = {file_.at(), size};
    command_line_   = config.command_line;
    const Form form = kernel::form_of(bytes_);
    Problem wrong;
    switch (form) {
    case Form::elf64: wrong = load_elf(config); break;
    case Form::bzimage: wrong = load_bzimage(config, bytes_, 0); break;
    case Form::uki: wrong = load_uki(config, kernel::Sections::in_file); break;
    case Form::flat: wrong = load_flat(config); break;
    }
    if (wrong.is_there()) {
        return wrong;
    }
    if (form != Form::uki) {
        file_.release(); // the initrd may need the room
    }
    return load_initrd(volume, config);
}

Problem Payload::load_carried(Bytes image, const Config& config) {
    bytes_ = image;
    if (Problem wrong = load_uki(config, kernel::Sections::in_memory); wrong.is_there()) {
        return wrong;
    }
    Volume none;
    return load_initrd(none, config);
}

Problem Payload::describe(boot::PayloadHeader& header) const {
    u64 most = sizeof(header.command_line) - 1;
    if (protocol_ == Protocol::linux64 && linux_.command_line_limit != 0
        && linux_.command_line_limit < most) {
        most = linux_.command_line_limit;
    }
    if (command_line_.size > most) {
        return problem(Trouble::config, "the command line has ", command_line_.size,
                       " characters, expected at most ", most);
    }
    header.kind              = boot::PayloadKind::boot_info;
    header.entry             = place_.entry;
    header.payload_base      = place_.base;
    header.payload_size      = place_.size;
    header.initrd            = initrd_size_ != 0 ? initrd_.base() : 0;
    header.initrd_size       = initrd_size_;
    header.command_line_size = command_line_.size;
    __builtin_memcpy(header.command_line, command_line_.data, command_line_.size);
    return no_problem;
}

} // namespace vestibule::efi
