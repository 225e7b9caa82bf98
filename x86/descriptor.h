// SPDX-License-Identifier: BSD-2-Clause-Patent
// Segment and gate descriptors (APM volume 2, sections 4.7 and 4.8) and the attribute words that
// VMSA, VMCB and IGVM make of them.
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

struct SegmentDescriptor {
    u64 value;

    constexpr bool is_present() const { return (value & bit(47)) != 0; }

    constexpr bool is_code() const { return (value & (bit(44) | bit(43))) == (bit(44) | bit(43)); }

    /// Data, or code that may be read too.
    constexpr bool is_readable() const {
        return (value & bit(44)) != 0 && (value & (bit(43) | bit(41))) != bit(43);
    }

    constexpr bool is_writable() const {
        return (value & (bit(44) | bit(43) | bit(41))) == (bit(44) | bit(41));
    }

    constexpr bool is_expand_down() const { return (value & (bit(43) | bit(42))) == bit(42); }

    constexpr u8 dpl() const { return static_cast<u8>((value >> 45) & 3); }

    constexpr bool is_long() const { return (value & bit(53)) != 0; }

    constexpr bool is_default_32() const { return (value & bit(54)) != 0; }

    constexpr u32 base() const {
        return static_cast<u32>((value >> 16) & 0xFF'FFFF) | static_cast<u32>((value >> 56) << 24);
    }

    /// In bytes, the last one that belongs to the segment.
    constexpr u32 limit() const {
        const u32 raw =
            static_cast<u32>(value & 0xFFFF) | static_cast<u32>((value >> 32) & 0xF'0000);
        return (value & bit(55)) != 0 ? (raw << 12) | 0xFFF : raw;
    }
};

/// Flat segments with the accessed bit already set, so that loading one writes nothing.
inline constexpr SegmentDescriptor null_segment{0};
inline constexpr SegmentDescriptor code64_segment{0x00AF'9B00'0000'FFFF};
inline constexpr SegmentDescriptor data_segment{0x00CF'9300'0000'FFFF};
inline constexpr SegmentDescriptor code32_segment{0x00CF'9B00'0000'FFFF};

/// An available 32-bit TSS of 104 bytes at 0. LTR writes to it: that it is busy.
inline constexpr SegmentDescriptor task32_segment{0x0000'8900'0000'0067};

/// A gate of the long-mode IDT.
struct InterruptGate {
    u16 offset_low;
    u16 selector;
    u8 ist; // [2:0]; 0 = stay on the interrupted stack
    u8 type;
    u16 offset_middle;
    u32 offset_high;
    u32 reserved;

    static constexpr u8 present_interrupt_gate = 0x8E;

    /// As the words in which the IDT holds it.
    static constexpr InterruptGate from(u64 low, u64 high) {
        return {.offset_low    = static_cast<u16>(low),
                .selector      = static_cast<u16>(low >> 16),
                .ist           = static_cast<u8>((low >> 32) & 7),
                .type          = static_cast<u8>(low >> 40),
                .offset_middle = static_cast<u16>(low >> 48),
                .offset_high   = low_half(high),
                .reserved      = 0};
    }

    constexpr u64 offset() const {
        return offset_low | (u64{offset_middle} << 16) | (u64{offset_high} << 32);
    }

    /// Interrupt and trap gates; those of task gates and call gates are no interrupt's (APM volume
    /// 2, section 4.8.4).
    constexpr bool leads_to_handler() const { return (type & 0x9E) == 0x8E; }

    constexpr bool clears_if() const { return (type & 1) == 0; }

    static constexpr InterruptGate to(u64 handler, u16 code_selector) {
        return {.offset_low    = static_cast<u16>(handler),
                .selector      = code_selector,
                .ist           = 0,
                .type          = present_interrupt_gate,
                .offset_middle = static_cast<u16>(handler >> 16),
                .offset_high   = static_cast<u32>(handler >> 32),
                .reserved      = 0};
    }
};

static_assert(sizeof(InterruptGate) == 16);

/// What an interrupt or a change to CPL 0 takes its stack from: the long-mode TSS (APM volume 2,
/// section 12.2.5).
struct [[gnu::packed]] TaskState {
    u32 reserved0;
    u64 rsp[3]; // by the new CPL
    u64 reserved1;
    u64 ist[7]; // of IST numbers 1 to 7
    u64 reserved2;
    u16 reserved3;
    u16 io_map_base;
};

static_assert(sizeof(TaskState) == 104);

/// A gate of the legacy-mode IDT, to a handler in a 32-bit segment.
struct InterruptGate32 {
    u16 offset_low;
    u16 selector;
    u8 reserved;
    u8 type;
    u16 offset_high;

    static constexpr InterruptGate32 to(u32 handler, u16 code_selector) {
        return {.offset_low  = static_cast<u16>(handler),
                .selector    = code_selector,
                .reserved    = 0,
                .type        = InterruptGate::present_interrupt_gate,
                .offset_high = static_cast<u16>(handler >> 16)};
    }
};

static_assert(sizeof(InterruptGate32) == 8);

/// Operand of LGDT, LIDT and SIDT in 64-bit mode; in 32-bit modes they take the low half of `base`.
struct [[gnu::packed]] TableRegister {
    u16 limit;
    u64 base;
};

static_assert(sizeof(TableRegister) == 10);

/// Attributes as VMSA and VMCB hold them: type[3:0] S[4] DPL[6:5] P[7] AVL[8] L[9] D/B[10] G[11].
enum class SegmentAttributes : u16 {
    none      = 0,
    code64    = 0xA9B, // G, L, present, code, readable, accessed
    code32    = 0xC9B, // G, D, present, code, readable, accessed
    data      = 0xC93, // G, B, present, data, writable, accessed
    ldt       = 0x082,
    busy_task = 0x08B,
};

/// The same attributes as an IGVM native context (and VMX) holds them: bits 11:8 move up to 15:12.
constexpr u16 native_attributes(SegmentAttributes attributes) {
    const auto vmsa = static_cast<unsigned>(attributes);
    return static_cast<u16>((vmsa & 0xFF) | ((vmsa & 0xF00) << 4));
}

constexpr u16 vmsa_attributes(u16 native) {
    return static_cast<u16>((native & 0xFF) | ((native >> 4) & 0xF00));
}

static_assert(native_attributes(SegmentAttributes::code64) == 0xA09B);
static_assert(vmsa_attributes(0xC093) == static_cast<u16>(SegmentAttributes::data));

} // namespace vestibule::x86
