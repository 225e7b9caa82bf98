// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where the bytes of user-mode code are read: in private pages that are still mapped (vc/fetch.h).
#include "tests/vc/fixture.h"

namespace vestibule::test {

struct FetchTest : VcTest {
    FetchTest() {
        on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
        frame.cs = user_code64;
    }

    static inline const Bytes cpuid = {0x0F, 0xA2};

    /// As VcTest::handle, with the code's page as given.
    ghcb::Outcome handle_in(u64 bits, size_t on_first_page = 2) {
        room_behind_code = 0;
        frame.rip =
            memory.place(Bytes(cpuid.begin(), cpuid.begin() + static_cast<long>(on_first_page)));
        map_code(frame.rip, bits);
        frame.error_code = 0x72;
        before           = frame;
        context.ghcb     = channel;
        return vc::handle<MockCpu>(frame, context);
    }

    static constexpr u64 user_page = kernel_data | entry_bit::user;
};

TEST_F(FetchTest, PagesOfTheProcess) {
    EXPECT_TRUE(handle_in(user_page).is_done());
    EXPECT_TRUE(handle_in(user_page & ~entry_bit::writable).is_done());
}

// Executed again, the CPU raises the #PF, with whatever the kernel needs to know of it. Single-
// stepping does not trap before that.
TEST_F(FetchTest, APageThatIsGoneIsExecutedAgain) {
    for (const u64 rflags : {u64{0x2}, u64{0x102}}) {
        for (const u64 bits : {user_page & ~entry_bit::present, kernel_data}) {
            frame.rflags = rflags;
            EXPECT_EQ(handle_in(bits).kind, ghcb::Outcome::Kind::again);
            EXPECT_TRUE(frame == before);
            EXPECT_EQ(MockCpu::vmgexits, 0);
        }
    }
}

TEST_F(FetchTest, TheNextPageIsLookedAtToo) {
    EXPECT_EQ(handle_in(user_page, 1).kind, ghcb::Outcome::Kind::again);
    EXPECT_TRUE(frame == before);
}

TEST_F(FetchTest, WhatTheHypervisorWroteIsNoInstruction) {
    const ghcb::Outcome outcome = handle_in(user_page & ~entry_bit::c_bit);
    EXPECT_EQ(outcome.kind, ghcb::Outcome::Kind::raise);
    EXPECT_EQ(outcome.vector, 6);
    EXPECT_EQ(MockCpu::vmgexits, 0);
}

TEST_F(FetchTest, APageThatGoesAwayMeanwhile) {
    MockCpu::gone_address = memory.place({0x0F, 0xA2}) + 1;
    EXPECT_EQ(handle_in(user_page).kind, ghcb::Outcome::Kind::again);
    EXPECT_TRUE(frame == before);
    EXPECT_EQ(MockCpu::vmgexits, 0);
}

// Keys of user pages keep nobody from executing; PKRU is the process's again behind that.
TEST_F(FetchTest, CodeThatMayOnlyBeExecuted) {
    MockCpu::cr4_value  = u64{1} << 22;
    MockCpu::pkru_value = 0x5555'5555;
    EXPECT_TRUE(handle_in(user_page | u64{3} << 59).is_done());
    EXPECT_EQ(MockCpu::pkru_value, 0x5555'5555U);
    const auto& steps = MockCpu::steps;
    EXPECT_NE(std::ranges::find(steps, Step{"wrpkru", 0, 0}), steps.end());
}

TEST_F(FetchTest, OfKernelCodeNothingIsWalked) {
    frame.cs = kernel_code64;
    EXPECT_TRUE(handle_in(0).is_done());
}

} // namespace vestibule::test
