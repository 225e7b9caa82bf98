// SPDX-License-Identifier: BSD-2-Clause-Patent
// The files that a guest is loaded from, opened and looked at, with what the secure processor is
// given for it.
#pragma once

#include "sevsim/guest_file.h"
#include "sevsim/options.h"

#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace vestibule::sevsim {

/// What is loaded of the guest's: its file; of a kernel, the command line and the initrd behind it;
/// for SEV-SNP what the secure processor is given, before them all.
struct GuestFiles {
    std::vector<OpenedFile> files;
    std::optional<u32> ap_start; ///< of firmware with more vCPUs than one (guest_file.h)
    std::string launch_digest;   ///< of an SEV-SNP guest, or one launched for its owner

    std::vector<int> descriptors() const;

    /// Of all of them, each in whole pages.
    u64 size() const;
};

/// Opens them; waits for the secret of the guest's owner, where it has one.
std::expected<GuestFiles, std::string> open_guest_files(const RunOptions& options);

} // namespace vestibule::sevsim
