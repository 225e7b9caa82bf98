// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an OVMF firmware volume says of itself at its end: a table of GUIDed entries below the reset
// vector, read backwards, and through one of them the SEV metadata (EDK2, OvmfPkg/ResetVector/Ia16/
// ResetVectorVtf0.asm and OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm).
#pragma once

#include "x86/types.h"

#include <expected>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace vestibule::igvm {

enum class SectionType : u32 {
    sec_mem       = 1,
    secrets       = 2,
    cpuid         = 3,
    svsm_caa      = 4,
    kernel_hashes = 0x10,
};

struct FirmwareSection {
    u32 gpa;
    u32 size;
    SectionType type;
};

struct HashTableArea {
    u32 gpa;
    u32 size;
};

/// Where LAUNCH_SECRET is to put its table of secrets (SEV and SEV-ES).
struct SecretArea {
    u32 gpa;
    u32 size;
};

struct Firmware {
    std::span<const u8> bytes;
    std::optional<u32> reset_address;        // where vCPUs but the first start on SEV-ES and SNP
    std::optional<HashTableArea> hash_table; // for kernel hashes
    std::optional<SecretArea> secret_area;
    std::optional<std::vector<FirmwareSection>> sections; // none: not made for SNP

    /// It ends where 32-bit addresses end.
    [[nodiscard]] u64 gpa() const { return (u64{1} << 32) - bytes.size(); }
};

struct FirmwareError {
    u64 offset; // in the volume
    u64 found;
    std::string_view expected;
};

/// Refers to `bytes`. A volume without a table is a firmware that knows nothing of SEV.
std::expected<Firmware, FirmwareError> parse_firmware(std::span<const u8> bytes);

} // namespace vestibule::igvm
