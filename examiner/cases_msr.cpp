// SPDX-License-Identifier: BSD-2-Clause-Patent
// The MSR protocol as every guest has it: SEV information, CPUID, hypervisor features, and requests
// that there are not (GHCB specification, section 2.3.1).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "x86/sev.h"

namespace vestibule::examiner {

namespace {

constexpr u64 code_mask          = msr::info_mask;
constexpr u64 cpuid_reply        = msr::reply_to(msr::cpuid);
constexpr u64 cpuid_without_data = 0xFFFF'FFFF; // code, reserved bits and the register's number

constexpr u64 reply_without_data(unsigned register_number) {
    return u64{register_number} << 30 | cpuid_reply;
}

constexpr u16 max_version(u64 answer) { return static_cast<u16>(answer >> 48); }

constexpr u16 min_version(u64 answer) { return static_cast<u16>(answer >> 32); }

constexpr u64 c_bit_of(u64 answer) { return (answer >> 24) & 0xFF; }

u64 sev_information() { return exchange(msr::sev_info); }

Verdict versions_ascend() {
    const u64 answer = sev_information();
    return holds("the lowest version is not above the highest",
                 min_version(answer) <= max_version(answer));
}

Verdict versions_begin_at_1() {
    return holds("the lowest version", min_version(sev_information()) >= 1);
}

Verdict version_is_in_range() {
    const u64 answer = sev_information();
    return holds("the negotiated version is in the range",
                 version() >= min_version(answer) && version() <= max_version(answer));
}

Verdict snp_has_version_2() {
    return holds("the highest version is 2 or more", max_version(sev_information()) >= 2);
}

Verdict c_bit_is_the_guests() {
    return equal("the C-bit's position", c_bit_of(sev_information()),
                 static_cast<u64>(__builtin_ctzll(info().c_bit)));
}

Verdict information_stays() {
    const u64 first = sev_information();
    return equal("the second answer", sev_information(), first);
}

// --- CPUID ---

u32 ask_cpuid(u32 leaf, unsigned register_number) {
    return high_half(exchange(msr::cpuid_request(leaf, register_number)));
}

/// What has changed between the two questions, or is the vCPU's own, is left out.
u32 volatile_bits(u32 leaf, unsigned register_number) {
    constexpr u32 osxsave = 1u << 27;
    return leaf == 1 && register_number == 2 ? osxsave : 0;
}

Verdict same_by_page(u32 leaf) {
    const Answer by_page =
        perform(call_of(ExitCode::cpuid).with_rax(leaf).with_rcx(0).with_xcr0(1));
    const u64 values[]  = {by_page.rax, by_page.rbx, by_page.rcx, by_page.rdx};
    const char* names[] = {"EAX by the MSR protocol", "EBX by the MSR protocol",
                           "ECX by the MSR protocol", "EDX by the MSR protocol"};
    for (unsigned n = 0; n < 4; ++n) {
        const u32 mask = ~volatile_bits(leaf, n);
        const Verdict verdict =
            equal(names[n], ask_cpuid(leaf, n) & mask, low_half(values[n]) & mask);
        if (verdict.is_failure()) {
            return verdict;
        }
    }
    return Verdict::passed();
}

Verdict same_leaf_0() { return same_by_page(0); }

Verdict same_leaf_1() { return same_by_page(1); }

Verdict same_extended_leaf_0() { return same_by_page(0x8000'0000); }

Verdict same_encryption_leaf() { return same_by_page(x86::cpuid_leaf::memory_encryption); }

Verdict leaf_1f_is_there() {
    return holds("CPUID 0x80000000 EAX reaches 0x8000001F",
                 ask_cpuid(0x8000'0000, 0) >= x86::cpuid_leaf::memory_encryption);
}

Verdict has_bit(const char* what, u32 mask) {
    return holds(what, (ask_cpuid(x86::cpuid_leaf::memory_encryption, 0) & mask) != 0);
}

Verdict leaf_1f_has_sev() { return has_bit("CPUID 0x8000001F EAX[1]", x86::cpuid_sev); }

Verdict leaf_1f_has_sev_es() { return has_bit("CPUID 0x8000001F EAX[3]", x86::cpuid_sev_es); }

Verdict leaf_1f_has_snp() { return has_bit("CPUID 0x8000001F EAX[4]", x86::cpuid_snp); }

Verdict leaf_1f_has_c_bit() {
    return equal("CPUID 0x8000001F EBX[5:0]",
                 x86::c_bit_position(ask_cpuid(x86::cpuid_leaf::memory_encryption, 1)),
                 static_cast<u64>(__builtin_ctzll(info().c_bit)));
}

/// One question after the other, in another order than 0 to 3: nothing is kept between them.
Verdict cpuid_keeps_nothing() {
    const u32 before = ask_cpuid(0, 2);
    (void)exchange(msr::cpuid_request(1, 3));
    return equal("CPUID 0 ECX, asked again", ask_cpuid(0, 2), before);
}

// --- Hypervisor features ---

u64 features_by_msr() { return exchange(msr::features) >> 12; }

Verdict features_same_by_page() {
    const Answer answer = perform(call_of(ExitCode::hv_features));
    return first_of(judge(answer, done()),
                    equal("the features by the MSR protocol", features_by_msr(),
                          answer.info_2 & (~u64{0} >> 12)));
}

Verdict feature_implies(const char* what, unsigned feature, unsigned needed) {
    const u64 features = features_by_msr();
    return holds(what, (features & bit(feature)) == 0 || (features & bit(needed)) != 0);
}

Verdict ap_creation_implies_snp() {
    return feature_implies("feature bit 1 comes with bit 0", 1, 0);
}

Verdict injection_implies_ap_creation() {
    return feature_implies("feature bit 2 comes with bit 1", 2, 1);
}

Verdict timer_implies_injection() {
    return feature_implies("feature bit 3 comes with bit 2", 3, 2);
}

Verdict features_have_snp() { return holds("feature bit 0", (features_by_msr() & 1) != 0); }

Verdict features_are_no_others() {
    constexpr u64 named = 0x3FF; // bits 7 and 8 are taken, by whom nobody has said
    return equal("feature bits above 9", features_by_msr() & ~named, 0);
}

// --- Requests that there are not ---

/// Whatever comes back is no answer to it: the request itself, or a code that answers nothing.
Verdict is_no_answer(u64 request) {
    const u64 answer = exchange(request);
    return holds("the answer's code is not the request's code and 1",
                 (answer & code_mask) != ((request & code_mask) | 1));
}

Verdict unknown_020() { return is_no_answer(0x020); }

Verdict unknown_200() { return is_no_answer(0x200); }

Verdict unknown_f10() { return is_no_answer(0xF10); }

/// Requests of SEV-SNP's, by an SEV-ES guest.
Verdict snp_only_preferred() { return is_no_answer(msr::preferred_gpa); }

Verdict snp_only_register() { return is_no_answer(page_gpa() | msr::register_gpa); }

Verdict snp_only_psc() { return is_no_answer(u64{2} << 52 | page_gpa() | msr::page_state); }

/// A request goes out and the page is called behind it: neither minds the other.
Verdict page_behind_msr() {
    (void)exchange(msr::cpuid_request(0, 0));
    return judge(perform(call_of(ExitCode::wbinvd)), done());
}

constexpr u64 asked(u32 leaf, unsigned n) { return msr::cpuid_request(leaf, n); }

constexpr const char* section = "2.3.1";

// clang-format off
constexpr MsrCase msr_cases[] = {
    {{"msr.info.code",       section, "SEV information is answered by code 0x001",        Level::must}, msr::sev_info, code_mask, 0x001},
    {{"msr.info.reserved",   section, "bits 23:12 of SEV information are zero",           Level::must}, msr::sev_info, 0xFF'F000, 0},
    {{"msr.cpuid.0.eax",     section, "CPUID 0: code 0x005, EAX, reserved bits zero",     Level::must}, asked(0, 0), cpuid_without_data, reply_without_data(0)},
    {{"msr.cpuid.0.ebx",     section, "CPUID 0: code 0x005, EBX, reserved bits zero",     Level::must}, asked(0, 1), cpuid_without_data, reply_without_data(1)},
    {{"msr.cpuid.0.ecx",     section, "CPUID 0: code 0x005, ECX, reserved bits zero",     Level::must}, asked(0, 2), cpuid_without_data, reply_without_data(2)},
    {{"msr.cpuid.0.edx",     section, "CPUID 0: code 0x005, EDX, reserved bits zero",     Level::must}, asked(0, 3), cpuid_without_data, reply_without_data(3)},
    {{"msr.cpuid.1.eax",     section, "CPUID 1: code 0x005, EAX, reserved bits zero",     Level::must}, asked(1, 0), cpuid_without_data, reply_without_data(0)},
    {{"msr.cpuid.1.ebx",     section, "CPUID 1: code 0x005, EBX, reserved bits zero",     Level::must}, asked(1, 1), cpuid_without_data, reply_without_data(1)},
    {{"msr.cpuid.1.ecx",     section, "CPUID 1: code 0x005, ECX, reserved bits zero",     Level::must}, asked(1, 2), cpuid_without_data, reply_without_data(2)},
    {{"msr.cpuid.1.edx",     section, "CPUID 1: code 0x005, EDX, reserved bits zero",     Level::must}, asked(1, 3), cpuid_without_data, reply_without_data(3)},
    {{"msr.cpuid.1f.eax",    section, "CPUID 0x8000001F: code 0x005, EAX",                Level::must}, asked(0x8000'001F, 0), cpuid_without_data, reply_without_data(0)},
    {{"msr.cpuid.1f.ebx",    section, "CPUID 0x8000001F: code 0x005, EBX",                Level::must}, asked(0x8000'001F, 1), cpuid_without_data, reply_without_data(1)},
    {{"msr.cpuid.1f.ecx",    section, "CPUID 0x8000001F: code 0x005, ECX",                Level::must}, asked(0x8000'001F, 2), cpuid_without_data, reply_without_data(2)},
    {{"msr.cpuid.1f.edx",    section, "CPUID 0x8000001F: code 0x005, EDX",                Level::must}, asked(0x8000'001F, 3), cpuid_without_data, reply_without_data(3)},
    {{"msr.cpuid.beyond",    section, "CPUID of a leaf that is not there is answered",    Level::must}, asked(0x8FFF'FFFF, 0), cpuid_without_data, reply_without_data(0)},
    {{"msr.cpuid.hypervisor", section, "CPUID 0x40000000 is answered",                    Level::must}, asked(0x4000'0000, 1), cpuid_without_data, reply_without_data(1)},
    {{"msr.features.code",   section, "hypervisor features are answered by code 0x081",   Level::must, need::version_2}, msr::features, code_mask, 0x081},
};

constexpr CodeCase code_cases[] = {
    {{"msr.info.range",      section, "the lowest version is not above the highest",      Level::must}, versions_ascend},
    {{"msr.info.lowest",     section, "the lowest version is 1 or more",                  Level::must}, versions_begin_at_1},
    {{"msr.info.negotiated", section, "the version that was negotiated is in the range",  Level::must}, version_is_in_range},
    {{"msr.info.snp",        section, "an SEV-SNP guest is offered version 2",            Level::must, need::snp}, snp_has_version_2},
    {{"msr.info.c-bit",      section, "the C-bit is the one that memory shows",           Level::must}, c_bit_is_the_guests},
    {{"msr.info.again",      section, "SEV information stays what it was",                Level::must}, information_stays},
    {{"msr.cpuid.0.same",    section, "CPUID 0 is that of exit 0x72",                     Level::must}, same_leaf_0},
    {{"msr.cpuid.1.same",    section, "CPUID 1 is that of exit 0x72",                     Level::must}, same_leaf_1},
    {{"msr.cpuid.80.same",   section, "CPUID 0x80000000 is that of exit 0x72",            Level::must}, same_extended_leaf_0},
    {{"msr.cpuid.1f.same",   section, "CPUID 0x8000001F is that of exit 0x72",            Level::must}, same_encryption_leaf},
    {{"msr.cpuid.1f.there",  section, "CPUID 0x8000001F is there",                        Level::must}, leaf_1f_is_there},
    {{"msr.cpuid.1f.sev",    section, "CPUID 0x8000001F shows SEV",                       Level::must}, leaf_1f_has_sev},
    {{"msr.cpuid.1f.sev-es", section, "CPUID 0x8000001F shows SEV-ES",                    Level::should}, leaf_1f_has_sev_es},
    {{"msr.cpuid.1f.snp",    section, "CPUID 0x8000001F shows SEV-SNP",                   Level::should, need::snp}, leaf_1f_has_snp},
    {{"msr.cpuid.1f.c-bit",  section, "CPUID 0x8000001F names the C-bit that memory shows",   Level::must}, leaf_1f_has_c_bit},
    {{"msr.cpuid.stateless", section, "each request stands alone",                        Level::must}, cpuid_keeps_nothing},
    {{"msr.features.same",   section, "the features are those of exit 0x8000FFFD",        Level::must, need::version_2}, features_same_by_page},
    {{"msr.features.ap-creation", section, "AP creation comes with SEV-SNP",              Level::must, need::version_2}, ap_creation_implies_snp},
    {{"msr.features.injection", section, "restricted injection comes with AP creation",   Level::must, need::version_2}, injection_implies_ap_creation},
    {{"msr.features.timer",  section, "its timer comes with restricted injection",        Level::must, need::version_2}, timer_implies_injection},
    {{"msr.features.snp",    section, "an SEV-SNP guest's hypervisor has SEV-SNP",        Level::must, need::snp}, features_have_snp},
    {{"msr.features.others", section, "no feature is told that nobody has defined",       Level::may,  need::version_2}, features_are_no_others},
    {{"msr.page-behind",     "2.3",   "a call by page follows a request by MSR",          Level::must}, page_behind_msr},
    {{"msr.unknown.020",     section, "request 0x020 has no answer",                      Level::must, need::risky}, unknown_020},
    {{"msr.unknown.200",     section, "request 0x200 has no answer",                      Level::must, need::risky}, unknown_200},
    {{"msr.unknown.f10",     section, "request 0xF10 has no answer",                      Level::must, need::risky}, unknown_f10},
    {{"msr.snp-only.preferred", section, "a preferred GHCB is SEV-SNP's to ask for",      Level::must, need::sev_es | need::risky}, snp_only_preferred},
    {{"msr.snp-only.register", section, "GHCB registration is SEV-SNP's to ask for",      Level::must, need::sev_es | need::risky}, snp_only_register},
    {{"msr.snp-only.psc",    section, "page state change is SEV-SNP's to ask for",        Level::must, need::sev_es | need::risky}, snp_only_psc},
};
// clang-format on

} // namespace

constinit const Group msr_group = group_of("The MSR protocol", msr_cases, code_cases);

} // namespace vestibule::examiner
