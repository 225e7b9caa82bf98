// #VC of RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 0 to read and 1 to write, values in 32-bit
// halves (GHCB specification, section 4.1; conformance 3), #GP where the hypervisor says so.
#include "tests/vc/fixture.h"

namespace vestibule::test {

static constexpr u64 exit_msr = 0x7C;
static const Bytes rdmsr      = {0x0F, 0x32};
static const Bytes wrmsr      = {0x0F, 0x30};

struct MsrTest : VcTest {
    MsrTest() {
        on_vmgexit([](RawPage view) {
            answer_like_kvm(view, 0x1111'1111'0A0A'0A0A, 0x2222'2222'0B0B'0B0B,
                            0x3333'3333'0C0C'0C0C, 0x4444'4444'0D0D'0D0D);
        });
    }
};

TEST_F(MsrTest, ReadShowsTheNumberOnly) {
    ASSERT_TRUE(handle(exit_msr, rdmsr).is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x7C, 0, 0,
                                           {
                                               {at::rcx, before.rcx & 0xFFFF'FFFF}
    })));
    vc::Frame wanted = moved_on(2);
    wanted.rax       = 0x0A0A'0A0A;
    wanted.rdx       = 0x0D0D'0D0D;
    EXPECT_TRUE(frame == wanted);
}

TEST_F(MsrTest, WriteShowsTheNumberAndBothHalves) {
    ASSERT_TRUE(handle(exit_msr, wrmsr).is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x7C, 1, 0,
                                           {
                                               {at::rcx, before.rcx & 0xFFFF'FFFF},
                                               {at::rax, before.rax & 0xFFFF'FFFF},
                                               {at::rdx, before.rdx & 0xFFFF'FFFF}
    })));
    EXPECT_TRUE(frame == moved_on(2));
}

TEST_F(MsrTest, PrefixesBelongToTheInstruction) {
    ASSERT_TRUE(handle(exit_msr, {0x48, 0x0F, 0x32}).is_done());
    EXPECT_EQ(frame.rip, before.rip + 3);
    ASSERT_TRUE(handle(exit_msr, {0x66, 0x3E, 0x0F, 0x30}).is_done());
    EXPECT_EQ(frame.rip, before.rip + 4);
    EXPECT_EQ(RawPage{seen.data()}.get(at::sw_exitinfo1), 1U);
}

TEST_F(MsrTest, ReadNeedsRaxAndRdxMarked) {
    for (const unsigned missing : {at::rax, at::rdx}) {
        on_vmgexit([missing](RawPage view) {
            view.answer(
                0, 0,
                {
                    {at::rbx,                                1},
                    {at::rcx,                                1},
                    {missing == at::rax ? at::rdx : at::rax, 1}
            });
        });
        EXPECT_TRUE(terminates(handle(exit_msr, rdmsr), ghcb::reason::ghcb_missing_output));
        EXPECT_TRUE(frame == before);
    }
}

TEST_F(MsrTest, WriteNeedsNothingBack) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    ASSERT_TRUE(handle(exit_msr, wrmsr).is_done());
    EXPECT_TRUE(frame == moved_on(2));
}

TEST_F(MsrTest, GeneralProtectionLeavesTheFrame) {
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); }); // KVM's, for an unknown MSR
    for (const Bytes& code : {rdmsr, wrmsr}) {
        EXPECT_TRUE(raises(handle(exit_msr, code), 13, 0));
        EXPECT_TRUE(frame == before);
    }
}

TEST_F(MsrTest, GeneralProtectionWithRegistersMarkedLeavesTheFrame) {
    on_vmgexit([](RawPage view) {
        view.answer(1, 0x0000'0000'8000'0B0D,
                    {
                        {at::rax, 1},
                        {at::rbx, 2},
                        {at::rcx, 3},
                        {at::rdx, 4}
        });
    });
    EXPECT_TRUE(raises(handle(exit_msr, rdmsr), 13, 0));
    EXPECT_TRUE(frame == before);
}

} // namespace vestibule::test
