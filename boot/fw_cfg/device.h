// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's firmware configuration device by its ports (QEMU's docs/specs/fw_cfg.rst): what
// `-kernel`, `-initrd` and `-append` name. The #VC handler of the stub fetches strings of bytes.
#pragma once

#include "x86/cpu.h"

namespace vestibule::boot::fw_cfg {

enum class Item : u16 {
    signature         = 0x00,
    kernel_size       = 0x08,
    initrd_size       = 0x0B,
    kernel            = 0x11,
    initrd            = 0x12,
    command_line_size = 0x14,
    command_line      = 0x15,
    setup_size        = 0x17,
    setup             = 0x18,
};

inline void read(Item item, void* to, u64 size) {
    constexpr u16 selector = 0x510;
    constexpr u16 data     = 0x511;
    x86::Cpu::out16(selector, static_cast<u16>(item));
    x86::Cpu::in8_string(data, to, size);
}

inline u32 read_number(Item item) {
    u32 value = 0;
    read(item, &value, sizeof value);
    return value;
}

inline bool is_there() {
    constexpr u32 qemu = 0x554D'4551; // "QEMU"
    return read_number(Item::signature) == qemu;
}

} // namespace vestibule::boot::fw_cfg
