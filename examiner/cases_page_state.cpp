// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV-SNP: pages become shared and private, by the MSR protocol one by one and by the GHCB page in
// lists (GHCB specification, request 0x014 and exit 0x80000010). What the answers say is held
// against what the pages are: PVALIDATE says whether it has changed something, and the secure
// processor's answer goes to a page that is shared, and to no other.
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "examiner/page_lists.h"
#include "x86/page_table.h"

namespace vestibule::examiner {

ListOutcome change_whole_list(u16 last) {
    u16 before = current_of(header());
    for (unsigned calls = 1; calls <= 2 * most_entries; ++calls) {
        const Answer answer = perform(change_list);
        const u64 now       = header();
        const Verdict sound = first_of(
            judge(answer, done_with_info_2(0)),
            equal("the header's last entry", last_of(now), last),
            equal("the header's reserved bits", high_half(now), 0),
            holds("the header's current entry does not go back", current_of(now) >= before),
            holds("the header's current entry is not beyond the list",
                  current_of(now) <= last + 1));
        if (sound.is_failure() || current_of(now) > last) {
            return {sound, calls};
        }
        before = current_of(now);
    }
    return {Verdict::failed("calls until the list is done", 2 * most_entries + 1, 1),
            2 * most_entries};
}

namespace {

using namespace page_operation;

constexpr u64 first_page   = 8; // of the arena, and those behind it
constexpr u64 some_pages   = 4;
constexpr u64 request_page = 6; // shared for good, for use_as_response()
constexpr u64 reply        = msr::reply_to(msr::page_state);
constexpr u64 no_memory    = u64{1} << 40;

u64 change_by_msr(u64 gpa, u64 operation) {
    return exchange(gpa | operation << 52 | msr::page_state);
}

/// SW_EXITINFO1 of a guest request whose answer goes to that page: a hypervisor refuses one that is
/// not shared, before it looks at the message, which here is none.
bool is_taken_as_shared(u64 gpa) {
    static constinit bool is_ready = false;
    is_ready                       = is_ready || make_shared(arena_gpa(request_page));
    return low_half(perform(call_of(0x8000'0011, arena_gpa(request_page), gpa)).info_1)
           == response::done;
}

/// Back to where it came from, whatever happened.
Verdict and_back(u64 gpa, Verdict verdict) {
    map_page(gpa, true);
    const u64 answer    = change_by_msr(gpa, assign_private);
    const u64 validated = pvalidate(gpa, false, true);
    return first_of(verdict, equal("the answer to make it private", answer, reply),
                    equal("PVALIDATE, which changes it", validated, 0));
}

Verdict msr_there_and_back() {
    const u64 gpa       = arena_gpa(first_page);
    const u64 rescinded = pvalidate(gpa, false, false);
    const u64 answer    = change_by_msr(gpa, assign_shared);
    return and_back(gpa, first_of(equal("PVALIDATE, taking it back", rescinded, 0),
                                  equal("the answer to make it shared", answer, reply)));
}

Verdict msr_is_shared() {
    const u64 gpa = arena_gpa(first_page);
    (void)pvalidate(gpa, false, false);
    (void)change_by_msr(gpa, assign_shared);
    map_page(gpa, false);
    return and_back(gpa, holds("the page serves as one that is shared", is_taken_as_shared(gpa)));
}

/// What the page held is not what the hypervisor sees of it, nor what it is behind all.
Verdict secret_is_gone() {
    constexpr u64 secret = 0x5EC4'E700'5EC4'E7FF;
    const u64 gpa        = arena_gpa(first_page);
    auto& word           = *reinterpret_cast<volatile u64*>(gpa);
    word                 = secret;
    (void)pvalidate(gpa, false, false);
    (void)change_by_msr(gpa, assign_shared);
    map_page(gpa, false);
    const u64 seen = word;
    const Verdict verdict =
        and_back(gpa, holds("the secret is not in the shared page", seen != secret));
    clear_arena_page(first_page);
    return verdict;
}

Verdict msr_refuses(u64 gpa, u64 operation) {
    const u64 answer = change_by_msr(gpa, operation);
    return first_of(equal("the answer's code", answer & msr::info_mask, reply),
                    holds("the answer has an error in 63:32", high_half(answer) != 0));
}

Verdict msr_operation_0() { return msr_refuses(arena_gpa(first_page), 0); }

Verdict msr_operation_3() { return msr_refuses(arena_gpa(first_page), smash); }

Verdict msr_operation_4() { return msr_refuses(arena_gpa(first_page), unsmash); }

Verdict msr_operation_5() { return msr_refuses(arena_gpa(first_page), 5); }

Verdict msr_operation_15() { return msr_refuses(arena_gpa(first_page), 15); }

Verdict msr_no_memory() { return msr_refuses(no_memory, assign_private); }

Verdict msr_no_memory_shared() { return msr_refuses(u64{1} << 46, assign_shared); }

/// A page that was refused an operation is as it was.
Verdict msr_refused_is_private() {
    const u64 gpa                         = arena_gpa(first_page);
    *reinterpret_cast<volatile u64*>(gpa) = 0x77;
    (void)change_by_msr(gpa, 0);
    const u64 seen = *reinterpret_cast<volatile u64*>(gpa);
    clear_arena_page(first_page);
    return equal("a word of the page", seen, 0x77);
}

constexpr const char* requests = "2.3.1";
constexpr u16 own              = need::snp | need::vmpl0; // below it PVALIDATE is a service's

// clang-format off
constexpr CodeCase msr_page_cases[] = {
    {{"msr.psc.back",          requests, "a page becomes shared, and private again",      Level::must, own}, msr_there_and_back},
    {{"msr.psc.shared",        requests, "a page that is said to be shared is",           Level::must, own | need::secrets}, msr_is_shared},
    {{"msr.psc.secret",        requests, "a shared page does not show what it held",      Level::must, own}, secret_is_gone},
    {{"msr.psc.operation.0",   requests, "operation 0 is answered by an error",           Level::must, own}, msr_operation_0},
    {{"msr.psc.operation.3",   requests, "PSMASH is answered by an error",                Level::must, own}, msr_operation_3},
    {{"msr.psc.operation.4",   requests, "UNSMASH is answered by an error",               Level::must, own}, msr_operation_4},
    {{"msr.psc.operation.5",   requests, "operation 5 is answered by an error",           Level::must, own}, msr_operation_5},
    {{"msr.psc.operation.15",  requests, "operation 15 is answered by an error",          Level::must, own}, msr_operation_15},
    {{"msr.psc.no-memory",     requests, "so is a page that is no memory",                Level::should, own}, msr_no_memory},
    {{"msr.psc.no-memory.shared", requests, "so is such a page that shall be shared",     Level::should, own}, msr_no_memory_shared},
    {{"msr.psc.refused",       requests, "what is refused changes nothing",               Level::must, own}, msr_refused_is_private},
};
// clang-format on

} // namespace

constinit const Group msr_page_group = group_of("Page state by the MSR protocol", msr_page_cases);

namespace {

void fill_list(u64 operation, u64 count = some_pages) {
    fill_buffer(0);
    for (u64 n = 0; n < count; ++n) {
        set_entry(n, list_entry(arena_gpa(first_page + n), operation));
    }
    set_header(list_header(0, static_cast<u16>(count - 1)));
}

void rescind(u64 count = some_pages) {
    for (u64 n = 0; n < count; ++n) {
        (void)pvalidate(arena_gpa(first_page + n), false, false);
    }
}

/// All of them, by MSR where a list was not done.
Verdict pages_and_back(Verdict verdict, u64 count = some_pages) {
    Verdict all = verdict;
    for (u64 n = 0; n < count; ++n) {
        all = first_of(all, and_back(arena_gpa(first_page + n), Verdict::passed()));
        clear_arena_page(first_page + n);
    }
    return all;
}

Verdict list_of_one() {
    rescind(1);
    fill_list(assign_shared, 1);
    return pages_and_back(change_whole_list(0).verdict, 1);
}

Verdict list_of_some() {
    rescind();
    fill_list(assign_shared);
    return pages_and_back(change_whole_list(some_pages - 1).verdict);
}

Verdict list_at_once() {
    rescind();
    fill_list(assign_shared);
    const ListOutcome outcome = change_whole_list(some_pages - 1);
    return pages_and_back(first_of(outcome.verdict, equal("calls", outcome.calls, 1)));
}

/// Each of them, not only the first.
Verdict each_is_shared() {
    rescind();
    fill_list(assign_shared);
    Verdict verdict = change_whole_list(some_pages - 1).verdict;
    for (u64 n = 0; n < some_pages; ++n) {
        map_page(arena_gpa(first_page + n), false);
        verdict = first_of(verdict, holds("each page serves as one that is shared",
                                          is_taken_as_shared(arena_gpa(first_page + n))));
    }
    return pages_and_back(verdict);
}

/// There and back by lists: PVALIDATE says that it has changed each.
Verdict each_is_private() {
    rescind();
    fill_list(assign_shared);
    Verdict verdict = change_whole_list(some_pages - 1).verdict;
    fill_list(assign_private);
    verdict = first_of(verdict, change_whole_list(some_pages - 1).verdict);
    for (u64 n = 0; n < some_pages; ++n) {
        verdict = first_of(verdict, equal("PVALIDATE of each page",
                                          pvalidate(arena_gpa(first_page + n), false, true), 0));
        clear_arena_page(first_page + n);
    }
    return verdict;
}

Verdict mixed_list() {
    rescind(2);
    fill_list(assign_shared, 2);
    (void)change_whole_list(1);
    fill_buffer(0);
    (void)pvalidate(arena_gpa(first_page + 2), false, false);
    set_entry(0, list_entry(arena_gpa(first_page), assign_private));
    set_entry(1, list_entry(arena_gpa(first_page + 2), assign_shared));
    set_entry(2, list_entry(arena_gpa(first_page + 1), assign_private));
    set_header(list_header(0, 2));
    return pages_and_back(change_whole_list(2).verdict, 3);
}

Verdict counts_pages() {
    rescind();
    fill_list(assign_shared);
    Verdict verdict = change_whole_list(some_pages - 1).verdict;
    for (u64 n = 0; n < some_pages; ++n) {
        verdict =
            first_of(verdict, equal("bits 11:0 of an entry that is done", entry(n) & 0xFFF, 1));
    }
    return pages_and_back(verdict);
}

/// From the second entry on.
Verdict begins_in_the_middle() {
    rescind();
    fill_list(assign_shared);
    set_header(list_header(1, some_pages - 1));
    Verdict verdict = change_whole_list(some_pages - 1).verdict;
    verdict         = first_of(verdict, equal("the first entry's count", entry(0) & 0xFFF, 0));
    return pages_and_back(verdict);
}

/// As many as the buffer holds, all the same page and no change.
Verdict full_list() {
    rescind(1);
    fill_list(assign_shared, 1);
    (void)change_whole_list(0);
    fill_buffer(0);
    for (u64 n = 0; n < most_entries; ++n) {
        set_entry(n, list_entry(arena_gpa(first_page), assign_shared));
    }
    set_header(list_header(0, most_entries - 1));
    return pages_and_back(change_whole_list(most_entries - 1).verdict, 1);
}

Verdict hint(u64 operation) {
    fill_list(operation, 1);
    return change_whole_list(0).verdict;
}

Verdict smash_is_done() { return hint(smash); }

Verdict unsmash_is_done() { return hint(unsmash); }

// --- 2 MiB ---

Verdict with_block(u64 (*what)(u64 block), const char* words, u64 wanted) {
    const u64 block = large_block();
    return block == 0 ? Verdict::skipped("no 2 MiB that are free")
                      : equal(words, what(block), wanted);
}

u64 change_block(u64 block, u64 operation) {
    fill_buffer(0);
    set_entry(0, list_entry(block, operation, true));
    set_header(list_header(0, 0));
    return change_whole_list(0).verdict.is_failure() ? 1 : 0;
}

u64 rescind_block(u64 block) {
    if (pvalidate(block, true, false) == 0) {
        return 0;
    }
    u64 wrong = 0;
    for (u64 n = 0; n < 512; ++n) {
        wrong += pvalidate(block + n * page_size, false, false) != 0 ? 1 : 0;
    }
    return wrong;
}

u64 validate_block(u64 block) {
    if (pvalidate(block, true, true) == 0) {
        return 0;
    }
    u64 wrong = 0;
    for (u64 n = 0; n < 512; ++n) {
        wrong += pvalidate(block + n * page_size, false, true) != 0 ? 1 : 0;
    }
    return wrong;
}

Verdict large_there_and_back() {
    return with_block(
        [](u64 block) {
            return rescind_block(block) + change_block(block, assign_shared)
                   + change_block(block, assign_private) + validate_block(block);
        },
        "steps that failed", 0);
}

/// PVALIDATE of 2 MiB says what it was assigned as.
Verdict large_is_large() {
    return with_block(
        [](u64 block) {
            (void)rescind_block(block);
            (void)change_block(block, assign_shared);
            (void)change_block(block, assign_private);
            const u64 result = pvalidate(block, true, true);
            if (result != 0) {
                (void)validate_block(block);
            }
            return result;
        },
        "PVALIDATE of 2 MiB", 0);
}

u64 refused_entry(u64 value) {
    fill_buffer(0);
    set_entry(0, value);
    set_header(list_header(0, 0));
    return perform(change_list).info_2;
}

Verdict entry_is_invalid(u64 value) {
    return equal("SW_EXITINFO2", refused_entry(value), invalid_entry);
}

u64 some_page() { return arena_gpa(first_page); }

Verdict operation_0() { return entry_is_invalid(list_entry(some_page(), 0)); }

Verdict operation_5() { return entry_is_invalid(list_entry(some_page(), 5)); }

Verdict operation_15() { return entry_is_invalid(list_entry(some_page(), 15)); }

Verdict entry_without_memory() { return entry_is_invalid(list_entry(no_memory, assign_private)); }

Verdict large_unaligned() {
    return entry_is_invalid(list_entry((large_block() | page_size), assign_private, true));
}

Verdict more_than_done() { return entry_is_invalid(list_entry(some_page(), assign_private) | 2); }

Verdict large_more_than_done() {
    return entry_is_invalid(
        list_entry(some_page() & ~(x86::large_page_size - 1), assign_private, true) | 513);
}

Verdict reserved_57() {
    return entry_is_invalid(list_entry(some_page(), assign_private) | bit(57));
}

Verdict reserved_63() {
    return entry_is_invalid(list_entry(some_page(), assign_private) | bit(63));
}

/// The entries before it are done, and the header says where it stopped.
Verdict stops_at_the_bad_one() {
    rescind(2);
    fill_list(assign_shared, 3);
    set_entry(1, list_entry(some_page(), 9));
    const Answer answer = perform(change_list);
    return pages_and_back(first_of(equal("SW_EXITINFO2", answer.info_2, invalid_entry),
                                   equal("the header's current entry", current_of(header()), 1)),
                          2);
}

u64 refused_header(u64 value) {
    fill_list(assign_shared, 1);
    set_header(value);
    return perform(change_list).info_2;
}

Verdict header_is_invalid(u64 value) {
    return equal("SW_EXITINFO2", refused_header(value), invalid_header);
}

Verdict header_too_long() { return header_is_invalid(list_header(0, most_entries)); }

Verdict header_longest() { return header_is_invalid(list_header(0, 0xFFFF)); }

Verdict header_behind() { return header_is_invalid(list_header(1, 0)); }

Verdict header_far_behind() { return header_is_invalid(list_header(0xFFFF, 2)); }

Verdict header_done_means_nothing() {
    (void)refused_header(list_header(0, most_entries));
    return equal("the header", header(), list_header(0, most_entries));
}

constexpr const char* section = "4.1";
constexpr u16 shown           = own | need::secrets;

// clang-format off
constexpr CallCase list_calls[] = {
    {{"psc.missing",             section, "a list without SW_SCRATCH: reason 4",             Level::must, need::snp}, change_list.without(fields::scratch), malformed(reason::missing)},
    {{"psc.scratch.outside",     "2.2",   "a list outside the GHCB page: reason 3",          Level::must, need::snp}, change_list.with_scratch_at(0x1000), malformed(reason::scratch)},
    {{"psc.scratch.no-memory",   "2.2",   "a list where no memory is: reason 3",             Level::must, need::snp}, change_list.with_scratch_at(no_memory), malformed(reason::scratch)},
    {{"psc.scratch.fields",      "2.2",   "a list in the page's fields: reason 3",           Level::must, need::snp}, change_list.with_scratch(0x200), malformed(reason::scratch)},
    {{"psc.scratch.behind",      "2.2",   "a list behind the buffer: reason 3",              Level::must, need::snp}, change_list.with_scratch(buffer_end), malformed(reason::scratch)},
    {{"psc.scratch.tail",        "2.2",   "a header of which half is outside: reason 3",     Level::must, need::snp}, change_list.with_scratch(buffer_end - 4), malformed(reason::scratch)},
};

constexpr CodeCase list_cases[] = {
    {{"psc.list.one",            section, "a list of one page is done",                      Level::must, own}, list_of_one},
    {{"psc.list.some",           section, "a list of four pages is done",                    Level::must, own}, list_of_some},
    {{"psc.list.at-once",        section, "by one call",                                     Level::may,  own}, list_at_once},
    {{"psc.list.each-shared",    section, "each page of a list is shared then",              Level::must, shown}, each_is_shared},
    {{"psc.list.each-private",   section, "each page of a list is private then",             Level::must, own}, each_is_private},
    {{"psc.list.mixed",          section, "a list has both ways",                            Level::must, own}, mixed_list},
    {{"psc.list.counts",         section, "an entry that is done counts its page",           Level::should, own}, counts_pages},
    {{"psc.list.middle",         section, "a list begins where its header says",             Level::must, own}, begins_in_the_middle},
    {{"psc.list.full",           section, "a list of 253 entries is done",                   Level::must, own}, full_list},
    {{"psc.list.smash",          section, "PSMASH is a hint, and done",                      Level::should, own}, smash_is_done},
    {{"psc.list.unsmash",        section, "UNSMASH is a hint, and done",                     Level::should, own}, unsmash_is_done},
    {{"psc.large.back",          section, "2 MiB become shared, and private again",          Level::must, own}, large_there_and_back},
    {{"psc.large.size",          section, "2 MiB that were assigned as such are such",       Level::should, own}, large_is_large},
    {{"psc.list.bad-operation.0", section, "operation 0 is an invalid entry",                Level::must, own}, operation_0},
    {{"psc.list.bad-operation.5", section, "operation 5 is an invalid entry",                Level::must, own}, operation_5},
    {{"psc.list.bad-operation.15", section, "operation 15 is an invalid entry",              Level::must, own}, operation_15},
    {{"psc.entry.no-memory",     section, "a page that is no memory is an invalid entry",    Level::should, own}, entry_without_memory},
    {{"psc.entry.unaligned",     section, "2 MiB that begin elsewhere are an invalid entry", Level::must, own}, large_unaligned},
    {{"psc.entry.over-done",     section, "more pages done than there are is an invalid entry", Level::should, own}, more_than_done},
    {{"psc.entry.large-over-done", section, "so are 513 of 512",                             Level::should, own}, large_more_than_done},
    {{"psc.entry.reserved-57",   section, "bit 57 of an entry is refused",                   Level::may,  own}, reserved_57},
    {{"psc.entry.reserved-63",   section, "bit 63 of an entry is refused",                   Level::may,  own}, reserved_63},
    {{"psc.entry.stops",         section, "a list stops at the entry that is invalid",       Level::must, own}, stops_at_the_bad_one},
    {{"psc.header.too-long",     section, "a list of 254 entries has an invalid header",     Level::must, own}, header_too_long},
    {{"psc.header.longest",      section, "so has one of 65536",                             Level::must, own}, header_longest},
    {{"psc.header.behind",       section, "so has one that is done",                         Level::should, own}, header_behind},
    {{"psc.header.far-behind",   section, "so has one whose current entry is far behind",    Level::should, own}, header_far_behind},
    {{"psc.header.kept",         section, "a header that is refused is left as it is",       Level::should, own}, header_done_means_nothing},
};
// clang-format on

} // namespace

constinit const Group page_list_group = group_of("Page state by lists", list_calls, list_cases);

} // namespace vestibule::examiner
