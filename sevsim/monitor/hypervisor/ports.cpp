// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/ports.h"

#include "sevsim/monitor/hypervisor/fw_cfg.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/hypervisor/machine_end.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/recording/dump.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"
#include "sevsim/monitor/recording/serial_copy.h"
#include "sevsim/monitor/recording/timeline.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

/// The monitor's own line to the host is no device of the guest's: what it says there would be
/// taken for the monitor's word.
bool is_monitor_port(u16 port, unsigned size) {
    if (port > record_port || port + size <= record_port) {
        return false;
    }
    report_violation(Rule::monitor_port, "access to the monitor's record port");
    return true;
}

/// Through these QEMU's ACPI tables ask whether there is a memory device
/// (docs/specs/acpi_mem_hotplug.txt). There is one, but it is the monitor's.
bool is_memory_hotplug(u16 port) { return port >= 0xA00 && port < 0xA18; }

/// Firmware waits by reading a timer until enough time has gone by. Where the clock counts
/// instructions, none goes by between two reads but theirs, a few microseconds: the fewer the
/// monitor needs for a read, the more of them there are, each of three VMRUNs. So a read takes
/// longer there, in a loop that costs next to nothing.
void let_time_pass() {
    constexpr u32 microseconds = 20;
    constexpr u32 rounds       = microseconds * 1000 / 2; // of two instructions, a nanosecond each
    for (u32 n = 0; n < rounds; ++n) {
        asm volatile("");
    }
}

} // namespace

u32 read_guest_port(const Options& options, u16 port, unsigned size) {
    if (is_monitor_port(port, size)) {
        return ~u32{0};
    }
    u32 filtered = 0;
    if (filter_fw_cfg_read(port, filtered) || is_memory_hotplug(port)) {
        return filtered;
    }
    port = moved_power_management(port);
    if (options.counted_time && is_power_management_timer(port, size)) {
        let_time_pass();
    }
    switch (size) {
    case 1: return x86::Cpu::in8(port);
    case 2: return x86::Cpu::in16(port);
    default: return x86::Cpu::in32(port);
    }
}

void write_guest_port(const Options& options, u16 port, unsigned size, u32 value) {
    leaks::look_at_value(options, value, "to a port");
    if (port == debug_exit_port) {
        end_run_by_exit(value);
    }
    if (port == dump_port) {
        dump(options, value, size);
        return;
    }
    if (is_monitor_port(port, size) || filter_fw_cfg_write(port, size, value)) {
        return;
    }
    port = moved_power_management(port);
    watch_for_machine_end(port, size, value);
    before_port_write(port, value);
    constexpr u16 first_serial_port = 0x3F8;
    if (port == first_serial_port && size == 1 && (value & 0xFF) == '\n') {
        note_serial_line();
    }
    copy_serial(options, port, size, value);
    switch (size) {
    case 1: x86::Cpu::out8(port, static_cast<u8>(value)); break;
    case 2: x86::Cpu::out16(port, static_cast<u16>(value)); break;
    default: x86::Cpu::out32(port, value); break;
    }
}

} // namespace vestibule::sevsim
