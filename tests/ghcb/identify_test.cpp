// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a hypervisor may leave out of its word about itself, and what it may not (ghcb/identify.h).
#include "ghcb/identify.h"
#include "tests/ghcb/mock.h"

namespace vestibule::test {

using ghcb::Outcome;
namespace reason = ghcb::reason;

struct IdentifyTest : testing::Test {
    IdentifyTest() {
        MockCpu::reset();
        MockCpu::ghcb_msr   = 1; // as at reset
        MockCpu::hypervisor = [this] {
            const u64 request = MockCpu::ghcb_msr;
            asked_information = asked_information || request == 2;
            MockCpu::ghcb_msr = request == 2 ? information
                                : request >> 30 == 0x8000'001FULL << 2
                                    ? u64{eax} << 32 | 5
                                    : u64{ebx} << 32 | 1 << 30 | 5;
        };
    }

    ~IdentifyTest() override { MockCpu::reset(); }

    Outcome identify() { return ghcb::identify<MockCpu>(version, encryption); }

    u64 information        = 0x0002'0001'3300'0001; // versions 1 to 2, C-bit 51
    u32 eax                = 0xA;
    u32 ebx                = 51;
    bool asked_information = false;
    u16 version            = 0;
    ghcb::EncryptionLeaf encryption;
};

TEST_F(IdentifyTest, AsTheSpecificationHasIt) {
    EXPECT_TRUE(identify().is_done());
    EXPECT_EQ(version, 2);
    EXPECT_EQ(encryption.c_bit(), u64{1} << 51);
}

TEST_F(IdentifyTest, SevEsIsForSevStatusToSay) {
    eax = 2;
    EXPECT_TRUE(identify().is_done());
    eax = 8;
    EXPECT_TRUE(terminates(identify(), reason::cpuid_hides_sev));
}

TEST_F(IdentifyTest, AHostWithoutSevInformationIsNotAskedForIt) {
    MockCpu::ghcb_msr = 0;
    EXPECT_TRUE(identify().is_done());
    EXPECT_FALSE(asked_information);
    EXPECT_EQ(version, 1);
    EXPECT_EQ(encryption.c_bit(), u64{1} << 51);
}

TEST_F(IdentifyTest, WhoGivesItHasToGiveItRight) {
    information ^= u64{1} << 24; // another C-bit
    EXPECT_TRUE(terminates(identify(), reason::c_bit_mismatch));
    MockCpu::ghcb_msr = 1;
    information       = 3;
    EXPECT_TRUE(terminates(identify(), reason::msr_bad_response));
    MockCpu::ghcb_msr = 1;
    information       = 0x0009'0003'3300'0001; // versions 3 to 9
    EXPECT_TRUE(terminates(identify(), reason::protocol_range));
}

} // namespace vestibule::test
