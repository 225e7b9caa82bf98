// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/show_debugger.h"

#include "sevsim/monitor/debugger_view.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/own_tables.h"

#include <atomic>

extern "C" const vestibule::u8 guest_vmrun[]; // world_switch.asm

namespace vestibule::sevsim {

namespace {

[[gnu::section(".debugger_view"), gnu::used]] constinit DebuggerView view{};

} // namespace

void show_debugger(const Options& options) {
    const NestedRoots roots = nested_roots();
    view.is_encrypted       = options.is_native() ? 0 : 1;
    view.c_bit_position     = options.c_bit_position;
    view.monitor            = layout::monitor_physical;
    view.monitor_size       = layout::monitor_size;
    view.five_levels        = has_five_levels() ? 1 : 0;
    view.private_root       = roots.all_private;
    view.shared_root        = roots.long_mode;
    view.vmrun              = reinterpret_cast<u64>(guest_vmrun);
    std::atomic_ref{view.ready}.store(DebuggerView::ready_magic);
}

} // namespace vestibule::sevsim
