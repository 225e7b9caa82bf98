// QEMU's command line for a machine in which the monitor can turn its guest into an SEV-ES guest.
#pragma once

#include "sevsim/options.h"

#include <string>
#include <vector>

namespace vestibule::sevsim {

/// Descriptors that QEMU inherits and opens by the path /dev/fd/N, so that nothing in a file's name
/// can mean something in an option of QEMU's.
struct InheritedFiles {
    int monitor;
    int guest;
    int records; ///< the write end of the pipe that the debug port feeds
};

std::vector<std::string> qemu_command(const RunOptions& options, const InheritedFiles& files,
                                      u64 guest_file_size);

/// What the monitor is told: the words behind the file name that QEMU puts first.
std::string monitor_command_line(const RunOptions& options);

/// Guest memory must hold the monitor and the guest's file while the monitor moves both away.
constexpr u64 loading_space = 16 * mib;

/// The memory that only the monitor sees: itself, the guest's private memory, the guest's file.
constexpr u64 hidden_memory(u64 guest_memory, u64 guest_file_size) {
    constexpr u64 monitor = 64 * mib;
    return monitor + guest_memory + (guest_file_size + memory_step - 1) / memory_step * memory_step;
}

} // namespace vestibule::sevsim
