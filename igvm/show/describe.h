// SPDX-License-Identifier: BSD-2-Clause-Patent
// IGVM values in words, for people: igvmtool's output and messages.
#pragma once

#include "igvm/format/context_fields.h"
#include "igvm/format/reader.h"
#include "igvm/format/vp_context.h"
#include "x86/vmsa.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

struct PlatformName {
    PlatformType platform;
    std::string_view name;
};

/// As on the command line.
inline constexpr PlatformName platform_names[] = {
    {.platform = PlatformType::native,        .name = "native" },
    {.platform = PlatformType::vsm_isolation, .name = "vsm"    },
    {.platform = PlatformType::sev_snp,       .name = "sev-snp"},
    {.platform = PlatformType::tdx,           .name = "tdx"    },
    {.platform = PlatformType::sev,           .name = "sev"    },
    {.platform = PlatformType::sev_es,        .name = "sev-es" },
    {.platform = PlatformType::cca,           .name = "cca"    },
};

std::string_view name_of(PlatformType platform);

/// The platform that goes by a name, "snp" being short for sev-snp.
std::optional<PlatformType> platform_named(std::string_view name);

std::string_view name_of(PageDataType type);

/// By RMM's number, CcaPolicy::hash_algorithm.
std::string_view cca_hash_name(u8 algorithm);

/// "native, sev-es": the platforms of a compatibility mask.
std::string names_of(const File& file, u32 compatibility_mask);

/// "offset 0x58 (header 3): found 0x1001, expected a page-aligned address"
std::string describe(const Error& error);

/// "sel 0008 base 0 limit ffffffff attr a9b: 64-bit code, readable, DPL 0"
std::string describe(const x86::Segment& segment);
std::string describe(const NativeSegment& segment);

/// The CPU mode that a VP context starts in; the code segment's attributes as in a VMSA.
std::string mode_in_words(u64 cr0, u64 efer, u16 code_attributes);

/// The fields of a VP context's page that are not zero, one line each: "rip  0x201000".
std::vector<std::string> context_lines(ContextKind kind, std::span<const u8> page);

} // namespace vestibule::igvm
