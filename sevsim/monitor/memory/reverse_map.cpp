// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/reverse_map.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "x86/page_table.h"

namespace vestibule::sevsim::reverse_map {

namespace {

/// Below 4 GiB, where firmware may lie: as much as the host command lets it have.
constexpr u64 firmware_window = u64{16} << 20;
constexpr u64 firmware_floor  = four_gib - firmware_window;

constinit Entry* memory   = nullptr;
constinit Entry* firmware = nullptr;

Entry* allocate_entries(u64 size) {
    const u64 bytes = size / page_size * sizeof(Entry);
    return static_cast<Entry*>(allocate_pages((bytes + page_size - 1) / page_size));
}

} // namespace

void build(const Options& options) {
    memory   = allocate_entries(options.map().end());
    firmware = allocate_entries(firmware_window);
}

bool has(u64 gpa) { return is_guest_memory(gpa) || is_firmware(gpa); }

Entry& at(u64 gpa) {
    const bool is_memory = gpa < firmware_floor || gpa >= four_gib;
    return is_memory ? memory[gpa / page_size] : firmware[(gpa - firmware_floor) / page_size];
}

void launch(u64 gpa, u64 size) {
    for (u64 page = gpa; page < gpa + size; page += page_size) {
        if (has(page)) {
            at(page) = {.assigned = true, .validated = true};
        }
    }
}

void smash(u64 gpa) {
    const u64 block = gpa & ~(x86::large_page_size - 1);
    for (u64 page = block; page < block + x86::large_page_size; page += page_size) {
        at(page).large = false;
    }
}

bool is_private_block(u64 block) {
    // The first 2 MiB hold what is no memory.
    if (block == 0 || !is_guest_memory(block)) {
        return false;
    }
    for (u64 page = block; page < block + x86::large_page_size; page += page_size) {
        if (!at(page).is_private()) {
            return false;
        }
    }
    return true;
}

} // namespace vestibule::sevsim::reverse_map
