// SPDX-License-Identifier: BSD-2-Clause-Patent
// Ends: termination requests by MSR and by page, and an event that the guest's handler does not
// serve (GHCB specification, section 2.3.1, exits 0x8000FFFE and 0x8000FFFF). One boot each,
// `end=ID`: where all is well there is no more to report, and who started the guest sees how it
// ended.
#include "examiner/conversation.h"
#include "examiner/groups.h"

namespace vestibule::examiner {

namespace {

/// What comes back has not ended the guest.
Verdict goes_on() { return Verdict::failed("the guest runs behind its end", 1, 0); }

Verdict end_by_msr(u64 set, u64 code) {
    (void)exchange(code << 16 | set << 12 | msr::terminate);
    return goes_on();
}

Verdict end_by_page(u64 set, u64 code) {
    (void)perform(call_of(ExitCode::termination, code << 4 | set));
    return goes_on();
}

Verdict msr_general() { return end_by_msr(0, 0); }

Verdict msr_protocol_range() { return end_by_msr(0, 1); }

Verdict msr_feature() { return end_by_msr(0, 2); }

Verdict msr_guests_own() { return end_by_msr(2, 0xF0); }

Verdict msr_largest() { return end_by_msr(15, 0xFF); }

Verdict page_general() { return end_by_page(0, 0); }

Verdict page_protocol_range() { return end_by_page(0, 1); }

Verdict page_feature() { return end_by_page(0, 2); }

Verdict page_guests_own() { return end_by_page(2, 0xF0); }

Verdict page_largest() { return end_by_page(15, 0xFF); }

Verdict unsupported() {
    (void)perform(call_of(ExitCode::unsupported_event, static_cast<u64>(ExitCode::monitor)));
    return goes_on();
}

constexpr const char* requests = "2.3.1";
constexpr const char* section  = "4.1";
constexpr u16 by_msr           = need::own_boot;
constexpr u16 by_page          = need::own_boot | need::version_2;

// clang-format off
constexpr CodeCase code_cases[] = {
    {{"end.msr.0.0",       requests, "termination by MSR, set 0, code 0: general",               Level::must, by_msr}, msr_general},
    {{"end.msr.0.1",       requests, "termination by MSR, set 0, code 1: protocol range",        Level::must, by_msr}, msr_protocol_range},
    {{"end.msr.0.2",       requests, "termination by MSR, set 0, code 2: feature",               Level::must, by_msr}, msr_feature},
    {{"end.msr.2.f0",      requests, "termination by MSR, set 2, code 0xF0: the guest's own",    Level::must, by_msr}, msr_guests_own},
    {{"end.msr.15.ff",     requests, "termination by MSR, set 15, code 0xFF: the largest",       Level::must, by_msr}, msr_largest},
    {{"end.page.0.0",      section,  "termination by page, set 0, code 0: general",              Level::must, by_page}, page_general},
    {{"end.page.0.1",      section,  "termination by page, set 0, code 1: protocol range",       Level::must, by_page}, page_protocol_range},
    {{"end.page.0.2",      section,  "termination by page, set 0, code 2: feature",              Level::must, by_page}, page_feature},
    {{"end.page.2.f0",     section,  "termination by page, set 2, code 0xF0: the guest's own",   Level::must, by_page}, page_guests_own},
    {{"end.page.15.ff",    section,  "termination by page, set 15, code 0xFF: the largest",      Level::must, by_page}, page_largest},
    {{"end.unsupported",   section,  "an event that the guest does not serve: exit 0x8A",        Level::must, need::own_boot}, unsupported},
};
// clang-format on

} // namespace

constinit const Group end_group = group_of("Ends, one boot each", code_cases);

} // namespace vestibule::examiner
