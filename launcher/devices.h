// SPDX-License-Identifier: BSD-2-Clause-Patent
// The machine's I/O ports: what is not here reads as ones and takes writes in silence. What KVM has
// itself (interrupt controllers, timer) never comes here.
#pragma once

#include "launcher/serial_port.h"

#include <optional>
#include <string>

namespace vestibule::launcher {

/// How a guest ended.
struct End {
    enum class Kind : u8 {
        exit, ///< by the debug exit port; `code` is what was written
        power_off,
        reset,
        terminated, ///< by the GHCB protocol
        shutdown,   ///< triple fault
        failed,     ///< the CPU or KVM gave up
        timed_out,
        interrupted, ///< by a signal; `code` is which
    };

    Kind kind;
    u64 code;
    std::string words;
};

class Devices {
  public:
    /// `memory` in bytes, below 4 GiB, as the CMOS tells it; for `transmit` and `interrupt` see
    /// SerialPort.
    Devices(u64 memory, std::function<void(u8)> transmit, std::function<void(bool)> interrupt)
        : serial_(std::move(transmit), std::move(interrupt)), memory_(memory) {}

    SerialPort& serial() { return serial_; }

    /// `size` is 1, 2 or 4 bytes.
    [[nodiscard]] u32 in(u16 port, unsigned size);

    /// The end, where this was one.
    std::optional<End> out(u16 port, unsigned size, u32 value);

  private:
    [[nodiscard]] u8 in_byte(u16 port);
    std::optional<End> out_byte(u16 port, u8 value);
    [[nodiscard]] u8 clock(u8 index) const;

    SerialPort serial_;
    u64 memory_;
    u32 pci_address_ = 0;
    u8 cmos_index_   = 0;
    u8 cmos_[128]    = {};
    u8 dma_page_[16] = {}; // read by nobody but who has written them
};

} // namespace vestibule::launcher
