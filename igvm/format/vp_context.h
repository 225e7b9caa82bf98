// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a VP_CONTEXT header's data holds on platforms without a VMSA (igvm_defs, "native VP
// context", "VBS VP context"; the registers of VSM_ISOLATION by name are in vbs_registers.h). On
// SEV-SNP and SEV-ES it is a VMSA page: x86/vmsa.h.
#pragma once

#include "x86/types.h"

namespace vestibule::igvm {

/// Attributes as x86::native_attributes() makes them: bits 11:8 are zero.
struct NativeSegment {
    u16 selector;
    u16 attributes;
    u32 base;
    u32 limit;

    static constexpr u16 reserved_attributes = 0x0F00;
};

static_assert(sizeof(NativeSegment) == 12);

/// Registers of the first processor on the platforms NATIVE and SEV: the start of a blob of one
/// page whose rest is zero. TR and LDTR keep their reset values.
struct NativeVpContext {
    u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
    u64 r8, r9, r10, r11, r12, r13, r14, r15;
    u64 rip;
    u64 rflags;
    u64 idtr_base;
    u16 idtr_limit;
    u16 reserved[2]; // before gdtr_limit, so that gdtr_base is aligned
    u16 gdtr_limit;
    u64 gdtr_base;
    NativeSegment code; // CS
    NativeSegment data; // DS, ES, FS, GS, SS
    u64 gs_base;
    u64 cr0;
    u64 cr3;
    u64 cr4;
    u64 efer;
};

static_assert(sizeof(NativeVpContext) == 0xE8);
static_assert(offsetof(NativeVpContext, rip) == 0x80);
static_assert(offsetof(NativeVpContext, idtr_base) == 0x90);
static_assert(offsetof(NativeVpContext, reserved) == 0x9A);
static_assert(offsetof(NativeVpContext, gdtr_limit) == 0x9E);
static_assert(offsetof(NativeVpContext, gdtr_base) == 0xA0);
static_assert(offsetof(NativeVpContext, code) == 0xA8);
static_assert(offsetof(NativeVpContext, data) == 0xB4);
static_assert(offsetof(NativeVpContext, gs_base) == 0xC0);
static_assert(offsetof(NativeVpContext, cr0) == 0xC8);
static_assert(offsetof(NativeVpContext, efer) == 0xE0);

/// Platform VSM_ISOLATION: a u32 count, then that many of these.
struct [[gnu::packed]] VbsRegister {
    u8 vtl;
    u32 register_name;
    u8 reserved[11];
    u8 value[16];
};

static_assert(sizeof(VbsRegister) == 32);

static_assert(offsetof(VbsRegister, reserved) == 5);
static_assert(offsetof(VbsRegister, value) == 16);

/// Platform CCA: the start of a blob of one page whose rest is zero.
struct CcaVpContext {
    u64 x0, x1, x2, x3, x4, x5, x6, x7;
    u64 pc;
    u64 flags;
};

static_assert(sizeof(CcaVpContext) == 10 * sizeof(u64));

} // namespace vestibule::igvm
