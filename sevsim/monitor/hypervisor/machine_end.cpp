// What QEMU's two PC chip sets (PIIX and ICH9) have for it.
#include "sevsim/monitor/hypervisor/machine_end.h"

#include "sevsim/monitor/outcome.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

using x86::Cpu;

namespace {

/// A 32-bit register in PCI configuration space; the guest's own address register is put back.
u32 read_pci(u32 device, u32 function, u32 offset) {
    constexpr u16 address_port = 0xCF8;
    constexpr u16 data         = 0xCFC;
    constexpr u32 enable       = 1u << 31;
    const u32 guests           = Cpu::in32(address_port);
    Cpu::out32(address_port, enable | (device << 11) | (function << 8) | offset);
    const u32 value = Cpu::in32(data);
    Cpu::out32(address_port, guests);
    return value;
}

struct PowerManagement {
    u32 device_id; // vendor in the lower half
    u32 device;
    u32 function;
};

constexpr PowerManagement chip_sets[] = {
    {0x7113'8086, 0x01, 3}, // PIIX4
    {0x2918'8086, 0x1F, 0}, // ICH9
};

/// Where the guest has put the ACPI registers; 0 where there are none.
u16 power_management_base() {
    constexpr u32 base_register = 0x40; // of both
    constexpr u32 base_mask     = 0xFFC0;
    for (const PowerManagement& chip : chip_sets) {
        if (read_pci(chip.device, chip.function, 0) == chip.device_id) {
            return static_cast<u16>(read_pci(chip.device, chip.function, base_register)
                                    & base_mask);
        }
    }
    return 0;
}

/// SLP_EN in PM1a_CNT (ACPI specification, section 4.8.3.2.1), with the sleep type 0 that QEMU's
/// tables have for S5.
bool powers_off(u16 port, unsigned size, u32 value) {
    constexpr u32 sleep_enable = 1u << 13;
    constexpr u32 sleep_type   = 7u << 10;
    constexpr u16 pm1_control  = 4;
    return size == 2 && (value & (sleep_enable | sleep_type)) == sleep_enable
           && (port & 0x3F) == pm1_control && power_management_base() == port - pm1_control;
}

bool resets(u16 port, unsigned size, u32 value) {
    switch (port) {
    case 0x64: return size == 1 && value == 0xFE;             // keyboard controller: pulse reset
    case 0x92: return size == 1 && (value & 1) != 0;          // fast reset
    case 0xCF9: return size == 1 && (value & (1u << 2)) != 0; // reset control
    default: return false;
    }
}

} // namespace

void watch_for_machine_end(u16 port, unsigned size, u32 value) {
    if (resets(port, size, value)) {
        end_run_by_reset();
    }
    if (powers_off(port, size, value)) {
        end_run_by_power_off();
    }
}

} // namespace vestibule::sevsim
