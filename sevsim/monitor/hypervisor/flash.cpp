// SPDX-License-Identifier: BSD-2-Clause-Patent
// Intel's command set (CFI 01) as far as QEMU's pflash_cfi01 has it for bytes: reads show the
// array, and are no exits, until a command makes them show the status.
#include "sevsim/monitor/hypervisor/flash.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

enum class Command : u8 {
    none            = 0x00,
    program         = 0x10,
    erase           = 0x20,
    program_as_well = 0x40,
    clear_status    = 0x50,
    read_status     = 0x70,
    erase_confirmed = 0xD0,
    read_array      = 0xFF,
};

constexpr u8 status_ready = 0x80;
constexpr u64 block_size  = 4096; // as OVMF and QEMU have agreed on
constexpr u8 erased       = 0xFF;

constinit u64 begin = 0;
constinit std::span<u8> array{};
constinit Command pending = Command::none; // its second cycle is due
constinit u8 status       = status_ready;

void execute(u64 offset, u8 value) {
    switch (pending) {
    case Command::program:
    case Command::program_as_well:
        array[offset] &= value; // programming clears bits only
        status |= status_ready;
        break;
    case Command::erase:
        if (value == static_cast<u8>(Command::erase_confirmed)) {
            memset(&array[offset & ~(block_size - 1)], erased, block_size);
            status |= status_ready;
        }
        break;
    default: break;
    }
    pending = Command::none;
}

} // namespace

void add_flash(u64 gpa, std::span<u8> contents) {
    begin = gpa;
    array = contents;
    show_flash(begin, array, true);
}

bool is_flash(u64 gpa) { return gpa >= begin && gpa - begin < array.size(); }

u64 read_flash(u64 length) {
    u64 value = 0;
    memset(&value, status, std::min<u64>(length, sizeof value));
    return value;
}

void write_flash(u64 gpa, u64 value) {
    const auto byte = static_cast<u8>(value);
    if (pending != Command::none) {
        execute(gpa - begin, byte);
        return;
    }
    switch (static_cast<Command>(byte)) {
    case Command::program:
    case Command::program_as_well:
    case Command::erase: pending = static_cast<Command>(byte); break;
    case Command::clear_status: status = 0; return; // what reads show stays
    case Command::read_status: break;
    default: show_flash(begin, array, true); return; // read array, and what is no command
    }
    show_flash(begin, array, false);
}

} // namespace vestibule::sevsim
