// SPDX-License-Identifier: BSD-2-Clause-Patent
// The secure processor asked by the library: report, report with certificates, derived keys, the
// clock, and the end of the key. What comes goes to the host to be verified.
#include "qemu-tests/guests/snp_library/machine.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;
namespace reason = ghcb::reason;

namespace {

constexpr u64 most_pages = 4;

alignas(page_size) constinit u8 request_page[page_size]{};
alignas(page_size) constinit u8 response_page[page_size]{};
alignas(page_size) constinit u8 shared_pages[most_pages * page_size]{};
alignas(page_size) constinit u8 table[most_pages * page_size]{};
alignas(8) constinit u8 report[VESTIBULE_SNP_REPORT_SIZE]{};
constinit vestibule_snp_messages messages{};
constinit vestibule_snp_messages other_messages{};

u8* secrets() { return image_end + page_size; }

vestibule_reason open(vestibule_snp_messages& of, u8 vmpck) {
    const vestibule_snp_pages pages{.request      = address_of(request_page),
                                    .request_gpa  = address_of(request_page),
                                    .response     = address_of(response_page),
                                    .response_gpa = address_of(response_page)};
    return vestibule_snp_open_messages(cpu(), &of, secrets(), vmpck, &pages);
}

/// A host may be busy, as often as it likes; this one is never more than once in a row.
template <class Ask>
vestibule_reason until_done(Ask ask) {
    vestibule_reason result = ask();
    for (unsigned n = 0; n < 3 && result == of(reason::request_busy); ++n) {
        result = ask();
    }
    return result;
}

vestibule_snp_report_request question() {
    vestibule_snp_report_request request{};
    request.vmpl = vmpl();
    for (unsigned n = 0; n < sizeof request.report_data; ++n) {
        request.report_data[n] = static_cast<u8>(n);
    }
    return request;
}

void ask_for_report() {
    const vestibule_snp_report_request request = question();
    size_t size                                = sizeof report;
    check_reason(
        until_done([&] { return vestibule_snp_report(cpu(), &messages, &request, report, &size); }),
        0, "report");
    check(size == sizeof report, "its size");
    dump(report, sizeof report);
    size = sizeof report - 1;
    check_reason(
        until_done([&] { return vestibule_snp_report(cpu(), &messages, &request, report, &size); }),
        of(reason::request_answer_size), "a report that does not fit");
    vestibule_snp_report_request wrong = question();
    wrong.vmpl                         = 4;
    size                               = sizeof report;
    check_reason(
        until_done([&] { return vestibule_snp_report(cpu(), &messages, &wrong, report, &size); }),
        of(reason::request_status), "a VMPL that there is not");
    check(vestibule_snp_status(&messages) == 0x16, "the firmware's status");
}

void ask_with_certificates() {
    const vestibule_snp_report_request request = question();
    vestibule_snp_certificates certificates{.shared     = address_of(shared_pages),
                                            .shared_gpa = address_of(shared_pages),
                                            .table      = table,
                                            .pages      = 0,
                                            .reserved   = 0,
                                            .size       = 0};
    size_t size    = sizeof report;
    const auto ask = [&] {
        return vestibule_snp_extended_report(cpu(), &messages, &request, report, &size,
                                             &certificates);
    };
    certificates.pages = 1;
    check_reason(ask(), of(reason::call_argument), "pages that are private");
    share(shared_pages, most_pages);
    certificates.pages = 0;
    check_reason(until_done(ask), of(reason::request_certificates), "no room at all");
    check(certificates.pages >= 1 && certificates.pages <= most_pages,
          "how much it would have to be");
    check_reason(until_done(ask), 0, "certificates");
    check(certificates.size > 1000 && certificates.size < sizeof table, "the table's size");
    vestibule_snp_certificate certificate{};
    u32 count = 0;
    while (vestibule_snp_read_certificate(table, certificates.size, count, &certificate) == 0) {
        check(certificate.size > 100 && certificate.offset + certificate.size <= certificates.size,
              "a certificate");
        ++count;
    }
    check(count == 3, "VCEK or VLEK, ASK, ARK");
    dump(table, sizeof table);
}

void derive_keys() {
    u8 first[32];
    u8 second[32];
    vestibule_snp_key_request request{};
    const auto derive = [&](u8* key) {
        return until_done(
            [&] { return vestibule_snp_derived_key(cpu(), &messages, &request, key); });
    };
    const auto same = [&] {
        u8 any = 0;
        for (unsigned n = 0; n < sizeof first; ++n) {
            any = static_cast<u8>(any | (first[n] ^ second[n]));
        }
        return any == 0;
    };
    check_reason(derive(first), 0, "a derived key");
    check_reason(derive(second), 0, "the same key");
    check(same(), "the same for the same request");
    request.fields = 8; // the measurement
    check_reason(derive(second), 0, "another key");
    check(!same(), "another for another request");
    request.fields = 0x40; // by version 2 of the message
    check_reason(derive(second), 0, "with the mitigation vector");
    request.root = 1; // of a VMRK, which nobody has given
    check_reason(derive(second), of(reason::request_status), "a key that there is not");
    check(vestibule_snp_status(&messages) == 0x27, "the firmware's status");
}

void ask_for_clock() {
    vestibule_tsc_info info{};
    check_reason(until_done([&] { return vestibule_snp_tsc_info(cpu(), &messages, &info); }), 0,
                 "the clock");
    check(info.scale == u64{1} << 32, "its scale");
}

void open_and_forget() {
    check_reason(open(other_messages, 4), of(reason::call_argument), "VMPCK4");
    check_reason(open(other_messages, 1), 0, "VMPCK1");
    vestibule_snp_report_request request = question();
    request.vmpl                         = 1;
    size_t size                          = sizeof report;
    const auto ask                       = [&] {
        return until_done(
            [&] { return vestibule_snp_report(cpu(), &other_messages, &request, report, &size); });
    };
    check_reason(ask(), 0, "a report for VMPL 1");
    check_reason(vestibule_snp_forget_key(&other_messages), 0, "forget");
    check_reason(ask(), of(reason::request_no_key), "a key that was forgotten");
    check_reason(open(other_messages, 1), of(reason::request_no_key), "to be opened again");
    u8 any = 0;
    for (unsigned n = 0; n < 32; ++n) {
        any = static_cast<u8>(any | secrets()[0x40 + n]);
    }
    check(any == 0, "VMPCK1 is wiped");
    // Whoever comes next goes on behind VMPCK0's last number.
    check_reason(open(other_messages, 0), 0, "VMPCK0 by somebody else");
    request.vmpl = 0;
    check_reason(ask(), 0, "who comes next");
}

} // namespace

void guest_main() {
    start();
    check_reason(open(messages, 0), of(reason::call_argument), "pages that are private");
    share(request_page, 1);
    share(response_page, 1);
    check_reason(open(messages, 0), 0, "open");
    ask_for_report();
    ask_with_certificates();
    derive_keys();
    ask_for_clock();
    open_and_forget();
    say("requests");
    end_run();
}
