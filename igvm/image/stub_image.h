// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest image as the linker leaves it: an ELF64 linked at base 0 that runs from any 2 MiB
// boundary (System V ABI, "ELF-64 Object File Format"). The file is hostile. What an image has to
// keep:
//   - the page at 0 stays free: igvmtool puts the initial page tables there;
//   - PT_LOAD segments are page-aligned, ascending, apart, and all within one 2 MiB region;
//   - no relocations are left, since nobody would apply them;
//   - the ELF's entry point is for 64-bit mode; where the symbols entry_compat and entry32 are
//     defined, the image can also be entered there, in the mode of that name; entry_ap is where
//     further vCPUs start, in any mode;
//   - where the symbol payload_header is defined, igvmtool says there what payload it has placed
//     (boot/hand_over/header.h);
//   - p_flags bit 0x00100000 marks a segment as payload, all others are the stub's; 0x00200000 one
//     that only an SEV-SNP guest has, in which snp_launch (boot/hand_over/snp_launch.h) and
//     attest_record (boot/attest/record.h) may be; 0x00400000 one that only a guest has that is to
//     have a report made, 0x00800000 one that only a guest below VMPL 0 has;
//   - entry64_snp, entry_compat_snp and entry32_snp are the entry points for such a guest.
// Memory beyond a segment's file size is for the stub to clear: it is not in the IGVM file.
#pragma once

#include "boot/entry_state.h"
#include "igvm/image/image_error.h"

#include <optional>
#include <vector>

namespace vestibule::igvm {

struct StubSegment {
    u64 address;              // from the image's base
    std::span<const u8> data; // what the file has of it
    u64 memory_size;
    bool executable;
    bool payload;
    bool snp;    // for SEV-SNP only
    bool attest; // where a report is wanted only
    bool svsm;   // below VMPL 0 only

    static constexpr u32 payload_flag = 0x0010'0000; // of those that PF_MASKOS leaves to the system
    static constexpr u32 snp_flag     = 0x0020'0000;
    static constexpr u32 attest_flag  = 0x0040'0000;
    static constexpr u32 svsm_flag    = 0x0080'0000;
};

struct StubImage {
    std::vector<StubSegment> segments; // refer to the ELF's bytes
    u64 entry;                         // from the base, in 64-bit mode
    std::optional<u64> entry_compat;   // in compatibility mode
    std::optional<u64> entry32;        // in 32-bit legacy mode
    std::optional<u64> entry_ap;       // of further vCPUs
    std::optional<u64> payload_header; // within a segment's data
    u64 size;                          // from the base to the end, in whole pages

    /// The same of an SEV-SNP guest; without these it is entered as others are.
    std::optional<u64> entry64_snp;
    std::optional<u64> entry_compat_snp;
    std::optional<u64> entry32_snp;
    std::optional<u64> entry64_snp_validated; // where all of the image's memory is validated
    std::optional<u64> snp_launch;            // a boot::SnpLaunch, within such a segment's data
    std::optional<u64> attest_record;         // a boot::AttestRecord, likewise

    /// Where the image is entered in that mode, if it can be.
    [[nodiscard]] std::optional<u64> entry_point(boot::Entry mode) const {
        switch (mode) {
        case boot::Entry::legacy32: return entry32;
        case boot::Entry::compat: return entry_compat;
        case boot::Entry::long64: break;
        }
        return entry;
    }

    [[nodiscard]] std::optional<u64> snp_entry_point(boot::Entry mode) const {
        switch (mode) {
        case boot::Entry::legacy32: return entry32_snp ? entry32_snp : entry32;
        case boot::Entry::compat: return entry_compat_snp ? entry_compat_snp : entry_compat;
        case boot::Entry::long64: break;
        }
        return entry64_snp ? entry64_snp : entry;
    }
};

std::expected<StubImage, ImageError> read_stub_image(std::span<const u8> file);

} // namespace vestibule::igvm
