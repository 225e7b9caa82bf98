// SPDX-License-Identifier: BSD-2-Clause-Patent
// In which form a payload comes, known by its first bytes, and by which boot protocol it is to be
// entered. igvmtool and the EFI application decide both by this.
#pragma once

#include "elf/bytes.h"
#include "elf/fault.h"

namespace vestibule::kernel {

using elf::Bytes;
using elf::Fault;

enum class Form : u8 {
    elf64,
    bzimage,
    uki, // a PE file with a Linux kernel in a section (kernel/uki.h)
    flat,
};

/// What is none of the others is flat.
Form form_of(Bytes file);

enum class Protocol : u8 {
    automatic,
    boot_info, // boot/boot_info.h
    pvh,       // PVH's boot ABI (kernel/pvh.h)
    linux64,   // Linux's 64-bit boot protocol (kernel/zero_page.h)
};

/// The protocol of a payload of that form that is wanted to be entered by `wanted`. An ELF64 does
/// not say whether it is a Linux kernel (a vmlinux, as monitors without firmware start it): unless
/// it is told so it gets boot info, or with a PVH note what that asks for.
Fault choose(Form form, Protocol wanted, bool has_pvh_note, u32 first_bytes, Protocol& chosen);

} // namespace vestibule::kernel
