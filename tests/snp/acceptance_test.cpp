// SPDX-License-Identifier: BSD-2-Clause-Patent
// Accepting memory: what it costs at three sizes of guest, what it does to each page, and that none
// is validated twice whatever the hypervisor does.
#include "snp/acceptance.h"
#include "tests/snp/machine.h"

#include <memory>

namespace vestibule::test {

using snp::AcceptanceRecord;
using snp::Range;
namespace reason = ghcb::reason;

constexpr u64 mib = u64{1} << 20;
constexpr u64 gib = u64{1} << 30;

struct AcceptanceTest : SnpFixture {
    ghcb::Outcome accept(Range wanted, snp::Acceptance how = {.evicts = false, .assigned = false}) {
        return snp::accept_rest<SnpCpu>(channel, record, wanted, how, [](u64 gpa) { return gpa; });
    }

    Range room[8]{};
    AcceptanceRecord record{room, 8};
};

/// A Linux guest of that size, as igvmtool has it accepted: low memory and the place of a PC's ROMs
/// by pages, and all blocks of 2 MiB but for the stub's and for 12 MiB that were loaded.
struct Size {
    u64 bytes;
    u64 most_vmgexits;
    u64 most_pvalidates;
};

TEST_F(AcceptanceTest, KeepsItsBudgetAtEachSize) {
    constexpr Size sizes[] = {
        {gib / 4,  3,  600 },
        {2 * gib,  6,  1200},
        {16 * gib, 48, 9600},
    };
    for (const Size& size : sizes) {
        SnpCpu::reset();
        SnpCpu::hypervisor          = [this] { serve(); };
        SnpCpu::counts_touches_only = true;
        record                      = AcceptanceRecord{room, 8};
        ASSERT_TRUE(record.add({2 * mib, 4 * mib}));
        ASSERT_TRUE(record.add({16 * mib, 28 * mib}));
        const Range wanted[] = {
            {0,        0x4'0000  },
            {0x8'0000, 0xA'0000  },
            {0xC'0000, 0x10'0000 },
            {2 * mib,  size.bytes},
        };
        constexpr snp::Acceptance how{.evicts = true, .assigned = false};
        {
            snp::PageStateList<SnpCpu> list{channel};
            for (const Range& range : wanted) {
                ASSERT_TRUE(snp::ask_for_rest(list, record, range, how).is_done());
            }
            ASSERT_TRUE(list.send().is_done());
        }
        for (const Range& range : wanted) {
            ASSERT_TRUE(snp::validate_rest<SnpCpu>(record, range, how, [](u64 gpa) {
                            return gpa;
                        }).is_done());
        }
        std::printf("# %5.2f GiB: %u VMGEXITs, %llu PVALIDATEs\n",
                    static_cast<double>(size.bytes) / static_cast<double>(gib), SnpCpu::vmgexits,
                    static_cast<unsigned long long>(SnpCpu::pvalidates));
        EXPECT_LE(SnpCpu::vmgexits, size.most_vmgexits);
        EXPECT_LE(SnpCpu::pvalidates, size.most_pvalidates);
        const u64 accepted = 0x6'0000 + 0x4'0000 + size.bytes - 2 * mib - 14 * mib;
        EXPECT_EQ(SnpCpu::touches, accepted / page_size * 2) << "each 4 KiB is evicted";
        EXPECT_TRUE(accept({2 * mib, size.bytes}).is_done()) << "and nothing is left to do";
        EXPECT_EQ(SnpCpu::touches, accepted / page_size * 2);
    }
}

TEST_F(AcceptanceTest, EvictsEvery4KiBOfALargePageOnlyWhereItMust) {
    ASSERT_TRUE(accept({2 * mib, 4 * mib}, snp::acceptance_of(0, false)).is_done());
    EXPECT_EQ(SnpCpu::pvalidates, 1u);
    ASSERT_EQ(SnpCpu::touched.size(), 1024u);
    for (u64 n = 0; n < 512; ++n) {
        EXPECT_EQ(SnpCpu::touched[2 * n], 2 * mib + n * page_size);
        EXPECT_EQ(SnpCpu::touched[2 * n + 1], 2 * mib + n * page_size + page_size - 1);
    }
    SnpCpu::touched.clear();
    ASSERT_TRUE(accept({4 * mib, 6 * mib}, snp::acceptance_of(u32{1} << 31, false)).is_done());
    EXPECT_TRUE(SnpCpu::touched.empty());
}

TEST_F(AcceptanceTest, FallsBackPageByPageOnASizeMismatch) {
    splits_large = true;
    ASSERT_TRUE(accept({2 * mib, 6 * mib}).is_done());
    EXPECT_EQ(SnpCpu::pvalidates, 2 * 513u);
    EXPECT_EQ(SnpCpu::vmgexits, 1u);
}

TEST_F(AcceptanceTest, APageThatIsValidatedAlreadyIsAnAttack) {
    ASSERT_TRUE(accept({2 * mib, 4 * mib}).is_done());
    SnpCpu::table[6 * mib / page_size] = {.assigned = true, .validated = true, .large = true};
    EXPECT_TRUE(terminates(accept({4 * mib, 8 * mib}), reason::snp_validated_twice));
}

/// The hypervisor takes an accepted page away and puts a fresh one there: nothing validates it.
TEST_F(AcceptanceTest, AReplacedPageIsNeverValidated) {
    ASSERT_TRUE(accept({2 * mib, 8 * mib}).is_done());
    const u64 before                   = SnpCpu::pvalidates;
    SnpCpu::table[4 * mib / page_size] = {.assigned = true, .validated = false, .large = true};
    ASSERT_TRUE(accept({2 * mib, 8 * mib}).is_done());
    ASSERT_TRUE(accept({3 * mib, 5 * mib}).is_done());
    EXPECT_EQ(SnpCpu::pvalidates, before);
}

/// Half of it validated, then an error: the rest is not to be had by asking again.
TEST_F(AcceptanceTest, WhatFailedIsNotTriedAgain) {
    SnpCpu::table[4 * mib / page_size] = {.assigned = true, .validated = true, .large = true};
    EXPECT_TRUE(terminates(accept({2 * mib, 8 * mib}), reason::snp_validated_twice));
    const u64 before = SnpCpu::pvalidates;
    EXPECT_TRUE(accept({2 * mib, 8 * mib}).is_done());
    EXPECT_EQ(SnpCpu::pvalidates, before);
}

TEST_F(AcceptanceTest, ARecordWithoutRoomRefusesBeforeAnythingIsValidated) {
    for (u64 n = 0; n < 8; ++n) {
        ASSERT_TRUE(record.add({n * 4 * mib, n * 4 * mib + page_size}));
    }
    EXPECT_TRUE(terminates(accept({100 * mib, 102 * mib}), reason::snp_accepted_already));
    EXPECT_EQ(SnpCpu::pvalidates, 0u);
}

TEST_F(AcceptanceTest, MismatchedEndsAreAcceptedPageByPage) {
    ASSERT_TRUE(accept({2 * mib - page_size, 4 * mib + page_size}).is_done());
    EXPECT_EQ(SnpCpu::pvalidates, 3u);
    EXPECT_EQ(SnpCpu::vmgexits, 1u);
}

// --- The record, against a bit a page ---

TEST(AcceptanceRecordTest, IsWhatABitmapIs) {
    constexpr u64 pages = 64;
    unsigned seed       = 1;
    const auto random   = [&](u64 below) {
        seed = seed * 1'103'515'245 + 12'345;
        return u64{seed >> 16} % below;
    };
    for (unsigned round = 0; round < 3000; ++round) {
        Range room[40]{};
        AcceptanceRecord record{room, 40};
        u64 bits = 0;
        for (unsigned step = 0; step < 20; ++step) {
            const u64 first = random(pages);
            const u64 count = 1 + random(std::min<u64>(pages - first, 9));
            const u64 mask  = (count == 64 ? ~u64{0} : (u64{1} << count) - 1) << first;
            ASSERT_EQ(record.add({first * page_size, (first + count) * page_size}),
                      (bits & mask) == 0);
            bits |= (bits & mask) == 0 ? mask : 0;
            u64 seen = 0;
            for (u32 n = 0; n < record.size(); ++n) {
                ASSERT_LT(record[n].base, record[n].end);
                ASSERT_TRUE(n == 0 || record[n - 1].end < record[n].base) << "apart, ascending";
                for (u64 at = record[n].base; at < record[n].end; at += page_size) {
                    seen |= u64{1} << (at / page_size);
                }
            }
            ASSERT_EQ(seen, bits);
            const Range gap = record.first_gap({0, pages * page_size});
            u64 at          = 0;
            while (at < pages && (bits >> at & 1) != 0) {
                ++at;
            }
            if (at == pages) {
                ASSERT_EQ(gap.base, gap.end);
            } else {
                ASSERT_EQ(gap.base, at * page_size);
                ASSERT_EQ(bits >> (gap.end / page_size - 1) & 1, 0u);
                ASSERT_TRUE(gap.end == pages * page_size
                            || (bits >> (gap.end / page_size) & 1) != 0);
            }
        }
    }
}

TEST(AcceptanceRecordTest, HasNoRangesThatAreNone) {
    Range room[2]{};
    AcceptanceRecord record{room, 2};
    EXPECT_FALSE(record.add({page_size, page_size}));
    EXPECT_FALSE(record.add({2 * page_size, page_size}));
    EXPECT_EQ(record.size(), 0u);
}

} // namespace vestibule::test
