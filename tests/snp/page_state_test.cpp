// SPDX-License-Identifier: BSD-2-Clause-Patent
// Page state changes: lists in full, hypervisors that break off, and answers that do not say that
// all is done.
#include "snp/page_state.h"
#include "tests/snp/machine.h"

namespace vestibule::test {

using snp::PageOperation;
using x86::RmpPageSize;
namespace reason = ghcb::reason;

struct PageStateTest : SnpFixture {
    ghcb::Outcome change(u64 pages, RmpPageSize size = RmpPageSize::small) {
        return snp::change_pages<SnpCpu>(channel, 0x20'0000, pages, size,
                                         PageOperation::make_private);
    }
};

TEST_F(PageStateTest, ListsHaveAsManyEntriesAsThereIsRoomFor) {
    EXPECT_TRUE(change(253).is_done());
    EXPECT_EQ(SnpCpu::vmgexits, 1u);
    EXPECT_TRUE(change(254).is_done());
    EXPECT_EQ(SnpCpu::vmgexits, 3u);
    EXPECT_EQ(SnpCpu::table.size(), 254u);
}

TEST_F(PageStateTest, NoPagesNoCall) {
    EXPECT_TRUE(change(0).is_done());
    EXPECT_EQ(SnpCpu::vmgexits, 0u);
}

TEST_F(PageStateTest, GoesOnWhereTheHypervisorBrokeOff) {
    unsigned calls = 0;
    on_call        = [&] {
        const u64 current = header() & 0xFFFF;
        EXPECT_EQ(current, calls);
        ++calls;
        raw().set(0x800, header() + 1);
        raw().answer(0, 0);
        return true;
    };
    EXPECT_TRUE(change(5).is_done());
    EXPECT_EQ(calls, 5u);
}

TEST_F(PageStateTest, WithinALargeEntryToo) {
    unsigned calls = 0;
    on_call        = [&] {
        ++calls;
        set_entry(0, entry(0) + 128);
        raw().set(0x800, header() + (calls == 4 ? 1 : 0));
        raw().answer(0, 0);
        return true;
    };
    EXPECT_TRUE(change(1, RmpPageSize::large).is_done());
    EXPECT_EQ(calls, 4u);
}

/// What a hypervisor may answer to a list of five, and none of it is "done".
struct BadAnswer {
    const char* what;
    u64 exitinfo1;
    u64 exitinfo2;
    u64 header;
    ghcb::Reason reason;
};

constexpr u64 of_five(u64 current, u64 last = 4, u64 reserved = 0) {
    return current | last << 16 | reserved << 32;
}

constexpr BadAnswer bad_answers[] = {
    {"no progress", 0, 0, of_five(0), reason::snp_page_state},
    {"beyond the end", 0, 0, of_five(6), reason::snp_page_state},
    {"far beyond", 0, 0, of_five(0xFFFF), reason::snp_page_state},
    {"a longer list", 0, 0, of_five(5, 9), reason::snp_page_state},
    {"a shorter list", 0, 0, of_five(3, 2), reason::snp_page_state},
    {"reserved bits", 0, 0, of_five(5, 4, 1), reason::snp_page_state},
    {"an invalid entry", 0, 0x1'0000'0002, of_five(3), reason::snp_page_state},
    {"a generic error", 0, 0x100'0000'0000, of_five(5), reason::snp_page_state},
    {"low bits of EXITINFO2", 0, 1, of_five(5), reason::snp_page_state},
    {"no such EXITINFO1", 3, 0, of_five(5), reason::ghcb_bad_response},
};

TEST_F(PageStateTest, RefusesWhatDoesNotSayDone) {
    for (const BadAnswer& bad : bad_answers) {
        on_call = [&] {
            raw().set(0x800, bad.header);
            raw().answer(bad.exitinfo1, bad.exitinfo2);
            return true;
        };
        EXPECT_TRUE(terminates(change(5), bad.reason)) << bad.what;
    }
}

TEST_F(PageStateTest, RefusesToGoBack) {
    unsigned calls = 0;
    on_call        = [&] {
        raw().set(0x800, of_five(++calls == 1 ? 3 : 2));
        raw().answer(0, 0);
        return true;
    };
    EXPECT_TRUE(terminates(change(5), reason::snp_page_state));
    EXPECT_EQ(calls, 2u);
}

TEST_F(PageStateTest, RefusesAnAnswerThatIsNotMarkedValid) {
    on_call = [&] {
        raw().set(0x800, of_five(5));
        raw().answer(0, 0);
        raw().clear_valid();
        raw().mark_valid(at::sw_exitinfo1);
        return true;
    };
    EXPECT_TRUE(terminates(change(5), reason::snp_page_state));
}

TEST_F(PageStateTest, ByMsrEveryBitOfTheAnswerCounts) {
    u64 answer         = 0x015;
    u64 request        = 0;
    SnpCpu::hypervisor = [&] {
        request          = SnpCpu::ghcb_msr;
        SnpCpu::ghcb_msr = answer;
    };
    const auto ask = [&] {
        return snp::change_page_by_msr<SnpCpu>(0x80'1000, PageOperation::make_shared);
    };
    EXPECT_TRUE(ask().is_done());
    EXPECT_EQ(request, 0x0020'0000'0080'1014u); // GHCB specification: the example of its table
    for (unsigned n = 0; n < 64; ++n) {
        answer = 0x015 ^ (u64{1} << n);
        EXPECT_TRUE(terminates(ask(), reason::snp_page_state)) << n;
    }
}

} // namespace vestibule::test
