// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory operands of the interrupted code: from an offset in a segment to bytes that may be
// touched, or to the exception that the access would have raised.
#pragma once

#include "ghcb/outcome.h"
#include "vc/refuse.h"
#include "vc/request.h"
#include "vc/segments.h"
#include "vc/walk.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// One access of 1, 2, 4 or 8 bytes, never split.
[[gnu::noinline]] inline u64 load(const volatile void* from, u8 size) {
    switch (size) {
    case 1: return *static_cast<const volatile u8*>(from);
    case 2: return *static_cast<const volatile u16*>(from);
    case 4: return *static_cast<const volatile u32*>(from);
    default: return *static_cast<const volatile u64*>(from);
    }
}

[[gnu::noinline]] inline void store(volatile void* to, u8 size, u64 value) {
    switch (size) {
    case 1: *static_cast<volatile u8*>(to) = static_cast<u8>(value); break;
    case 2: *static_cast<volatile u16*>(to) = static_cast<u16>(value); break;
    case 4: *static_cast<volatile u32*>(to) = static_cast<u32>(value); break;
    default: *static_cast<volatile u64*>(to) = value; break;
    }
}

/// The same for memory of the interrupted code. False where that is gone: another CPU may take a
/// page away between our look at the page tables and this.
template <class Cpu>
bool try_load(u64 linear, u8 size, u64& value) {
    if constexpr (Cpu::serves_kernel) {
        return Cpu::load(linear, size, value);
    }
    value = load(reinterpret_cast<const volatile void*>(linear), size);
    return true;
}

template <class Cpu>
bool try_store(u64 linear, u8 size, u64 value) {
    if constexpr (Cpu::serves_kernel) {
        return Cpu::store(linear, size, value);
    }
    store(reinterpret_cast<volatile void*>(linear), size, value);
    return true;
}

/// One element, reachable with the rights that the interrupted code has.
struct Place {
    u64 linear        = 0;
    u64 gpa           = 0;
    bool is_private   = false; // all of it
    bool crosses_page = false; // gpa is that of its first byte
};

template <class Cpu>
class Reach {
  public:
    Reach(const Request& request, Segment segment, bool write)
        : request{request}, view{view_segment<Cpu>(request, segment, write)},
          access{(write ? page_fault::write : 0) | (request.code.cpl == 3 ? page_fault::user : 0)} {
    }

    /// Where `size` bytes at `offset` are. An exception leaves CR2 as the CPU would.
    [[gnu::noinline, clang::minsize]] ghcb::Outcome find(u64 offset, u8 size, Place& place) {
        if (!view.linear(offset, size, place.linear)) {
            return ghcb::Outcome::raise(view.vector);
        }
        const u64 last     = place.linear + size - 1;
        place.crosses_page = ((place.linear ^ last) & ~(page_size - 1)) != 0;
        u64 address        = place.linear;
        for (;;) {
            const Translation translation =
                walk<Cpu>(request.context, address, access, request.frame.rflags);
            if (translation.faults) {
                Cpu::set_cr2(address);
                return ghcb::Outcome::raise(x86::exception::page_fault, translation.error_code);
            }
            if (address == place.linear) {
                place.gpa        = translation.gpa;
                place.is_private = translation.is_private;
            }
            if constexpr (Cpu::serves_kernel) {
                place.is_private = place.is_private && translation.is_private;
            }
            if (!place.crosses_page || address != place.linear) {
                return ghcb::Outcome::done();
            }
            address = last & ~(page_size - 1);
        }
    }

    /// For what find() has found, and what is not there any more: as if it never had been.
    ghcb::Outcome lost(const Place& place) const {
        Cpu::set_cr2(place.linear);
        return ghcb::Outcome::raise(x86::exception::page_fault, access);
    }

    /// The same as find() for what was found before.
    bool linear(u64 offset, u8 size, u64& address) const {
        return view.linear(offset, size, address);
    }

  private:
    const Request& request;
    SegmentView view;
    u32 access;
};

/// One element of `segment`.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome
find_place(const Request& request, Segment segment, bool write, u64 offset, u8 size, Place& place) {
    return Reach<Cpu>{request, segment, write}.find(offset, size, place);
}

/// SMAP does not keep the handler from memory that the interrupted code may touch.
template <class Cpu>
class UserAccess {
  public:
    explicit UserAccess(bool needed = true) : smap{needed && (Cpu::cr4() & x86::cr4::smap) != 0} {
        if (smap) {
            Cpu::allow_user_access();
        }
    }

    UserAccess(const UserAccess&)            = delete;
    UserAccess& operator=(const UserAccess&) = delete;

    ~UserAccess() {
        if (smap) {
            Cpu::forbid_user_access();
        }
    }

  private:
    bool smap;
};

} // namespace vestibule::vc
