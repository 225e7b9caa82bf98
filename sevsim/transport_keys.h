// SPDX-License-Identifier: BSD-2-Clause-Patent
// The platform's side of what the owner of an SEV or SEV-ES guest sends: the session, whose keys
// are wrapped for the platform's Diffie-Hellman key (PDH), and the packet of a launch secret (SEV
// API specification, 55766: section 2.1 on key derivation, 6.2 LAUNCH_START, 6.6 LAUNCH_SECRET).
// The owner's side is igvm/measure/sev_session.h; nothing of it is used here but the form of the
// data.
#pragma once

#include "igvm/measure/sev_session.h"

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

using EVP_PKEY = struct evp_pkey_st;

namespace vestibule::sevsim {

/// What LAUNCH_MEASURE and PLATFORM_STATUS say of the secure processor's firmware.
inline constexpr u8 sev_api_major = 1;
inline constexpr u8 sev_api_minor = 55;
inline constexpr u8 sev_build     = 16;

/// Makes a platform's PDH in a directory: pdh.key, in PEM, and pdh.cert, for guests' owners. An
/// error names the file.
std::expected<void, std::string> write_pdh(const std::string& directory);

/// LAUNCH_START: unwraps a session by the key of a directory that write_pdh() has filled. An error
/// says which check the firmware would have failed.
std::expected<igvm::TransportKeys, std::string> start_session(const std::string& directory,
                                                              const igvm::SevCertificate& godh,
                                                              const igvm::SevSession& session,
                                                              u32 policy);

/// LAUNCH_SECRET: the contents of a packet; none where its MAC is not that of a secret for the
/// launch with this MEASURE.
std::optional<std::vector<u8>> open_secret(const igvm::TransportKeys& keys,
                                           const igvm::SecretHeader& header,
                                           std::span<const u8> payload,
                                           const igvm::Digest256& measure);

} // namespace vestibule::sevsim
