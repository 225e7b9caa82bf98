// SPDX-License-Identifier: BSD-2-Clause-Patent
// The early #VC handler: CPUID by the MSR protocol, four requests (GHCB specification, section
// 2.3.1), after checks of exit code, opcode and sub-leaf; every answer checked (conformance 12 to
// 14).
#include "tests/vc/fixture.h"
#include "vc/early.h"
#include <algorithm>

namespace vestibule::test {

namespace reason = ghcb::reason;

static constexpr u64 ghcb_msr = 0xC001'0130;
static const Bytes cpuid      = {0x0F, 0xA2};

struct EarlyTest : testing::Test {
    EarlyTest() {
        MockCpu::reset();
        MockCpu::hypervisor = [this] {
            const u64 request = MockCpu::ghcb_msr;
            const u64 wanted  = request >> 30 & 3;
            MockCpu::ghcb_msr = values[wanted] << 32 | wanted << 30 | 0x005;
            if (MockCpu::vmgexits == wrong_at) {
                MockCpu::ghcb_msr ^= wrong_bits;
            }
        };
    }

    ~EarlyTest() override { MockCpu::reset(); }

    ghcb::Outcome handle(u64 error_code, const Bytes& code) {
        frame.rip         = memory.place(code);
        frame.error_code  = error_code;
        before            = frame;
        MockCpu::vmgexits = 0;
        return vc::handle_early<MockCpu>(frame);
    }

    CodeAtPageEnd memory;
    vc::Frame frame = canary_frame();
    vc::Frame before{};
    u64 values[4]     = {0xF00D'0001, 0xF00D'0002, 0xF00D'0003, 0xF00D'0004};
    unsigned wrong_at = 0; // which VMGEXIT is answered wrongly, from 1
    u64 wrong_bits    = 0;
};

TEST_F(EarlyTest, FourRequestsInOrder) {
    frame.rax = 0x8182'8384'8000'001F;
    frame.rcx = 0x898A'8B8C'0000'0000;
    ASSERT_TRUE(handle(0x72, cpuid).is_done());
    EXPECT_EQ(MockCpu::steps, (std::vector<Step>{
                                  {"wrmsr", ghcb_msr, 0x8000'001F'0000'0004},
                                  {"vmgexit"},
                                  {"rdmsr", ghcb_msr},
                                  {"wrmsr", ghcb_msr, 0x8000'001F'4000'0004},
                                  {"vmgexit"},
                                  {"rdmsr", ghcb_msr},
                                  {"wrmsr", ghcb_msr, 0x8000'001F'8000'0004},
                                  {"vmgexit"},
                                  {"rdmsr", ghcb_msr},
                                  {"wrmsr", ghcb_msr, 0x8000'001F'C000'0004},
                                  {"vmgexit"},
                                  {"rdmsr", ghcb_msr},
    }));
    vc::Frame wanted = before;
    wanted.rax       = 0xF00D'0001;
    wanted.rbx       = 0xF00D'0002;
    wanted.rcx       = 0xF00D'0003;
    wanted.rdx       = 0xF00D'0004;
    wanted.rip += 2;
    wanted.rflags &= ~u64{0x1'0000};
    EXPECT_TRUE(frame == wanted);
}

TEST_F(EarlyTest, BothBytesAndNothingBeforeThem) {
    for (const Bytes& code : {
             Bytes{0xA2, 0x00},
             Bytes{0xA2},
             Bytes{0x66, 0x0F, 0xA2},
             Bytes{0x48, 0x0F, 0xA2},
             Bytes{0xF3, 0x0F, 0xA2},
             Bytes{0x2E, 0x0F, 0xA2},
             Bytes{0x0F, 0xA3},
             Bytes{0x0F, 0xA0},
             Bytes{0x0E, 0xA2},
             Bytes{0x0F, 0x0F, 0xA2},
             Bytes{0x90, 0x90},
             Bytes{0xA2, 0x0F},
             Bytes{0x0F, 0x32},
             Bytes{0xEE}
    }) {
        EXPECT_TRUE(terminates(handle(0x72, code), reason::vc_opcode_mismatch))
            << testing::PrintToString(code);
        EXPECT_TRUE(frame == before);
    }
    EXPECT_TRUE(MockCpu::steps.empty());
}

TEST_F(EarlyTest, EveryPairOfBytes) {
    frame.rcx = 0;
    for (unsigned first = 0; first < 256; ++first) {
        for (unsigned second = 0; second < 256; ++second) {
            frame            = canary_frame();
            const bool right = first == 0x0F && second == 0xA2;
            const ghcb::Outcome outcome =
                handle(0x72, {static_cast<u8>(first), static_cast<u8>(second)});
            ASSERT_EQ(outcome.is_done(), right) << first << " " << second;
        }
    }
}

TEST_F(EarlyTest, EveryWrongBitOfEveryAnswer) {
    for (unsigned request = 1; request <= 4; ++request) {
        for (unsigned n = 0; n < 32; ++n) {
            wrong_at   = request;
            wrong_bits = u64{1} << n;
            frame      = canary_frame();
            EXPECT_TRUE(terminates(handle(0x72, cpuid), reason::msr_bad_response))
                << "request " << request << " bit " << n;
            EXPECT_TRUE(frame == before);
            EXPECT_EQ(MockCpu::vmgexits, request);
        }
    }
}

TEST_F(EarlyTest, ARequestThatComesBackIsNoAnswer) {
    MockCpu::hypervisor = nullptr;
    EXPECT_TRUE(terminates(handle(0x72, cpuid), reason::msr_bad_response));
    EXPECT_TRUE(frame == before);
}

TEST_F(EarlyTest, SubleavesOfIndexedLeaves) {
    // The union of what EDK2, Linux and linux-svsm take for indexed (vc-exceptions 10).
    constexpr u32 indexed[] = {0x04, 0x07, 0x0B, 0x0D, 0x0F, 0x10, 0x12,        0x14,
                               0x17, 0x18, 0x1D, 0x1E, 0x1F, 0x24, 0x8000'001D, 0x8000'0020};
    for (const u32 base : {0x0U, 0x4000'0000U, 0x8000'0000U}) {
        for (u32 leaf = base; leaf < base + 0x100; ++leaf) {
            const bool is_indexed = std::ranges::find(indexed, leaf) != std::end(indexed);
            for (const u64 subleaf : {u64{0}, u64{1}, u64{0x8000'0000}}) {
                frame                       = canary_frame();
                frame.rax                   = 0x9999'9999'0000'0000 | leaf;
                frame.rcx                   = 0x8888'8888'0000'0000 | subleaf;
                const ghcb::Outcome outcome = handle(0x72, cpuid);
                if (is_indexed && subleaf != 0) {
                    EXPECT_TRUE(terminates(outcome, reason::vc_early_subleaf))
                        << std::hex << leaf << ":" << subleaf;
                    EXPECT_EQ(MockCpu::vmgexits, 0U);
                    EXPECT_TRUE(frame == before);
                } else {
                    EXPECT_TRUE(outcome.is_done()) << std::hex << leaf << ":" << subleaf;
                    EXPECT_EQ(MockCpu::vmgexits, 4U);
                }
            }
        }
    }
}

TEST_F(EarlyTest, EveryOtherExitEndsTheGuest) {
    std::vector<u64> codes = {0x1'0000'0072, 0xFFFF'FFFF, ~u64{0}};
    for (u64 code = 0; code <= 0x404; ++code) {
        codes.push_back(code);
    }
    for (const u64 code : codes) {
        if (code == 0x72) {
            continue;
        }
        EXPECT_TRUE(
            terminates(handle(code, cpuid), {3, code < 0xFF ? static_cast<u8>(code) : u8{0xFF}}))
            << std::hex << code;
        EXPECT_TRUE(frame == before);
    }
    EXPECT_TRUE(MockCpu::steps.empty());
}

TEST_F(EarlyTest, CodeAtCpl0OfEitherWidth) {
    for (unsigned selector = 0; selector < 0x40; ++selector) {
        frame     = canary_frame();
        frame.rcx = 0;
        frame.cs  = 0xAAAA'AAAA'0000'0000 | selector; // the CPU pushes zeros there
        const ghcb::Outcome outcome = handle(0x72, cpuid);
        if ((selector & 3) == 0) {
            EXPECT_TRUE(outcome.is_done()) << selector;
        } else {
            EXPECT_TRUE(terminates(outcome, reason::vc_code_segment)) << selector;
            EXPECT_TRUE(frame == before);
            EXPECT_EQ(MockCpu::vmgexits, 0U);
        }
    }
}

/// The same in 32-bit legacy mode, where the frame is another. Code bytes have to lie below 4 GiB.
struct Early32Test : EarlyTest {
    Early32Test()
        : low_page{static_cast<u8*>(mmap(nullptr, page_size, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0))} {
        u32 next = 0xA1A2'A3A4;
        for (u32* reg : {&frame32.edi, &frame32.esi, &frame32.ebp, &frame32.esp, &frame32.ebx,
                         &frame32.edx, &frame32.ecx, &frame32.eax}) {
            *reg = next;
            next += 0x0404'0404;
        }
        frame32.vector = 29;
        frame32.cs     = 0x18;
        frame32.eflags = 0x0001'0A97; // RF among them
    }

    ~Early32Test() override { munmap(low_page, page_size); }

    ghcb::Outcome handle32(u32 error_code, const Bytes& code) {
        std::memcpy(low_page, code.data(), code.size());
        frame32.eip        = static_cast<u32>(reinterpret_cast<u64>(low_page));
        frame32.error_code = error_code;
        before32           = frame32;
        MockCpu::vmgexits  = 0;
        return vc::handle_early<MockCpu>(frame32);
    }

    using Words = std::array<u32, sizeof(vc::Frame32) / sizeof(u32)>;

    static Words words(const vc::Frame32& of) { return std::bit_cast<Words>(of); }

    u8* low_page;
    vc::Frame32 frame32{};
    vc::Frame32 before32{};
};

TEST_F(Early32Test, FourRequestsInOrder) {
    frame32.eax = 0x8000'001F;
    ASSERT_TRUE(handle32(0x72, cpuid).is_done());
    std::vector<Step> wanted_steps;
    for (const u64 request : {u64{0x8000'001F'0000'0004}, u64{0x8000'001F'4000'0004},
                              u64{0x8000'001F'8000'0004}, u64{0x8000'001F'C000'0004}}) {
        wanted_steps.push_back({"wrmsr", ghcb_msr, request});
        wanted_steps.push_back({"vmgexit"});
        wanted_steps.push_back({"rdmsr", ghcb_msr});
    }
    EXPECT_EQ(MockCpu::steps, wanted_steps);
    vc::Frame32 wanted = before32;
    wanted.eax         = 0xF00D'0001;
    wanted.ebx         = 0xF00D'0002;
    wanted.ecx         = 0xF00D'0003;
    wanted.edx         = 0xF00D'0004;
    wanted.eip += 2;
    wanted.eflags &= ~0x1'0000U;
    EXPECT_EQ(words(frame32), words(wanted));
}

TEST_F(Early32Test, RefusesAsLongModeDoes) {
    struct Case {
        u32 error_code;
        Bytes code;
        u32 leaf;
        u32 subleaf;
        u32 cs;
        ghcb::Reason reason;
    };

    for (const Case& test : {
             Case{0x72,  {0x66, 0x0F, 0xA2}, 1, 0, 0x18, reason::vc_opcode_mismatch},
             Case{0x72,  {0x0F, 0x32},       1, 0, 0x18, reason::vc_opcode_mismatch},
             Case{0x72,  {0x0F, 0xA2},       7, 1, 0x18, reason::vc_early_subleaf  },
             Case{0x72,  {0x0F, 0xA2},       1, 0, 0x19, reason::vc_code_segment   },
             Case{0x72,  {0x0F, 0xA2},       1, 0, 0x46, reason::bad_frame         }, // EFLAGS
             Case{0x72,  {0x0F, 0xA2},       1, 0, 0x47, reason::bad_frame         },
             Case{0x6F,  {0x0F, 0xA2},       1, 0, 0x18, {3, 0x6F}                 },
             Case{0x404, {0x0F, 0xA2},       1, 0, 0x18, {3, 0xFF}                 },
    }) {
        frame32.eax = test.leaf;
        frame32.ecx = test.subleaf;
        frame32.cs  = test.cs;
        EXPECT_TRUE(terminates(handle32(test.error_code, test.code), test.reason))
            << testing::PrintToString(test.code) << std::hex << test.error_code;
        EXPECT_EQ(words(frame32), words(before32));
        EXPECT_EQ(MockCpu::vmgexits, 0U);
    }
}

TEST_F(Early32Test, EveryWrongBitOfEveryAnswer) {
    for (unsigned request = 1; request <= 4; ++request) {
        for (unsigned n = 0; n < 32; ++n) {
            wrong_at   = request;
            wrong_bits = u64{1} << n;
            EXPECT_TRUE(terminates(handle32(0x72, cpuid), reason::msr_bad_response));
            EXPECT_EQ(words(frame32), words(before32));
            EXPECT_EQ(MockCpu::vmgexits, request);
        }
    }
}

} // namespace vestibule::test
