// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV_FEATURES: every bit works or is refused, and the reason names it.
#include "sevsim/monitor/processor/sev_features.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

namespace vestibule::sevsim {

namespace {

Options machine(Platform platform) {
    Options options;
    options.platform = platform;
    return options;
}

} // namespace

TEST(SevFeatures, SaysWhichPlatformTheVmsaIsFor) {
    const Options snp = machine(Platform::sev_snp);
    const Options es  = machine(Platform::sev_es);
    EXPECT_EQ(refused_feature(snp, 1), nullptr);
    EXPECT_EQ(refused_feature(es, 0), nullptr);
    EXPECT_NE(refused_feature(snp, 0), nullptr);
    EXPECT_NE(refused_feature(es, 1), nullptr);
    EXPECT_NE(refused_feature(es, bit(3)), nullptr); // restricted injection
    EXPECT_NE(refused_feature(es, bit(9)), nullptr); // a secure TSC
}

TEST(SevFeatures, ServesEachBitOrNamesIt) {
    const Options snp = machine(Platform::sev_snp);
    // Restricted injection, debug swap, IBS, BTB, secure TSC, SMT, IBPB.
    const std::set<unsigned> own = {0, 3, 5, 6, 7, 9, 15, 21};
    std::set<std::string> reasons;
    for (unsigned n = 0; n < 64; ++n) {
        const char* reason = refused_feature(snp, 1 | bit(n));
        EXPECT_EQ(reason == nullptr, own.contains(n)) << n;
        if (reason != nullptr && n <= 16) {
            EXPECT_TRUE(reasons.insert(reason).second) << n << ": " << reason;
        } else if (reason != nullptr) {
            EXPECT_STREQ(reason, "SEV_FEATURES has reserved bits") << n;
        }
    }
    EXPECT_NE(std::string{refused_feature(snp, 0x11)}.find("alternate injection"),
              std::string::npos);
}

TEST(SevFeatures, DebugSwapLeavesDebugRegistersToTheGuest) {
    static Vcpu vcpu{};
    vcpu.options                 = machine(Platform::sev_snp);
    vcpu.vmcb.intercept_dr_read  = 1u << 7;
    vcpu.vmcb.intercept_dr_write = 1u << 7;
    vcpu.options.sev_features    = 1;
    apply_features(vcpu);
    EXPECT_EQ(vcpu.vmcb.intercept_dr_read, 1u << 7);
    vcpu.options.sev_features = 0x21;
    apply_features(vcpu);
    EXPECT_EQ(vcpu.vmcb.intercept_dr_read, 0);
    EXPECT_EQ(vcpu.vmcb.intercept_dr_write, 0);
}

TEST(SevFeatures, RestrictedInjectionTakesInterruptsFromTheGuest) {
    static Vcpu vcpu{};
    vcpu.options              = machine(Platform::sev_snp);
    vcpu.options.sev_features = 1;
    apply_features(vcpu);
    EXPECT_EQ(vcpu.vmcb.vintr & v_intr_masking, 0);
    vcpu.options.sev_features = 0x9;
    apply_features(vcpu);
    EXPECT_EQ(vcpu.vmcb.vintr & v_intr_masking, v_intr_masking);
    EXPECT_NE(vcpu.vmcb.intercept_misc1 & intercept::intr, 0);
}

} // namespace vestibule::sevsim
