// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub in the guest's memory, placed by an application instead of by a loader of IGVM files:
// its image in a 2 MiB region of its own, with the one page of page tables that it is entered on
// (boot/initial_tables.h), and behind it the instructions that go there (efi/depart.asm).
#pragma once

#include "efi/machine.h"
#include "efi/pages.h"
#include "efi/problem.h"

namespace vestibule::efi {

/// What efi/embed_stub.cpp makes of an image. Places are distances from the region's start.
struct StubImage {
    Bytes bytes;        // to lie behind the page tables
    u64 size;           // with the memory that the stub clears for itself, in whole pages
    u64 entry;          // in 64-bit mode
    u64 entry_ap;       // of further vCPUs, in 64-bit mode; 0 where they have none
    u64 snp_entry;      // the same of an SEV-SNP guest, in memory that firmware has validated
    u64 payload_header; // 0 where the payload is linked in
};

/// Puts the image into a region that it allocates, and behind it a copy of the CPUID page of an
/// SEV-SNP guest, where the stub looks for it; elsewhere the machine has none.
Problem place_stub(const StubImage& image, const Machine& machine, Pages& region);

/// Leaves the firmware's world for the stub's. Nothing is left to return to.
[[noreturn]] void enter_stub(const StubImage& image, const Machine& machine, const Pages& region);

} // namespace vestibule::efi
