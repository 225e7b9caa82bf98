// SPDX-License-Identifier: BSD-2-Clause-Patent
// The attestation protocol of the tests' service (SVSM specification, 58019, chapter 7, from
// memory): a report of VMPL 0, whose REPORT_DATA are SHA-512 of the caller's nonce and the
// manifest. Only who has VMPCK0 gets one that says VMPL 0, so it tells a verifier that the service
// runs there, what it offers, and that the guest which was sent the nonce is below it.
#include "qemu-tests/guests/snp/message.h"
#include "qemu-tests/guests/snp_svsm/service.h"
#include "qemu-tests/guests/snp_svsm/sha512.h"

#include "crypto/aes_gcm.h"

namespace vestibule::snp_guest {

namespace {

constexpr u64 report_size = 0x4A0;
constexpr u64 most_nonce  = 512;

alignas(page_size) constinit u8 request_page[page_size]{};  // shared
alignas(page_size) constinit u8 response_page[page_size]{}; // shared
alignas(page_size) constinit u8 message[page_size]{};
constinit u64 sequence = 1; // VMPCK0 is nobody else's, so the count is the service's own

/// The operands of a call, in the calling area.
struct Request {
    u64 report;
    u32 report_size;
    u32 reserved0;
    u64 nonce;
    u32 nonce_size;
    u32 reserved1;
    u64 manifest;
    u32 manifest_size;
    u32 reserved2;
    u64 certificates;
    u32 certificates_size;
    u32 reserved3;
    u8 service[16];
    u32 version;
    u32 reserved4;
};

static_assert(sizeof(Request) == 88);

/// What the one service of these tests says of itself.
constexpr char one_manifest[] = "the tests' service";

/// Of all services: a header, an entry for each service, and what they say.
struct ServicesManifest {
    u8 guid[16] = {0xBB, 0x9E, 0x84, 0x63, 0x92, 0x3D, 0x70, 0x46,
                   0xA1, 0xFF, 0x58, 0xF9, 0xC9, 0x4B, 0x87, 0xBB};
    u32 size    = sizeof(ServicesManifest);
    u32 count   = 1;

    struct {
        u8 guid[16] = {7};
        u32 offset  = offsetof(ServicesManifest, said);
        u32 size    = sizeof one_manifest;
    } entry;

    u8 said[sizeof one_manifest + 5] = {}; // filled up to whole words
};

constinit ServicesManifest all_services{};

crypto::AesGcm::Frame frame(const MessageHeader& header, u8 (&nonce)[12]) {
    memset(nonce, 0, sizeof nonce);
    memcpy(nonce, &header.sequence, sizeof header.sequence);
    return {
        nonce, {&header.algorithm, 48}
    };
}

/// A report over these 64 bytes, into memory of the service's; false where the host or the firmware
/// gives none.
bool get_report(const u8 (&data)[64], u8 (&report)[report_size]) {
    static constinit bool is_shared = false;
    if (!is_shared) {
        share(request_page);
        share(response_page);
        is_shared = true;
    }
    MessageHeader header{};
    header.sequence        = sequence;
    header.algorithm       = 1;
    header.version         = 1;
    header.size            = sizeof header;
    header.type            = report_request;
    header.message_version = 1;
    header.message_size    = 96; // REPORT_DATA, VMPL 0, zeros
    u8 nonce[12];
    crypto::AesGcm gcm;
    gcm.set_key(own.vmpck0);
    memset(&message, 0, sizeof message);
    memcpy(message + sizeof header, data, sizeof data);
    gcm.seal(frame(header, nonce), message + sizeof header, header.message_size, header.tag);
    memcpy(message, &header, sizeof header);
    memcpy(request_page, message, page_size);
    if (call(guest_request, address_of(request_page), address_of(response_page)).info_2 != 0) {
        return false;
    }
    sequence += 2;
    memcpy(message, response_page, page_size); // before anything in it is believed
    MessageHeader answer;
    memcpy(&answer, message, sizeof answer);
    constexpr u64 before_report = 32;
    const bool is_answer =
        answer.sequence == header.sequence + 1 && answer.type == report_request + 1
        && answer.message_size == before_report + report_size
        && gcm.open(frame(answer, nonce), message + sizeof answer, answer.message_size, answer.tag);
    const u32 status = *reinterpret_cast<const u32*>(message + sizeof answer);
    if (!is_answer || status != 0) {
        return false;
    }
    memcpy(report, message + sizeof answer + before_report, report_size);
    return true;
}

/// Whether all of the memory is the guest's, that its buffers are said to be.
bool is_guests(u64 gpa, u64 size) {
    for (u64 page = gpa & ~u64{page_size - 1}; page < gpa + size; page += page_size) {
        if (!is_the_kernels(page)) {
            return false;
        }
    }
    return gpa + size >= gpa;
}

} // namespace

u64 serve_attestation(u32 code, x86::Vmsa& registers, const Client& client) {
    const u64 request_at = registers.rcx;
    if (code > 1) {
        return result + unknown_call;
    }
    if (request_at < client.calling_area + 8
        || request_at + sizeof(Request) > client.calling_area + page_size) {
        return result + bad_address;
    }
    if (&client != &own.clients[0]) {
        return result + busy; // the GHCB page is vCPU 0's
    }
    Request request;
    memcpy(&request, reinterpret_cast<const void*>(request_at), sizeof request);
    if (!is_guests(request.report, request.report_size)
        || !is_guests(request.nonce, request.nonce_size)
        || !is_guests(request.manifest, request.manifest_size)) {
        return result + bad_address;
    }
    memcpy(all_services.said, one_manifest, sizeof one_manifest);
    const bool is_single = code == 1;
    const void* manifest = is_single ? static_cast<const void*>(one_manifest) : &all_services;
    const u64 size       = is_single ? sizeof one_manifest : sizeof all_services;
    registers.rcx        = size;
    registers.rdx        = 0; // no certificates
    registers.r8         = report_size;
    if (request.report_size < report_size || request.manifest_size < size
        || request.nonce_size > most_nonce
        || (is_single && memcmp(request.service, all_services.entry.guid, 16) != 0)) {
        return result + bad_parameter;
    }
    u8 hashed[most_nonce + sizeof all_services];
    memcpy(hashed, reinterpret_cast<const void*>(request.nonce), request.nonce_size);
    memcpy(hashed + request.nonce_size, manifest, size);
    u8 data[64];
    sha512(hashed, request.nonce_size + size, data);
    u8 report[report_size];
    if (!get_report(data, report)) {
        return result + busy;
    }
    memcpy(reinterpret_cast<void*>(request.report), report, sizeof report);
    memcpy(reinterpret_cast<void*>(request.manifest), manifest, size);
    return 0;
}

} // namespace vestibule::snp_guest
