// SPDX-License-Identifier: BSD-2-Clause-Patent
// What QEMU's two PC chip sets (PIIX and ICH9) have for it.
#include "sevsim/monitor/hypervisor/machine_end.h"

#include "sevsim/monitor/recording/outcome.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

using x86::Cpu;

namespace {

constexpr u16 pci_data = 0xCFC;

/// Has PCI configuration space's data port show the 32 bits at `offset`, and puts the guest's own
/// address back in the end.
class PciAddress {
  public:
    PciAddress(u32 device, u32 function, u32 offset) {
        constexpr u32 enable = 1u << 31;
        Cpu::out32(port, enable | (device << 11) | (function << 8) | offset);
    }

    ~PciAddress() { Cpu::out32(port, guests); }

    PciAddress(const PciAddress&)            = delete;
    PciAddress& operator=(const PciAddress&) = delete;

  private:
    static constexpr u16 port = 0xCF8;
    u32 guests                = Cpu::in32(port);
};

u32 read_pci(u32 device, u32 function, u32 offset) {
    const PciAddress address{device, function, offset};
    return Cpu::in32(pci_data);
}

void write_pci(u32 device, u32 function, u32 offset, u32 value) {
    const PciAddress address{device, function, offset};
    Cpu::out32(pci_data, value);
}

struct PowerManagement {
    u32 device_id; // vendor in the lower half
    u32 device;
    u32 function;
    u32 enable_register; // of 32 bits
    u32 enable;          // the ACPI registers are where the base register says
};

constexpr PowerManagement chip_sets[] = {
    {0x7113'8086, 0x01, 3, 0x80, 1u << 0}, // PIIX4: PMREGMISC
    {0x2918'8086, 0x1F, 0, 0x44, 1u << 7}, // ICH9: ACPI_CNTL
};

constexpr u32 base_register = 0x40; // of both

/// Where the guest has put the ACPI registers; 0 where there are none.
u16 power_management_base() {
    constexpr u32 base_mask = 0xFFC0;
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

void reset_power_management() {
    for (const PowerManagement& chip : chip_sets) {
        if (read_pci(chip.device, chip.function, 0) == chip.device_id) {
            const u32 value = read_pci(chip.device, chip.function, chip.enable_register);
            write_pci(chip.device, chip.function, chip.enable_register, value & ~chip.enable);
            write_pci(chip.device, chip.function, base_register, 0);
        }
    }
}

u16 moved_power_management(u16 port) {
    constexpr u16 begin = 0x600;
    constexpr u16 end   = 0x640;
    if (port < begin || port >= end) {
        return port;
    }
    const u16 base = power_management_base();
    return base == 0 ? port : static_cast<u16>(base + (port - begin));
}

bool is_power_management_timer(u16 port, unsigned size) {
    constexpr u16 timer = 8; // ACPI specification, section 4.8.3.3
    return size == 4 && (port & 0x3F) == timer && power_management_base() == port - timer;
}

void watch_for_machine_end(u16 port, unsigned size, u32 value) {
    if (resets(port, size, value)) {
        end_run_by_reset();
    }
    if (powers_off(port, size, value)) {
        end_run_by_power_off();
    }
}

} // namespace vestibule::sevsim
