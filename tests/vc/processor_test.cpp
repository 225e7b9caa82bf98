// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the library does not start on (library/processor.h), by the numbers of the manuals: QEMU has
// no CPU with FRED or shadow stacks.
#include "library/processor.h"
#include "tests/ghcb/mock.h"

namespace vestibule::test {

struct ProcessorTest : testing::Test {
    ProcessorTest() { MockCpu::reset(); }

    ~ProcessorTest() override { MockCpu::reset(); }

    static bool starts(bool by_own_gates = true) {
        const ghcb::Outcome outcome = library::judge_processor<MockCpu>(by_own_gates);
        EXPECT_TRUE(outcome.is_done() || terminates(outcome, ghcb::reason::setup_processor));
        return outcome.is_done();
    }

    static constexpr u64 cr4_cet     = u64{1} << 23;
    static constexpr auto supervisor = static_cast<x86::Msr>(0x6A2); // S_CET
    static constexpr auto user       = static_cast<x86::Msr>(0x6A0);
};

TEST_F(ProcessorTest, Cr4) {
    for (unsigned n = 0; n < 64; ++n) {
        MockCpu::cr4_value = u64{1} << n;
        EXPECT_EQ(starts(), n != 24 && n != 32) << n; // PKS, FRED
        EXPECT_EQ(starts(false), n != 24) << n;
    }
}

TEST_F(ProcessorTest, ShadowStacksOfUserModeOnly) {
    for (unsigned n = 0; n < 12; ++n) {
        MockCpu::cr4_value        = cr4_cet;
        MockCpu::msrs[user]       = u64{1} << n;
        MockCpu::msrs[supervisor] = 0;
        EXPECT_TRUE(starts()) << n;
        MockCpu::msrs[supervisor] = u64{1} << n;
        EXPECT_EQ(starts(), n != 0 && n != 2) << n; // SH_STK_EN, ENDBR_EN
        MockCpu::cr4_value = 0;
        MockCpu::steps.clear();
        EXPECT_TRUE(starts());
        EXPECT_TRUE(MockCpu::steps.empty()); // the register need not be there
    }
}

} // namespace vestibule::test
