// SPDX-License-Identifier: BSD-2-Clause-Patent
// A firmware volume of one page with the table and SEV metadata of an OVMF built for direct boot
// (EDK2, OvmfPkg/AmdSev), and where in it each part lies.
#pragma once

#include "tests/igvm/fixture.h"

#include "igvm/format/guid.h"
#include "igvm/measure/firmware.h"

namespace vestibule::igvm::test {

namespace amd_sev {
inline constexpr FirmwareSection sections[] = {
    {.gpa = 0x80'0000, .size = 0x9000, .type = SectionType::sec_mem      },
    {.gpa = 0x80'A000, .size = 0x3000, .type = SectionType::sec_mem      },
    {.gpa = 0x80'D000, .size = 0x1000, .type = SectionType::secrets      },
    {.gpa = 0x80'E000, .size = 0x1000, .type = SectionType::cpuid        },
    {.gpa = 0x80'F000, .size = 0x1000, .type = SectionType::svsm_caa     },
    {.gpa = 0x81'0000, .size = 0x1000, .type = SectionType::kernel_hashes},
    {.gpa = 0x81'1000, .size = 0xF000, .type = SectionType::sec_mem      },
};

// From the end: 32 bytes of reset vector, the footer, then the entries downwards.
inline constexpr u64 footer_length   = page_size - 32 - 18;
inline constexpr u64 reset_length    = footer_length - 18;
inline constexpr u64 reset_address   = reset_length - 4;
inline constexpr u64 hash_length     = reset_address - 18;
inline constexpr u64 hash_area       = hash_length - 8;
inline constexpr u64 metadata_length = hash_area - 18;
inline constexpr u64 metadata_offset = metadata_length - 4;
/// Close below the table, so that a count too high runs into it and not out of the volume.
inline constexpr u64 metadata = metadata_offset - 16 - sizeof(sections);
} // namespace amd_sev

inline Bytes amd_sev_volume() {
    using namespace amd_sev;
    Bytes volume(page_size, 0x90);
    const auto put_entry = [&](u64 length_at, u64 length, const Guid& name) {
        store(volume, length_at, static_cast<u16>(length));
        store(volume, length_at + 2, name);
    };
    put_entry(footer_length, footer_length + 18 - metadata_offset,
              guid("96b582de-1fb2-45f7-baea-a366c55a082d"));
    put_entry(reset_length, 18 + 4, guid("00f771de-1a7e-4fcb-890e-68c77e2fb44e"));
    store(volume, reset_address, u32{0x80'B004});
    put_entry(hash_length, 18 + 8, guid("7255371f-3a3b-4b04-927b-1da6efa8d454"));
    store(volume, hash_area, u32{0x81'0C00});
    store(volume, hash_area + 4, u32{0x400});
    put_entry(metadata_length, 18 + 4, guid("dc886566-984a-4798-a75e-5585a7bf67cc"));
    store(volume, metadata_offset, static_cast<u32>(page_size - metadata));
    store(volume, metadata, u32{0x5645'5341});
    store(volume, metadata + 4, static_cast<u32>(16 + sizeof(sections)));
    store(volume, metadata + 8, u32{1});
    store(volume, metadata + 12, static_cast<u32>(std::size(sections)));
    std::memcpy(&volume[metadata + 16], sections, sizeof(sections));
    return volume;
}

} // namespace vestibule::igvm::test
