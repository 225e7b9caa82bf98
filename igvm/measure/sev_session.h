// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest owner's side of SEV and SEV-ES: the session by which the platform gets the owner's
// keys, and the packet of a launch secret (SEV API specification, 55766: sections 2.1 on key
// derivation, 6.2 LAUNCH_START, 6.6 LAUNCH_SECRET, and appendix C, the certificates' form). That a
// platform's key is a platform's is said by its own chain up to AMD, which is not looked at here.
#pragma once

#include "igvm/format/format.h"
#include "igvm/format/guid.h"
#include "igvm/measure/digest.h"

#include <expected>
#include <string>
#include <vector>

namespace vestibule::igvm {

using Key128 = std::array<u8, 16>;

/// The keys that a session brings to the platform: for the guest's integrity and its secrets.
struct TransportKeys {
    Key128 tek;
    Key128 tik;
};

/// Appendix C: a certificate of the platform's firmware, little-endian.
struct SevCertificate {
    u32 version;
    u8 api_major;
    u8 api_minor;
    u16 reserved;
    u32 usage;
    u32 algorithm;
    u32 curve; // the key
    u8 qx[72];
    u8 qy[72];
    u8 key_reserved[880];
    u32 signature1_usage;
    u32 signature1_algorithm;
    u8 signature1[512];
    u32 signature2_usage;
    u32 signature2_algorithm;
    u8 signature2[512];
};

static_assert(sizeof(SevCertificate) == 0x824);

/// LAUNCH_START's session.
struct SevSession {
    u8 nonce[16];
    u8 wrapped_keys[32]; // TEK, then TIK
    u8 wrap_iv[16];
    u8 wrap_mac[32];
    u8 policy_mac[32];
};

static_assert(sizeof(SevSession) == 128);

struct NewSession {
    SevCertificate godh; // the owner's half of the key agreement
    SevSession session;
    TransportKeys keys;
};

/// What of a session follows from the agreed secret: the keys wrapped, and the MACs.
SevSession wrap_session(std::span<const u8> secret, const Key128& nonce, const Key128& iv,
                        const TransportKeys& keys, u32 policy);

/// Fresh keys for a platform with this PDH certificate.
std::expected<NewSession, std::string> make_session(std::span<const u8> pdh, u32 policy);

/// One secret by the GUID that the guest looks for.
struct Secret {
    Guid guid;
    std::vector<u8> bytes;
};

/// The table that firmware and Linux (efi_secret) read, filled up to 16 bytes.
std::vector<u8> secret_table(std::span<const Secret> secrets);

/// LAUNCH_SECRET's packet header.
struct SecretHeader {
    u32 flags;
    u8 iv[16];
    u8 mac[32];
};

static_assert(sizeof(SecretHeader) == 52);

struct SecretPacket {
    SecretHeader header;
    std::vector<u8> payload;
};

/// For a launch of this measurement alone: the MEASURE of LAUNCH_MEASURE is in its MAC.
SecretPacket make_secret(const TransportKeys& keys, std::span<const u8> table,
                         const Digest256& measure);

} // namespace vestibule::igvm
