// What the host command hands to the monitor for a launch for SEV-SNP, as a multiboot module before the
// guest's files: what a secure processor has of its own, and what the guest's file says of its launch.
// Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// A range of pages that firmware wants launched beside itself (OvmfPkg/ResetVector/X64/
/// OvmfSevMetadata.asm).
struct LaunchSection {
    static constexpr u32 memory        = 1;
    static constexpr u32 secrets       = 2;
    static constexpr u32 cpuid         = 3;
    static constexpr u32 calling_area  = 4;
    static constexpr u32 kernel_hashes = 0x10;

    u32 gpa;
    u32 size;
    u32 type;
};

struct LaunchModule {
    u8 vmpck[4][32]; // by which guest and secure processor encrypt their messages
    u32 section_count;
    LaunchSection sections[32];
};

} // namespace vestibule::sevsim
