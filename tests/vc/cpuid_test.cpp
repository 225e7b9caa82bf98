// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC of CPUID (exit 0x72): what the hypervisor is shown, XCR0 for leaf 0xD, and 32-bit results
// that clear the upper halves (vc-exceptions 4 and 5, conformance 3).
#include "tests/vc/fixture.h"
#include <algorithm>

namespace vestibule::test {

static constexpr u64 exit_cpuid = 0x72;
static const Bytes cpuid        = {0x0F, 0xA2};

struct CpuidTest : VcTest {
    CpuidTest() {
        on_vmgexit([](RawPage view) {
            answer_like_kvm(view, 0x1111'1111'0A0A'0A0A, 0x2222'2222'0B0B'0B0B,
                            0x3333'3333'0C0C'0C0C, 0x4444'4444'0D0D'0D0D);
        });
    }

    static bool executed_xgetbv() {
        return std::ranges::find(MockCpu::steps, Step{"xgetbv"}) != MockCpu::steps.end();
    }
};

TEST_F(CpuidTest, LeafAndSubleafAndNothingElse) {
    ASSERT_TRUE(handle(exit_cpuid, cpuid).is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x72, 0, 0,
                                           {
                                               {at::rax, before.rax & 0xFFFF'FFFF},
                                               {at::rcx, before.rcx & 0xFFFF'FFFF}
    })));
    EXPECT_EQ(MockCpu::vmgexits, 1U);
}

TEST_F(CpuidTest, ResultsAreZeroExtended) {
    ASSERT_TRUE(handle(exit_cpuid, cpuid).is_done());
    vc::Frame wanted = moved_on(2);
    wanted.rax       = 0x0A0A'0A0A;
    wanted.rbx       = 0x0B0B'0B0B;
    wanted.rcx       = 0x0C0C'0C0C;
    wanted.rdx       = 0x0D0D'0D0D;
    EXPECT_TRUE(frame == wanted);
}

TEST_F(CpuidTest, LeafDSendsXcr0WhereOsxsaveIsSet) {
    MockCpu::cr4_value  = 0x4'0000; // bit 18
    MockCpu::xcr0_value = 0x0000'0001'0000'02E7;
    for (const u64 subleaf : {u64{0}, u64{1}, u64{2}, u64{0xFFFF'FFFF}}) {
        frame     = canary_frame();
        frame.rax = 0x9999'9999'0000'000D;
        frame.rcx = 0x8888'8888'0000'0000 | subleaf;
        page      = {};
        ASSERT_TRUE(handle(exit_cpuid, cpuid).is_done());
        EXPECT_TRUE(same_page(
            seen, call_image(
                      0x72, 0, 0,
                      {
                          {at::rax,  0xD                  },
                          {at::rcx,  subleaf              },
                          {at::xcr0, 0x0000'0001'0000'02E7}
        })));
    }
}

TEST_F(CpuidTest, LeafDSendsTheResetValueWhereOsxsaveIsClear) {
    MockCpu::cr4_value  = ~u64{0x4'0000}; // every other bit
    MockCpu::xcr0_value = 0xBAD;
    frame.rax           = 0xD;
    frame.rcx           = 0;
    ASSERT_TRUE(handle(exit_cpuid, cpuid).is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x72, 0, 0,
                                           {
                                               {at::rax,  0xD},
                                               {at::rcx,  0  },
                                               {at::xcr0, 1  }
    })));
    EXPECT_FALSE(executed_xgetbv()); // it would be #UD
}

TEST_F(CpuidTest, LeafD1SendsXssWhereItIsInUse) {
    MockCpu::msrs[x86::Msr::xss] = 0x1800;
    for (const bool in_use : {false, true}) {
        for (const u64 subleaf : {u64{0}, u64{1}, u64{2}, u64{0x1'0001}}) {
            context.uses_xss = in_use;
            MockCpu::steps.clear();
            frame     = canary_frame();
            frame.rax = 0xD;
            frame.rcx = subleaf;
            page      = {};
            ASSERT_TRUE(handle(exit_cpuid, cpuid).is_done());
            std::vector<FieldValue> inputs = {
                {at::rax,  0xD    },
                {at::rcx,  subleaf},
                {at::xcr0, 1      }
            };
            const bool sent = in_use && subleaf == 1;
            if (sent) {
                inputs.push_back({at::xss, 0x1800});
            }
            EXPECT_TRUE(same_page(seen, call_image(0x72, 0, 0, inputs)));
            // Where it does not exist RDMSR would be #GP.
            const Step read{"rdmsr", 0xDA0};
            EXPECT_EQ(std::ranges::count(MockCpu::steps, read), sent ? 1 : 0);
        }
    }
}

TEST_F(CpuidTest, OtherLeavesSendNoXcr0) {
    MockCpu::cr4_value  = ~u64{0};
    MockCpu::xcr0_value = 7;
    for (const u32 leaf : {0x0U, 0x1U, 0x7U, 0xCU, 0xEU, 0x1DU, 0x8000'000DU, 0x4000'0000U,
                           0x8000'001FU, 0xFFFF'FFFFU}) {
        frame     = canary_frame();
        frame.rax = leaf;
        frame.rcx = 1;
        page      = {};
        ASSERT_TRUE(handle(exit_cpuid, cpuid).is_done());
        EXPECT_TRUE(same_page(seen, call_image(0x72, 0, 0,
                                               {
                                                   {at::rax, leaf},
                                                   {at::rcx, 1   }
        })))
            << std::hex << leaf;
    }
    EXPECT_FALSE(executed_xgetbv());
}

TEST_F(CpuidTest, PrefixesBelongToTheInstruction) {
    for (const Bytes& code : {
             Bytes{0x66, 0x0F, 0xA2},
             Bytes{0x48, 0x0F, 0xA2},
             Bytes{0x2E, 0x67, 0x0F, 0xA2}
    }) {
        frame = canary_frame();
        ASSERT_TRUE(handle(exit_cpuid, code).is_done());
        EXPECT_EQ(frame.rip, before.rip + code.size());
    }
}

TEST_F(CpuidTest, EachOfTheFourMustBeMarked) {
    for (const unsigned missing : {at::rax, at::rbx, at::rcx, at::rdx}) {
        on_vmgexit([missing](RawPage view) {
            view.answer(0, 0);
            for (const unsigned offset : {at::rax, at::rbx, at::rcx, at::rdx}) {
                view.set(offset, 0x55);
                if (offset != missing) {
                    view.mark_valid(offset);
                }
            }
        });
        frame = canary_frame();
        EXPECT_TRUE(terminates(handle(exit_cpuid, cpuid), ghcb::reason::ghcb_missing_output));
        EXPECT_TRUE(frame == before) << std::hex << missing;
    }
}

} // namespace vestibule::test
