// Relocations of a position-independent payload, applied at build time: what is measured is what
// runs, and nothing in the guest has to do it.
#pragma once

#include "igvm/image/payload.h"

namespace vestibule::igvm {

/// Pages of a payload while they are put together.
struct Stretch {
    u64 gpa;
    std::vector<u8> bytes;
};

/// Applies the relative relocations that the dynamic section names, for addresses moved by `bias`,
/// to the pages with data. Refuses relocations of any other kind.
std::expected<void, ImageError> relocate(std::span<const u8> elf, const Elf64_Ehdr& header,
                                         u64 bias, std::vector<Stretch>& stretches);

} // namespace vestibule::igvm
