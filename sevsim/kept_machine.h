// SPDX-License-Identifier: BSD-2-Clause-Patent
// The machine as it is when its guest has come to `--from N`, kept in a directory, so that runs
// start from there and not from QEMU's start: what they differ in the monitor is told only then
// (sevsim/late_words.h). QEMU writes the state of its devices into a file, as it does to send a
// machine elsewhere; memory is in files from the start, of which each run has copies of the pages
// that it writes to.
#pragma once

#include "sevsim/opened_guest.h"
#include "sevsim/options.h"
#include "sevsim/qemu_command.h"

#include <expected>
#include <span>
#include <string>

namespace vestibule::sevsim {

struct KeptMachine {
    OpenedFile shared, hidden, devices;
    std::string records; ///< what the monitor has told until then

    MachineFiles files() const {
        return {shared.descriptor.get(), hidden.descriptor.get(), devices.descriptor.get()};
    }
};

/// What contradicts --from and --snapshot, in words; nothing where all is well.
std::string from_contradiction(const RunOptions& options);

/// Tells QEMU's monitor to go on with that machine: `orders` is our end of what it reads from.
bool order_to_go_on(int orders, const KeptMachine& machine);

/// The machine of options.snapshot; where there is none yet, runs the guest until it has come
/// there. An error where the guest does not come there in options.timeout, or the directory holds
/// another machine.
std::expected<KeptMachine, std::string> kept_machine(const RunOptions& options,
                                                     const GuestFiles& guest,
                                                     std::span<const unsigned char> monitor);

} // namespace vestibule::sevsim
