// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/snp/message.h"

#include "crypto/aes_gcm.h" // the secure processor has a cipher of its own

using namespace vestibule;

namespace vestibule::snp_guest {

namespace {

using crypto::AesGcm;

alignas(page_size) constinit u8 request_page[page_size]{};
alignas(page_size) constinit u8 response_page[page_size]{};
alignas(page_size) constinit u8 sealed[page_size]{};
alignas(page_size) constinit u8 received[page_size]{};

const u8* vmpck(u8 number) { return image_end + page_size + 0x20 + u64{32} * number; }

/// The sequence number is the nonce; the header from the algorithm on is authenticated.
AesGcm::Frame frame(const MessageHeader& header, u8 (&nonce)[12]) {
    memset(nonce, 0, sizeof nonce);
    memcpy(nonce, &header.sequence, sizeof header.sequence);
    return {
        nonce, {&header.algorithm, 48}
    };
}

} // namespace

void start_messages() {
    share(request_page);
    share(response_page);
}

MessageHeader& prepared() { return *reinterpret_cast<MessageHeader*>(request_page); }

void prepare(u8 key, u8 type, u64 sequence, const void* payload, u16 size, u8 version) {
    MessageHeader header{};
    header.sequence        = sequence;
    header.algorithm       = 1;
    header.version         = 1;
    header.size            = sizeof header;
    header.type            = type;
    header.message_version = version;
    header.message_size    = size;
    header.vmpck           = key;
    u8 nonce[12];
    memset(&sealed, 0, sizeof sealed);
    memcpy(sealed + sizeof header, payload, size);
    AesGcm gcm;
    gcm.set_key(vmpck(key));
    gcm.seal(frame(header, nonce), sealed + sizeof header, size, header.tag);
    memcpy(sealed, &header, sizeof header);
    memcpy(request_page, sealed, page_size);
}

u64 send(u64 exit_code) {
    return call(exit_code, address_of(request_page), address_of(response_page)).info_2;
}

bool receive(void* payload, u16& size) {
    memcpy(received, response_page, page_size); // before anything in it is believed
    const auto& answer         = *reinterpret_cast<const MessageHeader*>(received);
    const MessageHeader& asked = prepared();
    if (answer.sequence != asked.sequence + 1 || answer.type != asked.type + 1
        || answer.message_size > page_size - sizeof answer) {
        return false;
    }
    u8 nonce[12];
    size = answer.message_size;
    AesGcm gcm;
    gcm.set_key(vmpck(asked.vmpck));
    const bool genuine = gcm.open(frame(answer, nonce), received + sizeof answer, size, answer.tag);
    memcpy(payload, received + sizeof answer, size);
    return genuine;
}

} // namespace vestibule::snp_guest
