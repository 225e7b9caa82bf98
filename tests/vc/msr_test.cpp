// SPDX-License-Identifier: BSD-2-Clause-Patent
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

// The stub's short rule against the table, and against what honest hypervisors serve.
TEST_F(MsrTest, TheStubsRuleIsOfTheTable) {
    struct Row {
        u32 number;
        bool reads;
        bool writes;
    };

    for (const Row& row : {
             Row{0xC000'0080, true,  false}, // EFER
             Row{0xC000'0081, true,  true }, // STAR
             Row{0xC000'0082, true,  true }, // LSTAR
             Row{0xC000'0083, true,  true }, // CSTAR
             Row{0xC000'0084, true,  true }, // SFMASK
             Row{0xC000'0100, true,  true }, // FS_BASE
             Row{0xC000'0101, true,  true }, // GS_BASE
             Row{0xC001'0131, true,  true }, // SEV_STATUS
             Row{0x0000'0277, false, false}, // PAT
             Row{0x0000'0DA0, false, false}, // XSS
             Row{0xC000'007F, false, false},
             Row{0xC000'0103, false, false}, // TSC_AUX
             Row{0xC000'0104, false, false}, // TSC_RATIO
             Row{0xC001'0015, false, false}, // HWCR
             Row{0xC001'0117, false, false}, // VM_HSAVE_PA
             Row{0xC001'0132, false, false},
    }) {
        EXPECT_EQ(x86::is_kept_in_vmsa_of_stub(row.number, 0), row.reads) << std::hex << row.number;
        EXPECT_EQ(x86::is_kept_in_vmsa_of_stub(row.number, 1), row.writes)
            << std::hex << row.number;
    }
}

// Registers that the CPU keeps in the VMSA, by the numbers of APM volume 2, appendix A. 0x66 takes
// the long way, to the same end.
TEST_F(MsrTest, NoHypervisorAnswersForRegistersOfTheVmsa) {
    struct Row {
        u32 number;
        bool reads;
        bool writes;
    };

    constexpr u64 cr4_cet = u64{1} << 23;
    for (const u64 cr4 : {u64{0}, cr4_cet}) {
        MockCpu::cr4_value = cr4;
        const bool cet     = cr4 != 0;
        for (const Row& row : {
                 Row{0xC000'0080, true,  false}, // EFER
                 Row{0xC000'0081, true,  true }, // STAR
                 Row{0xC000'0084, true,  true }, // SFMASK
                 Row{0xC000'0085, false, false},
                 Row{0xC000'00FF, false, false},
                 Row{0xC000'0100, true,  true }, // FS_BASE
                 Row{0xC000'0101, true,  true }, // GS_BASE
                 Row{0xC000'0102, true,  true }, // KERNEL_GS_BASE
                 Row{0xC000'0103, false, false}, // TSC_AUX
                 Row{0xC001'0130, true,  true }, // GHCB
                 Row{0xC001'0131, true,  false}, // SEV_STATUS
                 Row{0x0000'0174, true,  true }, // SYSENTER_CS
                 Row{0x0000'0177, false, false},
                 Row{0x0000'0277, false, false}, // PAT
                 Row{0x0000'06A0, cet,   cet  }, // U_CET
                 Row{0x0000'06A2, cet,   cet  }, // S_CET
                 Row{0x0000'06A3, false, false},
                 Row{0x0000'06A8, cet,   cet  }, // ISST_ADDR
                 Row{0x0000'0830, false, false}, // ICR of x2APIC: the last bits of GHCB's number
                 Row{0x0000'0DA0, false, false}, // XSS
        }) {
            for (const Bytes& prefix : {Bytes{}, Bytes{0x66}}) {
                for (const bool write : {false, true}) {
                    on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
                    MockCpu::vmgexits = 0;
                    frame             = canary_frame();
                    frame.rcx         = 0x1234'5678'0000'0000 | row.number;
                    Bytes code        = prefix;
                    code.insert(code.end(), {0x0F, static_cast<u8>(write ? 0x30 : 0x32)});
                    const bool forged           = write ? row.writes : row.reads;
                    const ghcb::Outcome outcome = handle(exit_msr, code);
                    EXPECT_EQ(MockCpu::vmgexits, forged ? 0U : 1U) << std::hex << row.number;
                    if (forged) {
                        EXPECT_TRUE(terminates(outcome, ghcb::reason::vc_msr_not_intercepted));
                        EXPECT_TRUE(frame == before);
                    } else {
                        EXPECT_TRUE(outcome.is_done()) << std::hex << row.number;
                    }
                }
            }
        }
    }
}

} // namespace vestibule::test
