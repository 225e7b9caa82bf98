// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/stub.h"

#include "boot/initial_tables.h"
#include "efi/firmware.h"

// Assembly: efi/depart.asm.
extern "C" {
extern const vestibule::u8 depart_start[];
extern const vestibule::u8 depart_end[];
}

namespace vestibule::efi {

namespace {

/// Behind the image: the CPUID page, and the place of a secrets page, which stays where it is. In a
/// page of zeros the stub finds no service at VMPL 0 (boot/snp/vmpl.h).
constexpr u64 snp_pages = 2;

u64 depart_place(const StubImage& image) { return image.size + snp_pages * page_size; }

u64 depart_size() { return static_cast<u64>(depart_end - depart_start); }

/// The highest that is free, since payloads want to lie low. The firmware itself cannot be asked
/// for it: it knows no alignment, and of 2 MiB boundaries boot::is_loadable_base() refuses some.
bool allocate_region(Pages& region) {
    for (u64 base = four_gib - x86::large_page_size; base != 0; base -= x86::large_page_size) {
        if (boot::is_loadable_base(base)
            && region.allocate_at(base, x86::large_page_size, EfiLoaderCode)) {
            return true;
        }
    }
    return false;
}

} // namespace

Problem place_stub(const StubImage& image, const Machine& machine, Pages& region) {
    if (depart_place(image) + depart_size() > x86::large_page_size) {
        return problem(Trouble::damaged, "the stub leaves no room in its 2 MiB");
    }
    if (!allocate_region(region)) {
        return problem(
            Trouble::memory,
            "too little memory: no 2 MiB for the stub are free at any boundary of 2 MiB");
    }
    __builtin_memset(region.at(), 0, page_size);
    __builtin_memcpy(region.at(page_size), image.bytes.data, image.bytes.size);
    if (machine.cc_blob.cpuid_page != 0) {
        __builtin_memcpy(region.at(image.size),
                         reinterpret_cast<const void*>(machine.cc_blob.cpuid_page), page_size);
        __builtin_memset(region.at(image.size + page_size), 0, page_size);
    }
    __builtin_memcpy(region.at(depart_place(image)), depart_start, depart_size());
    boot::map_image(*region.at<x86::PageTable>(), region.base(), machine.c_bit);
    return no_problem;
}

void enter_stub(const StubImage& image, const Machine& machine, const Pages& region) {
    using Depart    = void (*)(u64 region, u64 entry);
    const u64 entry = machine.is_snp() ? image.snp_entry : image.entry;
    reinterpret_cast<Depart>(region.base() + depart_place(image))(region.base(),
                                                                  region.base() + entry);
    __builtin_unreachable();
}

} // namespace vestibule::efi
