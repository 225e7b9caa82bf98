// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the secure processor can be asked for by a guest: an attestation report, a derived key, and
// how the time-stamp counter is scaled (SEV-SNP firmware ABI, 56860, sections 7.1 to 7.3 and 8.26).
#pragma once

#include "snp/guest_requests.h"

namespace vestibule::snp {

struct ReportRequest {
    u8 report_data[64];
    u32 vmpl;
    u32 key_sel; // 0: as the host has set it up; 1 VCEK, 2 VLEK
    u8 reserved[24];
};

static_assert(sizeof(ReportRequest) == 96);

struct ReportResponse {
    u32 status;
    u32 report_size;
    u8 reserved[24]; // the report follows
};

static_assert(sizeof(ReportResponse) == 32);

struct KeyRequest {
    u32 root_key_select; // bit 0: of the VMRK instead of the chip's; bits 2:1 as KEY_SEL above
    u32 reserved;
    u64 guest_field_select;
    u32 vmpl;
    u32 guest_svn;
    u64 tcb_version;
    u64 launch_mit_vector; // of version 2

    static constexpr u64 mit_vector_selected = bit(6);
};

static_assert(sizeof(KeyRequest) == 40 && offsetof(KeyRequest, launch_mit_vector) == 32);

inline constexpr u64 derived_key_size = 32;

struct KeyResponse {
    u32 status;
    u8 reserved[28];
    u8 key[derived_key_size];
};

static_assert(sizeof(KeyResponse) == 64);

struct TscInfo {
    u32 status;
    u32 reserved0;
    u64 tsc_scale; // fixed point: what the guest's counter makes of the host's
    u64 tsc_offset;
    u32 tsc_factor; // a hundred-thousandth each: how much slower than GUEST_TSC_FREQ says
    u8 reserved1[100];
};

static_assert(sizeof(TscInfo) == 128);

namespace detail {

/// The answer's beginning, which says whether there is more.
template <class Requests, class Response>
ghcb::Outcome judge_answer(const Requests& requests, GuestMessages& messages, Response& response) {
    constexpr u64 status_size = sizeof(u32);
    if (requests.answer_size() < status_size) {
        return ghcb::Outcome::terminate(ghcb::reason::request_answer_size);
    }
    u32 status = 0;
    for (unsigned n = 0; n < status_size; ++n) {
        status |= u32{requests.answer()[n]} << (8 * n);
    }
    if (status != 0) {
        messages.status = status;
        return ghcb::Outcome::terminate(ghcb::reason::request_status);
    }
    if (requests.answer_size() < sizeof response) {
        return ghcb::Outcome::terminate(ghcb::reason::request_answer_size);
    }
    auto* to = reinterpret_cast<u8*>(&response);
    for (u64 n = 0; n < sizeof response; ++n) {
        to[n] = requests.answer()[n];
    }
    return ghcb::Outcome::done();
}

} // namespace detail

/// Memory for a report. `size` in: the room; out: what there is.
struct ReportBuffer {
    u8* bytes;
    u64 size;
};

/// The report, of whatever version the firmware makes them. With `pages` also the certificates by
/// which it is checked.
template <class Cpu, class Alone = ghcb::Undisturbed>
ghcb::Outcome get_report(GuestMessages& messages, ghcb::Channel& channel,
                         const ReportRequest& request, ReportBuffer& report,
                         CertificatePages* pages = nullptr) {
    GuestRequests<Cpu, Alone> requests{messages, channel};
    ghcb::Outcome outcome = requests.ask({.type    = MessageType::report_request,
                                          .version = 1,
                                          .payload = &request,
                                          .size    = sizeof request},
                                         pages);
    if (!outcome.is_done()) {
        return outcome;
    }
    ReportResponse response;
    outcome = detail::judge_answer(requests, messages, response);
    if (outcome.is_done()
        && (response.report_size > requests.answer_size() - sizeof response
            || response.report_size > report.size)) {
        outcome = ghcb::Outcome::terminate(ghcb::reason::request_answer_size);
    }
    if (outcome.is_done()) {
        for (u64 n = 0; n < response.report_size; ++n) {
            report.bytes[n] = requests.answer()[sizeof response + n];
        }
        report.size = response.report_size;
    }
    requests.drop_answer();
    return outcome;
}

/// A key that the chip derives from a secret of its own and from what the request names: the same
/// for the same guest, always. A message of version 2 where the mitigation vector is named.
template <class Cpu, class Alone = ghcb::Undisturbed>
ghcb::Outcome get_derived_key(GuestMessages& messages, ghcb::Channel& channel,
                              const KeyRequest& request, u8* key) {
    const bool is_version_2 = (request.guest_field_select & KeyRequest::mit_vector_selected) != 0;
    GuestRequests<Cpu, Alone> requests{messages, channel};
    ghcb::Outcome outcome =
        requests.ask({.type    = MessageType::key_request,
                      .version = is_version_2 ? u8{2} : u8{1},
                      .payload = &request,
                      .size    = is_version_2 ? u16{sizeof request}
                                              : u16{offsetof(KeyRequest, launch_mit_vector)}});
    if (!outcome.is_done()) {
        return outcome;
    }
    KeyResponse response;
    outcome = detail::judge_answer(requests, messages, response);
    if (outcome.is_done()) {
        for (u64 n = 0; n < derived_key_size; ++n) {
            key[n] = response.key[n];
        }
    }
    crypto::wipe(&response, sizeof response);
    requests.drop_answer();
    return outcome;
}

/// For a guest with Secure TSC.
template <class Cpu, class Alone = ghcb::Undisturbed>
ghcb::Outcome get_tsc_info(GuestMessages& messages, ghcb::Channel& channel, TscInfo& info) {
    u8 request[sizeof info]; // 128 bytes of nothing
    for (u8& byte : request) {
        byte = 0;
    }
    GuestRequests<Cpu, Alone> requests{messages, channel};
    ghcb::Outcome outcome = requests.ask({.type    = MessageType::tsc_info_request,
                                          .version = 1,
                                          .payload = request,
                                          .size    = sizeof request});
    if (outcome.is_done()) {
        outcome = detail::judge_answer(requests, messages, info);
        requests.drop_answer();
    }
    return outcome;
}

} // namespace vestibule::snp
