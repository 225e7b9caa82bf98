// SPDX-License-Identifier: BSD-2-Clause-Patent
// What of gdb's requests is answered here and not by QEMU: those for memory, with QEMU asked for
// what is needed to answer them.
#pragma once

#include "sevsim/gdb_memory.h"

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vestibule::sevsim {

class GdbProxy {
  public:
    /// Sends QEMU's stub a request and waits for the answer; nothing where QEMU is gone.
    using Ask = std::function<std::optional<std::string>(std::string_view)>;

    /// `view_at` is where the monitor lies, and its DebuggerView first.
    GdbProxy(Ask ask, u64 view_at) : ask_{std::move(ask)}, view_at_{view_at} {}

    /// The answer to a request of gdb's; nothing where it is QEMU's to give it.
    std::optional<std::string> answer(std::string_view request);

    /// What the vCPU does that has stopped last.
    enum class Place : u8 { guest, monitor, unknown };
    Place place();

    /// Its RIP, within the code segment.
    std::optional<u64> rip() {
        number_all_registers();
        return read_register("rip");
    }

    /// The address of the monitor's VMRUN, once there is a place().
    u64 vmrun() const { return view_.vmrun; }

    /// The machine has moved.
    void forget();

    /// A debugger connects anew: QEMU reads by its own translation again, unless told otherwise.
    void start_again() { wants_physical_ = false; }

  private:
    std::optional<std::string> read_memory(std::string_view arguments);
    std::optional<std::string> write_memory(std::string_view arguments);
    std::optional<std::string> by_qemu();
    std::optional<u64> read_register(const std::string& name);
    void number_registers(const std::string& file);
    std::string description(const std::string& file);
    const std::optional<PagingState>& paging();
    bool read_view();
    void set_physical(bool physical);
    bool read_machine(u64 address, std::span<u8> to);
    bool write_machine(u64 address, std::span<const u8> from);
    MachineMemory machine();
    void number_all_registers();

    Ask ask_;
    u64 view_at_;
    DebuggerView view_{};                  // once the monitor has filled it in
    std::map<std::string, u64> registers_; // by name, their numbers in QEMU's protocol
    u64 next_register_ = 0;                // while they are numbered
    // Of the machine as it has stopped:
    std::optional<PagingState> paging_;
    std::map<u64, u64> entries_;  // of page tables that were read
    bool is_physical_    = false; // how QEMU reads addresses just now
    bool wants_physical_ = false; // as gdb's user has asked
};

} // namespace vestibule::sevsim
