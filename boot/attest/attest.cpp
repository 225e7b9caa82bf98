// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/attest/attest.h"

#include "boot/fatal.h"
#include "boot/image.h"
#include "boot/interrupts.h"
#include "boot/snp/share.h"
#include "snp/certificates.h"
#include "snp/page_state.h"
#include "snp/requests.h"

namespace vestibule::boot {

namespace {

using x86::Cpu;

constexpr u64 certificate_pages = 4; // VCEK, ASK and ARK are less than two
constexpr u64 report_room       = 1280;

/// Shared from here on. The request is the first page, the answer the second.
struct alignas(page_size) Shared {
    u8 request[page_size];
    u8 response[page_size];
    u8 certificates[certificate_pages * page_size];
};

constinit Shared shared{};
constinit snp::GuestMessages messages{};
constinit u8 report[report_room]{};
alignas(8) constinit u8 certificates[certificate_pages * page_size]{};

void require(ghcb::Outcome outcome) {
    if (!outcome.is_done()) {
        fail(outcome.reason);
    }
}

/// Taken back first, then asked for in one list, then mapped.
void share_pages(ghcb::Channel& channel, u64 c_bit) {
    constexpr u64 pages = sizeof shared / page_size;
    const u64 gpa       = address_of(&shared);
    for (u64 n = 0; n < pages; ++n) {
        take_back(gpa + n * page_size);
    }
    require(snp::change_pages<Cpu>(channel, gpa, pages, snp::RmpPageSize::small,
                                   snp::PageOperation::make_shared));
    for (u64 n = 0; n < pages; ++n) {
        map_shared(gpa + n * page_size, c_bit);
        snp::clear_message(reinterpret_cast<volatile u8*>(gpa + n * page_size));
    }
}

snp::SharedPage page_at(const u8* page) {
    return {.at = const_cast<volatile u8*>(page), .gpa = address_of(page)};
}

snp::ReportRequest request_for(u8 vmpl) {
    snp::ReportRequest request;
    for (u64 n = 0; n < sizeof request.report_data; ++n) {
        request.report_data[n] = attest_record.report_data[n];
    }
    request.vmpl    = vmpl;
    request.key_sel = 0;
    for (u8& byte : request.reserved) {
        byte = 0;
    }
    return request;
}

/// A host that is busy gets the same message again. One that has more certificates than there is
/// room for, or wants another amount each time, gets the same message as a request without any.
ghcb::Outcome ask(ghcb::Channel& channel, const snp::ReportRequest& request,
                  snp::ReportBuffer& buffer, bool& has_certificates) {
    constexpr unsigned most_tries = 1000;
    snp::CertificatePages pages{
        .gpa = address_of(&shared.certificates), .count = certificate_pages, .needed = 0};
    ghcb::Outcome outcome = ghcb::Outcome::done();
    has_certificates      = true;
    for (unsigned n = 0; n < most_tries; ++n) {
        outcome = snp::get_report<Cpu>(messages, channel, request, buffer,
                                       has_certificates ? &pages : nullptr);
        if (outcome.is_done()) {
            break;
        }
        if (outcome.reason == ghcb::reason::request_certificates && has_certificates) {
            has_certificates = false;
        } else if (outcome.reason != ghcb::reason::request_busy) {
            break;
        }
    }
    return outcome;
}

/// SECURITY: copied first, since the hypervisor can write where it was; then looked at.
u64 take_certificates() {
    const auto* from = reinterpret_cast<const volatile u64*>(&shared.certificates);
    auto* const to   = reinterpret_cast<volatile u64*>(&certificates);
    for (u64 n = 0; n < sizeof certificates / sizeof(u64); ++n) {
        to[n] = from[n];
    }
    return snp::certificate_table_size({certificates, sizeof certificates});
}

} // namespace

void attest(BootInfo& told) {
    ghcb::Channel& channel = vc_context().ghcb;
    share_pages(channel, told.c_bit);
    const auto vmpl = static_cast<u8>(told.vmpl);
    require(snp::open_messages(messages, *reinterpret_cast<snp::SecretsPage*>(told.secrets_page),
                               vmpl, page_at(shared.request), page_at(shared.response)));
    snp::ReportBuffer buffer; // filled in at run time: nobody relocates a constant with an address
    buffer.bytes          = report;
    buffer.size           = sizeof report;
    bool has_certificates = false;
    require(ask(channel, request_for(vmpl), buffer, has_certificates));
    messages.key.forget(); // the payload's conversation begins with the secrets page
    told.report      = address_of(&report);
    told.report_size = buffer.size;
    if (has_certificates) {
        told.certificates_size = take_certificates();
        told.certificates      = told.certificates_size != 0 ? address_of(&certificates) : 0;
    }
}

} // namespace vestibule::boot
