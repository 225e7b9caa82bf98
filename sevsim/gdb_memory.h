// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's memory as gdb asks for it: by linear address, through the page tables of the vCPU
// that is looked at, which are private, and then through the view that the C-bit names. QEMU's own
// stub knows the first of these translations only, and takes its result for a machine address.
#pragma once

#include "sevsim/monitor/debugger_view.h"
#include "sevsim/page_walk.h"

#include <functional>
#include <optional>
#include <span>

namespace vestibule::sevsim {

/// The stopped machine by its own addresses; false where there is nothing.
struct MachineMemory {
    std::function<bool(u64 address, std::span<u8> to)> read;
    std::function<bool(u64 address, std::span<const u8> from)> write;
};

/// Where a linear address leads.
struct MachineAddress {
    u64 address;
    u64 rest; // bytes from there on to the end of the page
};

/// The machine address behind a guest's linear one. Nothing where it is not mapped, or where the
/// guest's private memory holds nothing that counts: it has never been looked at, is not validated,
/// or was overwritten through the other view.
std::optional<MachineAddress> find_linear(const DebuggerView& view, const PagingState& paging,
                                          u64 linear, const MachineMemory& machine);

/// Reads from a linear address on; how many bytes could be read.
u64 read_linear(const DebuggerView& view, const PagingState& paging, u64 linear, std::span<u8> to,
                const MachineMemory& machine);

/// Writes all of it, or false; then some of it may be written.
bool write_linear(const DebuggerView& view, const PagingState& paging, u64 linear,
                  std::span<const u8> from, const MachineMemory& machine);

/// True where the vCPU is not in the guest but in the monitor, which has tables of its own and
/// which QEMU reads as it is.
bool is_in_monitor(const DebuggerView& view, const PagingState& paging);

} // namespace vestibule::sevsim
