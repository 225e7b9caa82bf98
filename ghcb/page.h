// SPDX-License-Identifier: BSD-2-Clause-Patent
// The GHCB page: the part of a vCPU that guest and hypervisor share (GHCB specification, section
// 2.1). Registers stand at the offsets that they have in the VMSA; the page must be mapped with the
// C-bit clear.
#pragma once

#include "x86/types.h"

namespace vestibule::ghcb {

struct alignas(page_size) Page {
    u8 reserved0[203];
    u8 cpl;
    u8 reserved1[116];
    u64 xss;
    u8 reserved2[24];
    u64 dr7;
    u8 reserved3[16];
    u64 rip;
    u8 reserved4[88];
    u64 rsp;
    u8 reserved5[24];
    u64 rax;
    u8 reserved6[264];
    u64 rcx;
    u64 rdx;
    u64 rbx;
    u8 reserved7[8];
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
    u8 reserved8[16];
    u64 sw_exitcode;
    u64 sw_exitinfo1;
    u64 sw_exitinfo2;
    u64 sw_scratch;
    u8 reserved9[56];
    u64 xcr0;
    u64 valid_bitmap[2];
    u64 x87_state_gpa;
    u8 reserved10[1016];
    u8 shared_buffer[2032];
    u8 reserved11[10];
    u16 protocol_version;
    u32 ghcb_usage;
};

static_assert(sizeof(Page) == page_size);
static_assert(offsetof(Page, cpl) == 0x0CB);
static_assert(offsetof(Page, xss) == 0x140);
static_assert(offsetof(Page, dr7) == 0x160);
static_assert(offsetof(Page, rip) == 0x178);
static_assert(offsetof(Page, rsp) == 0x1D8);
static_assert(offsetof(Page, rax) == 0x1F8);
static_assert(offsetof(Page, rcx) == 0x308);
static_assert(offsetof(Page, rdx) == 0x310);
static_assert(offsetof(Page, rbx) == 0x318);
static_assert(offsetof(Page, rbp) == 0x328);
static_assert(offsetof(Page, rsi) == 0x330);
static_assert(offsetof(Page, rdi) == 0x338);
static_assert(offsetof(Page, r8) == 0x340);
static_assert(offsetof(Page, r9) == 0x348);
static_assert(offsetof(Page, r10) == 0x350);
static_assert(offsetof(Page, r11) == 0x358);
static_assert(offsetof(Page, r12) == 0x360);
static_assert(offsetof(Page, r13) == 0x368);
static_assert(offsetof(Page, r14) == 0x370);
static_assert(offsetof(Page, r15) == 0x378);
static_assert(offsetof(Page, sw_exitcode) == 0x390);
static_assert(offsetof(Page, sw_exitinfo1) == 0x398);
static_assert(offsetof(Page, sw_exitinfo2) == 0x3A0);
static_assert(offsetof(Page, sw_scratch) == 0x3A8);
static_assert(offsetof(Page, xcr0) == 0x3E8);
static_assert(offsetof(Page, valid_bitmap) == 0x3F0);
static_assert(offsetof(Page, x87_state_gpa) == 0x400);
static_assert(offsetof(Page, shared_buffer) == 0x800);
static_assert(offsetof(Page, protocol_version) == 0xFFA);
static_assert(offsetof(Page, ghcb_usage) == 0xFFC);

/// Offsets of the fields that have a bit in VALID_BITMAP.
enum class Field : u16 {
    cpl          = offsetof(Page, cpl),
    xss          = offsetof(Page, xss),
    rax          = offsetof(Page, rax),
    rcx          = offsetof(Page, rcx),
    rdx          = offsetof(Page, rdx),
    rbx          = offsetof(Page, rbx),
    sw_exitcode  = offsetof(Page, sw_exitcode),
    sw_exitinfo1 = offsetof(Page, sw_exitinfo1),
    sw_exitinfo2 = offsetof(Page, sw_exitinfo2),
    sw_scratch   = offsetof(Page, sw_scratch),
    xcr0         = offsetof(Page, xcr0),
};

/// Where a general register stands, by its number: RAX 0, RCX 1 to R15. The page has no RSP.
constexpr Field field_of_register(unsigned number) {
    constexpr unsigned first = offsetof(Page, rcx) - 8; // what would be RAX is elsewhere
    static_assert(first + 3 * 8 == offsetof(Page, rbx) && first + 15 * 8 == offsetof(Page, r15));
    return number == 0 ? Field::rax : static_cast<Field>(first + number * 8);
}

/// A set of fields, in the form of VALID_BITMAP: one bit for each eight bytes of the page.
struct FieldSet {
    u64 low  = 0;
    u64 high = 0;

    static constexpr FieldSet of(Field field) {
        const unsigned n = static_cast<unsigned>(field) / 8;
        return n < 64 ? FieldSet{bit(n), 0} : FieldSet{0, bit(n - 64)};
    }

    constexpr FieldSet operator|(FieldSet other) const {
        return {low | other.low, high | other.high};
    }

    constexpr bool contains(FieldSet wanted) const {
        return ((wanted.low & ~low) | (wanted.high & ~high)) == 0;
    }
};

/// A set of general registers, by their numbers.
struct RegisterSet {
    u16 mask = 0;

    static constexpr RegisterSet of(unsigned number) { return {static_cast<u16>(1u << number)}; }

    constexpr RegisterSet operator|(RegisterSet other) const {
        return {static_cast<u16>(mask | other.mask)};
    }

    constexpr bool contains(RegisterSet wanted) const { return (wanted.mask & ~mask) == 0; }

    constexpr bool empty() const { return mask == 0; }

    constexpr RegisterSet without(RegisterSet other) const {
        return {static_cast<u16>(mask & ~other.mask)};
    }

    constexpr unsigned lowest() const { return static_cast<unsigned>(__builtin_ctz(mask)); }

    /// The lowest number in the set, which leaves it.
    constexpr unsigned take_lowest() {
        const unsigned number = lowest();
        mask                  = static_cast<u16>(mask & (mask - 1));
        return number;
    }

    /// From RCX up, the page has them in the order of their numbers.
    constexpr FieldSet fields() const {
        static_assert(offsetof(Page, rax) / 8 == 63 && offsetof(Page, rcx) / 8 == 64 + 33);
        return {u64{mask} << 63, (u64{mask} & ~u64{1}) << 32};
    }

    /// Those that a valid bitmap marks.
    static constexpr RegisterSet in(FieldSet fields) {
        return {static_cast<u16>((fields.low >> 63) | ((fields.high >> 32) & 0xFFFE))};
    }
};

namespace registers {
inline constexpr RegisterSet none{};
inline constexpr RegisterSet rax = RegisterSet::of(0);
inline constexpr RegisterSet rcx = RegisterSet::of(1);
inline constexpr RegisterSet rdx = RegisterSet::of(2);
inline constexpr RegisterSet rbx = RegisterSet::of(3);
} // namespace registers

} // namespace vestibule::ghcb
