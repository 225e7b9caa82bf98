// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/shared_noise.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

/// Bit n of word n / 64: page n is still without noise.
constinit u64 without[nested::most_memory / page_size / 64]{};
constinit u64 pages_without = 0;

void fill(u64 page) {
    without[page / 64] &= ~bit(page % 64);
    --pages_without;
    const u64 gpa = page * page_size;
    nested::fill_with_noise(layout::at_physical(gpa), page_size, nested::shared_seed ^ gpa);
}

bool has_none(u64 page) {
    return page < nested::most_memory / page_size && (without[page / 64] & bit(page % 64)) != 0;
}

void fill_all() {
    for (u64 page = 0; pages_without != 0; ++page) {
        if (has_none(page)) {
            fill(page);
        }
    }
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

void start_shared_noise(u64 memory_size) {
    using namespace nested;
    for (u64 gpa = 0; gpa < memory_size; gpa += page_size) {
        if (gpa < video_begin || gpa >= video_end) {
            const u64 page = gpa / page_size;
            without[page / 64] |= bit(page % 64);
            ++pages_without;
        }
    }
}

void need_shared_noise(u64 gpa) {
    if (has_none(gpa / page_size)) {
        fill(gpa / page_size);
    }
}

bool has_shared_contents(u64 gpa) { return !has_none(gpa / page_size); }

void before_port_write(u16 port, u32 value) {
    if (pages_without == 0) {
        return;
    }
    bool may_start = prepares_pci_dma(port, value);
    for (const PortRange& range : dma_ports) {
        may_start |= port >= range.first && port <= range.last;
    }
    if (may_start) {
        fill_all();
    }
}

void before_mmio_write(u64 gpa) {
    constexpr u64 board_begin = 0xFEC0'0000; // interrupt controllers, event timer, flash
    constexpr u64 board_end   = u64{4} << 30;
    if (pages_without != 0 && (gpa < board_begin || gpa >= board_end)) {
        fill_all();
    }
}

} // namespace vestibule::sevsim
