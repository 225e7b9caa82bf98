// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/departure.h"

#include "efi/firmware.h"

namespace vestibule::efi {

namespace {

/// Descriptors that may be added between the two looks at the map, by our own allocation among
/// others.
constexpr u64 spare_descriptors = 64;

} // namespace

bool Departure::allocate(u64 size) {
    room_            = pages_for(size + spare_descriptors * descriptor_size_) * page_size;
    const u64 behind = most_ranges(room_ / descriptor_size_) * sizeof(MemoryRange);
    return map_.allocate(room_ + behind);
}

Problem Departure::prepare() {
    UINTN key = 0;
    size_     = 0;
    const EFI_STATUS status =
        services().GetMemoryMap(&size_, nullptr, &key, &descriptor_size_, &descriptor_version_);
    if (status != EFI_BUFFER_TOO_SMALL) {
        return problem(Trouble::device, "the firmware gives no memory map: ", name_of(status));
    }
    if (descriptor_size_ < sizeof(EFI_MEMORY_DESCRIPTOR)) {
        return problem(Trouble::device, "the firmware's memory map has descriptors of ",
                       descriptor_size_, " bytes, expected at least ",
                       u64{sizeof(EFI_MEMORY_DESCRIPTOR)});
    }
    if (!allocate(size_)) {
        return problem(Trouble::memory, "too little memory for the memory map");
    }
    return no_problem;
}

Problem Departure::exit_boot_services(const Moves& moves) {
    // The key is of the map as it is at that moment, and the firmware's own event handlers may
    // change the map until then; after a first refusal they are off. So a second attempt must be
    // made, and none more is of use but where the buffer had become too small.
    EFI_STATUS status = EFI_SUCCESS;
    for (int attempt = 0; attempt < 4; ++attempt) {
        UINTN key = 0;
        size_     = room_;
        status    = services().GetMemoryMap(&size_, map_.at<EFI_MEMORY_DESCRIPTOR>(), &key,
                                            &descriptor_size_, &descriptor_version_);
        if (status == EFI_BUFFER_TOO_SMALL) {
            if (!allocate(size_)) {
                return problem(Trouble::no_end, "too little memory for the memory map");
            }
            continue;
        }
        if (status != EFI_SUCCESS) {
            break;
        }
        if (!moves.are_free({map_.at(), size_}, descriptor_size_)
            || !moves.leave_alone(map_.extent())) {
            return problem(Trouble::no_end, "the firmware keeps memory that the payload wants");
        }
        status = services().ExitBootServices(firmware.image, key);
        if (status == EFI_SUCCESS) {
            return no_problem;
        }
    }
    return problem(Trouble::no_end, "the firmware does not end boot services: ", name_of(status));
}

u32 Departure::type_at(u64 address) const {
    for (u64 at = 0; at + sizeof(EFI_MEMORY_DESCRIPTOR) <= size_; at += descriptor_size_) {
        const auto& entry = *map_.at<const EFI_MEMORY_DESCRIPTOR>(at);
        if (address >= entry.PhysicalStart
            && (address - entry.PhysicalStart) / page_size < entry.NumberOfPages) {
            return entry.Type;
        }
    }
    return EfiMaxMemoryType;
}

u32 Departure::convert(Extent stub, Extent told, kernel::MemoryType in_use,
                       MemoryRange* ranges) const {
    const InUse used{
        .extents = {stub, told, map_.extent()},
          .type = in_use
    };
    return convert_map({map_.at(), size_}, descriptor_size_, used, ranges);
}

} // namespace vestibule::efi
