// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/memory_map.h"

#include "efi/memory_types.h"

namespace vestibule::efi {

using kernel::MemoryType;

namespace {

/// ACPI's words for EFI's (ACPI specification 6.5, table 15.6).
MemoryType type_of(u32 efi_type) {
    constexpr u32 persistent_memory = 14; // younger than GNU-EFI's list
    if (is_usable(efi_type)) {
        return MemoryType::ram;
    }
    switch (efi_type) {
    case EfiACPIReclaimMemory: return MemoryType::acpi;
    case EfiACPIMemoryNVS: return MemoryType::nvs;
    case EfiUnusableMemory: return MemoryType::unusable;
    case persistent_memory: return MemoryType::persistent;
    default: return MemoryType::reserved;
    }
}

/// Ranges so far, which ascend; descriptors need not.
struct Ranges {
    MemoryRange* at;
    u32 count = 0;

    void insert(const MemoryRange& range) {
        u32 place = count++;
        for (; place != 0 && at[place - 1].base > range.base; --place) {
            at[place] = at[place - 1];
        }
        at[place] = range;
    }

    void merge_neighbours() {
        u32 last = 0;
        for (u32 i = 1; i < count; ++i) {
            if (at[last].type == at[i].type && at[last].base + at[last].size == at[i].base) {
                at[last].size += at[i].size;
            } else {
                at[++last] = at[i];
            }
        }
        count = count == 0 ? 0 : last + 1;
    }
};

/// One descriptor's memory, cut where memory in use begins and ends.
void insert_pieces(Extent memory, MemoryType type, const InUse& in_use, Ranges& ranges) {
    while (memory.base != memory.end) {
        MemoryRange piece{.base = memory.base, .size = 0, .type = type, .reserved = 0};
        u64 end = memory.end;
        for (const Extent& used : in_use.extents) {
            const bool inside = piece.base >= used.base && piece.base < used.end;
            const u64 border  = inside ? used.end : used.base;
            piece.type        = inside ? in_use.type : piece.type;
            if (border > piece.base && border < end) {
                end = border;
            }
        }
        piece.size = end - piece.base;
        ranges.insert(piece);
        memory.base = end;
    }
}

} // namespace

EFI_MEMORY_DESCRIPTOR descriptor_at(Bytes map, u64 offset) {
    EFI_MEMORY_DESCRIPTOR descriptor;
    __builtin_memcpy(&descriptor, map.data + offset, sizeof(descriptor));
    return descriptor;
}

Extent extent_of(const EFI_MEMORY_DESCRIPTOR& descriptor) {
    const u64 base  = descriptor.PhysicalStart;
    const u64 pages = descriptor.NumberOfPages;
    return {.base = base,
            .end  = pages > (~u64{0} - base) / page_size ? base : base + pages * page_size};
}

bool is_free_later(Bytes map, u64 stride, Extent wanted) {
    // Descriptors do not overlap and need not ascend: what they have of it adds up to all of it.
    u64 free = 0;
    for (u64 at = 0; map.hold(at, sizeof(EFI_MEMORY_DESCRIPTOR)); at += stride) {
        const EFI_MEMORY_DESCRIPTOR descriptor = descriptor_at(map, at);
        const Extent piece                     = common(extent_of(descriptor), wanted);
        if (piece.base < piece.end) {
            if (!is_usable(descriptor.Type)) {
                return false;
            }
            free += piece.end - piece.base;
        }
    }
    return free == wanted.end - wanted.base;
}

u32 convert_map(Bytes map, u64 stride, const InUse& in_use, MemoryRange* ranges) {
    Ranges result{.at = ranges};
    for (u64 at = 0; map.hold(at, sizeof(EFI_MEMORY_DESCRIPTOR)); at += stride) {
        const EFI_MEMORY_DESCRIPTOR descriptor = descriptor_at(map, at);
        insert_pieces(extent_of(descriptor), type_of(descriptor.Type), in_use, result);
    }
    result.merge_neighbours();
    return result.count;
}

} // namespace vestibule::efi
