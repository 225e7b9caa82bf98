// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the host command hands to the monitor for a launch for SEV-SNP, as a multiboot module before
// the guest's files: what a secure processor has of its own, and what it knows of the guest when
// the launch is over (SEV-SNP firmware ABI, 56860, chapter 4). Freestanding: no library beyond
// x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// A range of pages that firmware wants launched beside itself (OvmfPkg/ResetVector/X64/
/// OvmfSevMetadata.asm).
struct LaunchSection {
    static constexpr u32 secrets       = 2;
    static constexpr u32 cpuid         = 3;
    static constexpr u32 kernel_hashes = 0x10;

    u32 gpa;
    u32 size;
    u32 type;
};

/// Of an ID block that the launch was held against.
struct LaunchIdentity {
    u8 family_id[16];
    u8 image_id[16];
    u8 id_key_digest[48];
    u8 author_key_digest[48];
    u32 guest_svn;
    u32 has_author_key;
};

/// The key that signs reports. VLEK is the one of a cloud provider, VCEK the chip's own.
enum class SigningKey : u32 { vcek = 0, vlek = 1 };

struct LaunchModule {
    u8 vmpck[4][32]; // by which guest and secure processor encrypt their messages
    u8 measurement[48];
    u8 host_data[32];
    u8 report_id[32];
    u8 chip_id[64];
    u8 signing_key[48]; // a number of P-384, big-endian
    u8 root_secret[48]; // of which keys are derived
    LaunchIdentity identity;
    u64 policy;
    u64 tcb;
    u32 report_version;
    SigningKey signing_key_kind;
    u32 section_count;
    u32 certificates_size; // of the table for extended requests, which follows this structure
    LaunchSection sections[32];
};

static_assert(sizeof(LaunchModule) % 8 == 0);

/// Behind firmware that boots a kernel directly: the hashes that the launch measures, and where the
/// firmware wants them; 0 where it wants none. Kernel, command line and initrd follow as files.
struct DirectBootHashes {
    u64 gpa;
    u8 table[176];
};

/// For SEV and SEV-ES, in its place, where the guest's owner has sent a secret: the bytes follow.
struct LaunchSecret {
    u64 gpa;
    u64 size;
};

} // namespace vestibule::sevsim
