// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPU models by QEMU's names and their signatures, CPUID 1 EAX: what RDX holds when a vCPU starts
// (QEMU target/i386/cpu.c; AMD64 APM volume 3, CPUID 1).
#pragma once

#include "x86/types.h"

#include <optional>
#include <string_view>

namespace vestibule::igvm {

struct CpuType {
    std::string_view name; // with or without QEMU's version, "-v1"
    u32 signature;
};

constexpr u32 cpu_signature(u32 family, u32 model, u32 stepping) {
    const u32 base_family     = family > 0xF ? 0xF : family;
    const u32 extended_family = family > 0xF ? family - 0xF : 0;
    return extended_family << 20 | (model >> 4) << 16 | base_family << 8 | (model & 0xF) << 4
           | stepping;
}

inline constexpr CpuType cpu_types[] = {
    {.name = "EPYC-IBPB",  .signature = cpu_signature(23, 1,  2)},
    {.name = "EPYC-Rome",  .signature = cpu_signature(23, 49, 0)},
    {.name = "EPYC-Milan", .signature = cpu_signature(25, 1,  1)},
    {.name = "EPYC-Genoa", .signature = cpu_signature(25, 17, 0)},
    {.name = "EPYC-Turin", .signature = cpu_signature(26, 0,  0)},
    {.name = "EPYC",       .signature = cpu_signature(23, 1,  2)}, // last: the others begin with it
};

static_assert(cpu_signature(23, 1, 2) == 0x80'0F12);
static_assert(cpu_signature(23, 49, 0) == 0x83'0F10);
static_assert(cpu_signature(25, 1, 1) == 0xA0'0F11);
static_assert(cpu_signature(25, 17, 0) == 0xA1'0F10);
static_assert(cpu_signature(26, 0, 0) == 0xB0'0F00);

/// Processors whose own signature is none of the models': what `-cpu host` gives a guest (CPUID 1
/// EAX as AMD's microcode packages name it).
inline constexpr CpuType host_cpus[] = {
    {.name = "EPYC Milan-X",        .signature = cpu_signature(25, 1,   2)},
    {.name = "EPYC Genoa",          .signature = cpu_signature(25, 17,  1)},
    {.name = "EPYC Genoa-X",        .signature = cpu_signature(25, 17,  2)},
    {.name = "EPYC Bergamo, Siena", .signature = cpu_signature(25, 160, 2)},
    {.name = "EPYC Turin",          .signature = cpu_signature(26, 2,   1)},
    {.name = "EPYC Turin Dense",    .signature = cpu_signature(26, 17,  0)},
};

static_assert(cpu_signature(25, 160, 2) == 0xAA'0F02);
static_assert(cpu_signature(26, 2, 1) == 0xB0'0F21);
static_assert(cpu_signature(26, 17, 0) == 0xB1'0F10);

/// What is behind a signature as far as family and model tell: Venice's are known by their ranges
/// alone (sev crate).
struct CpuFamily {
    std::string_view name;
    u32 family, first_model, last_model;
};

inline constexpr CpuFamily cpu_families[] = {
    {.name = "EPYC Naples",         .family = 0x17, .first_model = 0x00, .last_model = 0x0F},
    {.name = "EPYC Rome",           .family = 0x17, .first_model = 0x30, .last_model = 0x3F},
    {.name = "EPYC Milan",          .family = 0x19, .first_model = 0x00, .last_model = 0x0F},
    {.name = "EPYC Genoa",          .family = 0x19, .first_model = 0x10, .last_model = 0x1F},
    {.name = "EPYC Bergamo, Siena", .family = 0x19, .first_model = 0xA0, .last_model = 0xAF},
    {.name = "EPYC Turin",          .family = 0x1A, .first_model = 0x00, .last_model = 0x11},
    {.name = "EPYC Venice",         .family = 0x1A, .first_model = 0x50, .last_model = 0x57},
    {.name = "EPYC Venice",         .family = 0x1A, .first_model = 0x90, .last_model = 0xAF},
    {.name = "EPYC Venice",         .family = 0x1A, .first_model = 0xC0, .last_model = 0xC7},
};

/// Empty where none is.
constexpr std::string_view cpu_name(u32 signature) {
    for (const CpuType& host : host_cpus) {
        if (host.signature == signature) {
            return host.name;
        }
    }
    const u32 family = (signature >> 8 & 0xF) + (signature >> 20 & 0xFF);
    const u32 model  = (signature >> 4 & 0xF) | (signature >> 16 & 0xF) << 4;
    for (const CpuFamily& row : cpu_families) {
        if (row.family == family && model >= row.first_model && model <= row.last_model) {
            return row.name;
        }
    }
    return {};
}

static_assert(cpu_name(cpu_signature(25, 1, 1)) == "EPYC Milan");
static_assert(cpu_name(cpu_signature(26, 0x51, 0)) == "EPYC Venice");
static_assert(cpu_name(cpu_signature(26, 0x58, 0)).empty());

/// The signature behind "EPYC-Milan" or "EPYC-Milan-v2".
constexpr std::optional<u32> find_cpu_signature(std::string_view name) {
    for (const CpuType& type : cpu_types) {
        if (!name.starts_with(type.name)) {
            continue;
        }
        const std::string_view rest = name.substr(type.name.size());
        const bool version =
            rest.size() == 3 && rest.starts_with("-v") && rest[2] >= '1' && rest[2] <= '9';
        if (rest.empty() || version) {
            return type.signature;
        }
    }
    return std::nullopt;
}

} // namespace vestibule::igvm
