// SPDX-License-Identifier: BSD-2-Clause-Patent
// Instructions that exchange registers and nothing else: counters, DR7, caches, MONITOR and MWAIT,
// VMMCALL (GHCB specification, section 4.1).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "x86/sev.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;

constexpr Call rdtsc   = call_of(ExitCode::rdtsc);
constexpr Call rdtscp  = call_of(ExitCode::rdtscp);
constexpr Call rdpmc   = call_of(ExitCode::rdpmc).with_rcx(0);
constexpr Call dr7     = call_of(ExitCode::dr7_write).with_rax(0x400);
constexpr Call monitor = call_of(ExitCode::monitor).with_rax(0x1000).with_rcx(0).with_rdx(0);
constexpr Call mwait   = call_of(ExitCode::mwait).with_rax(0).with_rcx(0);

/// A hypercall that no hypervisor has.
constexpr Call vmmcall = call_of(ExitCode::vmmcall).with_rax(0x7FFF'FFFF).with_cpl(0);

u64 time_of(const Answer& answer) {
    return from_halves(low_half(answer.rdx), low_half(answer.rax));
}

Verdict halves_are_32_bits(const Answer& answer) {
    return first_of(equal("RAX[63:32]", high_half(answer.rax), 0),
                    equal("RDX[63:32]", high_half(answer.rdx), 0));
}

/// As the guest's own RDTSC has it before and after.
Verdict time_is_between(const Call& call) {
    const u64 before = Cpu::rdtsc();
    const u64 told   = time_of(perform(call));
    const u64 after  = Cpu::rdtsc();
    return first_of(holds("the time is not before the guest's own", told >= before),
                    holds("the time is not after the guest's own", told <= after));
}

Verdict rdtsc_is_the_time() { return time_is_between(rdtsc); }

Verdict rdtscp_is_the_time() { return time_is_between(rdtscp); }

Verdict rdtsc_goes_on() {
    const u64 first = time_of(perform(rdtsc));
    return holds("the second time is later", time_of(perform(rdtsc)) > first);
}

Verdict rdtsc_halves() { return halves_are_32_bits(perform(rdtsc)); }

Verdict rdtscp_halves() {
    const Answer answer = perform(rdtscp);
    return first_of(halves_are_32_bits(answer), equal("RCX[63:32]", high_half(answer.rcx), 0));
}

/// By an answer, and not by an exception behind VMGEXIT.
Verdict rdpmc_of_nothing() {
    const u64 before    = gp_count();
    const Answer answer = perform(rdpmc.with_rcx(0x3FFF'FFFF));
    const u64 came      = gp_count() - before;
    expect_gps(came);
    return first_of(equal("#GPs behind VMGEXIT", came, 0), judge(answer, raises_gp));
}

Verdict dr7_comes_back() {
    (void)perform(dr7.with_rax(0x455));
    const Answer answer = perform(call_of(ExitCode::dr7_read));
    (void)perform(dr7);
    return first_of(judge(answer, done(fields::rax)), equal("RAX, DR7", answer.rax, 0x455));
}

/// The guest's caches and memory are its own affair: what was written is still there.
Verdict keeps_memory(ExitCode code) {
    constexpr u64 pattern = 0x5AA5'0FF0'1234'8765;
    arena_word(0)         = pattern;
    const Verdict verdict = judge(perform(call_of(code)), done());
    const Verdict kept    = equal("a word of private memory", arena_word(0), pattern);
    arena_word(0)         = 0;
    return first_of(verdict, kept);
}

Verdict wbinvd_keeps_memory() { return keeps_memory(ExitCode::wbinvd); }

Verdict invd_keeps_memory() { return keeps_memory(ExitCode::invd); }

/// MOV from DR7 raises #VC unless DebugSwap is on.
Verdict debug_swap_is_true() {
    if (!x86::SevStatus{info().sev_status}.has(x86::SevStatus::debug_swap)) {
        return Verdict::skipped("no DebugSwap");
    }
    const u64 before = vc_count();
    u64 value        = 0;
    asm volatile("mov %%dr7, %0" : "=r"(value));
    return equal("#VCs of MOV from DR7", vc_count() - before, 0);
}

Verdict raises_no_vc_tsc() {
    const u64 before = vc_count();
    (void)Cpu::rdtsc();
    return equal("#VCs of RDTSC", vc_count() - before, 0);
}

constexpr const char* section = "4.1";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"rdtsc.done",           section, "RDTSC gives RAX and RDX",                   Level::must}, rdtsc, done(fields::halves)},
    {{"rdtscp.done",          section, "RDTSCP gives RAX, RDX and RCX",             Level::must}, rdtscp, done(fields::halves | fields::rcx)},
    {{"rdpmc.counter-0",      section, "RDPMC of counter 0 gives RAX and RDX",      Level::should}, rdpmc, done(fields::halves)},
    {{"rdpmc.missing.rcx",    section, "RDPMC without RCX: reason 4",               Level::must}, rdpmc.without(fields::rcx), malformed(reason::missing)},
    {{"invd.done",            section, "INVD is done",                              Level::must}, call_of(ExitCode::invd), done_with_info_2(0)},
    {{"wbinvd.done",          section, "WBINVD is done",                            Level::must}, call_of(ExitCode::wbinvd), done_with_info_2(0)},
    {{"dr7.write.done",       section, "a write of DR7 is done",                    Level::must}, dr7, done()},
    {{"dr7.write.missing.rax", section, "a write of DR7 without RAX: reason 4",     Level::must}, dr7.without(fields::rax), malformed(reason::missing)},
    {{"dr7.write.high",       section, "a write of DR7 with bits above 31 is refused", Level::should}, dr7.with_rax(bit(40)), refused},
    {{"monitor.done",         section, "MONITOR is done",                           Level::must}, monitor, done()},
    {{"monitor.missing.rax",  section, "MONITOR without RAX: reason 4",             Level::must}, monitor.without(fields::rax), malformed(reason::missing)},
    {{"monitor.missing.rcx",  section, "MONITOR without RCX: reason 4",             Level::must}, monitor.without(fields::rcx), malformed(reason::missing)},
    {{"monitor.missing.rdx",  section, "MONITOR without RDX: reason 4",             Level::must}, monitor.without(fields::rdx), malformed(reason::missing)},
    {{"mwait.done",           section, "MWAIT comes back",                          Level::must}, mwait, done()},
    {{"mwait.missing.rax",    section, "MWAIT without RAX: reason 4",               Level::must}, mwait.without(fields::rax), malformed(reason::missing)},
    {{"mwait.missing.rcx",    section, "MWAIT without RCX: reason 4",               Level::must}, mwait.without(fields::rcx), malformed(reason::missing)},
    {{"vmmcall.done",         section, "VMMCALL gives RAX",                         Level::must}, vmmcall, done(fields::rax)},
    {{"vmmcall.user",         section, "VMMCALL at CPL 3 is answered",              Level::must}, vmmcall.with_cpl(3), done(fields::rax)},
    {{"vmmcall.missing.rax",  section, "VMMCALL without RAX: reason 4",             Level::must}, vmmcall.without(fields::rax), malformed(reason::missing)},
    {{"vmmcall.missing.cpl",  section, "VMMCALL without CPL: reason 4",             Level::must}, vmmcall.without(fields::cpl), malformed(reason::missing)},
    {{"vmmcall.cpl-4",        section, "VMMCALL with a CPL that is none is refused", Level::may}, vmmcall.with_cpl(4), refused},
};

constexpr CodeCase code_cases[] = {
    {{"rdtsc.time",           section, "RDTSC tells the time that the guest reads", Level::should}, rdtsc_is_the_time},
    {{"rdtsc.later",          section, "RDTSC goes on",                             Level::must}, rdtsc_goes_on},
    {{"rdtsc.halves",         section, "RDTSC gives 32 bits in each register",      Level::should}, rdtsc_halves},
    {{"rdtsc.no-vc",          section, "RDTSC raises no #VC, as under KVM",         Level::may}, raises_no_vc_tsc},
    {{"rdtscp.time",          section, "RDTSCP tells the time that the guest reads", Level::should}, rdtscp_is_the_time},
    {{"rdtscp.halves",        section, "RDTSCP gives 32 bits in each register",     Level::should}, rdtscp_halves},
    {{"rdpmc.bad-index",      section, "RDPMC of a counter that is not there is answered by #GP", Level::should}, rdpmc_of_nothing},
    {{"dr7.read.back",        section, "DR7 reads as it was written",               Level::may}, dr7_comes_back},
    {{"wbinvd.memory",        section, "WBINVD leaves memory as it is",             Level::must}, wbinvd_keeps_memory},
    {{"invd.memory",          section, "INVD leaves memory as it is",               Level::must}, invd_keeps_memory},
    {{"dr7.debug-swap",       section, "DR7 raises no #VC where SEV_STATUS says DebugSwap", Level::must, need::risky}, debug_swap_is_true},
};
// clang-format on

} // namespace

constinit const Group instruction_group = group_of("Instructions", call_cases, code_cases);

} // namespace vestibule::examiner
