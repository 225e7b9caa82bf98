// SPDX-License-Identifier: BSD-2-Clause-Patent
// Ports and device memory for the oracle's own use: natively by instructions, under SEV-ES by calls
// through the GHCB page filled in by hand, so that the handler under test has no part in what is
// prepared and what is looked at.
#pragma once

#include "qemu-tests/guests/raw_call.h"

namespace vestibule::oracle {

class Devices {
  public:
    explicit Devices(bool native) : is_native{native} {}

    void out8(u16 port, u8 value) const {
        if (is_native) {
            x86::Cpu::out8(port, value);
        } else {
            raw_out(port, 1, value);
        }
    }

    void out16(u16 port, u16 value) const {
        if (is_native) {
            x86::Cpu::out16(port, value);
        } else {
            raw_out(port, 2, value);
        }
    }

    void out32(u16 port, u32 value) const {
        if (is_native) {
            x86::Cpu::out32(port, value);
        } else {
            raw_out(port, 4, value);
        }
    }

    u8 in8(u16 port) const {
        return is_native ? x86::Cpu::in8(port) : static_cast<u8>(raw_in(port, 1));
    }

    u32 in32(u16 port) const {
        return is_native ? x86::Cpu::in32(port) : low_half(raw_in(port, 4));
    }

    u64 read(u64 gpa) const {
        if (is_native) {
            return *reinterpret_cast<const volatile u64*>(gpa);
        }
        ghcb::Page& page = mmio(x86::ExitCode::mmio_read, gpa);
        guests::send(page);
        return *buffer(page);
    }

    void write(u64 gpa, u64 value) const {
        if (is_native) {
            *reinterpret_cast<volatile u64*>(gpa) = value;
            return;
        }
        ghcb::Page& page = mmio(x86::ExitCode::mmio_write, gpa);
        *buffer(page)    = value;
        guests::send(page);
    }

    /// A 64-bit word for the dump.
    void dump(u64 value) const {
        constexpr u16 port = 0x5EA;
        out32(port, low_half(value));
        out32(port, high_half(value));
    }

  private:
    /// SW_EXITINFO1 of a port access with 64-bit addresses.
    static u64 access(u16 port, unsigned size, bool in) {
        return (u64{port} << 16) | bit(9) | (u64{size} << 4) | u64{in};
    }

    static void raw_out(u16 port, unsigned size, u32 value) {
        ghcb::Page& page = guests::prepare(x86::ExitCode::ioio, access(port, size, false), 0,
                                           guests::FieldSet::of(guests::Field::rax));
        page.rax         = value;
        guests::send(page);
    }

    static u64 raw_in(u16 port, unsigned size) {
        return guests::send(guests::prepare(x86::ExitCode::ioio, access(port, size, true), 0, {}))
            .rax;
    }

    static ghcb::Page& mmio(x86::ExitCode code, u64 gpa) {
        ghcb::Page& page = guests::prepare(code, gpa, sizeof(u64),
                                           guests::FieldSet::of(guests::Field::sw_scratch));
        page.sw_scratch  = guests::ghcb_gpa() + offsetof(ghcb::Page, shared_buffer);
        return page;
    }

    static volatile u64* buffer(ghcb::Page& page) {
        return reinterpret_cast<volatile u64*>(page.shared_buffer);
    }

    bool is_native;
};

} // namespace vestibule::oracle
