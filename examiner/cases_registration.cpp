// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV-SNP: which page is the GHCB (GHCB specification, sections 2.3.1 and 2.3.2, requests 0x010 and
// 0x012).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"

namespace vestibule::examiner {

namespace {

constexpr u64 other_number  = 4; // of the arena
constexpr u64 nobody        = ~u64{0xFFF};
constexpr u64 no_memory     = u64{1} << 40;
constexpr u64 register_code = msr::reply_to(msr::register_gpa);
constexpr Call any          = call_of(ExitCode::wbinvd);

u64 register_page(u64 gpa) { return exchange(gpa | msr::register_gpa); }

/// Shared once, whichever case needs it first.
bool other_is_shared() {
    static constinit bool is_shared = false;
    is_shared                       = is_shared || make_shared(arena_gpa(other_number));
    return is_shared;
}

/// With another page that is shared, and afterwards with the first one registered.
template <class Do>
Verdict with_other_page(Do what) {
    const u64 first                       = page_gpa();
    volatile ghcb::Page* const first_page = &page();
    if (!other_is_shared()) {
        return Verdict::failed("a page is made shared", 0, 1);
    }
    const Verdict verdict = what(arena_gpa(other_number));
    use_page(first_page, first);
    (void)register_page(first);
    return verdict;
}

void use_other(u64 gpa) { use_page(reinterpret_cast<volatile ghcb::Page*>(gpa), gpa); }

Verdict preferred_is_a_page() {
    const u64 gpa = exchange(msr::preferred_gpa) & nobody;
    return holds("the preferred GHCB is a page, or nobody's",
                 gpa == nobody || (gpa != 0 && gpa < info().c_bit));
}

Verdict echo() {
    return equal("the answer", register_page(page_gpa()), page_gpa() | register_code);
}

Verdict other_echo() {
    return with_other_page(
        [](u64 other) { return equal("the answer", register_page(other), other | register_code); });
}

Verdict other_is_served() {
    return with_other_page([](u64 other) {
        (void)register_page(other);
        use_other(other);
        return judge(perform(any), done());
    });
}

Verdict unregistered_is_refused() {
    return with_other_page([](u64 other) {
        use_other(other);
        return judge(perform(any), malformed(reason::not_registered));
    });
}

/// A later registration takes the place of an earlier one.
Verdict former_is_refused() {
    return with_other_page([](u64 other) {
        (void)register_page(other);
        return judge(perform(any), malformed(reason::not_registered));
    });
}

Verdict back_is_served() {
    return with_other_page([](u64 other) {
        const u64 first = page_gpa();
        (void)register_page(other);
        return first_of(equal("the answer", register_page(first), first | register_code),
                        judge(perform(any), done()));
    });
}

Verdict outside_is_refused() {
    const u64 answer = register_page(no_memory);
    (void)register_page(page_gpa());
    return equal("the answer", answer, nobody | register_code);
}

/// What was refused has not taken the place of what was registered.
Verdict refused_changes_nothing() {
    (void)register_page(no_memory);
    const Verdict verdict = judge(perform(any), done());
    (void)register_page(page_gpa());
    return verdict;
}

constexpr const char* requests = "2.3.1";
constexpr const char* section  = "2.3.2";

// clang-format off
constexpr MsrCase msr_cases[] = {
    {{"snp.preferred.code",    requests, "a preferred GHCB is answered by code 0x011",    Level::must, need::snp}, msr::preferred_gpa, msr::info_mask, 0x011},
};

constexpr CodeCase code_cases[] = {
    {{"snp.preferred.page",    requests, "it is a page, or all ones",                     Level::must, need::snp}, preferred_is_a_page},
    {{"snp.register.echo",     requests, "registration is answered by the same page",     Level::must, need::snp}, echo},
    {{"snp.register.other",    section,  "another page can be registered",                Level::must, need::snp}, other_echo},
    {{"snp.register.served",   section,  "the registered page is served",                 Level::must, need::snp}, other_is_served},
    {{"snp.register.none",     section,  "another page than the registered: reason 1",    Level::must, need::snp}, unregistered_is_refused},
    {{"snp.register.former",   section,  "the one that was registered before: reason 1",  Level::must, need::snp}, former_is_refused},
    {{"snp.register.back",     section,  "it can be registered again",                    Level::must, need::snp}, back_is_served},
    {{"snp.register.outside",  requests, "a page that is no memory is refused by all ones", Level::should, need::snp}, outside_is_refused},
    {{"snp.register.kept",     section,  "what is refused changes nothing",               Level::should, need::snp}, refused_changes_nothing},
};
// clang-format on

} // namespace

constinit const Group registration_group = group_of("Registration", msr_cases, code_cases);

} // namespace vestibule::examiner
