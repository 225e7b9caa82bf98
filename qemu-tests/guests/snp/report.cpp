// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the secure processor is asked for as it should be: an attestation report and the
// certificates for it, which go to the host to be verified, derived keys, and the time-stamp
// counter.
#include "qemu-tests/guests/snp/message.h"

using namespace vestibule;
using namespace vestibule::snp_guest;

namespace {

alignas(page_size) constinit u8 answer[page_size]{};
alignas(page_size) constinit u8 certificates[4 * page_size]{};

constexpr u64 certificate_pages = sizeof certificates / page_size;
constexpr u16 report_size       = 0x4A0;

struct ReportRequest {
    u8 report_data[64];
    u32 vmpl;
    u8 reserved[28];
};

struct KeyRequest {
    u32 key_selection;
    u32 reserved;
    u64 fields;
    u32 vmpl;
    u32 guest_svn;
    u64 tcb;
};

u32 word(u64 offset) { return at<u32>(address_of(answer) + offset); }

ReportRequest wanted() {
    ReportRequest request{};
    for (u64 n = 0; n < sizeof request.report_data; ++n) {
        request.report_data[n] = static_cast<u8>(n);
    }
    return request;
}

void share_certificate_pages() {
    for (u64 n = 0; n < certificate_pages; ++n) {
        share(certificates + n * page_size);
    }
}

u64 send_extended(u64 pages) {
    put(field::rax, address_of(certificates));
    put(field::rbx, pages);
    return send(extended_guest_request);
}

/// A host may be busy, as often as it likes: the same message again.
u64 until_done(u64 (*send_once)()) {
    constexpr u64 busy = u64{2} << 32;
    u64 status         = busy;
    for (unsigned n = 0; n < 10 && status == busy; ++n) {
        status = send_once();
    }
    return status;
}

u64 send_until_done() {
    return until_done([] { return send(); });
}

void ask_for_report() {
    u16 size                    = 0;
    const ReportRequest request = wanted();
    prepare(0, report_request, 1, &request, sizeof request);
    check(send_until_done() == 0);
    check(receive(answer, size) && size == 32 + report_size);
    check(word(0) == 0 && word(4) == report_size);
    dump(answer + 32, report_size);
}

/// Too few pages: the message is not used up, and RBX says how many there must be.
void ask_with_certificates() {
    u16 size                    = 0;
    const ReportRequest request = wanted();
    share_certificate_pages();
    prepare(0, report_request, 3, &request, sizeof request);
    check(send_extended(0) == u64{1} << 32);
    check(get(field::rbx) >= 1 && get(field::rbx) <= certificate_pages);
    check(until_done([] { return send_extended(certificate_pages); }) == 0);
    check(receive(answer, size) && word(0) == 0);
    dump(certificates, sizeof certificates);
}

/// The same key for the same request, another one where more of the guest goes into it.
void derive_keys() {
    u8 first[32];
    u16 size           = 0;
    KeyRequest request = {};
    prepare(0, key_request, 5, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && size == 64 && word(0) == 0);
    memcpy(first, answer + 32, sizeof first);
    prepare(0, key_request, 7, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size));
    check(memcmp(first, answer + 32, sizeof first) == 0);
    request.fields = 8; // the measurement
    prepare(0, key_request, 9, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && word(0) == 0);
    check(memcmp(first, answer + 32, sizeof first) != 0);
    request.key_selection = 1; // VMRK, which no migration agent has given
    prepare(0, key_request, 11, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && word(0) == 0x27);
    request        = {};
    request.fields = 0x80; // that there is not
    prepare(0, key_request, 13, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && word(0) == 0x16);
}

void ask_for_tsc() {
    static constexpr u8 request[128]{};
    u16 size = 0;
    prepare(0, tsc_info_request, 15, request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && size == 128 && word(0) == 0);
}

/// Each VMPCK has a sequence of its own. A less privileged VMPL's key asks for no more than that.
void use_other_key() {
    u16 size              = 0;
    ReportRequest request = wanted();
    prepare(1, report_request, 1, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && word(0) == 0x16); // VMPL 0's report
    request.vmpl = 1;
    prepare(1, report_request, 3, &request, sizeof request);
    check(send_until_done() == 0 && receive(answer, size) && word(0) == 0);
}

} // namespace

void guest_main() {
    start();
    start_messages();
    ask_for_report();
#ifndef ONLY_REPORT
    ask_with_certificates();
    derive_keys();
    ask_for_tsc();
    use_other_key();
#endif
    finish();
}
