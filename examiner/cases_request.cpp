// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV-SNP: messages to the secure processor, which the hypervisor carries (GHCB specification,
// exits 0x80000011 and 0x80000012; 56860, section 8.26). What it may not do to them shows in the
// answers: each is genuine by key, number and type, or it is none.
//
// SECURITY: messages are spoilt here on purpose, under numbers that are used again. That gives away
// the VMPCK to who listens: a guest that examines has no secrets.
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "snp/certificates.h"
#include "snp/requests.h"

namespace vestibule::examiner {

namespace {

using snp::Message;
using snp::MessageType;

// Pages of the arena.
constexpr u64 request_number     = 16;
constexpr u64 response_number    = 17;
constexpr u64 certificate_number = 18;
constexpr u64 certificate_pages  = 4;
constexpr u64 private_number     = 22;

constexpr u8 key_number = 0;

constinit crypto::AesGcm key{};
constinit Message message{}; // as it goes out
constinit Message received{};
alignas(8) constinit u8 certificates[certificate_pages * page_size]{};

snp::SecretsPage& secrets() { return *reinterpret_cast<snp::SecretsPage*>(info().secrets_page); }

/// Pages and key, once.
bool is_ready() {
    static constinit bool ready = false;
    if (ready) {
        return true;
    }
    ready = true;
    for (u64 n = request_number; n < certificate_number + certificate_pages; ++n) {
        ready = make_shared(arena_gpa(n)) && ready;
    }
    key.set_key(secrets().vmpck[key_number]);
    return ready;
}

u64 next_number() { return u64{secrets().sequence[key_number]} + 1; }

/// With the number that comes next, unless another is said.
void prepare_report(u64 number) {
    snp::ReportRequest request;
    auto* const bytes = reinterpret_cast<u8*>(&request);
    for (u64 n = 0; n < sizeof request; ++n) {
        bytes[n] = static_cast<u8>(n < sizeof request.report_data ? 0x40 + n : 0);
    }
    snp::seal_message(key, key_number, number,
                      {.type    = MessageType::report_request,
                       .version = 1,
                       .payload = &request,
                       .size    = sizeof request},
                      message);
}

void post() {
    snp::copy_message(&arena_word(request_number), &message);
    snp::clear_message(&arena_word(response_number));
}

constexpr u64 guest_request    = 0x8000'0011;
constexpr u64 extended_request = 0x8000'0012;

Call plain() {
    return call_of(guest_request, arena_gpa(request_number), arena_gpa(response_number));
}

Call extended(u64 pages = certificate_pages) {
    return call_of(extended_request, arena_gpa(request_number), arena_gpa(response_number))
        .with_rax(arena_gpa(certificate_number))
        .with_rbx(pages);
}

constexpr u64 vmm_error_of(u64 info_2) { return info_2 >> 32; }

constexpr u64 busy           = 2;
constexpr u64 invalid_length = 1;

/// Carried, if it has to be by several tries of the same message, as a host that throttles wants
/// it.
Answer send(const Call& call, unsigned& tries) {
    constexpr unsigned most_tries = 1000;
    post();
    Answer answer{};
    for (tries = 1; tries <= most_tries; ++tries) {
        answer = perform(call);
        if (low_half(answer.info_1) != response::done || vmm_error_of(answer.info_2) != busy) {
            break;
        }
    }
    return answer;
}

/// The answer in the response page is the one to the message; then its number is used up.
Verdict is_genuine() {
    snp::copy_message(&received, &arena_word(response_number));
    if (!snp::open_answer(key, message.header, received)) {
        return Verdict::failed("the response is the genuine answer to this request", 0, 1);
    }
    secrets().sequence[key_number] += 2;
    return Verdict::passed();
}

Verdict not_ready() { return Verdict::failed("pages for messages are made shared", 0, 1); }

/// A report, asked for and got.
Verdict report_comes(const Call& call, unsigned& tries) {
    if (!is_ready()) {
        return not_ready();
    }
    prepare_report(next_number());
    const Answer answer = send(call, tries);
    return first_of(judge(answer, done()), equal("SW_EXITINFO2", answer.info_2, 0), is_genuine());
}

Verdict report_comes(const Call& call = plain()) {
    unsigned tries = 0;
    return report_comes(call, tries);
}

Verdict first_report() { return report_comes(); }

Verdict second_report() { return first_of(report_comes(), report_comes()); }

Verdict at_once() {
    unsigned tries = 0;
    return first_of(report_comes(plain(), tries), equal("calls until it was answered", tries, 1));
}

/// What was asked for stands in it: REPORT_DATA, and a report of the right size.
Verdict report_is_ours() {
    constexpr u32 report_size = 0x4A0;
    constexpr u64 at          = sizeof(snp::ReportResponse);
    constexpr u64 data        = at + 0x50;
    const Verdict came        = report_comes();
    const auto& head          = *reinterpret_cast<const snp::ReportResponse*>(received.payload);
    Verdict verdict           = first_of(came, equal("STATUS", head.status, 0),
                                         equal("REPORT_SIZE", head.report_size, report_size));
    for (u64 n = 0; n < 64; ++n) {
        verdict =
            first_of(verdict, equal("a byte of REPORT_DATA", received.payload[data + n], 0x40 + n));
    }
    return verdict;
}

/// A message that asks for no report, and needs no certificates.
Verdict tsc_info_comes_by(const Call& how) {
    if (!is_ready()) {
        return not_ready();
    }
    u8 request[sizeof(snp::TscInfo)];
    for (u8& byte : request) {
        byte = 0;
    }
    snp::seal_message(key, key_number, next_number(),
                      {.type    = MessageType::tsc_info_request,
                       .version = 1,
                       .payload = request,
                       .size    = sizeof request},
                      message);
    unsigned tries      = 0;
    const Answer answer = send(how, tries);
    return first_of(judge(answer, done()), equal("SW_EXITINFO2", answer.info_2, 0), is_genuine());
}

Verdict tsc_info_comes() { return tsc_info_comes_by(plain()); }

/// Refused by the firmware, with no word of the hypervisor's own; the next good one is served.
Verdict firmware_refuses(void (*spoil)()) {
    if (!is_ready()) {
        return not_ready();
    }
    prepare_report(next_number());
    spoil();
    unsigned tries      = 0;
    const Answer answer = send(plain(), tries);
    return first_of(
        judge(answer, done()),
        equal("SW_EXITINFO2[63:32], the hypervisor's error", vmm_error_of(answer.info_2), 0),
        holds("SW_EXITINFO2[31:0], the firmware's status, is not 0", low_half(answer.info_2) != 0),
        report_comes());
}

Verdict bad_tag() {
    return firmware_refuses([] { message.header.authtag[0] ^= 1; });
}

Verdict bad_payload() {
    return firmware_refuses([] { message.payload[5] ^= 0x80; });
}

Verdict bad_algorithm() {
    return firmware_refuses([] { message.header.algo = 9; });
}

Verdict bad_header_version() {
    return firmware_refuses([] { message.header.hdr_version = 7; });
}

Verdict bad_header_size() {
    return firmware_refuses([] { message.header.hdr_size = 64; });
}

Verdict bad_key() {
    return firmware_refuses([] { message.header.msg_vmpck = 4; });
}

Verdict bad_size() {
    return firmware_refuses([] { message.header.msg_size = 4001; });
}

Verdict number_0() {
    return firmware_refuses([] { prepare_report(0); });
}

Verdict number_left_out() {
    return firmware_refuses([] { prepare_report(next_number() + 2); });
}

Verdict number_again() {
    const Verdict first = report_comes();
    return first_of(first, firmware_refuses([] { prepare_report(next_number() - 2); }));
}

Verdict empty_message() {
    return firmware_refuses([] { snp::clear_message(&message); });
}

// --- The call itself ---

Verdict call_is_refused(const Call& call, const Wanted& wanted) {
    if (!is_ready()) {
        return not_ready();
    }
    prepare_report(next_number());
    post();
    return judge(perform(call), wanted);
}

Call with_pages(u64 request, u64 response) { return call_of(guest_request, request, response); }

constexpr Wanted bad_input = malformed(reason::input);

Verdict same_page() {
    return call_is_refused(with_pages(arena_gpa(request_number), arena_gpa(request_number)),
                           bad_input);
}

Verdict request_unaligned() {
    return call_is_refused(with_pages(arena_gpa(request_number) + 8, arena_gpa(response_number)),
                           bad_input);
}

Verdict response_unaligned() {
    return call_is_refused(
        with_pages(arena_gpa(request_number), arena_gpa(response_number) + 0x800), bad_input);
}

Verdict request_private() {
    return call_is_refused(with_pages(arena_gpa(private_number), arena_gpa(response_number)),
                           refused);
}

Verdict response_private() {
    return call_is_refused(with_pages(arena_gpa(request_number), arena_gpa(private_number)),
                           refused);
}

Verdict response_no_memory() {
    return call_is_refused(with_pages(arena_gpa(request_number), u64{1} << 40), refused);
}

/// A refused call has not been carried: the number is still the next.
Verdict refused_is_not_carried() { return first_of(same_page(), report_comes()); }

// --- With certificates ---

Verdict extended_missing(FieldSet gone) {
    return call_is_refused(extended().without(gone), malformed(reason::missing));
}

Verdict extended_without_rax() { return extended_missing(fields::rax); }

Verdict extended_without_rbx() { return extended_missing(fields::rbx); }

Verdict extended_unaligned() {
    return call_is_refused(extended().with_rax(arena_gpa(certificate_number) + 16), refused);
}

Verdict extended_private() {
    return call_is_refused(extended(1).with_rax(arena_gpa(private_number)), refused);
}

Verdict extended_report() { return report_comes(extended()); }

/// How many pages there must be, where none are given; and then there are enough. A host without
/// certificates needs none, and says so by an answer.
Verdict asks_for_room() {
    constexpr u64 most_pages = 256;
    if (!is_ready()) {
        return not_ready();
    }
    prepare_report(next_number());
    unsigned tries      = 0;
    const Answer answer = send(extended(0), tries);
    if (low_half(answer.info_1) == response::done && answer.info_2 == 0) {
        return is_genuine();
    }
    const Verdict says_so =
        first_of(judge(answer, done(fields::rbx)),
                 equal("SW_EXITINFO2[63:32]", vmm_error_of(answer.info_2), invalid_length),
                 holds("RBX, the pages that are needed, is what a host can have",
                       answer.rbx != 0 && answer.rbx <= most_pages));
    // The same message without certificates, so that its number is used up.
    const Answer carried = send(plain(), tries);
    return first_of(says_so, equal("SW_EXITINFO2 of the same message, plain", carried.info_2, 0),
                    is_genuine());
}

/// Entries that point into the pages and not into the table itself.
Verdict table_is_sound() {
    const Verdict came = report_comes(extended());
    for (u64 n = 0; n < sizeof certificates / sizeof(u64); ++n) {
        reinterpret_cast<volatile u64*>(certificates)[n] = arena_word(certificate_number, n);
    }
    return first_of(came,
                    holds("the table has an end, and points into its pages",
                          snp::certificate_table_size({certificates, sizeof certificates}) != 0));
}

Verdict extended_without_need() { return tsc_info_comes_by(extended()); }

constexpr const char* section = "4.1";
constexpr u16 own             = need::snp | need::secrets | need::vmpl0;

// clang-format off
constexpr CodeCase code_cases[] = {
    {{"request.report",          section, "a report comes, and is genuine",                Level::must, own}, first_report},
    {{"request.again",           section, "two come one after the other",                  Level::must, own}, second_report},
    {{"request.at-once",         section, "a request is answered, not put off",            Level::should, own}, at_once},
    {{"request.data",            section, "the report has the data that were asked for",   Level::must, own}, report_is_ours},
    {{"request.tsc-info",        section, "TSC_INFO is answered, where the firmware has it", Level::should, own}, tsc_info_comes},
    {{"request.bad.tag",         section, "another tag: the firmware's status, and no more", Level::must, own}, bad_tag},
    {{"request.bad.payload",     section, "another payload: so",                           Level::must, own}, bad_payload},
    {{"request.bad.algorithm",   section, "another algorithm: so",                         Level::must, own}, bad_algorithm},
    {{"request.bad.version",     section, "another header version: so",                    Level::must, own}, bad_header_version},
    {{"request.bad.header",      section, "another header size: so",                       Level::must, own}, bad_header_size},
    {{"request.bad.key",         section, "a VMPCK that there is not: so",                 Level::must, own}, bad_key},
    {{"request.bad.size",        section, "more than a page holds: so",                    Level::must, own}, bad_size},
    {{"request.bad.empty",       section, "no message at all: so",                         Level::must, own}, empty_message},
    {{"request.number.0",        section, "sequence number 0: so",                         Level::must, own}, number_0},
    {{"request.number.left-out", section, "a sequence number left out: so",                Level::must, own}, number_left_out},
    {{"request.number.again",    section, "a sequence number used twice: so",              Level::must, own}, number_again},
    {{"request.page.same",       section, "one page for both: reason 5",                   Level::must, own}, same_page},
    {{"request.page.request-unaligned", section, "a request that begins in a page's middle: reason 5", Level::must, own}, request_unaligned},
    {{"request.page.response-unaligned", section, "a response that does: reason 5",        Level::must, own}, response_unaligned},
    {{"request.page.request-private", section, "a request page that is private is refused", Level::should, own}, request_private},
    {{"request.page.response-private", section, "a response page that is private is refused", Level::should, own}, response_private},
    {{"request.page.no-memory",  section, "a response page that is no memory is refused",  Level::should, own}, response_no_memory},
    {{"request.page.not-carried", section, "what is refused is not carried",               Level::must, own}, refused_is_not_carried},
    {{"request.extended.report", section, "a report comes with room for certificates",     Level::must, own}, extended_report},
    {{"request.extended.room",   section, "too little room is told, with how much is needed", Level::must, own}, asks_for_room},
    {{"request.extended.table",  section, "the table of certificates points into itself alone", Level::must, own}, table_is_sound},
    {{"request.extended.other",  section, "a message that needs no certificates is carried", Level::should, own}, extended_without_need},
    {{"request.extended.missing.rax", section, "without RAX: reason 4",                    Level::must, own}, extended_without_rax},
    {{"request.extended.missing.rbx", section, "without RBX: reason 4",                    Level::must, own}, extended_without_rbx},
    {{"request.extended.unaligned", section, "certificates that begin in a page's middle are refused", Level::should, own}, extended_unaligned},
    {{"request.extended.private", section, "certificates to a private page are refused",   Level::should, own}, extended_private},
};
// clang-format on

} // namespace

constinit const Group request_group = group_of("Messages to the secure processor", code_cases);

} // namespace vestibule::examiner
