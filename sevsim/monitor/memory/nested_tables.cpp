// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/nested_tables.h"

#include "sevsim/monitor/hypervisor/flash.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "sevsim/monitor/memory/own_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/shared_noise.h"
#include "sevsim/monitor/memory/snp_pages.h"

#include <algorithm>

namespace vestibule::sevsim {

using namespace nested;
using x86::PageTable;
using x86::PageTableEntry;

namespace {

constexpr u64 gigabyte_size = u64{1} << 30;

constinit MemoryMap map{};
constinit u64 firmware_begin = 0; // guest-physical, up to 4 GiB; 0: there is none
constinit u8* firmware       = nullptr;
constinit bool is_snp        = false;

/// Where the walk begins, in and outside long mode, and the no-execute twins of both.
struct Roots {
    PageTable* long_mode;
    PageTable* legacy;
    PageTable* long_mode_nx;
    PageTable* legacy_nx;
};

constinit PageTable* far_devices = nullptr; // the shared view's 512 GiB regions

constinit Roots roots[reverse_map::vmpl_count]{}; // by VMPL

/// The gigabyte around `gpa`, at its own address.
void map_own_gigabyte(u64 gpa) {
    const u64 gigabyte = gpa & ~(gigabyte_size - 1);
    shared_view.pointers->entry[x86::table_index(gpa, 3)].value =
        gigabyte | page_flags | PageTableEntry::large;
}

/// Where the walk begins, with five levels: `table` for the lowest 256 TiB.
PageTable* five_level_root(const PageTable* table) {
    PageTable* root      = new_table();
    root->entry[0].value = layout::physical(table) | table_flags;
    return root;
}

/// In long mode an address with this bit set is looked up in the lowest 512 GiB of `view`, whose
/// own table is one of the two below the root of five levels, or the root of four.
void map_at_bit(PageTable& root, unsigned position, PageTable& shared_table, PageTable& view) {
    const u64 address = bit(position);
    if (position < 48) {
        shared_table.entry[x86::table_index(address, 4)] = view.entry[0];
    } else {
        root.entry[x86::table_index(address, 5)].value = layout::physical(&view) | table_flags;
    }
}

/// A guest that believes the wrong bit has it in CR3, and its tables are private all the same: the
/// processor looks for them where both bits are set.
void map_tables_at_wrong_bit(PageTable& root, const Options& options, PageTable& shared_table,
                             PageTable& private_table) {
    const u64 right = bit(options.c_bit_position);
    const u64 wrong = bit(options.wrong_c_bit_position());
    if (options.c_bit_position < 48) {
        shared_table.entry[x86::table_index(right | wrong, 4)] = private_table.entry[0];
    } else if (options.wrong_c_bit_position() < 48) {
        private_table.entry[x86::table_index(wrong, 4)] = private_table.entry[0];
    } else {
        root.entry[x86::table_index(right | wrong, 5)].value =
            layout::physical(&private_table) | table_flags;
    }
}

PageTable* no_execute_copy(const PageTable& root) {
    PageTable* copy = new_table();
    for (unsigned n = 0; n < 512; ++n) {
        if (root.entry[n].is_present()) {
            copy->entry[n].value = root.entry[n].value | PageTableEntry::no_execute;
        }
    }
    return copy;
}

} // namespace

namespace {

/// One view, the machine's own: memory and devices at their addresses.
Roots native_roots() {
    for (u64 gigabyte = 0; gigabyte < std::max(map.end(), four_gib); gigabyte += gigabyte_size) {
        map_own_gigabyte(gigabyte);
    }
    PageTable* root      = new_table();
    root->entry[0].value = layout::physical(shared_view.pointers) | table_flags;
    if (has_five_levels()) {
        root = five_level_root(root);
    }
    return {.long_mode = root, .legacy = root, .long_mode_nx = nullptr, .legacy_nx = nullptr};
}

Roots encrypted_roots(const Options& options, View view) {
    const u64 private_half         = layout::physical(view.pointers) | table_flags;
    const bool no_effect           = options.hostile.has(Lie::cbit_no_effect);
    PageTable* const shared_table  = new_table();
    PageTable* const private_table = new_table();
    shared_table->entry[0].value =
        no_effect ? private_half : layout::physical(shared_view.pointers) | table_flags;
    private_table->entry[0].value = private_half;
    far_devices                   = shared_table;
    Roots made{shared_table, private_table, nullptr, nullptr};
    if (has_five_levels()) {
        made.long_mode = five_level_root(shared_table);
        made.legacy    = five_level_root(private_table);
    }
    map_at_bit(*made.long_mode, options.c_bit_position, *shared_table, *private_table);
    if (options.maps_wrong_c_bit()) { // Vcpu::without_c_bit
        map_at_bit(*made.long_mode, options.wrong_c_bit_position(), *shared_table, *shared_table);
        map_tables_at_wrong_bit(*made.long_mode, options, *shared_table, *private_table);
    }
    return made;
}

} // namespace

void build_nested_tables(const Options& options) {
    map    = options.map();
    is_snp = options.is_snp();
    make_views();
    make_page_sets(map);
    if (is_snp) {
        reverse_map::build(options);
    }
    const unsigned vmpls = is_snp ? reverse_map::vmpl_count : 1;
    for (unsigned vmpl = 0; vmpl < vmpls; ++vmpl) {
        Roots& made = roots[vmpl];
        made =
            options.is_native() ? native_roots() : encrypted_roots(options, private_view_of(vmpl));
        made.long_mode_nx = no_execute_copy(*made.long_mode);
        made.legacy_nx    = no_execute_copy(*made.legacy);
    }
}

u64 nested_root(Vcpu& vcpu, bool no_execute_twin) {
    const Roots& own = roots[vcpu.vmpl];
    if (vcpu.is_long_mode()) {
        return layout::physical(no_execute_twin ? own.long_mode_nx : own.long_mode);
    }
    return layout::physical(no_execute_twin ? own.legacy_nx : own.legacy);
}

NestedRoots nested_roots() {
    return {.all_private = layout::physical(roots[0].legacy),
            .long_mode   = layout::physical(roots[0].long_mode)};
}

namespace {

/// What the machine has below 4 GiB, in smaller pages than before, so that some can be others.
void split_last_gigabyte() {
    constexpr u64 end                                                = four_gib;
    constexpr u64 gigabyte                                           = end - gigabyte_size;
    shared_view.pointers->entry[x86::table_index(gigabyte, 3)].value = 0;
    const u64 large_end = firmware_begin & ~(x86::large_page_size - 1);
    for (u64 gpa = gigabyte; gpa < large_end; gpa += x86::large_page_size) {
        directory_entry(shared_view, gpa).value = gpa | page_flags | PageTableEntry::large;
    }
    for (u64 gpa = large_end; gpa < end; gpa += page_size) {
        page_entry(shared_view, gpa).value = gpa | page_flags;
    }
}

} // namespace

namespace {

/// Smaller pages than before at the same addresses, down to 4 KiB around `gpa`.
void split_native_view(u64 gpa) {
    PageTableEntry& gigabyte = shared_view.pointers->entry[x86::table_index(gpa, 3)];
    if (!gigabyte.is_present() || gigabyte.is_large()) {
        gigabyte.value   = 0;
        const u64 begin  = gpa & ~(gigabyte_size - 1);
        const u64 beyond = begin + gigabyte_size;
        for (u64 block = begin; block < beyond; block += x86::large_page_size) {
            directory_entry(shared_view, block).value = block | page_flags | PageTableEntry::large;
        }
    }
    PageTableEntry& directory = directory_entry(shared_view, gpa);
    if (directory.is_large()) {
        directory.value  = 0;
        const u64 begin  = gpa & ~(x86::large_page_size - 1);
        const u64 beyond = begin + x86::large_page_size;
        for (u64 page = begin; page < beyond; page += page_size) {
            page_entry(shared_view, page).value = page | page_flags;
        }
    }
}

} // namespace

u8* add_native_page(u64 gpa) {
    // A native guest has one view, so that what would back the private one is free.
    static constinit u64 used = 0;
    constexpr u64 apics_begin = 0xFEC0'0000;
    constexpr u64 apics_end   = 0xFEF0'0000;
    const bool is_apic        = gpa >= apics_begin && gpa < apics_end;
    if (gpa >= four_gib || is_apic || used == map.end()) {
        return nullptr;
    }
    split_native_view(gpa);
    const u64 backing = layout::private_base + used;
    used += page_size;
    page_entry(shared_view, gpa).value = backing | page_flags;
    return static_cast<u8*>(memset(layout::at_physical(backing), 0, page_size));
}

void map_firmware(const Options& options, std::span<u8> image) {
    firmware        = image.data();
    firmware_begin  = four_gib - image.size();
    u64 backing     = reinterpret_cast<u64>(firmware);
    const u64 flags = is_snp ? page_flags : page_flags & ~PageTableEntry::writable;
    if (options.is_native()) {
        split_last_gigabyte();
    }
    const View view = options.is_native() ? shared_view : private_view;
    for (u64 gpa = firmware_begin; gpa < four_gib; gpa += page_size) {
        page_entry(view, gpa).value = backing | flags;
        backing += page_size;
    }
}

void show_flash(u64 gpa, std::span<const u8> array, bool readable) {
    u64 backing = reinterpret_cast<u64>(array.data());
    for (const u64 end = gpa + array.size(); gpa < end; gpa += page_size, backing += page_size) {
        page_entry(shared_view, gpa).value =
            readable
                ? backing | (page_flags & ~PageTableEntry::writable) | PageTableEntry::no_execute
                : 0;
    }
    ++generation;
}

void encrypt_shared_memory(const Options& options) { start_shared_noise(options); }

bool is_guest_memory(u64 gpa) { return map.has(gpa) && (gpa < video_begin || gpa >= video_end); }

bool is_firmware(u64 gpa) { return firmware != nullptr && gpa >= firmware_begin && gpa < four_gib; }

u8* firmware_memory(u64 gpa) { return firmware + (gpa - firmware_begin); }

namespace {

/// The entry for a page of firmware or flash seen through the wrong view.
u64 noise_page() {
    static constinit void* noise = nullptr;
    if (noise == nullptr) {
        noise = allocate_pages(1);
        fill_with_noise(noise, page_size, shared_seed);
    }
    return layout::physical(noise) | (page_flags & ~PageTableEntry::writable)
           | PageTableEntry::no_execute;
}

/// Walks and fetches are private. A table in the firmware is probed as if it were written. Reads
/// through the other view show noise.
NestedFault resolve_firmware_fault(u64 address, bool is_private, bool table_or_code, bool write) {
    const u64 page    = address & ~(page_size - 1);
    const u64 backing = reinterpret_cast<u64>(firmware) + (page - firmware_begin);
    if (table_or_code) {
        page_entry(is_private ? private_view : shared_view, page).value = backing | page_flags;
        return NestedFault::resolved;
    }
    if (write) {
        return NestedFault::firmware_write;
    }
    page_entry(shared_view, page).value = noise_page();
    return NestedFault::resolved;
}

/// The native guest's devices above the gigabytes in which memory is that only the monitor sees.
NestedFault resolve_native_fault(u64 gpa) {
    if (is_firmware(gpa)) {
        return NestedFault::firmware_write;
    }
    if (is_hidden(gpa & ~(gigabyte_size - 1)) || gpa >= layout::native_end) {
        return NestedFault::fetch_from_device;
    }
    map_own_gigabyte(gpa);
    return NestedFault::resolved;
}

} // namespace

NestedFault resolve_nested_fault(Vcpu& vcpu, u64 exitinfo1, u64 gpa) {
    if (vcpu.options.is_native()) {
        return resolve_native_fault(gpa);
    }
    const u64 address     = vcpu.without_c_bit(gpa);
    const bool fetch      = (exitinfo1 & nested_fault::fetch) != 0;
    const bool walk       = (exitinfo1 & nested_fault::guest_table) != 0;
    const bool write      = (exitinfo1 & nested_fault::write) != 0;
    const bool is_private = !vcpu.is_long_mode() || (gpa & vcpu.c_bit()) != 0
                            || vcpu.options.hostile.has(Lie::cbit_no_effect);
    if (is_flash(address) && !fetch && !walk) {
        PageTableEntry& entry = page_entry(is_private ? private_view : shared_view, address);
        if (entry.is_present()) {
            return NestedFault::firmware_write; // only the hypervisor can, when it is asked (MMIO)
        }
        if (!is_private) {
            return NestedFault::mmio;
        }
        entry.value = noise_page();
        return NestedFault::resolved;
    }
    if (is_firmware(address) && !(is_snp && is_private)) {
        return resolve_firmware_fault(address, is_private, fetch || walk, write);
    }
    if (!is_guest_memory(address) && !is_firmware(address)) {
        return fetch || walk ? NestedFault::fetch_from_device : NestedFault::mmio;
    }
    if (!is_private && !fetch && !walk && is_taken(address)) {
        return NestedFault::mmio;
    }
    if (is_snp) {
        return resolve_snp_fault(vcpu, exitinfo1, gpa);
    }
    if (is_private) {
        map_private(address, write || walk);
    } else if (fetch || walk) {
        alias_private(address);
    } else {
        map_shared(address, write);
    }
    return NestedFault::resolved;
}

u8* private_memory(u64 gpa) {
    const bool is_there  = is_firmware(gpa) || is_guest_memory(gpa);
    const bool is_closed = is_snp && is_launch_over();
    if (!is_there || (is_closed && !reverse_map::at(gpa).is_private())) {
        return nullptr;
    }
    if (is_firmware(gpa)) {
        return firmware_memory(gpa);
    }
    if (!is_closed) {
        map_private(gpa, false);
    }
    return layout::at_physical(layout::private_base + gpa);
}

u8* open_private_memory(u64 gpa) {
    constexpr u64 open = PageTableEntry::present | PageTableEntry::writable;
    if (!is_guest_memory(gpa) || !directory_entry(private_view, gpa).is_present()) {
        return nullptr;
    }
    const PageTableEntry& directory = directory_entry(private_view, gpa);
    const u64 entry = directory.is_large() ? directory.value : page_entry(private_view, gpa).value;
    return (entry & open) == open ? layout::at_physical(layout::private_base + gpa) : nullptr;
}

u8* shared_memory(u64 gpa) {
    if (!is_guest_memory(gpa)) {
        return nullptr;
    }
    need_shared_noise(gpa);
    return layout::at_physical(gpa);
}

u8* hypervisors_view(u64 gpa, bool write) {
    if (!is_guest_memory(gpa)) {
        return nullptr;
    }
    map_shared(gpa, write);
    return layout::at_physical(gpa);
}

bool map_device(u64 gpa, bool is_private) {
    constexpr u64 region_size = u64{512} << 30;
    if (device_register(gpa) == nullptr) {
        return false;
    }
    const u64 page = gpa & ~(page_size - 1);
    if (gpa < region_size) {
        page_entry(is_private ? private_view : shared_view, page).value =
            page | page_flags | PageTableEntry::no_execute;
        return true;
    }
    if (is_private) {
        return false; // nothing is there but what firmware has put there: 64-bit BARs
    }
    page_entry(region_of(*far_devices, gpa), gpa).value =
        page | page_flags | PageTableEntry::no_execute;
    return true;
}

bool is_shared(u64 gpa) {
    if (is_snp) {
        return !reverse_map::at(gpa).assigned;
    }
    constexpr u64 wanted        = PageTableEntry::present | PageTableEntry::writable;
    const PageTableEntry& entry = page_entry(shared_view, gpa);
    return (entry.value & wanted) == wanted && entry.address(0) == (gpa & ~(page_size - 1));
}

u64 shared_page_count() { return shared_pages(); }

} // namespace vestibule::sevsim
