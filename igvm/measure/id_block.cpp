// SPDX-License-Identifier: BSD-2-Clause-Patent
// See id_block.h.
#include "igvm/measure/id_block.h"

#include "igvm/format/rewrite.h"

#include <algorithm>

namespace vestibule::igvm {

template <class T>
static std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

IdBlock firmware_block(const SnpIdBlock& block, u64 policy) {
    IdBlock result{};
    std::ranges::copy(block.ld, result.ld);
    std::ranges::copy(block.family_id, result.family_id);
    std::ranges::copy(block.image_id, result.image_id);
    result.version   = block.version;
    result.guest_svn = block.guest_svn;
    result.policy    = policy;
    return result;
}

IdKey firmware_key(const SnpPublicKey& key) {
    IdKey result{};
    result.curve = key.curve;
    std::ranges::copy(key.qx, result.qx);
    std::ranges::copy(key.qy, result.qy);
    return result;
}

IdAuth firmware_auth(const SnpIdBlock& block) {
    IdAuth result{};
    result.id_key_algorithm   = block.id_key_algorithm;
    result.id_block_signature = block.id_key_signature;
    result.id_key             = firmware_key(block.id_public_key);
    if (block.author_key_enabled != 0) {
        result.author_key_algorithm = block.author_key_algorithm;
        result.id_key_signature     = block.author_key_signature;
        result.author_key           = firmware_key(block.author_public_key);
    }
    return result;
}

SnpIdBlock block_of(const IdBlock& block, const IdAuth& auth) {
    const auto key = [](const IdKey& own) {
        SnpPublicKey result{.curve = own.curve, .reserved = 0, .qx = {}, .qy = {}};
        std::ranges::copy(own.qx, result.qx);
        std::ranges::copy(own.qy, result.qy);
        return result;
    };
    SnpIdBlock result{};
    std::ranges::copy(block.ld, result.ld);
    std::ranges::copy(block.family_id, result.family_id);
    std::ranges::copy(block.image_id, result.image_id);
    result.version              = block.version;
    result.guest_svn            = block.guest_svn;
    result.id_key_algorithm     = auth.id_key_algorithm;
    result.id_key_signature     = auth.id_block_signature;
    result.id_public_key        = key(auth.id_key);
    result.author_key_enabled   = auth.author_key_algorithm != 0 ? 1 : 0;
    result.author_key_algorithm = auth.author_key_algorithm;
    result.author_key_signature = auth.id_key_signature;
    result.author_public_key    = key(auth.author_key);
    return result;
}

void sign(SnpIdBlock& block, u64 policy, const PrivateKey& id_key, const PrivateKey* author_key) {
    const IdBlock message  = firmware_block(block, policy);
    block.id_key_algorithm = ecdsa_p384_sha384;
    block.id_public_key    = id_key.public_key();
    block.id_key_signature = id_key.sign(bytes_of(message));
    if (author_key != nullptr) {
        const IdKey key            = firmware_key(block.id_public_key);
        block.author_key_enabled   = 1;
        block.author_key_algorithm = ecdsa_p384_sha384;
        block.author_public_key    = author_key->public_key();
        block.author_key_signature = author_key->sign(bytes_of(key));
    }
}

std::vector<std::string> faults_of(const SnpIdBlock& block, u64 policy) {
    std::vector<std::string> faults;
    const auto check = [&](const std::string& whose, u32 algorithm, const SnpPublicKey& key,
                           const SnpSignature& signature, std::span<const u8> message) {
        if (algorithm != ecdsa_p384_sha384) {
            faults.push_back("the " + whose + "'s algorithm is not ECDSA on P-384 with SHA-384");
        } else if (key.curve != curve_p384) {
            faults.push_back("the " + whose + " is not of the curve P-384");
        } else if (!is_signed(key, signature, message)) {
            faults.push_back("the " + whose + " has not signed this");
        }
    };
    const IdBlock message = firmware_block(block, policy);
    check("ID key", block.id_key_algorithm, block.id_public_key, block.id_key_signature,
          bytes_of(message));
    if (block.author_key_enabled != 0) {
        const IdKey key = firmware_key(block.id_public_key);
        check("author key", block.author_key_algorithm, block.author_public_key,
              block.author_key_signature, bytes_of(key));
    }
    return faults;
}

std::optional<u64> policy_of(const File& file, u32 mask) {
    for (const Header header : file.initialization(mask)) {
        if (const auto policy = header.as<GuestPolicy>()) {
            return policy->policy;
        }
    }
    return std::nullopt;
}

std::expected<std::vector<u8>, Error> with_id_block(const File& file, const SnpIdBlock& block,
                                                    u64 policy) {
    const u32 mask = block.compatibility_mask;
    FileCopy copy(file);
    for (const Header header : file.platforms()) {
        copy.copy(header);
    }
    for (const Header header : file.initialization()) {
        const auto own = header.as<GuestPolicy>();
        if (!own || (own->compatibility_mask & mask) == 0) {
            copy.copy(header);
        } else if (own->compatibility_mask != mask) {
            // The policy of other platforms stays.
            GuestPolicy others = *own;
            others.compatibility_mask &= ~mask;
            copy.writer().add(others);
        }
    }
    copy.writer().add(GuestPolicy{.policy = policy, .compatibility_mask = mask, .reserved = 0});
    // Before all pages, whose runs it would break up.
    copy.writer().add(block);
    for (const Header header : file.directives()) {
        const auto own = header.as<SnpIdBlock>();
        if (!own || (own->compatibility_mask & mask) == 0) {
            copy.copy(header);
        } else if (own->compatibility_mask != mask) {
            SnpIdBlock others = *own;
            others.compatibility_mask &= ~mask;
            copy.writer().add(others);
        }
    }
    return copy.writer().finish();
}

} // namespace vestibule::igvm
