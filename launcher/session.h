// SPDX-License-Identifier: BSD-2-Clause-Patent
// The owner's part in an SEV-ES launch: the key by which the owner, and nobody else, can check
// LAUNCH_MEASURE (SEV API specification, LAUNCH_START). Made by `sevctl session` from the machine's
// PDH certificate.
#pragma once

#include "x86/types.h"

#include <array>
#include <string>
#include <vector>

namespace vestibule::launcher {

struct Session {
    std::vector<u8> certificate; // the owner's Diffie-Hellman certificate
    std::vector<u8> blob;        // with the keys, wrapped for this machine
    std::array<u8, 16> tik;      // the key of LAUNCH_MEASURE
};

/// From PREFIX_godh.b64, PREFIX_session.b64 and PREFIX_tik.bin, as sevctl names them.
/// LaunchError, which names the file, where they are not there or not so.
Session read_session(const std::string& prefix);

} // namespace vestibule::launcher
