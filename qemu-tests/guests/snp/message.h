// SPDX-License-Identifier: BSD-2-Clause-Patent
// A guest's side of the messages to the secure processor (SEV-SNP firmware ABI, 56860, chapter 7;
// GHCB specification, exits 0x80000011 and 0x80000012).
#pragma once

#include "qemu-tests/guests/snp/machine.h"

namespace vestibule::snp_guest {

struct MessageHeader {
    u8 tag[32];
    u64 sequence;
    u64 reserved0;
    u8 algorithm;
    u8 version;
    u16 size;
    u8 type;
    u8 message_version;
    u16 message_size;
    u32 reserved1;
    u8 vmpck;
    u8 reserved2[35];
};

static_assert(sizeof(MessageHeader) == 0x60);

inline constexpr u8 key_request      = 3;
inline constexpr u8 report_request   = 5;
inline constexpr u8 tsc_info_request = 17;

inline constexpr u64 guest_request          = 0x8000'0011;
inline constexpr u64 extended_guest_request = 0x8000'0012;

/// The pages for messages, shared; the secrets page, behind the image, where igvmtool puts it.
void start_messages();

/// Encrypts a message with the VMPCK of that number into the request page.
void prepare(u8 key, u8 type, u64 sequence, const void* payload, u16 size, u8 version = 1);

MessageHeader& prepared(); // to spoil it

/// Makes the call; SW_EXITINFO2.
u64 send(u64 exit_code = guest_request);

/// Decrypts the answer to what was prepared last; false where it is not that.
bool receive(void* payload, u16& size);

} // namespace vestibule::snp_guest
