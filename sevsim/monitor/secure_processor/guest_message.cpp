// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/guest_message.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/aes_gcm.h"
#include "sevsim/monitor/secure_processor/derived_key.h"
#include "sevsim/monitor/secure_processor/launch.h"
#include "sevsim/monitor/secure_processor/report.h"
#include "sevsim/monitor/secure_processor/secure_tsc.h"

namespace vestibule::sevsim {

namespace {

struct Header {
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

static_assert(sizeof(Header) == 0x60);
static_assert(offsetof(Header, algorithm) == 0x30);
static_assert(offsetof(Header, vmpck) == 0x3C);

struct Message {
    Header header;
    u8 payload[page_size - sizeof(Header)];
};

static_assert(sizeof(Message) == page_size);

constexpr u8 aes_256_gcm    = 1;
constexpr u8 header_version = 1;

/// What was asked, in clear, and where the answer goes.
struct Exchange {
    const u8* asked;
    u16 asked_size;
    u8 message_version;
    u8 vmpl; // the VMPCK's, which only that VMPL or a more privileged one knows
    u8* answer;
};

/// The size of the answer; 0 where what was asked makes no sense.
u16 answer_report(const Exchange& exchange) {
    struct Response {
        u32 status;
        u32 size;
        u8 reserved[24];
        u8 report[report_size];
    };

    ReportRequest request;
    memcpy(&request, exchange.asked, sizeof request);
    auto& response = *reinterpret_cast<Response*>(exchange.answer);
    if (request.vmpl < exchange.vmpl || request.vmpl > 3) {
        response.status = key_invalid_request;
    } else if (!write_report(request, response.report)) {
        response.status = key_not_there;
    } else {
        response.size = report_size;
    }
    return response.size != 0 ? sizeof response : offsetof(Response, report);
}

u16 answer_key(const Exchange& exchange) {
    struct Response {
        u32 status;
        u8 reserved[28];
        u8 key[derived_key_size];
    };

    KeyRequest request{};
    memcpy(&request, exchange.asked, exchange.asked_size);
    auto& response  = *reinterpret_cast<Response*>(exchange.answer);
    response.status = derive_key(request, exchange.vmpl, response.key);
    return sizeof response;
}

u16 answer_tsc_info(const Exchange& exchange) {
    struct Response {
        u32 status;
        u32 reserved0;
        u64 scale; // fixed point, 32 bits behind it
        u64 offset;
        u32 factor;
        u8 reserved1[100];
    };

    static_assert(sizeof(Response) == 128);
    auto& response  = *reinterpret_cast<Response*>(exchange.answer);
    response.scale  = secure_tsc::scale;
    response.offset = secure_tsc::launch_offset();
    return sizeof response;
}

struct Row {
    u8 type; // of the request; the answer's is the next
    u8 last_version;
    u16 sizes[2]; // by version
    u16 (*answer)(const Exchange& exchange);
};

constexpr Row rows[] = {
    {3,  2, {KeyRequest::version_1_size, sizeof(KeyRequest)}, answer_key     },
    {5,  1, {sizeof(ReportRequest), 0},                       answer_report  },
    {17, 1, {128, 0},                                         answer_tsc_info},
};

constexpr u8 report_request = 5;

const Row* find(const Header& header) {
    for (const Row& row : rows) {
        const u8 version = header.message_version;
        if (row.type == header.type && version >= 1 && version <= row.last_version
            && header.message_size == row.sizes[version - 1]) {
            return &row;
        }
    }
    return nullptr;
}

constinit u64 counters[4]{}; // the sequence number of the last message with each VMPCK

/// What can be said before the key is used; nullptr where nothing is wrong.
const char* header_fault(const Header& header) {
    if (header.algorithm != aes_256_gcm || header.version != header_version
        || header.size != sizeof(Header)) {
        return "a guest message with a header that the firmware does not know";
    }
    if (header.vmpck > 3 || header.message_size > sizeof Message::payload) {
        return "a guest message with a key or a size that there is not";
    }
    return nullptr;
}

FirmwareStatus refuse(Rule rule, const char* detail, FirmwareStatus status) {
    report_violation(rule, detail);
    return status;
}

/// The nonce is the sequence number, and the part of the header behind it is authenticated.
GcmMessage frame(const Header& header, u8 (&nonce)[12]) {
    memset(nonce, 0, sizeof nonce);
    memcpy(nonce, &header.sequence, sizeof header.sequence);
    return {
        nonce, {&header.algorithm, sizeof(Header) - offsetof(Header, algorithm)}
    };
}

void send(const AesGcm& key, const Header& asked, const u8* payload, u16 size, u8* to) {
    Message message{};
    u8 nonce[12];
    message.header = asked;
    memset(message.header.tag, 0, sizeof message.header.tag);
    ++message.header.sequence;
    ++message.header.type;
    message.header.message_size = size;
    key.encrypt(frame(message.header, nonce), {payload, size}, message.payload, message.header.tag);
    memcpy(to, &message, sizeof message);
}

} // namespace

bool asks_for_report(const u8* request) {
    return request[offsetof(Header, type)] == report_request;
}

FirmwareStatus serve_guest_message(const u8* request, u8* response) {
    static constinit Message message{};
    static constinit u8 asked[sizeof Message::payload]{};
    static constinit u8 answer[sizeof Message::payload]{};
    memcpy(&message, request, sizeof message);
    const Header& header = message.header;
    if (const char* fault = header_fault(header)) {
        return refuse(Rule::snp_message, fault, FirmwareStatus::invalid_param);
    }
    u64& counter = counters[header.vmpck];
    if (counter >= ~u64{0} - 2) {
        return FirmwareStatus::aead_overflow;
    }
    if (header.sequence != counter + 1) {
        return refuse(Rule::snp_message_sequence,
                      "a guest message with a sequence number that is not the next",
                      FirmwareStatus::invalid_param);
    }
    u8 nonce[12];
    const AesGcm key{launch_module().vmpck[header.vmpck]};
    if (!key.decrypt(frame(header, nonce), {message.payload, header.message_size}, asked,
                     header.tag)) {
        return refuse(Rule::snp_message,
                      "a guest message that is not encrypted, or with another key",
                      FirmwareStatus::bad_measurement);
    }
    const Row* row = find(header);
    if (row == nullptr) {
        return refuse(Rule::snp_message,
                      "a guest message of a type, version or size that the "
                      "firmware does not know",
                      FirmwareStatus::invalid_param);
    }
    memset(answer, 0, sizeof answer);
    const u16 size =
        row->answer({asked, header.message_size, header.message_version, header.vmpck, answer});
    send(key, header, answer, size, response);
    counter = header.sequence + 1;
    return FirmwareStatus::success;
}

} // namespace vestibule::sevsim
