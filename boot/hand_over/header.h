// SPDX-License-Identifier: BSD-2-Clause-Patent
// What igvmtool tells the guest about a payload that it placed: a record in the image which
// igvmtool fills in at build time (igvm/image/build.cpp), and which is measured as part of it. The
// EFI application fills in the same record when it places a payload (efi/payload.cpp).
//
// It is neither a page of its own nor words patched into the stub. A stub that could do both, run a
// linked payload and enter a placed one, would carry code for each in every image, on pages that
// cost a millisecond each to measure. So entering a placed payload is itself a linked payload
// (boot/hand_over/main.cpp): the stub is the same, byte for byte, and images with a built-in
// payload pay nothing. That payload is one page, which its record and the command line fill up.
#pragma once

#include "boot/boot_info.h"
#include "x86/types.h"

namespace vestibule::boot {

enum class PayloadKind : u32 {
    none      = 0,
    boot_info = 1, // entered with BootInfo
    linux64   = 2, // Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst)
};

using MemoryRange = ::vestibule_memory_range;

struct PayloadHeader {
    static constexpr u32 current_version = 4;
    static constexpr u64 max_cleared     = 16;
    static constexpr u64 max_ram         = 3;
    static constexpr u64 size            = 2704;

    u32 version; // in the image as it is linked, so that igvmtool knows what it fills in
    PayloadKind kind;
    u64 entry;
    u64 zero_page; // of a Linux kernel: struct boot_params, which igvmtool has made
    u64 payload_base;
    u64 payload_size;
    u64 initrd;
    u64 initrd_size;
    u64 cpuid_page;
    u64 secrets_page;
    u64 memory_map;
    u64 memory_map_size;
    u64 vp_count;
    u64 efi_system_table; // of an EFI machine, like the rest down to the RSDP
    u64 efi_memory_map;
    u64 efi_memory_map_size;
    u32 efi_descriptor_size;
    u32 efi_descriptor_version;
    u64 rsdp;
    u32 vcpus; // that the file has a context for; 0: not known
    u32 ram_count;
    MemoryRange ram[max_ram];
    u64 command_line_size;            // without the zero byte
    MemoryRange cleared[max_cleared]; // memory of the payload that nobody loads: to be zeroed
    char command_line[size - 19 * sizeof(u64) - (max_ram + max_cleared) * sizeof(MemoryRange)];
};

static_assert(sizeof(PayloadHeader) == PayloadHeader::size);

} // namespace vestibule::boot
