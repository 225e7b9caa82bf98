// SPDX-License-Identifier: BSD-2-Clause-Patent
// The CPUID page: pages that are refused, and what CPUID gives of one that is not.
#include "snp/cpuid_answer.h"
#include "snp/cpuid_page.h"
#include "tests/ghcb/mock.h"

#include <memory>

namespace vestibule::test {

using snp::CpuidFunction;
using snp::CpuidPage;
using snp::CpuidTable;
namespace reason = ghcb::reason;

constexpr u64 c_bit = u64{1} << 51;

struct CpuidPageTest : testing::Test {
    CpuidPageTest() {
        MockCpu::reset();
        add({.leaf = 0, .eax = 0xD, .ebx = 0x6874'7541});
        add({.leaf = 1, .eax = 0xA0'0F11, .ebx = 0x0800, .ecx = 0x7ED8'3203, .edx = 0x178B'FBFF});
        add({.leaf = 7, .ebx = 0x219C'91A9, .ecx = 0x0040'068C});
        add({.leaf = 0xD, .subleaf = 0, .xcr0 = 1, .eax = 7, .ebx = 0x240, .ecx = 0x340});
        add({.leaf = 0xD, .subleaf = 1, .xcr0 = 1, .eax = 0xF, .ebx = 0x240, .ecx = 0x1800});
        add({.leaf = 0xD, .subleaf = 2, .eax = 0x100, .ebx = 0x240});
        add({.leaf = 0xD, .subleaf = 9, .eax = 8, .ebx = 0x340});
        add({.leaf = 0xD, .subleaf = 11, .eax = 16, .ecx = 3});
        add({.leaf = 0xD, .subleaf = 12, .eax = 24, .ecx = 1});
        add({.leaf = 0x4000'0000, .eax = 0x4000'0001});
        add({.leaf = 0x8000'0000, .eax = 0x8000'0021});
        add({.leaf = 0x8000'001D, .subleaf = 0, .eax = 0x121});
        add({.leaf = 0x8000'001D, .subleaf = 3, .eax = 0x163});
        encryption = page->count;
        add({.leaf = 0x8000'001F, .eax = 0x1A, .ebx = 0x73});
    }

    ~CpuidPageTest() override { MockCpu::reset(); }

    void add(CpuidFunction function) const { page->functions[page->count++] = function; }

    ghcb::Outcome open(u64 measured = c_bit) {
        table = {.page = page.get(), .index = {}};
        return snp::open_cpuid_page(*page, table.index, measured);
    }

    x86::CpuidResult ask(u32 leaf, u32 subleaf = 0, u64 xss = 0) const {
        x86::CpuidResult answer{1, 1, 1, 1};
        EXPECT_TRUE(snp::answer_cpuid<MockCpu>(table, leaf, subleaf, xss, answer));
        return answer;
    }

    std::unique_ptr<CpuidPage> page = std::make_unique<CpuidPage>();
    u32 encryption                  = 0; // number of 0x8000001F, from 0
    CpuidTable table{};
};

TEST_F(CpuidPageTest, GivesWhatItHas) {
    ASSERT_TRUE(open().is_done());
    EXPECT_EQ(ask(0).ebx, 0x6874'7541u);
    EXPECT_EQ(ask(0, 99).ebx, 0x6874'7541u) << "no sub-leaves, ECX means nothing";
    EXPECT_EQ(ask(0x8000'001D, 3).eax, 0x163u);
    EXPECT_EQ(ask(0x8000'001D, 0).eax, 0x121u);
    EXPECT_EQ(ask(0x8000'001F).ebx, 0x73u);
}

TEST_F(CpuidPageTest, WhatItHasNotIsZero) {
    ASSERT_TRUE(open().is_done());
    for (const auto& [leaf, subleaf] : {
             std::pair<u32, u32>{2,           0          },
             {7,           1          },
             {0xD,         3          },
             {0x3F,        0          },
             {0x40,        0          },
             {0x4000'0002, 0          },
             {0x8000'001D, 1          },
             {0x8000'0040, 0          },
             {0xC000'0000, 0          },
             {0xFFFF'FFFF, 0xFFFF'FFFF}
    }) {
        const x86::CpuidResult answer = ask(leaf, subleaf);
        EXPECT_EQ(answer.eax | answer.ebx | answer.ecx | answer.edx, 0u) << Hex{leaf};
    }
}

TEST_F(CpuidPageTest, PutsInTheVcpusOwnState) {
    ASSERT_TRUE(open().is_done());
    EXPECT_EQ(ask(1).ecx >> 27 & 1, 0u) << "the page says it is on";
    EXPECT_EQ(ask(7).ecx >> 4 & 1, 0u);
    MockCpu::cr4_value = x86::cr4::osxsave | x86::cr4::pke;
    EXPECT_EQ(ask(1).ecx >> 27 & 1, 1u);
    EXPECT_EQ(ask(7).ecx >> 4 & 1, 1u);
}

TEST_F(CpuidPageTest, ComputesTheSizesOfXsave) {
    ASSERT_TRUE(open().is_done());
    EXPECT_EQ(ask(0xD, 0).ebx, 0x240u);
    EXPECT_EQ(ask(0xD, 1).ebx, 0x240u);
    MockCpu::cr4_value  = x86::cr4::osxsave;
    MockCpu::xcr0_value = 0x207;
    EXPECT_EQ(ask(0xD, 0).ebx, 0x348u);
    EXPECT_EQ(ask(0xD, 1).ebx, 0x348u);
    EXPECT_EQ(ask(0xD, 1, 0x1800).ebx, 0x380u + 16 + 24)
        << "one at a multiple of 64, one behind it";
    EXPECT_EQ(ask(0xD, 2).ebx, 0x240u) << "a sub-leaf's own place is what the page says";
}

TEST_F(CpuidPageTest, AStateThatIsOnAndNotInThePageIsAContradiction) {
    ASSERT_TRUE(open().is_done());
    MockCpu::cr4_value  = x86::cr4::osxsave;
    MockCpu::xcr0_value = 0xE7; // AVX-512
    x86::CpuidResult answer{};
    EXPECT_FALSE(snp::answer_cpuid<MockCpu>(table, 0xD, 0, 0, answer));
}

TEST_F(CpuidPageTest, NoAreaIsAsLargeAsALieWouldHaveIt) {
    page->functions[5].eax = 0xFFFF'FFF0; // 0xD/2: beside its offset, 32 bits overflow
    ASSERT_TRUE(open().is_done());
    MockCpu::cr4_value  = x86::cr4::osxsave;
    MockCpu::xcr0_value = 7;
    x86::CpuidResult answer{};
    EXPECT_FALSE(snp::answer_cpuid<MockCpu>(table, 0xD, 0, 0, answer));
    EXPECT_FALSE(snp::answer_cpuid<MockCpu>(table, 0xD, 1, 0, answer));
}

TEST_F(CpuidPageTest, RefusesWhatIsMalformed) {
    page->count = 65;
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_page));
    page->count = 0xFFFF'FFFF;
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_page));
    page->count     = encryption + 1;
    page->reserved0 = 1;
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_page));
    page->reserved0 = 0;
    page->reserved1 = bit(63);
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_page));
    page->reserved1 = 0;
    for (const auto& spoil : std::vector<std::function<void(CpuidFunction&)>>{
             [](CpuidFunction& function) { function.reserved = 1; },
             [](CpuidFunction& function) { function.xcr0 = 1; },
             [](CpuidFunction& function) { function.xss = 1; },
             [](CpuidFunction& function) { function.subleaf = 1; }}) {
        const CpuidFunction before = page->functions[1];
        spoil(page->functions[1]);
        EXPECT_TRUE(terminates(open(), reason::snp_cpuid_page));
        page->functions[1] = before;
    }
    EXPECT_TRUE(open().is_done());
}

TEST_F(CpuidPageTest, RefusesAFunctionThatIsThereTwice) {
    for (u32 n = 0; n <= encryption; ++n) {
        page->functions[encryption + 1] = page->functions[n];
        page->count                     = encryption + 2;
        EXPECT_TRUE(terminates(open(), reason::snp_cpuid_conflict)) << n;
    }
}

/// Functions of leaf 0xD for an XCR0 from which nothing is computed are passed over.
TEST_F(CpuidPageTest, FindsOneWithoutAnIndex) {
    EXPECT_EQ(snp::find_only(*page, 0x8000'001F), &page->functions[encryption]);
    EXPECT_EQ(snp::find_only(*page, 0x8000'0022), nullptr);
    page->count = encryption; // the last: beyond the count it is none
    EXPECT_EQ(snp::find_only(*page, 0x8000'001F), nullptr);
    page->count = ~u32{0}; // a lie: nothing is read beyond the table
    EXPECT_EQ(snp::find_only(*page, 0x8000'001F), &page->functions[encryption]);
    page->functions[CpuidPage::most_functions - 1] = page->functions[encryption];
    EXPECT_EQ(snp::find_only(*page, 0x8000'001F), nullptr) << "twice, even if both agree";
}

TEST_F(CpuidPageTest, TakesOneOfSeveralForEachXcr0) {
    add({.leaf = 0xD, .subleaf = 0, .xcr0 = 7, .eax = 7, .ebx = 0x1340, .ecx = 0x340});
    ASSERT_TRUE(open().is_done());
    EXPECT_EQ(ask(0xD, 0).ebx, 0x240u);
}

TEST_F(CpuidPageTest, RefusesOneThatHidesEncryption) {
    CpuidFunction& leaf = page->functions[encryption];
    for (const u32 eax : {0x0u, 0x2u, 0xAu, 0x12u, 0x18u}) {
        leaf.eax = eax;
        EXPECT_TRUE(terminates(open(), reason::snp_cpuid_conflict)) << eax;
    }
    leaf.eax = 0x1A;
    EXPECT_TRUE(open().is_done());
    page->functions[10].eax = 0x8000'001E; // the maximum
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_conflict));
    page->functions[10].eax = 0x8000'0021;
    page->count             = encryption; // the leaf is not there
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_conflict));
    page->count = 0;
    EXPECT_TRUE(terminates(open(), reason::snp_cpuid_conflict));
}

TEST_F(CpuidPageTest, RefusesAnotherCBitThanTheMeasuredOne) {
    EXPECT_TRUE(terminates(open(u64{1} << 47), reason::snp_cpuid_conflict));
    EXPECT_TRUE(open(0).is_done()) << "where nothing was measured";
}

/// Any page at all: never more than a refusal, and lookups end.
TEST_F(CpuidPageTest, AnyBytesDoNoHarm) {
    u64 seed        = 88'172'645'463'325'252;
    const auto next = [&] {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        return seed;
    };
    for (unsigned round = 0; round < 20'000; ++round) {
        page->count = static_cast<u32>(next() % 70);
        for (CpuidFunction& function : page->functions) {
            function = {.leaf = static_cast<u32>(next() % 3) << 30 | static_cast<u32>(next() % 66),
                        .subleaf = static_cast<u32>(next() % 3),
                        .eax     = static_cast<u32>(next()),
                        .ebx     = static_cast<u32>(next())};
        }
        (void)open();
        x86::CpuidResult answer{};
        for (unsigned n = 0; n < 20; ++n) {
            (void)snp::answer_cpuid<MockCpu>(table, static_cast<u32>(next()),
                                             static_cast<u32>(next() % 4), next(), answer);
        }
    }
}

} // namespace vestibule::test
