// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/gdb_memory.h"

#include <algorithm>
#include <cstring>

namespace vestibule::sevsim {

namespace {

constexpr u64 page_of(u64 address) { return address & ~(page_size - 1); }

u64 read_entry(const MachineMemory& machine, u64 address, unsigned size) {
    u8 bytes[sizeof(u64)]{};
    u64 entry = 0;
    if (machine.read(address, std::span{bytes}.first(size))) {
        std::memcpy(&entry, bytes, size);
    }
    return entry;
}

/// Through the nested tables, which say what the guest would find there.
std::optional<u64> find_physical(const DebuggerView& view, u64 gpa, bool is_private,
                                 const MachineMemory& machine) {
    const u64 root = is_private ? view.private_root : view.shared_root;
    const Walk walk =
        walk_tables(long_mode_paging(root, view.five_levels != 0), gpa,
                    [&](u64 at, unsigned size) { return read_entry(machine, at, size); });
    if (walk.leads_somewhere()) {
        return walk.address;
    }
    // What is shared and was never looked at by the guest is there for devices; behind memory are
    // their registers.
    if (!is_private) {
        return gpa;
    }
    return std::nullopt;
}

} // namespace

bool is_in_monitor(const DebuggerView& view, const PagingState& paging) {
    const u64 root = paging.cr3 & x86::PageTableEntry::address_mask;
    return view.ready != DebuggerView::ready_magic
           || (paging.is_long_mode() && root - view.monitor < view.monitor_size);
}

std::optional<MachineAddress> find_linear(const DebuggerView& view, const PagingState& paging,
                                          u64 linear, const MachineMemory& machine) {
    const u64 c_bit      = bit(static_cast<unsigned>(view.c_bit_position & 63));
    const bool has_c_bit = paging.is_long_mode();
    const u64 page       = page_of(linear);
    Walk walk{.address = page & 0xFFFF'FFFF};
    if (paging.is_on()) {
        PagingState state = paging;
        state.cr3 &= ~c_bit;
        walk = walk_tables(paging_of(state), page, [&](u64 at, unsigned size) -> u64 {
            const auto table = find_physical(view, has_c_bit ? at & ~c_bit : at, true, machine);
            return table ? read_entry(machine, *table, size) : 0;
        });
    }
    if (!walk.leads_somewhere()) {
        return std::nullopt;
    }
    const bool is_private = !has_c_bit || (walk.address & c_bit) != 0;
    const u64 gpa         = has_c_bit ? walk.address & ~c_bit : walk.address;
    const auto found      = find_physical(view, gpa, is_private, machine);
    if (!found) {
        return std::nullopt;
    }
    return MachineAddress{*found + linear % page_size, page_size - linear % page_size};
}

u64 read_linear(const DebuggerView& view, const PagingState& paging, u64 linear, std::span<u8> to,
                const MachineMemory& machine) {
    u64 done = 0;
    while (done < to.size()) {
        const auto found = find_linear(view, paging, linear + done, machine);
        if (!found) {
            break;
        }
        const u64 size = std::min<u64>(found->rest, to.size() - done);
        if (!machine.read(found->address, to.subspan(done, size))) {
            break;
        }
        done += size;
    }
    return done;
}

bool write_linear(const DebuggerView& view, const PagingState& paging, u64 linear,
                  std::span<const u8> from, const MachineMemory& machine) {
    for (u64 done = 0; done < from.size();) {
        const auto found = find_linear(view, paging, linear + done, machine);
        if (!found) {
            return false;
        }
        const u64 size = std::min<u64>(found->rest, from.size() - done);
        if (!machine.write(found->address, from.subspan(done, size))) {
            return false;
        }
        done += size;
    }
    return true;
}

} // namespace vestibule::sevsim
