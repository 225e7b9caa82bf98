// SPDX-License-Identifier: BSD-2-Clause-Patent
// ECDSA on P-384 with SHA-384, as reports are signed (FIPS 186-5, section 6.4), with the nonce that
// RFC 6979 makes of key and message: a run that is repeated signs alike.
#pragma once

#include "sevsim/monitor/secure_processor/sha384.h"

namespace vestibule::sevsim {

inline constexpr u64 p384_size = 48;

/// Both numbers big-endian.
struct Signature {
    u8 r[p384_size];
    u8 s[p384_size];
};

/// The key is a number between 0 and the group's order, big-endian.
Signature sign_p384(const u8* private_key, const Digest384& digest);

} // namespace vestibule::sevsim
