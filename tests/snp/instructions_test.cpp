// SPDX-License-Identifier: BSD-2-Clause-Patent
// PVALIDATE's and RMPADJUST's answers, registration, and AP creation.
#include "snp/ap_creation.h"
#include "snp/features.h"
#include "snp/registration.h"
#include "tests/snp/machine.h"

namespace vestibule::test {

namespace reason = ghcb::reason;

TEST(Pvalidate, NoAnswerCountsButChanged) {
    EXPECT_TRUE(snp::judge_pvalidate({.code = 0, .unchanged = false}).is_done());
    EXPECT_TRUE(terminates(snp::judge_pvalidate({.code = 0, .unchanged = true}),
                           reason::snp_validated_twice));
    for (const u32 code : {1u, 2u, 3u, 6u, 255u, 0xFFFF'FFFFu}) {
        EXPECT_TRUE(terminates(snp::judge_pvalidate({.code = code}), reason::snp_pvalidate));
    }
}

struct RegistrationTest : SnpFixture {};

TEST_F(RegistrationTest, TheVeryPageIsInTheAnswer) {
    u64 difference     = 0;
    SnpCpu::hypervisor = [&] {
        EXPECT_EQ(SnpCpu::ghcb_msr, 0x5012u);
        SnpCpu::ghcb_msr = 0x5013 ^ difference;
    };
    EXPECT_TRUE(snp::register_ghcb<SnpCpu>(0x5000).is_done());
    EXPECT_EQ(SnpCpu::ghcb_msr, 0x5000u) << "for the calls that follow";
    for (unsigned n = 0; n < 64; ++n) {
        difference = u64{1} << n;
        EXPECT_TRUE(terminates(snp::register_ghcb<SnpCpu>(0x5000), reason::snp_registration)) << n;
    }
}

struct ApCreationTest : SnpFixture {
    ApCreationTest() {
        on_call = [&] {
            seen = call();
            raw().answer(exitinfo1, 0);
            return true;
        };
    }

    Image call() const {
        Image image{};
        std::memcpy(image.data(), &page, sizeof image);
        return image;
    }

    Image seen{};
    u64 exitinfo1 = 0;
    static constexpr snp::ApStart start{
        .apic_id = 3, .vmsa_gpa = 0x41'3000, .vmsa_linear = 0x7'0000, .sev_features = 1};
};

TEST_F(ApCreationTest, MakesTheVmsaAndNamesIt) {
    EXPECT_TRUE(snp::create_ap<SnpCpu>(channel, start, snp::ApRequest::create).is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x8000'0013, 0x3'0000'0001, 0x41'3000,
                                           {
                                               {at::rax, 1}
    })));
    EXPECT_EQ(SnpCpu::adjusted, (std::vector<u64>{0x7'0000, 0x1'0001}));
}

TEST_F(ApCreationTest, NeverAtAMultipleOf2MiB) {
    snp::ApStart wrong = start;
    wrong.vmsa_gpa     = 0x40'0000;
    EXPECT_TRUE(terminates(snp::create_ap<SnpCpu>(channel, wrong, snp::ApRequest::create),
                           reason::snp_ap_creation));
    EXPECT_EQ(SnpCpu::vmgexits, 0u);
    EXPECT_TRUE(SnpCpu::adjusted.empty());
}

TEST_F(ApCreationTest, SaysWhatFailed) {
    SnpCpu::rmpadjust_code = 2;
    EXPECT_TRUE(terminates(snp::create_ap<SnpCpu>(channel, start, snp::ApRequest::create),
                           reason::snp_rmpadjust));
    EXPECT_EQ(SnpCpu::vmgexits, 0u);
    SnpCpu::rmpadjust_code = 0;
    exitinfo1              = 2;
    EXPECT_TRUE(terminates(snp::create_ap<SnpCpu>(channel, start, snp::ApRequest::create),
                           reason::snp_ap_creation));
}

/// A page in which a processor still is does not come back.
TEST_F(ApCreationTest, ADestroyedVcpusPageComesBackWhenTheProcessorSaysSo) {
    EXPECT_TRUE(snp::destroy_ap<SnpCpu>(channel, start));
    EXPECT_TRUE(same_page(seen, call_image(0x8000'0013, 0x3'0000'0002, 0)));
    EXPECT_EQ(SnpCpu::adjusted, (std::vector<u64>{0x7'0000, 1}));
    // It may come out some time after the hypervisor has answered, or never.
    SnpCpu::rmpadjust_code = 3;
    SnpCpu::in_use_for     = 5;
    EXPECT_TRUE(snp::destroy_ap<SnpCpu>(channel, start));
    SnpCpu::rmpadjust_code = 3;
    SnpCpu::in_use_for     = ~0U;
    EXPECT_FALSE(snp::destroy_ap<SnpCpu>(channel, start));
    // What is refused for another reason is asked for once.
    SnpCpu::rmpadjust_code = 2;
    SnpCpu::adjusted.clear();
    EXPECT_FALSE(snp::destroy_ap<SnpCpu>(channel, start));
    EXPECT_EQ(SnpCpu::adjusted.size(), 2U);
}

TEST_F(ApCreationTest, Vmpl0IsWhatTheProcessorSays) {
    EXPECT_TRUE(snp::is_at_vmpl0<SnpCpu>(0x7'0000));
    SnpCpu::rmpadjust_code = 2;
    EXPECT_FALSE(snp::is_at_vmpl0<SnpCpu>(0x7'0000));
}

} // namespace vestibule::test
