// SPDX-License-Identifier: BSD-2-Clause-Patent
// A flash image: the guest of an IGVM file as a firmware volume, for monitors that know no IGVM and
// start whatever stands at the reset vector. The volume holds the guest's pages, and in its last
// 4 KiB the code that takes the CPU out of real mode (reset.asm), puts the pages where they belong
// (main.cpp) and enters the stub in 32-bit legacy mode, with the registers that an IGVM file would
// have started it with.
//
// igvmtool (igvm/image/flash.cpp) fills in this record, with which those 4 KiB begin. All of the
// volume is measured. It is a ROM: nothing writes to it.
#pragma once

#include "x86/types.h"

namespace vestibule::boot::flash {

/// Bytes of the volume, and where they belong. Zeros fill up the last page.
struct Range {
    u32 gpa;       // of its first page
    u32 size;      // in bytes, whole words
    u32 from;      // where they are, at a word's boundary; 0: all of it is zeros
    u32 platforms; // bit n: a guest on boot::Platform n has them
};

/// Pages that a launch for SEV-SNP validates beside the volume, as a row of OVMF's metadata (EDK2,
/// OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm).
struct Section {
    u32 gpa;
    u32 size;
    u32 type;
};

struct Record {
    static constexpr u32 current_version = 1;
    static constexpr u32 most_sections   = 4;
    static constexpr u32 asev            = 0x5645'5341; // "ASEV"

    u32 version;   // in the code as it is assembled, so that igvmtool knows what it fills in
    u32 platforms; // for which the volume has a guest, as in Range
    u32 base;      // of the stub's image, whose first page is the stack until the stub is entered
    u32 entry;     // of the stub, all of whose memory is validated
    u32 ranges;    // address of the first Range, in the order in which they are placed
    u32 range_count;

    /// Of further vCPUs; the first two are 0 where the volume starts none.
    u32 ap_page;  // where the way into 64-bit mode is placed, as the last of all
    u32 ap_entry; // of the stub, in 64-bit mode
    u32 ap_way;   // as assembled: that way's address in the volume,
    u32 ap_way_size;
    u32 ap_way_code; // and how much of it stays as it is

    /// OVMF's metadata.
    u32 signature;
    u32 metadata_size;
    u32 metadata_version;
    u32 section_count;
    Section sections[most_sections];
};

static_assert(sizeof(Range) == 16);
static_assert(sizeof(Record) == 108);

/// What igvmtool gets: the last bytes below 4 GiB.
inline constexpr u32 code_size = 0x1000;

/// The table of GUIDs that ends 32 bytes below 4 GiB: from there down to the word that says how
/// long it is, and the length of its lowest entry, which is that of the metadata.
inline constexpr u32 table_length   = 32 + 16 + 2;
inline constexpr u32 metadata_entry = 4 + 2 + 16;

/// And down to where the entry stands that says where hashes of a kernel go: address and size.
inline constexpr u32 hash_area = table_length + (4 + 2 + 16) + 2 + 16 + 8;

} // namespace vestibule::boot::flash
