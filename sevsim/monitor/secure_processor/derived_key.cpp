// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/derived_key.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/secure_processor/launch.h"
#include "sevsim/monitor/secure_processor/sha384.h"

namespace vestibule::sevsim {

namespace {

/// GUEST_FIELD_SELECT.
namespace field_bit {
constexpr u64 policy      = bit(0);
constexpr u64 image_id    = bit(1);
constexpr u64 family_id   = bit(2);
constexpr u64 measurement = bit(3);
constexpr u64 guest_svn   = bit(4);
constexpr u64 tcb         = bit(5);
constexpr u64 mit_vector  = bit(6);
constexpr u64 all         = 0x7F;
} // namespace field_bit

/// What is mixed into the key; fields that were not selected stay zero.
struct Mixed {
    u64 fields;
    u64 policy;
    u64 tcb;
    u64 launch_mit_vector;
    u32 vmpl;
    u32 guest_svn;
    u32 key_kind;
    u32 reserved;
    u8 image_id[16];
    u8 family_id[16];
    u8 measurement[48];
};

bool is_selected(const KeyRequest& request, u64 which) { return (request.fields & which) != 0; }

/// A guest may ask for the key of an older version of itself or of the firmware, not of a newer
/// one.
bool is_allowed(const KeyRequest& request, unsigned vmpl) {
    const LaunchModule& launch = launch_module();
    const bool too_new         = (is_selected(request, field_bit::guest_svn)
                          && request.guest_svn > launch.identity.guest_svn)
                         || (is_selected(request, field_bit::tcb) && request.tcb > launch.tcb);
    return (request.fields & ~field_bit::all) == 0 && request.reserved == 0
           && (request.key_selection & ~7u) == 0 && request.vmpl >= vmpl && request.vmpl <= 3
           && !too_new;
}

} // namespace

u32 derive_key(const KeyRequest& request, unsigned vmpl, u8* key) {
    const LaunchModule& launch = launch_module();
    if (!is_allowed(request, vmpl)) {
        return key_invalid_request;
    }
    const bool of_vmrk  = (request.key_selection & 1) != 0; // no migration agent has given one
    const u32 selection = request.key_selection >> 1 & 3;
    const u32 own       = launch.signing_key_kind == SigningKey::vcek ? 1 : 2;
    if (of_vmrk || selection == 3 || (selection != 0 && selection != own)) {
        return key_not_there;
    }
    Mixed mixed{};
    mixed.fields   = request.fields;
    mixed.vmpl     = request.vmpl;
    mixed.key_kind = own;
    if (is_selected(request, field_bit::policy)) {
        mixed.policy = launch.policy;
    }
    if (is_selected(request, field_bit::image_id)) {
        memcpy(mixed.image_id, launch.identity.image_id, sizeof mixed.image_id);
    }
    if (is_selected(request, field_bit::family_id)) {
        memcpy(mixed.family_id, launch.identity.family_id, sizeof mixed.family_id);
    }
    if (is_selected(request, field_bit::measurement)) {
        memcpy(mixed.measurement, launch.measurement, sizeof mixed.measurement);
    }
    if (is_selected(request, field_bit::guest_svn)) {
        mixed.guest_svn = request.guest_svn;
    }
    if (is_selected(request, field_bit::tcb)) {
        mixed.tcb = request.tcb;
    }
    if (is_selected(request, field_bit::mit_vector)) {
        mixed.launch_mit_vector = request.launch_mit_vector;
    }
    const std::span<const u8> piece{reinterpret_cast<const u8*>(&mixed), sizeof mixed};
    const Digest384 derived = hmac_sha384(launch.root_secret, {&piece, 1});
    memcpy(key, derived.bytes, derived_key_size);
    return key_done;
}

} // namespace vestibule::sevsim
