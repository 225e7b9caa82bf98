// SPDX-License-Identifier: BSD-2-Clause-Patent
// See serial_port.h. Registers by their offset, in the data sheet's order.
#include "launcher/serial_port.h"

namespace vestibule::launcher {

namespace {
constexpr u8 data_ready        = 0x01; // of the line status
constexpr u8 transmitter_empty = 0x60;
constexpr u8 enable_received   = 0x01; // of the interrupt enable register
constexpr u8 enable_sent       = 0x02;
constexpr u8 enable_fifo       = 0x01; // of the FIFO control register
constexpr u8 out2              = 0x08; // of the modem control: the gate of the IRQ line
constexpr u64 most_received    = 4096;
} // namespace

u8 SerialPort::read(u16 offset) {
    switch (offset) {
    case 0: {
        if (divisor_latched()) {
            return divisor_[0];
        }
        u8 value = 0;
        if (!received_.empty()) {
            value = received_.front();
            received_.pop_front();
            update();
        }
        return value;
    }
    case 1: return divisor_latched() ? divisor_[1] : interrupt_enable_;
    case 2: { // identification: the pending interrupt of the highest priority
        const u8 fifo = (fifo_control_ & enable_fifo) != 0 ? 0xC0 : 0;
        if ((interrupt_enable_ & enable_received) != 0 && !received_.empty()) {
            return fifo | 4;
        }
        if ((interrupt_enable_ & enable_sent) != 0 && sent_) {
            sent_ = false; // by this very read
            update();
            return fifo | 2;
        }
        return fifo | 1;
    }
    case 3: return line_control_;
    case 4: return modem_control_;
    case 5: return received_.empty() ? transmitter_empty : transmitter_empty | data_ready;
    case 6: { // modem status: in a loop what the modem control drives, otherwise a ready terminal
        constexpr u8 ready = 0xB0;
        const u8 driven    = modem_control_;
        const auto looped =
            static_cast<u8>((driven & 2) << 3 | (driven & 1) << 5 | (driven & 0xC) << 4);
        return loops_back() ? looped : ready;
    }
    default: return scratch_;
    }
}

void SerialPort::write(u16 offset, u8 value) {
    switch (offset) {
    case 0:
        if (divisor_latched()) {
            divisor_[0] = value;
        } else {
            send(value);
        }
        break;
    case 1:
        if (divisor_latched()) {
            divisor_[1] = value;
        } else {
            sent_             = sent_ || (value & ~interrupt_enable_ & enable_sent) != 0;
            interrupt_enable_ = value & 0xF;
        }
        break;
    case 2:
        fifo_control_ = value;
        if ((value & 2) != 0) {
            received_.clear();
        }
        break;
    case 3: line_control_ = value; break;
    case 4: modem_control_ = value & 0x1F; break;
    case 7: scratch_ = value; break;
    default: break; // status registers are read-only
    }
    update();
}

void SerialPort::send(u8 value) {
    if (!loops_back()) {
        transmit_(value);
    } else if (received_.size() < most_received) {
        received_.push_back(value);
    }
    sent_ = true;
}

void SerialPort::receive(std::string_view bytes) {
    for (const char byte : bytes) {
        if (received_.size() < most_received) {
            received_.push_back(static_cast<u8>(byte));
        }
    }
    update();
}

void SerialPort::update() {
    const bool pending = ((interrupt_enable_ & enable_received) != 0 && !received_.empty())
                         || ((interrupt_enable_ & enable_sent) != 0 && sent_);
    const bool level = pending && (modem_control_ & out2) != 0;
    if (level != level_) {
        level_ = level;
        interrupt_(level);
    }
}

} // namespace vestibule::launcher
