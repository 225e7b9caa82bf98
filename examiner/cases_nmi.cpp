// SPDX-License-Identifier: BSD-2-Clause-Patent
// NMIs: one at a time, from its delivery to NMI complete, since the hypervisor cannot see the IRET
// (GHCB specification, section 4.1, exit 0x80000003).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "examiner/second_vcpu.h"
#include "x86/sev.h"

namespace vestibule::examiner {

namespace {

constexpr Call complete = call_of(ExitCode::nmi_complete);

constinit u64 nmis_within = 0; // that came while the first was handled
constinit Answer answer{};

/// Under restricted injection an NMI is a bit in the doorbell page.
bool comes_as_nmi() {
    return !x86::SevStatus{info().sev_status}.has(x86::SevStatus::restricted_injection);
}

u64 patient_count(u64 before) {
    for (unsigned n = 0; n < 100 && nmi_count() == before; ++n) {
        wait_some();
        (void)perform(call_of(ExitCode::wbinvd)); // an exit, at which it may come
    }
    return nmi_count() - before;
}

Verdict comes_once() {
    if (!comes_as_nmi()) {
        return Verdict::skipped("restricted injection");
    }
    const u64 before = nmi_count();
    send_nmi_to_self();
    const u64 came = patient_count(before);
    (void)perform(complete);
    wait_some();
    return first_of(equal("NMIs", came, 1), equal("NMIs in the end", nmi_count() - before, 1));
}

/// Within the handler: a second one is sent, and does not come.
void send_another() {
    const u64 before = nmi_count();
    send_nmi_to_self();
    wait_some();
    (void)perform(call_of(ExitCode::wbinvd));
    nmis_within = nmi_count() - before;
}

/// Then IRET, and still it does not come; then NMI complete, and it does.
Verdict second_waits() {
    if (!comes_as_nmi()) {
        return Verdict::skipped("restricted injection");
    }
    const u64 before = nmi_count();
    nmis_within      = 0;
    on_next_nmi(send_another);
    send_nmi_to_self();
    (void)patient_count(before);
    wait_some();
    (void)perform(call_of(ExitCode::wbinvd));
    const u64 before_complete = nmi_count() - before;
    answer                    = perform(complete);
    const u64 after_complete  = patient_count(before + 1) + 1;
    (void)perform(complete);
    return first_of(equal("NMIs within the handler", nmis_within, 0),
                    equal("NMIs before NMI complete", before_complete, 1), judge(answer, done()),
                    equal("NMIs behind it", after_complete, 2));
}

Verdict complete_alone() { return judge(perform(complete), done()); }

constexpr const char* section = "4.1";

// clang-format off
constexpr CodeCase code_cases[] = {
    {{"nmi.once",            section, "an NMI that was sent comes once",             Level::must}, comes_once},
    {{"nmi.masked",          section, "the next one waits for NMI complete",         Level::must}, second_waits},
    {{"nmi.complete.alone",  section, "NMI complete without an NMI does no harm",    Level::may},  complete_alone},
};
// clang-format on

} // namespace

constinit const Group nmi_group = group_of("NMIs", code_cases);

namespace {

/// A hold that INIT and SIPI end.
Verdict ends_by_sipi(Order order) {
    if (!start_second_vcpu()) {
        return Verdict::failed("the second vCPU has left the mailbox", 0, 1);
    }
    const bool taken = give(order);
    wait_some();
    const bool too_early = is_done_now();
    send_init();
    send_startup();
    return first_of(holds("the second vCPU takes the order", taken),
                    holds("it is held until somebody sends INIT and SIPI", !too_early),
                    holds("INIT and SIPI end it", is_done_soon()));
}

Verdict msr_hold_ends() { return ends_by_sipi(Order::hold_by_msr); }

Verdict msr_hold_code() {
    return first_of(
        ends_by_sipi(Order::hold_by_msr),
        equal("the answer's code", held().msr & msr::info_mask, msr::reply_to(msr::reset_hold)));
}

Verdict msr_hold_data() {
    return first_of(ends_by_sipi(Order::hold_by_msr),
                    holds("the answer's data are not 0", held().msr >> 12 != 0));
}

Verdict page_hold_ends() { return ends_by_sipi(Order::hold_by_page); }

Verdict page_hold_answer() {
    return first_of(ends_by_sipi(Order::hold_by_page),
                    equal("SW_EXITINFO1[31:0]", low_half(held().info_1), response::done),
                    holds("SW_EXITINFO2 is not 0", held().info_2 != 0));
}

/// INIT alone ends nothing.
Verdict init_is_not_enough() {
    if (!start_second_vcpu() || !give(Order::hold_by_msr)) {
        return Verdict::failed("the second vCPU takes the order", 0, 1);
    }
    wait_some();
    send_init();
    wait_some();
    const bool too_early = is_done_now();
    send_startup();
    return first_of(holds("INIT alone does not end it", !too_early),
                    holds("INIT and SIPI end it", is_done_soon()));
}

/// From one hold into the next.
Verdict holds_again() {
    return first_of(ends_by_sipi(Order::hold_by_page), ends_by_sipi(Order::hold_by_page),
                    ends_by_sipi(Order::hold_by_msr));
}

constexpr const char* hold = "4.3";
constexpr u16 second       = need::second_vcpu;

// clang-format off
constexpr CodeCase hold_cases[] = {
    {{"hold.msr.ends",       hold, "a hold by MSR ends by INIT and SIPI",            Level::must, second | need::version_2}, msr_hold_ends},
    {{"hold.msr.code",       hold, "it is answered by code 0x007",                   Level::must, second | need::version_2}, msr_hold_code},
    {{"hold.msr.data",       hold, "with data that are not 0",                       Level::must, second | need::version_2}, msr_hold_data},
    {{"hold.page.ends",      hold, "a hold by page ends by INIT and SIPI",           Level::must, second}, page_hold_ends},
    {{"hold.page.answer",    hold, "with an SW_EXITINFO2 that is not 0",             Level::must, second}, page_hold_answer},
    {{"hold.init-alone",     hold, "INIT alone ends no hold",                        Level::should, second | need::version_2}, init_is_not_enough},
    {{"hold.again",          hold, "a vCPU is held again",                           Level::must, second | need::version_2}, holds_again},
};
// clang-format on

} // namespace

constinit const Group hold_group = group_of("AP reset hold", hold_cases);

} // namespace vestibule::examiner
