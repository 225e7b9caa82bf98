// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/moves.h"

#include "efi/firmware.h"
#include "efi/memory_map.h"

// Assembly: efi/move.asm.
extern "C" {
extern const vestibule::u8 move_start[];
extern const vestibule::u8 move_end[];
}

namespace vestibule::efi {

namespace {

/// At the code's beginning (efi/move.asm).
struct MoveRecord {
    struct Move {
        u64 to;
        u64 from;
        u64 size;
    };

    u64 jump; // the way in
    u64 entry;
    u64 count;
    Move moves[elf::Image::max_segments];
};

u64 code_size() { return static_cast<u64>(move_end - move_start); }

/// The firmware's memory map as it is now, in memory of its own; of size 0 where there is none.
struct Map {
    Pages memory;
    Bytes bytes{};
    u64 stride = 0;

    Map() {
        UINTN size          = 0;
        UINTN key           = 0;
        UINT32 version      = 0;
        constexpr u64 spare = page_size; // for what taking its own memory adds
        (void)services().GetMemoryMap(&size, nullptr, &key, &stride, &version);
        size += spare;
        if (stride >= sizeof(EFI_MEMORY_DESCRIPTOR) && memory.allocate(size)
            && services().GetMemoryMap(&size, memory.at<EFI_MEMORY_DESCRIPTOR>(), &key, &stride,
                                       &version)
                   == EFI_SUCCESS) {
            bytes = {memory.at(), size};
        }
    }
};

} // namespace

bool Moves::add(u64 address, u64 bytes) {
    const u64 size = pages_for(bytes) * page_size;
    if (count_ == most || address >= four_gib || size > four_gib - address) {
        return false;
    }
    const Extent wanted{.base = address, .end = address + size};
    const Map map;
    if (!is_free_later(map.bytes, map.stride, wanted)) {
        return false;
    }
    for (u64 at = 0; map.bytes.hold(at, sizeof(EFI_MEMORY_DESCRIPTOR)); at += map.stride) {
        const EFI_MEMORY_DESCRIPTOR descriptor = descriptor_at(map.bytes, at);
        const Extent piece                     = common(extent_of(descriptor), wanted);
        if (descriptor.Type != EfiConventionalMemory || piece.base >= piece.end) {
            continue;
        }
        if (piece_count_ == most_pieces) {
            return false;
        }
        Pages& taken = pieces_[piece_count_];
        ++piece_count_;
        if (!taken.allocate_at(piece.base, piece.end - piece.base, EfiLoaderCode)) {
            return false;
        }
    }
    if (!from_[count_].allocate(size)) {
        return false;
    }
    to_[count_++] = wanted;
    return true;
}

u8* Moves::now_at(u64 address) const {
    for (u32 n = 0; n < count_; ++n) {
        if (address >= to_[n].base && address < to_[n].end) {
            return from_[n].at(address - to_[n].base);
        }
    }
    return reinterpret_cast<u8*>(address);
}

Problem Moves::place(boot::PayloadHeader& header) {
    static_assert(sizeof(MoveRecord) <= page_size);
    if (!code_.allocate(code_size(), page_size, EfiLoaderCode)) {
        return problem(Trouble::memory, "too little memory for the way into the payload");
    }
    __builtin_memcpy(code_.at(), move_start, code_size());
    auto& record = *code_.at<MoveRecord>();
    record.entry = header.entry;
    record.count = count_;
    for (u32 n = 0; n < count_; ++n) {
        record.moves[n] = {.to = to_[n].base, .from = from_[n].base(), .size = from_[n].size()};
        if (!leave_alone(from_[n].extent())) {
            return problem(Trouble::memory, "too little memory beside that of the payload");
        }
    }
    header.entry = code_.base();
    return leave_alone(code_.extent())
               ? no_problem
               : problem(Trouble::memory, "too little memory beside that of the payload");
}

bool Moves::leave_alone(Extent own) const {
    for (u32 n = 0; n < count_; ++n) {
        const Extent both = common(to_[n], own);
        if (both.base < both.end) {
            return false;
        }
    }
    return true;
}

bool Moves::are_free(Bytes map, u64 stride) const {
    for (u32 n = 0; n < count_; ++n) {
        if (!is_free_later(map, stride, to_[n])) {
            return false;
        }
    }
    return true;
}

} // namespace vestibule::efi
