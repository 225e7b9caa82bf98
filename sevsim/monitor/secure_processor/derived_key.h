// SPDX-License-Identifier: BSD-2-Clause-Patent
// Keys that a guest derives from the secure processor's own secret (SEV-SNP firmware ABI, 56860,
// section 7.2): the same for the same guest, and another one for any other. How AMD's processor
// derives them is its secret; here it is an HMAC over the selected fields.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// MSG_KEY_REQ. Version 1 of the message ends before the last field.
struct KeyRequest {
    u32 key_selection; // bit 0: the root is VMRK; [2:1]: 0 the one there is, 1 VCEK, 2 VLEK
    u32 reserved;
    u64 fields; // which facts of the guest go into the key
    u32 vmpl;
    u32 guest_svn;
    u64 tcb;
    u64 launch_mit_vector;

    static constexpr u64 version_1_size = 32;
};

static_assert(sizeof(KeyRequest) == 40);

inline constexpr u64 derived_key_size = 32;

/// What the answer says where it brings no key.
inline constexpr u32 key_done            = 0;
inline constexpr u32 key_invalid_request = 0x16;
inline constexpr u32 key_not_there       = 0x27;

/// Writes a key for the guest at a VMPL; one of the states above.
u32 derive_key(const KeyRequest& request, unsigned vmpl, u8* key);

} // namespace vestibule::sevsim
