// What the stub tells its payload. Public and versioned: fields are only added, at the end, and
// `size` says how many bytes are there.
#pragma once

#include "x86/types.h"

namespace vestibule::boot {

enum class Platform : u32 { native = 0, sev_es = 1 };

struct BootInfo {
    static constexpr u64 expected_magic = 0x004F'464E'4953'4556; // "VESINFO" and a zero byte

    u64 magic;
    u32 version; // 1
    u32 size;    // in bytes
    Platform platform;
    u16 ghcb_version; // negotiated protocol version; 0 on a native machine
    u16 reserved;
    u64 c_bit;      // mask of the C-bit in page-table entries; 0 on a native machine
    u64 ghcb_gpa;   // guest-physical address of vCPU 0's GHCB; 0 on a native machine
    u64 sev_status; // MSR 0xC0010131
    u64 image_base; // guest-physical address and size of stub, payload and their memory
    u64 image_size;
};

static_assert(sizeof(BootInfo) == 64);

} // namespace vestibule::boot

/// The payload's entry. Interrupts are off, #VC is served, the first 4 GiB are identity-mapped
/// private memory but for the GHCB page.
extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo& info);
