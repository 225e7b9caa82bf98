// SPDX-License-Identifier: BSD-2-Clause-Patent
// The registers that a VP context of platform VSM_ISOLATION may hold, by Hyper-V's numbers (TLFS,
// HV_REGISTER_NAME) and by name. A file's are these and no others: igvm crate, registers.rs.
#pragma once

#include "igvm/format/format.h"

#include <string_view>

namespace vestibule::igvm {

/// How the 16 bytes of a register's value are laid out.
enum class VbsValue : u8 {
    number,  // u64
    segment, // u64 base, u32 limit, u16 selector, u16 attributes
    table,   // u16 pad[3], u16 limit, u64 base
};

struct VbsRegisterRow {
    std::string_view name;
    u32 number;
    Architecture architecture;
    VbsValue kind;
};

namespace detail {
using enum Architecture;
using enum VbsValue;

inline constexpr VbsRegisterRow vbs_registers[] = {
    {.name = "gdtr",               .number = 0x7'0001, .architecture = x64,     .kind = table  },
    {.name = "idtr",               .number = 0x7'0000, .architecture = x64,     .kind = table  },
    {.name = "es",                 .number = 0x6'0000, .architecture = x64,     .kind = segment},
    {.name = "cs",                 .number = 0x6'0001, .architecture = x64,     .kind = segment},
    {.name = "ss",                 .number = 0x6'0002, .architecture = x64,     .kind = segment},
    {.name = "ds",                 .number = 0x6'0003, .architecture = x64,     .kind = segment},
    {.name = "fs",                 .number = 0x6'0004, .architecture = x64,     .kind = segment},
    {.name = "gs",                 .number = 0x6'0005, .architecture = x64,     .kind = segment},
    {.name = "tr",                 .number = 0x6'0007, .architecture = x64,     .kind = segment},
    {.name = "rsp",                .number = 0x2'0004, .architecture = x64,     .kind = number },
    {.name = "rbp",                .number = 0x2'0005, .architecture = x64,     .kind = number },
    {.name = "rsi",                .number = 0x2'0006, .architecture = x64,     .kind = number },
    {.name = "r8",                 .number = 0x2'0008, .architecture = x64,     .kind = number },
    {.name = "r9",                 .number = 0x2'0009, .architecture = x64,     .kind = number },
    {.name = "r10",                .number = 0x2'000A, .architecture = x64,     .kind = number },
    {.name = "r11",                .number = 0x2'000B, .architecture = x64,     .kind = number },
    {.name = "r12",                .number = 0x2'000C, .architecture = x64,     .kind = number },
    {.name = "rip",                .number = 0x2'0010, .architecture = x64,     .kind = number },
    {.name = "rflags",             .number = 0x2'0011, .architecture = x64,     .kind = number },
    {.name = "cr0",                .number = 0x4'0000, .architecture = x64,     .kind = number },
    {.name = "cr3",                .number = 0x4'0002, .architecture = x64,     .kind = number },
    {.name = "cr4",                .number = 0x4'0003, .architecture = x64,     .kind = number },
    {.name = "efer",               .number = 0x8'0001, .architecture = x64,     .kind = number },
    {.name = "pat",                .number = 0x8'0004, .architecture = x64,     .kind = number },
    {.name = "mtrr_def_type",      .number = 0x8'000E, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_base0",    .number = 0x8'0010, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_base1",    .number = 0x8'0011, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_base2",    .number = 0x8'0012, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_base3",    .number = 0x8'0013, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_base4",    .number = 0x8'0014, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_mask0",    .number = 0x8'0040, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_mask1",    .number = 0x8'0041, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_mask2",    .number = 0x8'0042, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_mask3",    .number = 0x8'0043, .architecture = x64,     .kind = number },
    {.name = "mtrr_phys_mask4",    .number = 0x8'0044, .architecture = x64,     .kind = number },
    {.name = "mtrr_fix_64k_00000", .number = 0x8'0070, .architecture = x64,     .kind = number },
    {.name = "mtrr_fix_16k_80000", .number = 0x8'0071, .architecture = x64,     .kind = number },
    {.name = "mtrr_fix_4k_e0000",  .number = 0x8'0077, .architecture = x64,     .kind = number },
    {.name = "mtrr_fix_4k_e8000",  .number = 0x8'0078, .architecture = x64,     .kind = number },
    {.name = "mtrr_fix_4k_f0000",  .number = 0x8'0079, .architecture = x64,     .kind = number },
    {.name = "mtrr_fix_4k_f8000",  .number = 0x8'007A, .architecture = x64,     .kind = number },
    {.name = "x0",                 .number = 0x2'0000, .architecture = aarch64, .kind = number },
    {.name = "x1",                 .number = 0x2'0001, .architecture = aarch64, .kind = number },
    {.name = "x2",                 .number = 0x2'0002, .architecture = aarch64, .kind = number },
    {.name = "x3",                 .number = 0x2'0003, .architecture = aarch64, .kind = number },
    {.name = "x4",                 .number = 0x2'0004, .architecture = aarch64, .kind = number },
    {.name = "x5",                 .number = 0x2'0005, .architecture = aarch64, .kind = number },
    {.name = "x6",                 .number = 0x2'0006, .architecture = aarch64, .kind = number },
    {.name = "x7",                 .number = 0x2'0007, .architecture = aarch64, .kind = number },
    {.name = "pc",                 .number = 0x2'0022, .architecture = aarch64, .kind = number },
    {.name = "cpsr",               .number = 0x2'0023, .architecture = aarch64, .kind = number },
    {.name = "sctlr_el1",          .number = 0x4'0002, .architecture = aarch64, .kind = number },
    {.name = "ttbr0_el1",          .number = 0x4'0005, .architecture = aarch64, .kind = number },
    {.name = "ttbr1_el1",          .number = 0x4'0006, .architecture = aarch64, .kind = number },
    {.name = "tcr_el1",            .number = 0x4'0007, .architecture = aarch64, .kind = number },
    {.name = "mair_el1",           .number = 0x4'000B, .architecture = aarch64, .kind = number },
    {.name = "vbar_el1",           .number = 0x4'000C, .architecture = aarch64, .kind = number },
};
} // namespace detail

/// Null where it is none of them.
constexpr const VbsRegisterRow* find_vbs_register(u32 number, Architecture architecture) {
    for (const VbsRegisterRow& row : detail::vbs_registers) {
        if (row.number == number && row.architecture == architecture) {
            return &row;
        }
    }
    return nullptr;
}

} // namespace vestibule::igvm
