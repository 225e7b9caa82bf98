// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/serial_copy.h"

#include "sevsim/monitor/recording/records.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

constinit u8 gathered[512]{};
constinit u64 gathered_count = 0;

} // namespace

void copy_serial(const Options& options, u16 port, unsigned size, u32 value) {
    constexpr u16 data          = 0x3F8;
    constexpr u16 line_control  = data + 3;
    constexpr u8 divisor_access = 0x80;
    if (!options.batch || port != data || size != 1
        || (x86::Cpu::in8(line_control) & divisor_access) != 0) {
        return;
    }
    gathered[gathered_count++] = static_cast<u8>(value);
    if (gathered_count == sizeof gathered) {
        flush_serial_copy();
    }
}

void flush_serial_copy() {
    if (gathered_count != 0) {
        Record("serial").bytes("bytes", gathered, gathered_count).end();
        gathered_count = 0;
    }
}

} // namespace vestibule::sevsim
