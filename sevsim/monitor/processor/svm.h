// SPDX-License-Identifier: BSD-2-Clause-Patent
// The virtual machine control block and what stands in it (APM volume 2, appendix B and chapter
// 15).
#pragma once

#include "x86/types.h"
#include "x86/vmsa.h"

namespace vestibule::sevsim {

/// Guest registers that VMRUN leaves to software.
struct GuestRegisters {
    u64 rcx;
    u64 rdx;
    u64 rbx;
    u64 rbp;
    u64 rsi;
    u64 rdi;
    u64 r8;
    u64 r9;
    u64 r10;
    u64 r11;
    u64 r12;
    u64 r13;
    u64 r14;
    u64 r15;
    // The time-stamp counter right before VMRUN and right after #VMEXIT.
    u64 entered_at = 0;
    u64 left_at    = 0;
};

namespace intercept {
// intercept_cr_read, intercept_cr_write, intercept_dr_read, intercept_dr_write: bit n is CRn, DRn.
inline constexpr u16 cr0 = 1u << 0;
inline constexpr u16 cr3 = 1u << 3;
// intercept_misc1:
inline constexpr u32 intr     = 1u << 0;
inline constexpr u32 nmi      = 1u << 1;
inline constexpr u32 init     = 1u << 3;
inline constexpr u32 cr0_sel  = 1u << 5; // writes of CR0 that change other bits than TS and MP
inline constexpr u32 rdtsc    = 1u << 14;
inline constexpr u32 rdpmc    = 1u << 15;
inline constexpr u32 cpuid    = 1u << 18;
inline constexpr u32 iret     = 1u << 20;
inline constexpr u32 invd     = 1u << 22;
inline constexpr u32 hlt      = 1u << 24;
inline constexpr u32 ioio     = 1u << 27;
inline constexpr u32 msr      = 1u << 28;
inline constexpr u32 shutdown = 1u << 31;
// intercept_misc2:
inline constexpr u32 vmrun   = 1u << 0;
inline constexpr u32 vmmcall = 1u << 1;
inline constexpr u32 vmload  = 1u << 2;
inline constexpr u32 vmsave  = 1u << 3;
inline constexpr u32 stgi    = 1u << 4;
inline constexpr u32 clgi    = 1u << 5;
inline constexpr u32 skinit  = 1u << 6;
inline constexpr u32 rdtscp  = 1u << 7;
inline constexpr u32 wbinvd  = 1u << 9;
inline constexpr u32 monitor = 1u << 10;
inline constexpr u32 mwait   = 1u << 11;
} // namespace intercept

/// Of the VMCB's vintr: interrupts go by the monitor's RFLAGS.IF at VMRUN, and not by the guest's.
inline constexpr u64 v_intr_masking = bit(24);

/// #VMEXIT codes that the monitor meets beside those that it reflects as #VC.
namespace vmexit {
inline constexpr u64 cr_read        = 0x00; // + register
inline constexpr u64 cr_write       = 0x10; // + register
inline constexpr u64 exception      = 0x40; // + vector
inline constexpr u64 invalid_opcode = exception + 6;
inline constexpr u64 intr           = 0x60;
inline constexpr u64 nmi            = 0x61;
inline constexpr u64 init           = 0x63;
inline constexpr u64 cr0_sel_write  = 0x65;
inline constexpr u64 iret           = 0x74;
inline constexpr u64 hlt            = 0x78;
inline constexpr u64 shutdown       = 0x7F;
inline constexpr u64 vmrun          = 0x80;
inline constexpr u64 skinit         = 0x86;
inline constexpr u64 npf            = 0x400;
inline constexpr u64 invalid        = ~u64{0};
inline constexpr u64 invalid_32_bit = 0xFFFF'FFFF; // what QEMU reports for it
} // namespace vmexit

/// EXITINFO1 of a nested page fault (section 15.25.6).
namespace nested_fault {
inline constexpr u64 write       = bit(1);
inline constexpr u64 fetch       = bit(4);
inline constexpr u64 guest_table = bit(33); // while walking the guest's own tables
} // namespace nested_fault

/// EVENTINJ and EXITINTINFO (section 15.20).
namespace event {
inline constexpr u64 vector_mask      = 0xFF;
inline constexpr u64 type_exception   = u64{3} << 8;
inline constexpr u64 error_code_valid = bit(11);
inline constexpr u64 valid            = bit(31);
inline constexpr u64 type_mask        = u64{7} << 8;
inline constexpr u64 type_software    = u64{4} << 8;
inline constexpr u64 nmi              = 2 | (u64{2} << 8) | valid;

constexpr u64 exception(u8 vector) { return vector | type_exception | valid; }

constexpr u64 exception(u8 vector, u32 error_code) {
    return exception(vector) | error_code_valid | (u64{error_code} << 32);
}
} // namespace event

/// The save area has the VMSA's layout, up to where the VMCB ends.
struct SaveArea {
    static constexpr u64 size = 0xC00;
    u8 bytes[size];
};

struct alignas(page_size) Vmcb {
    u16 intercept_cr_read;
    u16 intercept_cr_write;
    u16 intercept_dr_read;
    u16 intercept_dr_write;
    u32 intercept_exceptions;
    u32 intercept_misc1;
    u32 intercept_misc2;
    u8 reserved0[0x2C];
    u64 iopm_base;
    u64 msrpm_base;
    u64 tsc_offset;
    u32 asid;
    u8 tlb_control;
    u8 reserved1[3];
    u64 vintr;
    u64 interrupt_shadow;
    u64 exitcode;
    u64 exitinfo1;
    u64 exitinfo2;
    u64 exitintinfo;
    u64 nested_paging;
    u8 reserved2[0x10];
    u64 event_injection;
    u64 nested_cr3;
    u8 reserved3[0x400 - 0xB8];
    SaveArea save_area;

    /// The guest's state, by the VMSA's field names. Only fields below SaveArea::size exist.
    x86::Vmsa& save() { return *reinterpret_cast<x86::Vmsa*>(save_area.bytes); }
};

static_assert(offsetof(Vmcb, iopm_base) == 0x40);
static_assert(offsetof(Vmcb, asid) == 0x58);
static_assert(offsetof(Vmcb, exitcode) == 0x70);
static_assert(offsetof(Vmcb, nested_paging) == 0x90);
static_assert(offsetof(Vmcb, event_injection) == 0xA8);
static_assert(offsetof(Vmcb, nested_cr3) == 0xB0);
static_assert(offsetof(Vmcb, save_area) == 0x400);
static_assert(sizeof(Vmcb) == page_size);

} // namespace vestibule::sevsim
