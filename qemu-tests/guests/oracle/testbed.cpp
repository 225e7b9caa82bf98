// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/oracle/testbed.h"

#include "qemu-tests/guests/oracle/layout.h"
#include "qemu-tests/guests/oracle/machine.h"

namespace vestibule::oracle {

namespace {

// QEMU's configuration device, and the file that the test gives it.
constexpr u16 config_selector  = 0x510;
constexpr u16 config_directory = 0x19;
constexpr char text_name[]     = "opt/vestibule/text";

// The two PICs.
constexpr u16 pic_command[2] = {0x20, 0xA0};
constexpr u16 pic_data[2]    = {0x21, 0xA1};

/// pc-testdev raises and lowers interrupt lines.
constexpr u16 irq_lines = 0x2000;
constexpr u8 irq        = 5;
constexpr u8 mask_all   = 0xFF;

u32 big_endian32(const Devices& devices) {
    u32 value = 0;
    for (unsigned n = 0; n < sizeof value; ++n) {
        value = (value << 8) | devices.in8(port_text);
    }
    return value;
}

/// The selector of the text, 0 where there is none.
u16 find_text(const Devices& devices) {
    devices.out16(config_selector, config_directory);
    for (u32 left = big_endian32(devices); left != 0; --left) {
        (void)big_endian32(devices); // its size
        const u16 selector = static_cast<u16>(big_endian32(devices) >> 16);
        bool is_text       = true;
        for (unsigned n = 0; n < 56; ++n) {
            const u8 byte = devices.in8(port_text);
            if (n < sizeof text_name && byte != static_cast<u8>(text_name[n])) {
                is_text = false;
            }
        }
        if (is_text) {
            return selector;
        }
    }
    return 0;
}

/// From scratch, so that nothing of an earlier row is pending: IRQ 0 to 15 at vectors 32 to 47.
void reset_pics(const Devices& devices, u8 mask) {
    constexpr u8 initialise      = 0x11;
    constexpr u8 vector[2]       = {first_irq, first_late_irq};
    constexpr u8 connected_at[2] = {1 << 2, 2};
    for (unsigned n = 0; n < 2; ++n) {
        devices.out8(pic_command[n], initialise);
        devices.out8(pic_data[n], vector[n]);
        devices.out8(pic_data[n], connected_at[n]);
        devices.out8(pic_data[n], 1);
        devices.out8(pic_data[n], n == 0 ? mask : mask_all);
    }
}

} // namespace

void Testbed::start() {
    text = find_text(devices);
    reset_pics(devices, mask_all);
}

void Testbed::rewind_text() const { devices.out16(config_selector, text); }

void Testbed::raise_interrupt() const {
    reset_pics(devices, static_cast<u8>(~(1u << irq)));
    devices.out8(irq_lines + irq, 1);
}

bool Testbed::lower_interrupt() const {
    constexpr u8 read_requests = 0x0A;
    devices.out8(pic_command[0], read_requests);
    const bool is_pending = (devices.in8(pic_command[0]) & (1u << irq)) != 0;
    devices.out8(irq_lines + irq, 0);
    reset_pics(devices, mask_all);
    return is_pending;
}

} // namespace vestibule::oracle
