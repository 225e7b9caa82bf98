// SPDX-License-Identifier: BSD-2-Clause-Patent
// One message between the guest and the secure processor, as it lies in its page (SEV-SNP firmware
// ABI, 56860, section 8.26): a header in clear, most of it authenticated, and an encrypted payload.
// The hypervisor carries the pages and can read nothing of the payload.
#pragma once

#include "crypto/aes_gcm.h"
#include "x86/types.h"

namespace vestibule::snp {

enum class MessageType : u8 {
    key_request      = 3,
    report_request   = 5,
    tsc_info_request = 17,
};

struct MessageHeader {
    static constexpr u8 aes_256_gcm = 1;
    static constexpr u8 known       = 1; // version

    u8 authtag[32]; // 16 used
    u64 msg_seqno;
    u64 reserved0;
    u8 algo;
    u8 hdr_version;
    u16 hdr_size;
    u8 msg_type;
    u8 msg_version;
    u16 msg_size;
    u32 reserved1;
    u8 msg_vmpck;
    u8 reserved2[35];
};

static_assert(sizeof(MessageHeader) == 0x60);
static_assert(offsetof(MessageHeader, msg_seqno) == 0x20);
static_assert(offsetof(MessageHeader, algo) == 0x30);
static_assert(offsetof(MessageHeader, msg_type) == 0x34);
static_assert(offsetof(MessageHeader, msg_size) == 0x36);
static_assert(offsetof(MessageHeader, msg_vmpck) == 0x3C);

inline constexpr u64 most_payload = page_size - sizeof(MessageHeader);

struct alignas(8) Message {
    MessageHeader header;
    u8 payload[most_payload];
};

static_assert(sizeof(Message) == page_size);

/// By words: the compiler would make calls of it to functions that nobody has here. The other side
/// may be shared memory, hence volatile.
inline void copy_message(volatile void* to, const volatile void* from) {
    auto* target       = static_cast<volatile u64*>(to);
    const auto* source = static_cast<const volatile u64*>(from);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        target[n] = source[n];
    }
}

inline void clear_message(volatile void* page) {
    auto* target = static_cast<volatile u64*>(page);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        target[n] = 0;
    }
}

/// MSG_SEQNO is the nonce; authenticated is the header from ALGO to its end.
class MessageFrame {
  public:
    explicit MessageFrame(const MessageHeader& of) : header{of} {
        crypto::store_little64(nonce, of.msg_seqno);
        for (u64 n = sizeof(u64); n < sizeof nonce; ++n) {
            nonce[n] = 0;
        }
    }

    crypto::AesGcm::Frame frame() const {
        return {
            nonce, {&header.algo, sizeof(MessageHeader) - offsetof(MessageHeader, algo)}
        };
    }

  private:
    const MessageHeader& header;
    u8 nonce[crypto::AesGcm::nonce_size];
};

/// What is asked: `size` bytes of payload.
struct MessageBody {
    MessageType type;
    u8 version;
    const void* payload;
    u16 size;
};

/// Makes a message of it in private memory, with that sequence number. The same body gives the same
/// message, byte for byte.
inline void seal_message(crypto::AesGcm& key, u8 vmpck, u64 sequence, const MessageBody& body,
                         Message& message) {
    clear_message(&message);
    MessageHeader& header = message.header;
    header.msg_seqno      = sequence;
    header.algo           = MessageHeader::aes_256_gcm;
    header.hdr_version    = MessageHeader::known;
    header.hdr_size       = sizeof(MessageHeader);
    header.msg_type       = static_cast<u8>(body.type);
    header.msg_version    = body.version;
    header.msg_size       = body.size;
    header.msg_vmpck      = vmpck;
    const auto* payload   = static_cast<const u8*>(body.payload);
    for (u64 n = 0; n < body.size; ++n) {
        // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): a structure's bytes, all set
        message.payload[n] = payload[n];
    }
    key.seal(MessageFrame{header}.frame(), message.payload, body.size, header.authtag);
}

/// Whether `answer`, a private copy, is the secure processor's answer to `request`; its payload is
/// decrypted then.
///
/// SECURITY: an old answer that the hypervisor kept is genuine, and so is a request that it sends
/// back; they differ from the right one in MSG_SEQNO and in MSG_TYPE.
inline bool open_answer(crypto::AesGcm& key, const MessageHeader& request, Message& answer) {
    const MessageHeader& header = answer.header;
    return header.msg_seqno == request.msg_seqno + 1 && header.algo == MessageHeader::aes_256_gcm
           && header.hdr_version == MessageHeader::known && header.hdr_size == sizeof(MessageHeader)
           && header.msg_type == request.msg_type + 1 && header.msg_version == request.msg_version
           && header.msg_vmpck == request.msg_vmpck && header.msg_size <= most_payload
           && key.open(MessageFrame{header}.frame(), answer.payload, header.msg_size,
                       header.authtag);
}

} // namespace vestibule::snp
