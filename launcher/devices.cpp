// SPDX-License-Identifier: BSD-2-Clause-Patent
// See devices.h.
#include "launcher/devices.h"

#include <ctime>
#include <fmt/format.h>

namespace vestibule::launcher {

namespace {
constexpr u16 cmos_index    = 0x70;
constexpr u16 cmos_data     = 0x71;
constexpr u16 dma_pages     = 0x80;
constexpr u16 debug_exit    = 0xF4; // QEMU's isa-debug-exit, as the selftest and sevsim have it
constexpr u16 keyboard      = 0x64;
constexpr u16 pci_address   = 0xCF8; // of a bus without devices
constexpr u16 reset_control = 0xCF9;

constexpr u8 bcd(int value) { return static_cast<u8>(value / 10 << 4 | value % 10); }
} // namespace

u32 Devices::in(u16 port, unsigned size) {
    if (port == pci_address && size == sizeof(pci_address_)) {
        return pci_address_;
    }
    u32 value = 0;
    for (unsigned n = 0; n < size; ++n) {
        value |= u32{in_byte(static_cast<u16>(port + n))} << 8 * n;
    }
    return value;
}

std::optional<End> Devices::out(u16 port, unsigned size, u32 value) {
    if (port == debug_exit) {
        return End{.kind  = End::Kind::exit,
                   .code  = value,
                   .words = fmt::format("the guest exited with code {}", value)};
    }
    // As a whole only: a byte of it is the reset control.
    if (port == pci_address && size == sizeof(pci_address_)) {
        pci_address_ = value;
        return std::nullopt;
    }
    for (unsigned n = 0; n < size; ++n) {
        if (auto end = out_byte(static_cast<u16>(port + n), static_cast<u8>(value >> 8 * n))) {
            return end;
        }
    }
    return std::nullopt;
}

u8 Devices::in_byte(u16 port) {
    if (port >= SerialPort::base && port - SerialPort::base < SerialPort::count) {
        return serial_.read(port - SerialPort::base);
    }
    if (port >= dma_pages && port - dma_pages < std::ssize(dma_page_)) {
        return dma_page_[port - dma_pages];
    }
    return port == cmos_index ? cmos_index_ : port == cmos_data ? clock(cmos_index_) : 0xFF;
}

std::optional<End> Devices::out_byte(u16 port, u8 value) {
    if (port >= SerialPort::base && port - SerialPort::base < SerialPort::count) {
        serial_.write(port - SerialPort::base, value);
    } else if (port >= dma_pages && port - dma_pages < std::ssize(dma_page_)) {
        dma_page_[port - dma_pages] = value;
    } else if (port == cmos_index) {
        cmos_index_ = value & 0x7F; // the top bit masks NMIs
    } else if (port == cmos_data) {
        cmos_[cmos_index_] = value;
    } else if ((port == keyboard && value == 0xFE) || (port == reset_control && (value & 4) != 0)) {
        return End{.kind = End::Kind::reset, .code = 0, .words = "the guest reset the machine"};
    }
    return std::nullopt;
}

/// An MC146818 with the host's time in UTC, BCD and 24 hours, and a PC's memory sizes.
u8 Devices::clock(u8 index) const {
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    tm time{};
    gmtime_r(&now.tv_sec, &time);
    const u64 above_16_mib = memory_ > (u64{16} << 20) ? (memory_ - (u64{16} << 20)) >> 16 : 0;
    switch (index) {
    case 0x0: return bcd(time.tm_sec);
    case 0x2: return bcd(time.tm_min);
    case 0x4: return bcd(time.tm_hour);
    case 0x6: return bcd(time.tm_wday + 1);
    case 0x7: return bcd(time.tm_mday);
    case 0x8: return bcd(time.tm_mon + 1);
    case 0x9: return bcd(time.tm_year % 100);
    // An update begins every second and takes a moment: who waits for its edge must see one.
    case 0xA: return now.tv_nsec > 999'000'000 ? 0xA6 : 0x26;
    case 0xB: return 0x02;
    case 0xC: return 0;
    case 0xD: return 0x80; // the battery is good
    case 0x32: return bcd(19 + time.tm_year / 100);
    case 0x34: return static_cast<u8>(above_16_mib);
    case 0x35: return static_cast<u8>(above_16_mib >> 8);
    default: return cmos_[index];
    }
}

} // namespace vestibule::launcher
