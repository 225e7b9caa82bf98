// SPDX-License-Identifier: BSD-2-Clause-Patent
// The GHCB page as the hypervisor sees it (GHCB specification, table 3): offsets of fields, and the
// bitmap that says which of them the guest has filled in.
#pragma once

#include "sevsim/monitor/memory/memory.h"
#include "x86/types.h"

namespace vestibule::sevsim {

namespace field {
inline constexpr u16 cpl         = 0x0CB;
inline constexpr u16 xss         = 0x140;
inline constexpr u16 rax         = 0x1F8;
inline constexpr u16 rcx         = 0x308;
inline constexpr u16 rdx         = 0x310;
inline constexpr u16 rbx         = 0x318;
inline constexpr u16 rsi         = 0x330;
inline constexpr u16 r8          = 0x340;
inline constexpr u16 exit_code   = 0x390;
inline constexpr u16 exit_info_1 = 0x398;
inline constexpr u16 exit_info_2 = 0x3A0;
inline constexpr u16 scratch     = 0x3A8;
inline constexpr u16 xcr0        = 0x3E8;
inline constexpr u16 bitmap      = 0x3F0;
inline constexpr u16 buffer      = 0x800; // the shared buffer, up to:
inline constexpr u16 buffer_end  = 0xFF0;
inline constexpr u16 version     = 0xFFA;
inline constexpr u16 usage       = 0xFFC;
} // namespace field

/// A set of fields: bit n of the pair is the field at offset 8 n.
struct Fields {
    u64 words[2] = {0, 0};

    constexpr Fields with(u16 offset) const {
        Fields result   = *this;
        const u32 index = offset / 8;
        result.words[index / 64] |= bit(index % 64);
        return result;
    }

    constexpr Fields operator|(Fields other) const {
        return {
            {words[0] | other.words[0], words[1] | other.words[1]}
        };
    }

    constexpr bool has_all(Fields wanted) const {
        return (wanted.words[0] & ~words[0]) == 0 && (wanted.words[1] & ~words[1]) == 0;
    }

    constexpr Fields without(Fields other) const {
        return {
            {words[0] & ~other.words[0], words[1] & ~other.words[1]}
        };
    }

    /// Calls `visit` with the offset of each.
    template <class Visit>
    constexpr void for_each(Visit visit) const {
        for (unsigned n = 0; n < 2; ++n) {
            for (u64 rest = words[n]; rest != 0; rest &= rest - 1) {
                visit(
                    static_cast<u16>((n * 64 + static_cast<unsigned>(__builtin_ctzll(rest))) * 8));
            }
        }
    }
};

template <class... Offset>
constexpr Fields fields(Offset... offset) {
    Fields result;
    ((result = result.with(offset)), ...);
    return result;
}

/// The page: its fields read once on entry, answers written through. What lies between them is
/// scratch.h's.
class GhcbView {
  public:
    explicit GhcbView(u8* shared) : page{shared} {
        constexpr u64 last_word = field::version & ~7;
        memcpy(copy, shared, field::bitmap + sizeof(Fields));
        memcpy(copy + last_word, shared + last_word, sizeof(u64));
    }

    u64 get(u16 offset) const {
        u64 value;
        memcpy(&value, copy + offset, sizeof value);
        return value;
    }

    u8 cpl() const { return copy[field::cpl]; }

    /// What stands in PROTOCOL_VERSION.
    u16 written_version() const { return static_cast<u16>(get(field::version & ~7) >> 16); }

    /// By which the call is judged. KVM never looks, so OVMF, which leaves 0 there
    /// (OvmfPkg/Sec/AmdSev.c, SevEsProtocolCheck), must be served.
    u16 version() const { return written_version() == 0 ? u16{1} : written_version(); }

    u32 usage() const { return high_half(get(field::usage & ~7)); }

    Fields valid() const {
        return {
            {get(field::bitmap), get(field::bitmap + 8)}
        };
    }

    /// Withdraws the guest's valid bits: what is valid from here on is the answer.
    void clear_valid() { memset(page + field::bitmap, 0, 16); }

    /// Makes the fields and the bitmap what they were when the guest asked.
    void put_back(u8* to) const { memcpy(to, copy, field::bitmap + sizeof(Fields)); }

    /// Writes a field of the answer and marks it valid.
    void put(u16 offset, u64 value) {
        memcpy(page + offset, &value, sizeof value);
        page[field::bitmap + offset / 64] |= static_cast<u8>(1u << (offset / 8 % 8));
    }

  private:
    u8* page;
    u8 copy[page_size];
};

} // namespace vestibule::sevsim
