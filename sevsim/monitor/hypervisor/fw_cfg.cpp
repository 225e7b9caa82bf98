// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's docs/specs/fw_cfg.txt: a selector port, a data port, and a DMA interface whose registers
// and descriptors are big-endian.
#include "sevsim/monitor/hypervisor/fw_cfg.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "x86/cpu.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

constexpr u16 selector_port = 0x510;
constexpr u16 data_port     = 0x511;
constexpr u16 dma_high_port = 0x514;
constexpr u16 dma_low_port  = 0x518; // writing it starts the transfer

struct DmaDescriptor {
    u32 control; // big-endian, as all of this
    u32 length;
    u64 address;
};

constexpr u32 dma_read   = 1u << 1;
constexpr u32 dma_select = 1u << 3; // the key in the upper half

constinit bool hidden  = false; // the selected item is the monitor's
constinit u32 dma_high = 0;

/// Address, size and data of kernel, initrd, command line and set-up code.
bool is_monitors(u16 key) { return (key >= 0x07 && key <= 0x0B) || (key >= 0x10 && key <= 0x18); }

void fill_with_zeros(u64 gpa, u64 size) {
    while (size != 0) {
        const u64 count = std::min(size, page_size - gpa % page_size);
        u8* const page  = shared_memory(gpa & ~(page_size - 1));
        if (page == nullptr) {
            return;
        }
        memset(page + gpa % page_size, 0, count);
        gpa += count;
        size -= count;
    }
}

/// True where the transfer is one of the monitor's items, and is done.
bool serve_dma(u64 gpa) {
    u8* const page = shared_memory(gpa & ~(page_size - 1));
    if (page == nullptr || gpa % page_size > page_size - sizeof(DmaDescriptor)) {
        return false; // QEMU knows what to make of it
    }
    DmaDescriptor descriptor{};
    memcpy(&descriptor, page + gpa % page_size, sizeof descriptor);
    const u32 control = __builtin_bswap32(descriptor.control);
    if ((control & dma_select) != 0) {
        hidden = is_monitors(static_cast<u16>(control >> 16));
    }
    if (!hidden) {
        return false;
    }
    if ((control & dma_read) != 0) {
        fill_with_zeros(__builtin_bswap64(descriptor.address),
                        __builtin_bswap32(descriptor.length));
    }
    descriptor.control = 0; // done, no error
    memcpy(page + gpa % page_size, &descriptor.control, sizeof descriptor.control);
    return true;
}

} // namespace

bool filter_fw_cfg_read(u16 port, u32& value) {
    if (port != data_port || !hidden) {
        return false;
    }
    value = 0;
    return true;
}

bool filter_fw_cfg_write(u16 port, unsigned size, u32 value) {
    switch (port) {
    case selector_port: hidden = is_monitors(static_cast<u16>(value)); return false;
    case dma_high_port: dma_high = __builtin_bswap32(value); return false;
    case dma_low_port:
        return size == 4 && serve_dma(from_halves(dma_high, __builtin_bswap32(value)));
    default: return false;
    }
}

} // namespace vestibule::sevsim
