// SPDX-License-Identifier: BSD-2-Clause-Patent
// The table of hashes by which a measured firmware knows the kernel that it may boot: put into its
// memory, and measured, by the monitor before the guest starts (QEMU's target/i386/sev.c,
// sev_add_kernel_loader_hashes; edk2's OvmfPkg/AmdSev/BlobVerifierLibSevHashes reads it).
#pragma once

#include "crypto/sha256.h"
#include "x86/types.h"

namespace vestibule::boot::fw_cfg {

struct [[gnu::packed]] Hash {
    u8 guid[16];
    u16 length;
    u8 digest[crypto::Sha256::digest_size];
};

struct [[gnu::packed]] HashTable {
    u8 guid[16];
    u16 length;
    Hash command_line; // with its zero
    Hash initrd;       // of no bytes where there is none
    Hash kernel;       // set-up code and kernel
};

static_assert(sizeof(HashTable) == 168);

// As UEFI stores them: the first three groups little-endian.
// clang-format off
inline constexpr u8 table_guid[16]        = {0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c, 0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21};
inline constexpr u8 command_line_guid[16] = {0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c, 0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a};
inline constexpr u8 initrd_guid[16]       = {0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b, 0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d};
inline constexpr u8 kernel_guid[16]       = {0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42, 0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b};
// clang-format on

inline bool same(const u8* one, const u8* other, u64 size) {
    u8 different = 0;
    for (u64 n = 0; n < size; ++n) {
        different |= static_cast<u8>(one[n] ^ other[n]);
    }
    return different == 0;
}

/// A launch without hashes leaves zeros, or noise.
inline bool is_hash_table(const HashTable& table) {
    return same(table.guid, table_guid, sizeof table_guid) && table.length == sizeof(HashTable)
           && same(table.command_line.guid, command_line_guid, sizeof command_line_guid)
           && same(table.initrd.guid, initrd_guid, sizeof initrd_guid)
           && same(table.kernel.guid, kernel_guid, sizeof kernel_guid)
           && table.command_line.length == sizeof(Hash) && table.initrd.length == sizeof(Hash)
           && table.kernel.length == sizeof(Hash);
}

inline bool is_right(const Hash& hash, crypto::Sha256& of) {
    u8 digest[crypto::Sha256::digest_size];
    of.finish(digest);
    return same(hash.digest, digest, sizeof digest);
}

} // namespace vestibule::boot::fw_cfg
