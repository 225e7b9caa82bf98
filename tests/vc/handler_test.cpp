// SPDX-License-Identifier: BSD-2-Clause-Patent
// What every event has in common (vc-exceptions 1, 5, 8): the frame changes only when the answer
// was accepted; RIP moves past the instruction and RF is cleared; re-entry, foreign code segments
// and exits that are not served end the guest before the hypervisor hears of anything.
#include "tests/ghcb/page_watch.h"
#include "tests/vc/fixture.h"
#include <algorithm>

namespace vestibule::test {

namespace reason = ghcb::reason;

static constexpr u64 trap_flag = 0x100;

struct Served {
    const char* name;
    u64 exit_code;
    Bytes code;
};

static const std::vector<Served>& served() {
    static const std::vector<Served> all = {
        {"CPUID",        0x72, {0x0F, 0xA2}      },
        {"IN AL, DX",    0x7B, {0xEC}            },
        {"IN EAX, 0x60", 0x7B, {0xE5, 0x60}      },
        {"OUT DX, AX",   0x7B, {0x66, 0xEF}      },
        {"OUT 0x80, AL", 0x7B, {0xE6, 0x80}      },
        {"RDMSR",        0x7C, {0x0F, 0x32}      },
        {"WRMSR",        0x7C, {0x0F, 0x30}      },
        {"REX WRMSR",    0x7C, {0x48, 0x0F, 0x30}},
        {"RDTSC",        0x6E, {0x0F, 0x31}      },
        {"RDTSCP",       0x87, {0x0F, 0x01, 0xF9}},
        {"RDPMC",        0x6F, {0x0F, 0x33}      },
        {"WBINVD",       0x89, {0x0F, 0x09}      },
        {"WBNOINVD",     0x89, {0xF3, 0x0F, 0x09}},
        {"INVD",         0x76, {0x0F, 0x08}      },
    };
    return all;
}

struct HandlerTest : VcTest {
    HandlerTest() {
        on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
    }
};

TEST_F(HandlerTest, MovesOnAndClearsRfOnly) {
    for (const Served& event : served()) {
        for (const u64 rflags :
             {u64{0x1'0002}, u64{0x2}, u64{0x0025'0ED7} & ~trap_flag, ~trap_flag}) {
            frame        = canary_frame();
            frame.rflags = rflags;
            ASSERT_TRUE(handle(event.exit_code, event.code).is_done()) << event.name;
            EXPECT_EQ(frame.rip, before.rip + event.code.size()) << event.name;
            EXPECT_EQ(frame.rflags, rflags & ~u64{0x1'0000}) << event.name;
            EXPECT_EQ(frame.error_code, event.exit_code);
        }
    }
}

TEST_F(HandlerTest, ASingleStepTrapsBehindTheInstruction) {
    for (const Served& event : served()) {
        frame              = canary_frame();
        frame.rflags       = 0x1'0002 | trap_flag;
        MockCpu::dr6_value = 0xFFFF'0FF1;
        EXPECT_TRUE(raises(handle(event.exit_code, event.code), 1, 0)) << event.name;
        EXPECT_EQ(MockCpu::dr6_value, 0xFFFF'4FF1U) << event.name;
        EXPECT_EQ(frame.rip, before.rip + event.code.size()) << event.name;
        EXPECT_EQ(frame.rflags, 2 | trap_flag) << event.name;
    }
}

TEST_F(HandlerTest, AFaultOfASteppedInstructionIsNoStep) {
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); });
    frame.rflags |= trap_flag;
    EXPECT_TRUE(raises(handle(0x7C, {0x0F, 0x32}), 13, 0));
    EXPECT_TRUE(frame == before);
    EXPECT_EQ(MockCpu::dr6_value, 0U);
}

TEST_F(HandlerTest, RefusedAnswersLeaveTheFrame) {
    struct Row {
        u64 info1;
        u64 info2;
    };

    constexpr Row refused[] = {
        {1,             0x8000'030D          }, // #GP
        {1,             0x1234'5678'8000'0B0D}, // #GP with an error code
        {1,             0x8000'0306          }, // #UD
        {1,             0x8000'030E          }, // #PF
        {1,             0x8000'0380          }, // a system call
        {1,             0x8000'0202          }, // NMI
        {1,             0x0000'030D          }, // not valid
        {1,             0                    },
        {2,             1                    },
        {2,             4                    },
        {2,             6                    },
        {2,             0                    },
        {2,             7                    },
        {3,             0                    },
        {0xFFFF'FFFF,   0                    },
        {0x1'0000'0003, 0                    },
        {~u64{0},       ~u64{0}              },
    };
    for (const Row& row : refused) {
        on_vmgexit([&row](RawPage view) {
            view.answer(row.info1, row.info2,
                        {
                            {at::rax, ~u64{0}},
                            {at::rbx, ~u64{0}},
                            {at::rcx, ~u64{0}},
                            {at::rdx, ~u64{0}}
            });
        });
        for (const Served& event : served()) {
            frame = canary_frame();
            EXPECT_FALSE(handle(event.exit_code, event.code).is_done())
                << event.name << std::hex << " " << row.info1 << " " << row.info2;
            EXPECT_TRUE(frame == before) << event.name;
        }
    }
}

TEST_F(HandlerTest, AHypervisorThatDoesNothingIsRefused) {
    // It resumes with the page as it was: inputs marked, SW_EXITINFO1 as the guest wrote it.
    // Who asks for nothing but caches written back cannot see whether they were.
    on_vmgexit([](RawPage) {});
    for (const Served& event : served()) {
        if (event.exit_code == 0x76 || event.exit_code == 0x89) {
            continue;
        }
        frame = canary_frame();
        EXPECT_EQ(handle(event.exit_code, event.code).kind, ghcb::Outcome::Kind::terminate)
            << event.name;
        EXPECT_TRUE(frame == before) << event.name;
    }
}

TEST_F(HandlerTest, ReentryEndsBeforeThePageIsTouched) {
    for (const Served& event : served()) {
        frame           = canary_frame();
        channel.holders = 1;
        EXPECT_TRUE(terminates(handle(event.exit_code, event.code), reason::ghcb_reentered));
        EXPECT_TRUE(frame == before) << event.name;
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
    EXPECT_TRUE(same_page(std::bit_cast<Image>(page), Image{}));
}

TEST_F(HandlerTest, AVcWhileTheHypervisorHasThePage) {
    // The hypervisor injects #VC right at VMGEXIT.
    on_vmgexit([this](RawPage view) {
        answer_like_kvm(view, 1, 2, 3, 4);
        if (MockCpu::vmgexits > 1) {
            return; // the inner event got through
        }
        vc::Frame nested  = canary_frame();
        nested.rip        = memory.place({0x0F, 0xA2});
        nested.error_code = 0x72;
        EXPECT_TRUE(terminates(vc::handle<MockCpu>(nested, context), reason::ghcb_reentered));
    });
    EXPECT_TRUE(handle(0x72, {0x0F, 0xA2}).is_done());
    EXPECT_EQ(MockCpu::vmgexits, 1U);
}

TEST_F(HandlerTest, UnknownCodeSegments) {
    for (const u64 cs : {u64{0x00}, u64{0x08}, u64{0x11}, u64{0x12}, u64{0x13}, u64{0x14},
                         u64{0x18}, u64{0x1B}, u64{0x43}, u64{0x2B}, u64{0x1'0010}}) {
        for (const Served& event : served()) {
            frame                        = canary_frame();
            frame.cs                     = cs;
            const ghcb::Outcome& outcome = handle(event.exit_code, event.code);
            SCOPED_TRACE(testing::Message() << event.name << std::hex << " CS " << cs);
            if ((cs & 3) == 0) {
                EXPECT_TRUE(terminates(outcome, reason::vc_code_segment));
            } else { // a process can change its LDT under our eyes
                EXPECT_TRUE(raises(outcome, 6, 0));
            }
            EXPECT_TRUE(frame == before);
        }
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

/// Codes that name no event of the table, up to beyond the largest hardware exit code.
static std::vector<u64> unserved_codes() {
    constexpr u64 known[]  = {0x27, 0x37, 0x41, 0x51, 0x6E, 0x6F, 0x72,  0x76, 0x7B,
                              0x7C, 0x81, 0x87, 0x89, 0x8A, 0x8B, 0x400, 0x404};
    std::vector<u64> codes = {0x1'0000'0072, 0x8000'0001, 0x8000'FFFF, 0xFFFF'FFFF, ~u64{0}};
    for (u64 code = 0; code <= 0x410; ++code) {
        if (std::ranges::find(known, code) == std::end(known)) {
            codes.push_back(code);
        }
    }
    return codes;
}

TEST_F(HandlerTest, UnknownExitsAreReportedAsUnsupportedAndEnd) {
    for (const u64 code : unserved_codes()) {
        for (const bool obeys : {false, true}) {
            if (obeys) {
                on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
            } else {
                on_vmgexit([](RawPage view) { view.answer(2, 6); });
            }
            frame             = canary_frame();
            page              = {};
            MockCpu::vmgexits = 0;
            EXPECT_TRUE(terminates(handle(code, {0x0F, 0xA2}),
                                   {4, code < 0xFF ? static_cast<u8>(code) : u8{0xFF}}))
                << std::hex << code;
            EXPECT_TRUE(same_page(seen, call_image(0x8000'FFFF, code, 0)));
            EXPECT_EQ(MockCpu::vmgexits, 1U);
            EXPECT_TRUE(frame == before);
        }
    }
}

TEST_F(HandlerTest, UnknownExitsOfUserModeDoNotEndTheGuest) {
    // A process may execute whatever a hypervisor intercepts, RDPRU (0x8E) for one.
    for (const u64 code : unserved_codes()) {
        frame    = canary_frame();
        frame.cs = user_code64;
        EXPECT_TRUE(raises(handle(code, {0x0F, 0x01, 0xFD}), 6, 0)) << std::hex << code;
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(HandlerTest, DebugAndAlignmentExceptionsAreHandedOnWithoutDecoding) {
    for (const u64 cs : {u64{kernel_code64}, u64{user_code64}, u64{0x4B}}) {
        frame            = canary_frame();
        frame.cs         = cs;
        frame.rip        = 1; // not readable
        frame.error_code = 0x41;
        before           = frame;
        EXPECT_TRUE(raises(vc::handle<MockCpu>(frame, context), 1, 0));
        EXPECT_TRUE(frame == before);
        frame.error_code = 0x51;
        before           = frame;
        EXPECT_TRUE(raises(vc::handle<MockCpu>(frame, context), 17, 0));
        EXPECT_TRUE(frame == before);
    }
    EXPECT_TRUE(MockCpu::steps.empty());
}

TEST_F(HandlerTest, APageTakenAwayIsTheEnd) {
    for (const u64 cs : {u64{kernel_code64}, u64{user_code64}}) {
        frame    = canary_frame();
        frame.cs = cs;
        EXPECT_TRUE(terminates(handle(0x404, {0x8B, 0x00}), reason::vc_page_unvalidated));
        EXPECT_TRUE(frame == before);
    }
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(HandlerTest, EachInstructionByteIsReadOnce) {
    // Checked bytes and decoded bytes must be the same bytes.
    PageWatch watch;
    for (const Served& event : served()) {
        std::memcpy(watch.bytes(), event.code.data(), event.code.size());
        frame            = canary_frame();
        frame.rip        = reinterpret_cast<u64>(watch.bytes());
        frame.error_code = event.exit_code;
        context.ghcb     = channel;
        watch.accesses.clear();
        watch.start();
        EXPECT_TRUE(vc::handle<MockCpu>(frame, context).is_done());
        watch.stop();
        ASSERT_EQ(watch.accesses.size(), event.code.size()) << event.name;
        for (unsigned n = 0; n < watch.accesses.size(); ++n) {
            EXPECT_EQ(watch.accesses[n].offset, n) << event.name;
        }
    }
}

} // namespace vestibule::test
