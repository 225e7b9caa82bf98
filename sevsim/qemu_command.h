// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's command line for a machine in which the monitor can turn its guest into an SEV-ES guest.
#pragma once

#include "sevsim/memory_map.h"
#include "sevsim/options.h"

#include <optional>
#include <string>
#include <vector>

namespace vestibule::sevsim {

/// A machine that is kept in files (kept_machine.h), as descriptors.
struct MachineFiles {
    int shared, hidden; ///< its memory
    int devices = -1;   ///< all else, to go on from; -1: it is the one that is to be kept
};

/// Descriptors that QEMU inherits and opens by the path /dev/fd/N, so that nothing in a file's name
/// can mean something in an option of QEMU's.
struct InheritedFiles {
    int monitor;
    std::vector<int> guest; ///< its file; a kernel's command line and initrd behind it
    int records;            ///< the write end of the pipe that the debug port feeds
    int orders;             ///< a socket from which QEMU's own monitor reads
    int gdb        = -1;    ///< the one that its stub for gdb talks through (options.gdb)
    int late_words = -1;    ///< sevsim/late_words.h (options.from)
    std::optional<MachineFiles> machine = std::nullopt; ///< none: it has no files
};

/// What the guest's files say of what they need.
struct GuestNeeds {
    u64 files_size; ///< of all, each in whole pages
    std::optional<u32> ap_start =
        std::nullopt; ///< of firmware with more vCPUs than one (guest_file.h)
};

std::vector<std::string> qemu_command(const RunOptions& options, const InheritedFiles& files,
                                      const GuestNeeds& needs);

/// What the monitor is told: the words behind the file name that QEMU puts first.
std::string monitor_command_line(const RunOptions& options, std::optional<u32> ap_start = {});

/// What the monitor is told at options.from, always of late_words_size.
std::string late_words(const RunOptions& options);

/// As `--hostile` takes it; empty where nothing was asked for.
std::string hostility(const Hostility& asked);

/// All lies of a plan, spaces between them.
std::string hostility(const Plan& plan);

/// Guest memory must hold the monitor and the guest's files while the monitor moves them away.
constexpr u64 loading_space = 18 * mib;

/// What the monitor puts the next file behind this one at.
constexpr u64 whole_pages(u64 size) { return (size + page_size - 1) / page_size * page_size; }

/// The memory that only the monitor sees: itself, the guest's private memory, the guest's files.
constexpr u64 hidden_memory(u64 guest_memory, u64 guest_files_size) {
    const MemoryMap map = memory_map(guest_memory);
    return map.monitor_size() + map.end()
           + (guest_files_size + memory_step - 1) / memory_step * memory_step;
}

} // namespace vestibule::sevsim
