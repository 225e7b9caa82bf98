// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV-SNP: the list of APIC IDs, RUN_VMPL and the #HV doorbell page, each where the hypervisor says
// that it has it (GHCB specification, exits 0x80000014, 0x80000015, 0x80000017, 0x80000018, request
// 0x016).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "examiner/second_vcpu.h"

namespace vestibule::examiner {

namespace {

constexpr u64 list_number     = 5; // of the arena: the list of APIC IDs
constexpr u64 private_number  = 7;
constexpr u64 apic_ids        = 0x8000'0017;
constexpr u64 run_vmpl        = 0x8000'0018;
constexpr u64 doorbell        = 0x8000'0014;
constexpr unsigned injection  = 2; // feature bits
constexpr unsigned ids        = 4;
constexpr unsigned vmpls      = 5;
constexpr const char* missing = "the hypervisor does not tell of this feature";

bool tells(unsigned feature) {
    return (perform(call_of(ExitCode::hv_features)).info_2 & bit(feature)) != 0;
}

template <class Do>
Verdict with(unsigned feature, Do what) {
    return tells(feature) ? what() : Verdict::skipped(missing);
}

u64 shared_list() {
    static constinit bool is_ready = false;
    is_ready                       = is_ready || make_shared(arena_gpa(list_number));
    return arena_gpa(list_number);
}

Verdict ids_tell_pages() {
    return with(ids, [] {
        const Answer answer = perform(call_of(apic_ids).with_rax(0));
        return first_of(judge(answer, done(fields::rax)),
                        holds("RAX, the pages that are needed, is 1 or more", answer.rax != 0));
    });
}

Verdict ids_come() {
    return with(ids, [] {
        const Answer answer = perform(call_of(apic_ids, shared_list()).with_rax(1));
        const u64 first     = arena_word(list_number);
        const u32 vcpus     = info().vcpus;
        return first_of(judge(answer, done()),
                        holds("the list's count is at least that of the launch",
                              low_half(first) >= (vcpus != 0 ? vcpus : 1)),
                        equal("the first APIC ID", high_half(first), 0));
    });
}

Verdict ids_need_rax() {
    return with(ids, [] {
        return judge(perform(call_of(apic_ids, shared_list())), malformed(reason::missing));
    });
}

Verdict ids_unaligned() {
    return with(ids, [] {
        return judge(perform(call_of(apic_ids, shared_list() + 8).with_rax(1)), refused);
    });
}

Verdict ids_private() {
    return with(ids, [] {
        return judge(perform(call_of(apic_ids, arena_gpa(private_number)).with_rax(1)), refused);
    });
}

/// The VMPL that this code is at.
Verdict own_vmpl_by_msr() {
    return with(vmpls, [] {
        const u64 answer = exchange(u64{info().vmpl} << 32 | msr::run_vmpl);
        return first_of(
            equal("the answer's code", answer & msr::info_mask, msr::reply_to(msr::run_vmpl)),
            holds("the answer has an error in 63:32", high_half(answer) != 0));
    });
}

Verdict own_vmpl() {
    return with(vmpls, [] { return judge(perform(call_of(run_vmpl, info().vmpl)), refused); });
}

Verdict empty_vmpl() {
    return with(vmpls, [] { return judge(perform(call_of(run_vmpl, 3)), refused); });
}

Verdict no_vmpl() {
    return with(vmpls, [] { return judge(perform(call_of(run_vmpl, 4)), refused); });
}

Verdict no_vmpl_high() {
    return with(vmpls, [] { return judge(perform(call_of(run_vmpl, u64{1} << 32)), refused); });
}

/// RUN_VMPL of what is not there by MSR.
Verdict empty_vmpl_by_msr() {
    return with(vmpls, [] {
        return holds("the answer has an error in 63:32",
                     high_half(exchange(u64{3} << 32 | msr::run_vmpl)) != 0);
    });
}

constexpr u64 preferred = 0;
constexpr u64 set       = 1;
constexpr u64 query     = 2;
constexpr u64 clear     = 3;

Verdict doorbell_preferred() {
    return with(injection, [] { return judge(perform(call_of(doorbell, preferred)), done()); });
}

Verdict doorbell_comes_back() {
    return with(injection, [] {
        const u64 gpa     = shared_list();
        const Answer was  = perform(call_of(doorbell, set, gpa));
        const Answer now  = perform(call_of(doorbell, query));
        const Answer gone = perform(call_of(doorbell, clear));
        return first_of(judge(was, done()), judge(now, done_with_info_2(gpa)), judge(gone, done()));
    });
}

Verdict doorbell_unaligned() {
    return with(injection, [] {
        return judge(perform(call_of(doorbell, set, shared_list() + 8)), malformed(reason::input));
    });
}

Verdict doorbell_private() {
    return with(injection, [] {
        return judge(perform(call_of(doorbell, set, arena_gpa(private_number))), refused);
    });
}

Verdict doorbell_verb_4() {
    return with(injection,
                [] { return judge(perform(call_of(doorbell, 4)), malformed(reason::input)); });
}

constexpr const char* section  = "4.1";
constexpr const char* requests = "2.3.1";
constexpr u16 own              = need::snp | need::vmpl0;

// clang-format off
constexpr CodeCase code_cases[] = {
    {{"apic-ids.pages",       section,  "without room the pages that are needed are told",     Level::must, own}, ids_tell_pages},
    {{"apic-ids.list",        section,  "the list has each vCPU",                              Level::must, own}, ids_come},
    {{"apic-ids.missing.rax", section,  "without RAX: reason 4",                               Level::must, own}, ids_need_rax},
    {{"apic-ids.unaligned",   section,  "a list that begins in a page's middle is refused",    Level::should, own}, ids_unaligned},
    {{"apic-ids.private",     section,  "a private page is refused",                           Level::should, own}, ids_private},
    {{"run-vmpl.own",         section,  "the VMPL that asks is refused",                       Level::should, own}, own_vmpl},
    {{"run-vmpl.empty",       section,  "a VMPL without a VMSA is refused",                    Level::must, own}, empty_vmpl},
    {{"run-vmpl.4",           section,  "VMPL 4 is none",                                      Level::must, own}, no_vmpl},
    {{"run-vmpl.high",        section,  "nor is VMPL 2^32",                                    Level::must, own}, no_vmpl_high},
    {{"msr.run-vmpl.own",     requests, "by MSR the VMPL that asks is answered by an error",   Level::should, own}, own_vmpl_by_msr},
    {{"msr.run-vmpl.empty",   requests, "so is one without a VMSA",                            Level::must, own}, empty_vmpl_by_msr},
    {{"doorbell.preferred",   section,  "a preferred doorbell page is told",                   Level::must, own}, doorbell_preferred},
    {{"doorbell.comes-back",  section,  "a page that was set is told, and cleared",            Level::must, own}, doorbell_comes_back},
    {{"doorbell.unaligned",   section,  "a page that begins in a page's middle: reason 5",     Level::must, own}, doorbell_unaligned},
    {{"doorbell.private",     section,  "a private page is refused",                           Level::should, own}, doorbell_private},
    {{"doorbell.verb.4",      section,  "SW_EXITINFO1 4 asks for nothing: reason 5",           Level::must, own}, doorbell_verb_4},
};
// clang-format on

} // namespace

constinit const Group vmpl_group = group_of("APIC IDs, VMPLs and doorbells", code_cases);

namespace {

Verdict no_nmi_of_nobody() { return equal("NMIs", nmi_count(), nmis_sent()); }

Verdict no_gp_of_nobody() { return equal("#GPs", gp_count(), expected_gps()); }

/// No instruction between the cases needs the hypervisor, but for those that are to raise #VC.
Verdict no_vc_of_nobody() { return equal("#VCs", vc_count(), expected_vcs()); }

/// Words in pages that were private all the time.
Verdict memory_is_kept() {
    u64 wrong = 0;
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        wrong += arena_word(23, n) != 0 ? 1 : 0;
    }
    return equal("words of a private page that have changed", wrong, 0);
}

/// All that a conversation needs is still as it was at its beginning.
Verdict still_answers() {
    const Answer answer = perform(call_of(ExitCode::cpuid).with_rax(0).with_rcx(0));
    return judge(answer, done(fields::four));
}

// clang-format off
constexpr CodeCase quiet_cases[] = {
    {{"quiet.nmi",     "4.1", "no NMI came that nobody sent",         Level::must, need::last}, no_nmi_of_nobody},
    {{"quiet.gp",      "4.1", "no #GP came that no instruction raised", Level::must, need::last}, no_gp_of_nobody},
    {{"quiet.vc",      "APM 15.35.5", "no #VC came that no instruction raised", Level::must, need::last}, no_vc_of_nobody},
    {{"quiet.memory",  "APM 15.34", "private memory is as it was",    Level::must, need::last}, memory_is_kept},
    {{"quiet.answers", "4",   "behind all this a call is answered",   Level::must, need::last}, still_answers},
};
// clang-format on

} // namespace

constinit const Group quiet_group = group_of("What must not have happened", quiet_cases);

} // namespace vestibule::examiner
