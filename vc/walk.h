// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's page tables, walked as the CPU would for a data access (APM volume 2, section 5.3 and
// 5.6): where a linear address leads, whether that memory is private, or the #PF it deserves.
#pragma once

#include "vc/context.h"
#include "x86/page_table.h"
#include "x86/registers.h"
#include "x86/types.h"

namespace vestibule::vc {

/// What #PF pushes (section 8.4.2); the accesses' own bits serve as the question too.
namespace page_fault {
inline constexpr u32 present  = 1 << 0; // rights, not absence
inline constexpr u32 write    = 1 << 1;
inline constexpr u32 user     = 1 << 2;
inline constexpr u32 reserved = 1 << 3;
inline constexpr u32 fetch    = 1 << 4;
inline constexpr u32 by_key   = 1 << 5;
} // namespace page_fault

struct Translation {
    u64 gpa         = 0;
    bool is_private = false;
    bool faults     = false;
    u32 error_code  = 0; // of the #PF
};

constexpr Translation reserved_bit(u32 access) {
    return {.faults = true, .error_code = access | page_fault::present | page_fault::reserved};
}

/// Whether the protection key of a user page keeps data accesses from it, the kernel's too (section
/// 5.6.7). Instructions are fetched whatever it says.
template <class Cpu>
[[gnu::noinline, clang::minsize]] bool key_denies(u64 entry, u32 access, bool write_protects) {
    constexpr unsigned access_disable = 1;
    constexpr unsigned write_disable  = 2;
    if ((Cpu::cr4() & x86::cr4::pke) == 0 || (access & page_fault::fetch) != 0) {
        return false;
    }
    const unsigned key    = static_cast<unsigned>(entry >> x86::PageTableEntry::key_shift) & 15;
    const unsigned rights = Cpu::pkru() >> (2 * key);
    return (rights & access_disable) != 0
           || ((rights & write_disable) != 0 && (access & page_fault::write) != 0
               && write_protects);
}

/// `access` is any of page_fault::write, page_fault::user and page_fault::fetch. `rflags` are the
/// interrupted ones: their AC lifts SMAP.
///
/// Tables of a process, or what the kernel does to them, can be gone before we have read them: a
/// read that faults is a page that is not there. `own` tables are the kernel's that nobody takes
/// away.
template <class Cpu, bool own = false>
[[gnu::noinline]] Translation walk(const Context& context, u64 linear, u32 access, u64 rflags) {
    using x86::PageTableEntry;
    constexpr u64 addresses = PageTableEntry::address_mask;
    const u64 cr4           = Cpu::cr4();
    const u64 physical      = context.page_addresses;
    const u64 reserved      = addresses & ~(physical | context.c_bit);

    // The address's indices come to the top of `path` one after the other.
    unsigned shift = (cr4 & x86::cr4::la57) != 0 ? 48 : 39;
    u64 path       = linear << (64 - 9 - shift);
    u64 entry      = Cpu::cr3();
    u64 rights     = ~u64{0};
    u64 offset     = page_size - 1; // the bits of the address that the entry leaves to its page
    for (;;) {
        const u64 table = context.direct_map + (entry & physical);
        const u64 place = table + (path >> 55) * sizeof(u64);
        if constexpr (Cpu::serves_kernel && !own) {
            if (!Cpu::load(place, sizeof(u64), entry)) {
                return {.faults = true, .error_code = access};
            }
        } else {
            entry = *reinterpret_cast<const volatile u64*>(place);
        }
        if ((entry & PageTableEntry::present) == 0) {
            return {.faults = true, .error_code = access};
        }
        if ((entry & reserved) != 0) {
            return reserved_bit(access);
        }
        rights &= entry;
        if (shift == 12) {
            break;
        }
        if ((entry & PageTableEntry::large) != 0) {
            // None above 1 GiB, and no address bits below its size but the PAT bit's.
            offset = bit(shift) - 1;
            const u64 forbidden =
                shift > 30 ? PageTableEntry::large : offset & addresses & ~PageTableEntry::pat;
            if ((entry & forbidden) != 0) {
                return reserved_bit(access);
            }
            break;
        }
        path <<= 9;
        shift -= 9;
    }

    const bool user       = (access & page_fault::user) != 0;
    const bool user_page  = (rights & PageTableEntry::user) != 0;
    const bool write      = (access & page_fault::write) != 0;
    const bool write_page = (rights & PageTableEntry::writable) != 0;
    const bool smap       = (cr4 & x86::cr4::smap) != 0 && (rflags & x86::rflags::ac) == 0;
    if constexpr (Cpu::serves_kernel) {
        if (user_page && key_denies<Cpu>(entry, access, user || (Cpu::cr0() & x86::cr0::wp) != 0)) {
            return {.faults     = true,
                    .error_code = access | page_fault::present | page_fault::by_key};
        }
    }
    if ((user ? !user_page : user_page && smap)
        || (write && !write_page && (user || (Cpu::cr0() & x86::cr0::wp) != 0))) {
        return {.faults = true, .error_code = access | page_fault::present};
    }
    return {.gpa        = (entry & physical & ~offset) | (linear & offset),
            .is_private = (entry & context.c_bit) != 0};
}

} // namespace vestibule::vc
