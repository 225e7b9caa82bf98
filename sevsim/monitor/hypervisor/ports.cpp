#include "sevsim/monitor/hypervisor/ports.h"

#include "sevsim/monitor/dump.h"
#include "sevsim/monitor/outcome.h"
#include "sevsim/monitor/records.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

/// The monitor's own line to the host is no device of the guest's: what it says there would be
/// taken for the monitor's word.
bool is_monitor_port(u16 port, unsigned size) {
    if (port > record_port || port + size <= record_port) {
        return false;
    }
    report_violation("monitor-port", "access to the monitor's record port");
    return true;
}

} // namespace

u32 read_guest_port(u16 port, unsigned size) {
    if (is_monitor_port(port, size)) {
        return ~u32{0};
    }
    switch (size) {
    case 1: return x86::Cpu::in8(port);
    case 2: return x86::Cpu::in16(port);
    default: return x86::Cpu::in32(port);
    }
}

void write_guest_port(const Options& options, u16 port, unsigned size, u32 value) {
    if (port == debug_exit_port) {
        end_run_by_exit(value);
    }
    if (port == dump_port) {
        dump(options, value, size);
        return;
    }
    if (is_monitor_port(port, size)) {
        return;
    }
    switch (size) {
    case 1: x86::Cpu::out8(port, static_cast<u8>(value)); break;
    case 2: x86::Cpu::out16(port, static_cast<u16>(value)); break;
    default: x86::Cpu::out32(port, value); break;
    }
}

} // namespace vestibule::sevsim
