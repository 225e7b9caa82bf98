// SPDX-License-Identifier: BSD-2-Clause-Patent
// Events that stand for no instruction, as every guest has them: hypervisor features and the AP
// jump table (GHCB specification, section 4.1, exits 0x80000005 and 0x8000FFFD). And what the
// features say against what is served.
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"

namespace vestibule::examiner {

namespace {

constexpr u64 set = 0;
constexpr u64 get = 1;

constexpr Call jump_table(u64 what, u64 gpa = 0) {
    return call_of(ExitCode::ap_jump_table, what, gpa);
}

/// What was set before goes back.
Verdict jump_table_comes_back() {
    const u64 before     = perform(jump_table(get)).info_2;
    const u64 page       = arena_gpa(2);
    const Answer written = perform(jump_table(set, page));
    const Answer read    = perform(jump_table(get));
    (void)perform(jump_table(set, before));
    return first_of(judge(written, done()), judge(read, done_with_info_2(page)));
}

Verdict jump_table_stays() {
    const Answer first = perform(jump_table(get));
    return first_of(judge(first, done()),
                    judge(perform(jump_table(get)), done_with_info_2(first.info_2)));
}

/// A refused address changes nothing.
Verdict refused_table_is_forgotten() {
    const u64 before = perform(jump_table(get)).info_2;
    (void)perform(jump_table(2, arena_gpa(2)));
    return judge(perform(jump_table(get)), done_with_info_2(before));
}

u64 features() { return perform(call_of(ExitCode::hv_features)).info_2; }

bool is_served(const Call& call) {
    const Answer answer = perform(call);
    return !(low_half(answer.info_1) == response::malformed
             && low_half(answer.info_2) == reason::event);
}

/// A feature that is told has its event served, and one that is not has not. The call is one that
/// does nothing, well formed or not: it is only not to be refused as an event that there is not.
Verdict serves_what_it_tells(const char* what, unsigned feature, const Call& call) {
    return equal(what, is_served(call) ? 1 : 0, (features() >> feature) & 1);
}

/// A VMPL that nobody has.
Verdict tells_of_vmpls() {
    return serves_what_it_tells("RUN_VMPL is served", 5, call_of(0x8000'0018, 0x7F));
}

Verdict tells_of_apic_ids() {
    return serves_what_it_tells("the list of APIC IDs is served", 4,
                                call_of(0x8000'0017).with_rax(0));
}

Verdict tells_of_doorbells() {
    return serves_what_it_tells("the #HV doorbell page is served", 2, call_of(0x8000'0014, 2));
}

/// An IPI to nobody.
Verdict tells_of_ipis() {
    return serves_what_it_tells("#HV IPI is served", 2,
                                call_of(0x8000'0015, u64{0xFE} << 32 | 0xF0));
}

Verdict tells_of_timers() {
    return serves_what_it_tells("the timer of restricted injection is served", 3,
                                call_of(0x8000'0016, 0xFF));
}

/// A vCPU that there is not.
Verdict tells_of_ap_creation() {
    return serves_what_it_tells(
        "AP creation is served", 1,
        call_of(ExitCode::ap_creation, u64{0xFFFF'FFF0} << 32 | 2).with_rax(0));
}

Verdict tells_of_snp() {
    return serves_what_it_tells("page state change is served", 0,
                                call_of(ExitCode::page_state_change).with_scratch_at(0));
}

constexpr const char* section          = "4.1";
constexpr const char* features_section = "2.3.1";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"jump-table.get",            section, "the AP jump table is told",                  Level::must}, jump_table(get), done()},
    {{"jump-table.verb.2",         section, "SW_EXITINFO1 2 is neither set nor get: reason 5", Level::must}, jump_table(2), malformed(reason::input)},
    {{"jump-table.verb.ones",      section, "SW_EXITINFO1 of all ones: reason 5",         Level::must}, jump_table(~u64{0}), malformed(reason::input)},
    {{"jump-table.unaligned",      section, "a table that begins in a page's middle is refused", Level::may}, jump_table(set, 0x1008), refused},
    {{"jump-table.no-memory",      section, "a table where no memory is is refused",      Level::may}, jump_table(set, u64{1} << 40), refused},
    {{"event.features.done",       section, "exit 0x8000FFFD is done",                    Level::must, need::version_2}, call_of(ExitCode::hv_features), done()},
};

constexpr CodeCase code_cases[] = {
    {{"jump-table.stays",          section, "it is told again",                           Level::must}, jump_table_stays},
    {{"jump-table.comes-back",     section, "a table that was set is told",               Level::must, need::sev_es}, jump_table_comes_back},
    {{"jump-table.refused",        section, "what is refused changes nothing",            Level::must}, refused_table_is_forgotten},
    {{"event.features.snp",        features_section, "page state change is served if bit 0 is told",  Level::must, need::version_2}, tells_of_snp},
    {{"event.features.ap-creation", features_section, "AP creation is served if bit 1 is told",       Level::must, need::version_2}, tells_of_ap_creation},
    {{"event.features.doorbell",   features_section, "the #HV doorbell is served if bit 2 is told",   Level::must, need::version_2}, tells_of_doorbells},
    {{"event.features.ipi",        features_section, "#HV IPI is served if bit 2 is told",            Level::must, need::version_2}, tells_of_ipis},
    {{"event.features.timer",      features_section, "the timer is served if bit 3 is told",          Level::must, need::version_2}, tells_of_timers},
    {{"event.features.apic-ids",   features_section, "APIC IDs are served if bit 4 is told",          Level::must, need::version_2}, tells_of_apic_ids},
    {{"event.features.run-vmpl",   features_section, "RUN_VMPL is served if bit 5 is told",           Level::must, need::version_2}, tells_of_vmpls},
};
// clang-format on

} // namespace

constinit const Group event_group =
    group_of("Features and the AP jump table", call_cases, code_cases);

namespace {

constexpr Call unknown(u64 code) { return call_of(code); }

constexpr Wanted no_event = malformed(reason::event);

// clang-format off
constexpr CallCase unknown_cases[] = {
    {{"unknown-event.0",        section, "exit 0 is no event: reason 6",             Level::must}, unknown(0), no_event},
    {{"unknown-event.28",       section, "exit 0x28, of DR8, is none",               Level::must}, unknown(0x28), no_event},
    {{"unknown-event.60",       section, "exit 0x60, an interrupt, is none",         Level::must}, unknown(0x60), no_event},
    {{"unknown-event.78",       section, "exit 0x78, HLT, is none",                  Level::must}, unknown(0x78), no_event},
    {{"unknown-event.7f",       section, "exit 0x7F, shutdown, is none",             Level::must}, unknown(0x7F), no_event},
    {{"unknown-event.400",      section, "exit 0x400, a nested fault, is none",      Level::must}, unknown(0x400), no_event},
    {{"unknown-event.403",      section, "exit 0x403, VMGEXIT itself, is none",      Level::must}, unknown(0x403), no_event},
    {{"unknown-event.80000000", section, "exit 0x80000000 is none",                  Level::must}, unknown(0x8000'0000), no_event},
    {{"unknown-event.80000006", section, "exit 0x80000006 is none",                  Level::must}, unknown(0x8000'0006), no_event},
    {{"unknown-event.8000000f", section, "exit 0x8000000F is none",                  Level::must}, unknown(0x8000'000F), no_event},
    {{"unknown-event.80000fff", section, "exit 0x80000FFF is none",                  Level::must}, unknown(0x8000'0FFF), no_event},
    {{"unknown-event.8000fffc", section, "exit 0x8000FFFC is none",                  Level::must}, unknown(0x8000'FFFC), no_event},
    {{"unknown-event.high",     section, "CPUID's exit with bit 32 is none",         Level::must}, unknown(0x1'0000'0072), no_event},
    {{"unknown-event.ones",     section, "exit of all ones is none",                 Level::must}, unknown(~u64{0}), no_event},
    {{"snp-only.psc",           section, "page state change is none of an SEV-ES guest's", Level::must, need::sev_es | need::version_2}, call_of(ExitCode::page_state_change).with_scratch(), no_event},
    {{"snp-only.request",       section, "guest request is none of an SEV-ES guest's", Level::must, need::sev_es | need::version_2}, unknown(0x8000'0011), no_event},
    {{"snp-only.extended",      section, "the extended request is none of an SEV-ES guest's", Level::must, need::sev_es | need::version_2}, unknown(0x8000'0012), no_event},
    {{"snp-only.ap-creation",   section, "AP creation is none of an SEV-ES guest's", Level::must, need::sev_es | need::version_2}, call_of(ExitCode::ap_creation, 2).with_rax(0), no_event},
    {{"unknown-event.version",  section, "an event of version 2 is none of a call of version 1", Level::may, need::version_2}, call_of(ExitCode::hv_features).of_version(1), no_event},
};
// clang-format on

} // namespace

constinit const Group unknown_event_group = group_of("Events that there are not", unknown_cases);

} // namespace vestibule::examiner
