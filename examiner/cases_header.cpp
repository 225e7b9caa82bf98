// SPDX-License-Identifier: BSD-2-Clause-Patent
// What every call through the GHCB page has in common: usage, version, the three fields that are
// always there, and the form of answers (GHCB specification, sections 2.1 and 4.1.1).
#include "examiner/conversation.h"
#include "examiner/groups.h"

namespace vestibule::examiner {

namespace {

constexpr Call good = call_of(ExitCode::wbinvd);

Verdict answer_marks_info() { return is_valid(perform(good), always_valid); }

/// Every field of which nothing was said is none of the answer's.
Verdict answer_marks_no_more() {
    const Answer answer = perform(good);
    return first_of(equal("VALID_BITMAP[63:0]", answer.valid.low, 0),
                    equal("VALID_BITMAP[127:64], but for the information words",
                          answer.valid.high & ~(always_valid | fields::code).high, 0));
}

Verdict malformed_marks_info() { return is_valid(perform(good.of_usage(1)), always_valid); }

/// What is refused has no effect on the next call.
Verdict refused_is_forgotten() {
    (void)perform(good.of_usage(7));
    (void)perform(good.without(good.valid));
    return judge(perform(good), done());
}

Verdict buffer_is_left_alone() {
    constexpr u8 mark = 0xA5;
    fill_buffer(mark);
    (void)perform(good);
    return holds("the shared buffer is as it was", buffer_is_but(mark, 0, 0));
}

Verdict no_upper_info_1() {
    (void)perform(good);
    return holds("SW_EXITINFO1[63:32] of each answer is zero", !saw_upper_info_1());
}

constexpr const char* layout  = "2.1";
constexpr const char* answers = "4.1.1";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"call.good",            "4",     "a call without registers is done",                 Level::must}, good, done_with_info_2(0)},
    {{"call.usage.1",         layout,  "GHCB_USAGE 1 is refused for reason 2",             Level::must}, good.of_usage(1), malformed(reason::usage)},
    {{"call.usage.3",         layout,  "GHCB_USAGE 3 is refused for reason 2",             Level::must}, good.of_usage(3), malformed(reason::usage)},
    {{"call.usage.high",      layout,  "GHCB_USAGE 0x80000000 is refused for reason 2",    Level::must}, good.of_usage(0x8000'0000), malformed(reason::usage)},
    {{"call.usage.ones",      layout,  "GHCB_USAGE of all ones is refused for reason 2",   Level::must}, good.of_usage(~u32{0}), malformed(reason::usage)},
    {{"call.missing.code",    answers, "without SW_EXITCODE: reason 4",                    Level::must}, good.without(fields::code), malformed(reason::missing)},
    {{"call.missing.info-1",  answers, "without SW_EXITINFO1: reason 4",                   Level::must}, good.without(fields::info_1), malformed(reason::missing)},
    {{"call.missing.info-2",  answers, "without SW_EXITINFO2: reason 4",                   Level::must}, good.without(fields::info_2), malformed(reason::missing)},
    {{"call.missing.both",    answers, "without both information words: reason 4",         Level::must}, good.without(fields::info_1 | fields::info_2), malformed(reason::missing)},
    {{"call.missing.all",     answers, "a page without valid bits: reason 4",              Level::must}, good.without(good.valid), malformed(reason::missing)},
    {{"call.version.0",       layout,  "PROTOCOL_VERSION 0 is served, as KVM does",        Level::may},  good.of_version(0), done()},
    {{"call.version.1",       layout,  "PROTOCOL_VERSION 1 has the events of version 1",   Level::should}, good.of_version(1), done()},
    {{"call.version.above",   layout,  "PROTOCOL_VERSION above what was offered is refused", Level::may}, good.of_version(0x7FFF), refused},
    {{"call.extra-register",  "4",     "a register that nobody asked for does no harm",    Level::must}, good.with_rdx(0), done()},
};

constexpr CodeCase code_cases[] = {
    {{"call.answer.marked",   answers, "an answer marks both information words valid",     Level::must}, answer_marks_info},
    {{"call.refusal.marked",  answers, "so does a refusal",                                Level::must}, malformed_marks_info},
    {{"call.clean.bitmap",    answers, "an answer marks nothing valid that it does not give", Level::may}, answer_marks_no_more},
    {{"call.clean.refusal",   answers, "a refused call leaves nothing for the next one",   Level::must}, refused_is_forgotten},
    {{"call.clean.buffer",    layout,  "a call without data leaves the shared buffer alone", Level::must}, buffer_is_left_alone},
    {{"call.clean.upper",     answers, "SW_EXITINFO1[63:32] of answers is zero",           Level::may},  no_upper_info_1},
};
// clang-format on

} // namespace

constinit const Group header_group = group_of("The head of a call", call_cases, code_cases);

} // namespace vestibule::examiner
