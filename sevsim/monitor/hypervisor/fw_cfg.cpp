// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's docs/specs/fw_cfg.txt: a selector port, a data port, and a DMA interface whose registers
// and descriptors are big-endian.
#include "sevsim/monitor/hypervisor/fw_cfg.h"

#include "sevsim/monitor/hypervisor/lies.h"
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
constexpr u32 dma_skip   = 1u << 2;
constexpr u32 dma_write  = 1u << 4;
constexpr u32 dma_select = 1u << 3; // the key in the upper half

constinit bool hidden  = false; // the selected item is the monitor's
constinit u32 dma_high = 0;

/// Address, size and data of kernel, initrd, command line and set-up code.
bool is_monitors(u16 key) { return (key >= 0x07 && key <= 0x0B) || (key >= 0x10 && key <= 0x18); }

/// A kernel of the guest's own, as QEMU divides it.
struct Offer {
    std::span<const u8> setup, kernel, command_line, initrd;
};

constinit Offer offer{};
constinit u16 selected = 0;
constinit u64 altered  = ~u64{0}; // an item that is not told as it is
constinit u64 offset   = 0;       // in the selected item, where it is the monitor's
constinit u64 had      = 0;       // bytes of it that the guest has had, where it is QEMU's

u8 byte_of(std::span<const u8> item) { return offset < item.size() ? item[offset] : u8{0}; }

u8 byte_of_size(std::span<const u8> item) {
    return offset < sizeof(u32) ? static_cast<u8>(item.size() >> (8 * offset)) : u8{0};
}

u8 next_byte() {
    u8 byte = 0;
    switch (selected) {
    case 0x08: byte = byte_of_size(offer.kernel); break;
    case 0x0B: byte = byte_of_size(offer.initrd); break;
    case 0x14: byte = byte_of_size(offer.command_line); break;
    case 0x17: byte = byte_of_size(offer.setup); break;
    case 0x11: byte = byte_of(offer.kernel); break;
    case 0x12: byte = byte_of(offer.initrd); break;
    case 0x15: byte = byte_of(offer.command_line); break;
    case 0x18: byte = byte_of(offer.setup); break;
    default: break;
    }
    byte ^= offset == 0 && selected == altered ? u8{1} : u8{0};
    ++offset;
    return byte;
}

void select(u16 key) {
    hidden   = is_monitors(key);
    selected = key;
    offset   = 0;
    had      = 0;
}

/// The next bytes of the item that is selected in QEMU.
void take_from_qemu(void* into, u64 size) {
    for (u64 n = 0; n < size; ++n) {
        static_cast<u8*>(into)[n] = x86::Cpu::in8(data_port);
    }
}

void fill_from_item(u64 gpa, u64 size) {
    while (size != 0) {
        const u64 count = std::min(size, page_size - gpa % page_size);
        u8* const page  = shared_memory(gpa & ~(page_size - 1));
        if (page == nullptr) {
            return;
        }
        for (u64 n = 0; n < count; ++n) {
            page[gpa % page_size + n] = next_byte();
        }
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
        select(static_cast<u16>(control >> 16));
    }
    if (!hidden) {
        const bool moves = (control & (dma_read | dma_skip | dma_write)) != 0;
        had += moves ? __builtin_bswap32(descriptor.length) : 0;
        return false;
    }
    if ((control & dma_read) != 0) {
        fill_from_item(__builtin_bswap64(descriptor.address), __builtin_bswap32(descriptor.length));
    }
    descriptor.control = 0; // done, no error
    memcpy(page + gpa % page_size, &descriptor.control, sizeof descriptor.control);
    return true;
}

} // namespace

void offer_kernel(const Options& options, std::span<const u8> kernel,
                  std::span<const u8> command_line, std::span<const u8> initrd) {
    if (tells(options, Lie::fw_cfg_altered)) {
        altered = options.hostile.find(Lie::fw_cfg_altered)->code;
    }
    constexpr u64 sectors_at  = 0x1F1; // Linux Documentation/arch/x86/boot.rst, setup_sects
    constexpr u64 sector_size = 512;
    const u64 sectors         = kernel.size() > sectors_at ? kernel[sectors_at] : u8{0};
    const u64 setup           = std::min((sectors + 1) * sector_size, kernel.size());
    offer                     = {.setup        = kernel.first(setup),
                                 .kernel       = kernel.subspan(setup),
                                 .command_line = command_line,
                                 .initrd       = initrd};
}

bool read_host_file(std::string_view name, std::span<char> into) {
    struct File { // big-endian
        u32 size;
        u16 key;
        u16 reserved;
        char name[56];
    };

    constexpr u16 directory = 0x19;
    u32 count               = 0;
    u16 key                 = 0;
    x86::Cpu::out16(selector_port, directory);
    take_from_qemu(&count, sizeof count);
    for (count = __builtin_bswap32(count); count != 0; --count) {
        File file{};
        take_from_qemu(&file, sizeof file);
        file.name[sizeof file.name - 1] = '\0';
        key                             = name == file.name ? __builtin_bswap16(file.key) : key;
    }
    if (key != 0) {
        x86::Cpu::out16(selector_port, key);
        take_from_qemu(into.data(), into.size());
    }
    x86::Cpu::out16(selector_port, selected);
    for (u64 n = 0; n < had; ++n) {
        x86::Cpu::in8(data_port);
    }
    return key != 0;
}

bool filter_fw_cfg_read(u16 port, u32& value) {
    if (port != data_port || !hidden) {
        had += port == data_port ? 1 : 0;
        return false;
    }
    value = next_byte();
    return true;
}

bool filter_fw_cfg_write(u16 port, unsigned size, u32 value) {
    switch (port) {
    case selector_port: select(static_cast<u16>(value)); return false;
    case dma_high_port: dma_high = __builtin_bswap32(value); return false;
    case dma_low_port:
        return size == 4 && serve_dma(from_halves(dma_high, __builtin_bswap32(value)));
    default: return false;
    }
}

} // namespace vestibule::sevsim
