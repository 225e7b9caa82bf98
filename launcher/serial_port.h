// SPDX-License-Identifier: BSD-2-Clause-Patent
// COM1: a 16550A as polling guests and Linux's 8250 driver use it (National Semiconductor
// PC16550D). Transmission takes no time.
#pragma once

#include "x86/types.h"

#include <deque>
#include <functional>
#include <string_view>

namespace vestibule::launcher {

class SerialPort {
  public:
    static constexpr u16 base  = 0x3F8;
    static constexpr u16 count = 8;
    static constexpr u32 irq   = 4;

    /// `transmit` takes a byte that the guest sends, `interrupt` the level of the IRQ line whenever
    /// it changes.
    SerialPort(std::function<void(u8)> transmit, std::function<void(bool)> interrupt)
        : transmit_(std::move(transmit)), interrupt_(std::move(interrupt)) {}

    [[nodiscard]] u8 read(u16 offset);
    void write(u16 offset, u8 value);

    /// What was typed. More than the guest takes is kept for it, up to 4096 bytes.
    void receive(std::string_view bytes);

  private:
    void update();
    void send(u8 value);

    [[nodiscard]] bool divisor_latched() const { return (line_control_ & 0x80) != 0; }

    [[nodiscard]] bool loops_back() const { return (modem_control_ & 0x10) != 0; }

    std::function<void(u8)> transmit_;
    std::function<void(bool)> interrupt_;
    std::deque<u8> received_;
    u8 divisor_[2]       = {1, 0};
    u8 interrupt_enable_ = 0;
    u8 fifo_control_     = 0;
    u8 line_control_     = 3;
    u8 modem_control_    = 0;
    u8 scratch_          = 0;
    bool sent_           = false; // the transmitter's interrupt is pending
    bool level_          = false;
};

} // namespace vestibule::launcher
