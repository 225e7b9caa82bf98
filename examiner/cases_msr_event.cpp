// SPDX-License-Identifier: BSD-2-Clause-Patent
// RDMSR and WRMSR by the GHCB page: registers that every host has, registers that nobody has, and
// those that the processor keeps for the guest, so that no access to them raises #VC (GHCB
// specification, section 4.1, exit 0x7C; APM volume 2, table 15-35).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "x86/msr.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;

constexpr u32 apic_base       = 0x1B;
constexpr u32 patch_level     = 0x8B;
constexpr u32 mtrr_capability = 0xFE;
constexpr u32 mtrr_base_7     = 0x20E; // of the last pair; its mask has it without effect
constexpr u32 mtrr_mask_7     = 0x20F;
constexpr u32 unknown_low     = 0x0000'1F1F;
constexpr u32 unknown_middle  = 0x8765'4321;
constexpr u32 unknown_high    = 0xC001'F1F1;

constexpr Call read(u32 number) { return call_of(ExitCode::msr, 0).with_rcx(number); }

constexpr Call write(u32 number, u64 value) {
    return call_of(ExitCode::msr, 1)
        .with_rcx(number)
        .with_rax(low_half(value))
        .with_rdx(high_half(value));
}

Verdict halves() {
    const Answer answer = perform(read(mtrr_capability));
    return first_of(equal("RAX[63:32]", high_half(answer.rax), 0),
                    equal("RDX[63:32]", high_half(answer.rdx), 0));
}

Verdict apic_base_is_a_page() {
    const Answer answer = perform(read(apic_base));
    return first_of(
        judge(answer, done(fields::halves)),
        equal("APIC_BASE[31:12] as a PC has it", answer.rax & 0xFFFF'F000, 0xFEE0'0000));
}

Verdict first_vcpu_is_the_bsp() {
    return holds("APIC_BASE[8], of the first vCPU", (perform(read(apic_base)).rax & bit(8)) != 0);
}

/// A pair of MTRRs that covers nothing.
Verdict comes_back() {
    constexpr u64 value = 0x1234'5000;
    const Answer mask   = perform(read(mtrr_mask_7));
    const Answer before = perform(read(mtrr_base_7));
    if (low_half(mask.info_1) != response::done || (mask.rax & bit(11)) != 0) {
        return Verdict::skipped("the last MTRR is in use, or not there");
    }
    const Answer written = perform(write(mtrr_base_7, value));
    const Answer after   = perform(read(mtrr_base_7));
    (void)perform(write(mtrr_base_7, from_halves(low_half(before.rdx), low_half(before.rax))));
    return first_of(
        judge(written, done()), judge(after, done(fields::halves)),
        equal("what was written", from_halves(low_half(after.rdx), low_half(after.rax)), value));
}

/// RCX has 32 bits.
Verdict upper_half_counts_nothing() {
    Call call = read(mtrr_capability);
    call.rcx |= u64{1} << 40;
    const Answer answer = perform(call);
    return first_of(judge(answer, done(fields::halves)),
                    equal("RAX", answer.rax, perform(read(mtrr_capability)).rax));
}

/// The processor has it: RDMSR of it is no question to anybody.
Verdict raises_no_vc(u32 number) {
    const u64 before = vc_count();
    (void)Cpu::rdmsr(static_cast<x86::Msr>(number));
    return equal("#VCs of RDMSR", vc_count() - before, 0);
}

Verdict efer_is_kept() { return raises_no_vc(0xC000'0080); }

Verdict star_is_kept() { return raises_no_vc(0xC000'0081); }

Verdict lstar_is_kept() { return raises_no_vc(0xC000'0082); }

Verdict cstar_is_kept() { return raises_no_vc(0xC000'0083); }

Verdict sfmask_is_kept() { return raises_no_vc(0xC000'0084); }

Verdict fs_base_is_kept() { return raises_no_vc(0xC000'0100); }

Verdict gs_base_is_kept() { return raises_no_vc(0xC000'0101); }

Verdict kernel_gs_base_is_kept() { return raises_no_vc(0xC000'0102); }

Verdict sysenter_cs_is_kept() { return raises_no_vc(0x174); }

Verdict pat_is_kept() { return raises_no_vc(0x277); }

Verdict ghcb_is_not_intercepted() { return raises_no_vc(0xC001'0130); }

Verdict status_is_not_intercepted() { return raises_no_vc(0xC001'0131); }

constexpr const char* section = "4.1";
constexpr const char* kept    = "APM 15.35.4";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"rdmsr.apic-base",      section, "RDMSR of APIC_BASE gives RAX and RDX",      Level::must}, read(apic_base), done(fields::halves)},
    {{"rdmsr.mtrr",           section, "RDMSR of MTRRcap gives RAX and RDX",        Level::must}, read(mtrr_capability), done(fields::halves)},
    {{"rdmsr.patch-level",    section, "RDMSR of PATCH_LEVEL gives RAX and RDX",    Level::should}, read(patch_level), done(fields::halves)},
    {{"rdmsr.unknown.low",    section, "RDMSR of a low number that is none: #GP",   Level::must}, read(unknown_low), raises_gp},
    {{"rdmsr.unknown.middle", section, "RDMSR of a number in no range: #GP",        Level::must}, read(unknown_middle), raises_gp},
    {{"rdmsr.unknown.high",   section, "RDMSR of a high number that is none: #GP",  Level::must}, read(unknown_high), raises_gp},
    {{"wrmsr.unknown.low",    section, "WRMSR of a low number that is none: #GP",   Level::must}, write(unknown_low, 0), raises_gp},
    {{"wrmsr.unknown.middle", section, "WRMSR of a number in no range: #GP",        Level::must}, write(unknown_middle, 0), raises_gp},
    {{"wrmsr.unknown.high",   section, "WRMSR of a high number that is none: #GP",  Level::must}, write(unknown_high, 0), raises_gp},
    {{"wrmsr.read-only",      section, "WRMSR of MTRRcap, which is read-only: #GP", Level::should}, write(mtrr_capability, 0), raises_gp},
    {{"rdmsr.missing.rcx",    section, "RDMSR without RCX: reason 4",               Level::must}, read(apic_base).without(fields::rcx), malformed(reason::missing)},
    {{"wrmsr.missing.rcx",    section, "WRMSR without RCX: reason 4",               Level::must}, write(mtrr_base_7, 0).without(fields::rcx), malformed(reason::missing)},
    {{"wrmsr.missing.rax",    section, "WRMSR without RAX: reason 4",               Level::must}, write(mtrr_base_7, 0).without(fields::rax), malformed(reason::missing)},
    {{"wrmsr.missing.rdx",    section, "WRMSR without RDX: reason 4",               Level::must}, write(mtrr_base_7, 0).without(fields::rdx), malformed(reason::missing)},
    {{"msr-event.direction",  section, "SW_EXITINFO1 2 is neither: refused",        Level::should}, call_of(ExitCode::msr, 2).with_rcx(apic_base), refused},
    {{"msr-event.kept",       kept,    "an MSR that the processor keeps is not the hypervisor's", Level::may}, read(0xC000'0082), raises_gp},
    {{"msr-event.ghcb",       kept,    "nor is the GHCB MSR",                       Level::may}, read(0xC001'0130), raises_gp},
};

constexpr CodeCase code_cases[] = {
    {{"rdmsr.halves",         section, "RDMSR gives 32 bits in each register",      Level::should}, halves},
    {{"rdmsr.apic-base.page", section, "APIC_BASE is where a PC has its APIC",      Level::should}, apic_base_is_a_page},
    {{"rdmsr.apic-base.bsp",  section, "the first vCPU is the bootstrap processor", Level::should}, first_vcpu_is_the_bsp},
    {{"wrmsr.comes-back",     section, "an MSR is read as it was written",          Level::should}, comes_back},
    {{"rdmsr.rcx.upper",      section, "RCX[63:32] counts nothing",                 Level::may}, upper_half_counts_nothing},
    {{"no-vc.efer",           kept,    "RDMSR of EFER raises no #VC",               Level::should, need::risky}, efer_is_kept},
    {{"no-vc.star",           kept,    "RDMSR of STAR raises no #VC",               Level::should, need::risky}, star_is_kept},
    {{"no-vc.lstar",          kept,    "RDMSR of LSTAR raises no #VC",              Level::should, need::risky}, lstar_is_kept},
    {{"no-vc.cstar",          kept,    "RDMSR of CSTAR raises no #VC",              Level::should, need::risky}, cstar_is_kept},
    {{"no-vc.sfmask",         kept,    "RDMSR of SFMASK raises no #VC",             Level::should, need::risky}, sfmask_is_kept},
    {{"no-vc.fs-base",        kept,    "RDMSR of FS_BASE raises no #VC",            Level::should, need::risky}, fs_base_is_kept},
    {{"no-vc.gs-base",        kept,    "RDMSR of GS_BASE raises no #VC",            Level::should, need::risky}, gs_base_is_kept},
    {{"no-vc.kernel-gs-base", kept,    "RDMSR of KERNEL_GS_BASE raises no #VC",     Level::should, need::risky}, kernel_gs_base_is_kept},
    {{"no-vc.sysenter-cs",    kept,    "RDMSR of SYSENTER_CS raises no #VC",        Level::should, need::risky}, sysenter_cs_is_kept},
    {{"no-vc.pat",            kept,    "RDMSR of PAT raises no #VC",                Level::should, need::risky}, pat_is_kept},
    {{"no-vc.ghcb",           kept,    "RDMSR of the GHCB MSR raises no #VC",       Level::must, need::risky}, ghcb_is_not_intercepted},
    {{"no-vc.sev-status",     kept,    "RDMSR of SEV_STATUS raises no #VC",         Level::must, need::risky}, status_is_not_intercepted},
};
// clang-format on

} // namespace

constinit const Group msr_event_group = group_of("RDMSR and WRMSR", call_cases, code_cases);

} // namespace vestibule::examiner
