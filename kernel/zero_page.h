// SPDX-License-Identifier: BSD-2-Clause-Patent
// The zero page that a Linux kernel is given by the 64-bit boot protocol (Linux
// Documentation/arch/x86/zero-page.rst, arch/x86/include/uapi/asm/bootparam.h). igvmtool makes it
// at build time, so that command line, initrd and memory map are measured and no hypervisor has a
// say in them; the EFI application makes it of what the firmware has left.
#pragma once

#include "kernel/bzimage.h"
#include "kernel/memory_range.h"

namespace vestibule::kernel {

/// What SNP needs (struct cc_blob_sev_info).
struct ConfidentialBlob {
    u64 secrets_page;
    u64 cpuid_page;
};

/// Of a machine with EFI, whose boot services have ended (struct efi_info).
struct EfiMachine {
    u64 system_table;
    u64 memory_map;
    u64 memory_map_size;
    u32 descriptor_size;
    u32 descriptor_version;
};

/// Addresses; 0 for what there is not.
struct LinuxTold {
    u64 command_line;
    u64 initrd;
    u64 initrd_size;
    u64 rsdp;
    ConfidentialBlob confidential;
    EfiMachine efi;
};

using ZeroPage = u8[page_size];

/// All but the memory map. `gpa` is the zero page's own address.
void make_zero_page(const LinuxKernel& kernel, u64 gpa, const LinuxTold& told, ZeroPage& page);

/// How many ranges the zero page has room for.
inline constexpr u32 most_zero_page_ranges = 128;

/// Adds the memory map. If it has more ranges than there is room for, what is at `ranges` becomes
/// the list that holds the rest and that the zero page points to.
void add_memory_map(MemoryRange* ranges, u32 count, ZeroPage& page);

/// Where the last range of RAM ends of those that a zero page names itself and that begin before
/// `limit`; 0 where there is none.
u64 memory_end(const ZeroPage& page, u64 limit);

/// Whether it names an EFI machine.
bool has_efi_machine(const ZeroPage& page);

} // namespace vestibule::kernel
