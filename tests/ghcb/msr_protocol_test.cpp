// SPDX-License-Identifier: BSD-2-Clause-Patent
// The MSR protocol's values (GHCB specification, section 2.3.1): requests encoded, answers decoded
// and refused, the order WRMSR, VMGEXIT, RDMSR, and a termination that does not come back.
#include "ghcb/msr_protocol.h"
#include "tests/ghcb/mock.h"

namespace vestibule::test {

namespace msr_protocol = ghcb::msr_protocol;
using msr_protocol::CpuidRegister;
using msr_protocol::SevInformation;

static constexpr u64 ghcb_msr = 0xC001'0130;

TEST(SevInformation, WorkedValues) {
    const SevInformation kvm = SevInformation::decode(0x0002'0001'3300'0001);
    EXPECT_TRUE(kvm.well_formed);
    EXPECT_EQ(kvm.max_version, 2);
    EXPECT_EQ(kvm.min_version, 1);
    EXPECT_EQ(kvm.c_bit_position, 51);
    const SevInformation old = SevInformation::decode(0x0001'0001'2F00'0001);
    EXPECT_TRUE(old.well_formed);
    EXPECT_EQ(old.max_version, 1);
    EXPECT_EQ(old.min_version, 1);
    EXPECT_EQ(old.c_bit_position, 47);
}

TEST(SevInformation, FieldsAreWhole) {
    const SevInformation information = SevInformation::decode(0xFEDC'BA98'7600'0001);
    EXPECT_TRUE(information.well_formed);
    EXPECT_EQ(information.max_version, 0xFEDC);
    EXPECT_EQ(information.min_version, 0xBA98);
    EXPECT_EQ(information.c_bit_position, 0x76);
}

TEST(SevInformation, EveryBitOfCodeAndReservedMatters) {
    for (unsigned n = 0; n < 64; ++n) {
        const u64 value = 0x0002'0001'3300'0001 ^ (u64{1} << n);
        EXPECT_EQ(SevInformation::decode(value).well_formed, n >= 24) << "bit " << n;
    }
}

TEST(SevInformation, OtherResponsesAreNotIt) {
    // The request come back unchanged is what KVM leaves of a request that it does not know.
    for (const u64 value : {u64{0x000}, u64{0x002}, u64{0x005}, u64{0x100}, u64{0x081}}) {
        EXPECT_FALSE(SevInformation::decode(0x0002'0001'3300'0000 | value).well_formed) << value;
    }
}

TEST(CpuidRequest, WorkedValue) {
    EXPECT_EQ(msr_protocol::encode_cpuid(0x8000'001F, CpuidRegister::ebx), 0x8000'001F'4000'0004);
}

TEST(CpuidRequest, EveryRegister) {
    EXPECT_EQ(msr_protocol::encode_cpuid(0xFFFF'FFFF, CpuidRegister::eax), 0xFFFF'FFFF'0000'0004);
    EXPECT_EQ(msr_protocol::encode_cpuid(0, CpuidRegister::ebx), 0x0000'0000'4000'0004);
    EXPECT_EQ(msr_protocol::encode_cpuid(1, CpuidRegister::ecx), 0x0000'0001'8000'0004);
    EXPECT_EQ(msr_protocol::encode_cpuid(0xD, CpuidRegister::edx), 0x0000'000D'C000'0004);
}

TEST(CpuidAnswer, EveryBitOfCodeEchoAndReservedMatters) {
    for (unsigned wanted = 0; wanted < 4; ++wanted) {
        const u64 right = 0xDEAD'BEEF'0000'0005 | u64{wanted} << 30;
        for (unsigned n = 0; n < 64; ++n) {
            EXPECT_EQ(msr_protocol::answers_cpuid(right ^ (u64{1} << n),
                                                  static_cast<CpuidRegister>(wanted)),
                      n >= 32)
                << "register " << wanted << " bit " << n;
        }
    }
}

TEST(CpuidAnswer, OnlyTheRegisterThatWasAskedFor) {
    for (unsigned wanted = 0; wanted < 4; ++wanted) {
        for (unsigned echoed = 0; echoed < 4; ++echoed) {
            EXPECT_EQ(msr_protocol::answers_cpuid(0x4000'0000'0000'0005 | u64{echoed} << 30,
                                                  static_cast<CpuidRegister>(wanted)),
                      wanted == echoed);
        }
    }
}

TEST(CpuidAnswer, TheRequestIsNoAnswer) {
    for (unsigned n = 0; n < 4; ++n) {
        const auto wanted = static_cast<CpuidRegister>(n);
        EXPECT_FALSE(
            msr_protocol::answers_cpuid(msr_protocol::encode_cpuid(0x8000'001F, wanted), wanted));
    }
}

TEST(Termination, WorkedValues) {
    EXPECT_EQ(msr_protocol::encode_termination({0, 0}), 0x0000'0100U);
    EXPECT_EQ(msr_protocol::encode_termination({0, 1}), 0x0001'0100U);
    EXPECT_EQ(msr_protocol::encode_termination({0, 2}), 0x0002'0100U);
    EXPECT_EQ(msr_protocol::encode_termination({1, 3}), 0x0003'1100U); // Linux: not VMPL0
    EXPECT_EQ(msr_protocol::encode_termination({1, 1}), 0x0001'1100U); // OVMF: #VC, not CPUID
}

TEST(Termination, SetAndCodeKeepToTheirBits) {
    for (u64 set = 0; set < 16; ++set) {
        for (u64 code = 0; code < 256; ++code) {
            EXPECT_EQ(
                msr_protocol::encode_termination({static_cast<u8>(set), static_cast<u8>(code)}),
                code * 0x1'0000 + set * 0x1000 + 0x100);
        }
    }
}

TEST(Exchange, WritesExitsReads) {
    MockCpu::reset();
    MockCpu::hypervisor = [] {
        EXPECT_EQ(MockCpu::ghcb_msr, 0x8000'001F'4000'0004);
        MockCpu::ghcb_msr = 0x0000'0033'4000'0005;
    };
    EXPECT_EQ(msr_protocol::exchange<MockCpu>(0x8000'001F'4000'0004), 0x0000'0033'4000'0005U);
    EXPECT_EQ(
        MockCpu::steps,
        (std::vector<Step>{
            {"wrmsr", ghcb_msr, 0x8000'001F'4000'0004},
            {"vmgexit"},
            {"rdmsr", ghcb_msr, 0}
    }));
}

TEST(Terminate, HaltsWhereTheHypervisorResumes) {
    MockCpu::reset();
    EXPECT_THROW(msr_protocol::terminate<MockCpu>({1, 3}), Halted);
    EXPECT_EQ(MockCpu::steps, (std::vector<Step>{
                                  {"wrmsr", ghcb_msr, 0x0003'1100},
                                  {"vmgexit"},
                                  {"halt"}
    }));
}

TEST(CpuidQuestion, OneRegisterOneVmgexit) {
    MockCpu::reset();
    MockCpu::hypervisor = [] { MockCpu::ghcb_msr = 0xDEAD'BEEF'4000'0005; };
    u32 value           = 0x1111'1111;
    EXPECT_TRUE(msr_protocol::cpuid<MockCpu>(0x8000'001F, CpuidRegister::ebx, value));
    EXPECT_EQ(value, 0xDEAD'BEEF);
    EXPECT_EQ(MockCpu::steps, (std::vector<Step>{
                                  {"wrmsr", ghcb_msr, 0x8000'001F'4000'0004},
                                  {"vmgexit"},
                                  {"rdmsr", ghcb_msr},
    }));
    MockCpu::reset();
}

TEST(CpuidQuestion, ABadAnswerIsNone) {
    for (unsigned n = 0; n < 32; ++n) {
        MockCpu::reset();
        MockCpu::hypervisor = [n] { MockCpu::ghcb_msr = 0xDEAD'BEEF'4000'0005 ^ (u64{1} << n); };
        u32 value           = 0x1111'1111;
        EXPECT_FALSE(msr_protocol::cpuid<MockCpu>(0x8000'001F, CpuidRegister::ebx, value)) << n;
        EXPECT_EQ(value, 0x1111'1111U);
    }
    MockCpu::reset();
}

} // namespace vestibule::test
