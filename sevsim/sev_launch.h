// SPDX-License-Identifier: BSD-2-Clause-Patent
// The launch of a plain SEV or SEV-ES guest as its owner sees it: LAUNCH_START with the owner's
// session, LAUNCH_MEASURE, and LAUNCH_SECRET before the guest runs (SEV API specification, 55766,
// chapter 6).
#pragma once

#include "igvm/measure/digest.h"
#include "sevsim/guest_file.h"
#include "sevsim/options.h"
#include "sevsim/transport_keys.h"

#include <array>
#include <expected>
#include <functional>
#include <string>
#include <vector>

namespace vestibule::sevsim {

struct SevLaunch {
    std::vector<u8> digest; ///< of what is launched, before the owner's key comes in
    igvm::TransportKeys keys;
    igvm::Digest256 measure;
    std::array<u8, 16> nonce; ///< of this launch: MNONCE
    u64 secret_gpa;           ///< where LAUNCH_SECRET is to go
    u64 secret_room;          ///< bytes there

    /// What query-sev-launch-measure answers, in base64: the measurement, then the nonce.
    [[nodiscard]] std::string measurement() const;
};

/// Starts and measures the launch of a guest, whose file is the first of those. An error says what
/// the firmware would refuse.
std::expected<SevLaunch, std::string> start_sev_launch(const RunOptions& options,
                                                       const std::vector<OpenedFile>& files);

/// Waits for the packet in NAME_secret_header.b64 and NAME_secret_payload.b64 (NAME is --session)
/// that is for this launch, as long as `goes_on` says so, and opens it: the module that hands it to
/// the monitor (launch_module.h). Packets of other launches may lie there until then.
std::expected<std::vector<u8>, std::string>
take_launch_secret(const RunOptions& options, const SevLaunch& launch,
                   const std::function<bool()>& goes_on);

} // namespace vestibule::sevsim
