// SPDX-License-Identifier: BSD-2-Clause-Patent
// The SNP ID block: what the firmware compares a launch with, and whose signature it checks, in its
// own layout (SEV-SNP firmware ABI 8.18, SNP_LAUNCH_FINISH) and in that of an IGVM file, which has
// no place for the policy: the monitor takes it from the file's GUEST_POLICY.
#pragma once

#include "igvm/format/guest_policy.h"
#include "igvm/format/reader.h"
#include "igvm/measure/ecdsa.h"

#include <optional>
#include <vector>

namespace vestibule::igvm {

struct IdBlock {
    u8 ld[48];
    u8 family_id[16];
    u8 image_id[16];
    u32 version;
    u32 guest_svn;
    u64 policy;
};

static_assert(sizeof(IdBlock) == 96);

/// What an author signs, and whose SHA-384 a report has as ID_KEY_DIGEST or AUTHOR_KEY_DIGEST.
struct IdKey {
    u32 curve;
    u8 qx[72];
    u8 qy[72];
    u8 reserved[880];
};

static_assert(sizeof(IdKey) == 0x404);

/// What goes to the firmware beside the block.
struct IdAuth {
    u32 id_key_algorithm;
    u32 author_key_algorithm;
    u8 reserved0[56];
    SnpSignature id_block_signature;
    u8 reserved1[368];
    IdKey id_key;
    u8 reserved2[60];
    SnpSignature id_key_signature;
    u8 reserved3[368];
    IdKey author_key;
    u8 reserved4[892];
};

static_assert(sizeof(IdAuth) == 4096);
static_assert(offsetof(IdAuth, id_block_signature) == 0x040);
static_assert(offsetof(IdAuth, id_key) == 0x240);
static_assert(offsetof(IdAuth, id_key_signature) == 0x680);
static_assert(offsetof(IdAuth, author_key) == 0x880);

/// The file's form of what goes to the firmware, as QEMU's options have it.
SnpIdBlock block_of(const IdBlock& block, const IdAuth& auth);

IdBlock firmware_block(const SnpIdBlock& block, u64 policy);
IdKey firmware_key(const SnpPublicKey& key);
IdAuth firmware_auth(const SnpIdBlock& block);

/// Signs a block whose other fields are filled in.
void sign(SnpIdBlock& block, u64 policy, const PrivateKey& id_key, const PrivateKey* author_key);

/// What is wrong with a block's keys and signatures, in words; empty where the firmware would take
/// it.
std::vector<std::string> faults_of(const SnpIdBlock& block, u64 policy);

/// The policy of a platform's launch, where the file has one.
std::optional<u64> policy_of(const File& file, u32 mask);

/// The file with this block instead of those it has for the block's platform, and with this policy.
std::expected<std::vector<u8>, Error> with_id_block(const File& file, const SnpIdBlock& block,
                                                    u64 policy);

} // namespace vestibule::igvm
