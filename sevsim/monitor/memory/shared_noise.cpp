// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/shared_noise.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/page_set.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "x86/cpu.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

constinit PageSet with_contents{}; // noise, or what somebody has written since
constinit bool has_noise     = false;
constinit bool is_snp        = false;
constinit u64 memory_end     = 0;
constinit bool devices_write = false; // or may do so: of other pages nobody knows

void fill(u64 page) {
    with_contents.add(page);
    nested::fill_with_noise(layout::at_physical(page), page_size, nested::shared_seed ^ page);
}

/// Devices write to what the guest has shared. Under SEV-SNP it says so, now and later
/// (become_shared).
void prepare_for_devices() {
    constexpr u64 most = u64{2} << 30; // it takes the host that memory, and its time
    const u64 end      = is_snp ? memory_end : std::min(memory_end, most);
    for (u64 page = 0; page < end; page += page_size) {
        if (is_guest_memory(page) && (!is_snp || reverse_map::at(page).was_shared)
            && !with_contents.has(page)) {
            fill(page);
        }
    }
    devices_write = true;
}

struct PortRange {
    u16 first;
    u16 last;
};

/// Ports of what can do DMA, or be told to: ISA's controllers, QEMU's fw_cfg, and wherever firmware
/// puts what is on PCI. The board's own timers, interrupt controllers and serial ports are none of
/// these.
constexpr PortRange dma_ports[] = {
    {0x0000, 0x000F},
    {0x00C0, 0x00DF},
    {0x0514, 0x051B},
    {0x1000, 0xADFF},
    {0xB000, 0xFFFF},
};

constexpr u16 pci_address = 0xCF8;
constexpr u16 pci_data    = 0xCFC;

/// Whether the PCI function that `address` selects is a bridge, as the chip set's are: the class
/// code in the third register.
bool is_bridge(u32 address) {
    constexpr u32 bridge = 0x06;
    x86::Cpu::out32(pci_address, (address & ~u32{0xFF}) | 8);
    const u32 code = x86::Cpu::in32(pci_data) >> 24;
    x86::Cpu::out32(pci_address, address);
    return code == bridge;
}

/// A write to PCI configuration space that lets a device be bus master, or that goes behind its
/// header, to its capabilities, through one of which virtio devices can be reached.
bool prepares_pci_dma(u16 port, u32 value) {
    constexpr u32 command    = 0x04;
    constexpr u32 bus_master = 1u << 2;
    constexpr u32 header_end = 0x40;
    if (port < pci_data || port > pci_data + 3) {
        return false;
    }
    const u32 address = x86::Cpu::in32(pci_address);
    const u32 offset  = address & 0xFC;
    const bool master = offset == command && port == pci_data && (value & bus_master) != 0;
    return (master || offset >= header_end) && !is_bridge(address);
}

} // namespace

void start_shared_noise(const Options& options) {
    has_noise  = true;
    is_snp     = options.is_snp();
    memory_end = options.map().end();
    with_contents.make(memory_end);
}

void need_shared_noise(u64 gpa) {
    const u64 page = gpa & ~(page_size - 1);
    if (has_noise && !devices_write && !with_contents.has(page)) {
        fill(page);
    }
}

void become_shared(u64 page) {
    if (devices_write && !with_contents.has(page)) {
        fill(page);
    }
}

bool has_shared_contents(u64 gpa) {
    return !has_noise || devices_write || with_contents.has(gpa & ~(page_size - 1));
}

void before_port_write(u16 port, u32 value) {
    if (!has_noise || devices_write) {
        return;
    }
    bool may_start = prepares_pci_dma(port, value);
    for (const PortRange& range : dma_ports) {
        may_start |= port >= range.first && port <= range.last;
    }
    if (may_start) {
        prepare_for_devices();
    }
}

void before_mmio_write(u64 gpa) {
    constexpr u64 board_begin = 0xFEC0'0000; // interrupt controllers, event timer, flash
    constexpr u64 board_end   = four_gib;
    if (has_noise && !devices_write && (gpa < board_begin || gpa >= board_end)) {
        prepare_for_devices();
    }
}

} // namespace vestibule::sevsim
