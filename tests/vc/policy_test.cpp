// SPDX-License-Identifier: BSD-2-Clause-Patent
// What user mode gets (vc-exceptions 9, conformance 16): the safe defaults, CR4.TSD and CR4.PCE as
// the hardware would have them, and the program's hook for what is left to it.
#include "tests/vc/fixture.h"

namespace vestibule::test {

static constexpr u64 iopl3    = 3 << 12;
static constexpr u64 cr4_tsd  = 1 << 2;
static constexpr u64 cr4_pce  = 1 << 8;
static constexpr u64 cr4_la57 = 1 << 12; // the test's tables have four levels

struct UserEvent {
    const char* name;
    u64 exit_code;
    Bytes code;
    u8 refused_with; // 0: served
    bool left_to_program;
};

static const std::vector<UserEvent>& events() {
    static const std::vector<UserEvent> all = {
        {"CPUID",    0x72, {0x0F, 0xA2},       0,  false},
        {"RDTSC",    0x6E, {0x0F, 0x31},       0,  false},
        {"RDTSCP",   0x87, {0x0F, 0x01, 0xF9}, 0,  false},
        {"RDPMC",    0x6F, {0x0F, 0x33},       13, false},
        {"IN",       0x7B, {0xEC},             13, true },
        {"OUT",      0x7B, {0xE7, 0x80},       13, true },
        {"RDMSR",    0x7C, {0x0F, 0x32},       13, false},
        {"WRMSR",    0x7C, {0x0F, 0x30},       13, false},
        {"INVD",     0x76, {0x0F, 0x08},       13, false},
        {"WBINVD",   0x89, {0x0F, 0x09},       13, false},
        {"WBNOINVD", 0x89, {0xF3, 0x0F, 0x09}, 13, false},
    };
    return all;
}

struct PolicyTest : VcTest {
    PolicyTest() {
        on_vmgexit([](RawPage view) { answer_like_kvm(view, 1, 2, 3, 4); });
        frame.cs         = user_code64;
        asked            = 0;
        context.fixes_up = true;
    }

    ~PolicyTest() override { MockCpu::reset(); }

    ghcb::Outcome ask(u64 exit_code, const Bytes& code, u16 cs = user_code64) {
        frame    = canary_frame();
        frame.cs = cs;
        frame.rflags |= iopl3;
        MockCpu::vmgexits = 0;
        return handle(exit_code, code);
    }

    static bool always(const vc::Request&) {
        ++asked;
        return true;
    }

    static bool never(const vc::Request&) {
        ++asked;
        return false;
    }

    static bool serial_port_only(const vc::Request& request) {
        ++asked;
        return request.code.cpl == 3 && (request.frame.rdx & 0xFFFF) == 0x3F8;
    }

    static inline unsigned asked = 0;
};

TEST_F(PolicyTest, Conformance16Defaults) {
    for (const u16 cs : {u16{0x31}, u16{0x32}, u16{0x33}}) {
        for (const UserEvent& event : events()) {
            const ghcb::Outcome outcome = ask(event.exit_code, event.code, cs);
            if (event.refused_with == 0) {
                EXPECT_TRUE(outcome.is_done()) << event.name;
                EXPECT_EQ(MockCpu::vmgexits, 1U) << event.name;
            } else {
                EXPECT_TRUE(raises(outcome, event.refused_with, 0)) << event.name;
                EXPECT_TRUE(frame == before) << event.name;
                EXPECT_EQ(MockCpu::vmgexits, 0U) << event.name;
            }
        }
    }
}

TEST_F(PolicyTest, TheHookDecidesOnlyWhatIsLeftToIt) {
    for (const auto hook : {always, never}) {
        context.user_may = hook;
        for (const UserEvent& event : events()) {
            asked                       = 0;
            const ghcb::Outcome outcome = ask(event.exit_code, event.code);
            EXPECT_EQ(asked, event.left_to_program ? 1U : 0U) << event.name;
            const bool served =
                event.refused_with == 0 || (event.left_to_program && hook == always);
            EXPECT_EQ(outcome.is_done(), served) << event.name;
            if (!served) {
                EXPECT_TRUE(raises(outcome, event.refused_with, 0)) << event.name;
            }
        }
    }
}

TEST_F(PolicyTest, TheHookSeesTheRequest) {
    context.user_may = serial_port_only;
    frame.rflags |= iopl3;
    frame.rdx = 0x3F8;
    EXPECT_TRUE(handle(0x7B, {0xEE}).is_done());
    frame.rdx = 0x3F9;
    EXPECT_TRUE(raises(handle(0x7B, {0xEE}), 13, 0));
    EXPECT_EQ(asked, 2U);
}

TEST_F(PolicyTest, KernelCodeIsNotAsked) {
    context.user_may   = never;
    MockCpu::cr4_value = cr4_tsd;
    for (const UserEvent& event : events()) {
        EXPECT_TRUE(ask(event.exit_code, event.code, kernel_code64).is_done()) << event.name;
    }
    EXPECT_EQ(asked, 0U);
}

// KVM answers RDPMC of a bad index by a #GP behind VMGEXIT, which not every kernel reckons with.
TEST_F(PolicyTest, RdpmcWantsAKernelThatFixesUp) {
    MockCpu::cr4_value = cr4_pce;
    EXPECT_TRUE(ask(0x6F, {0x0F, 0x33}).is_done());
    context.fixes_up = false;
    EXPECT_TRUE(raises(ask(0x6F, {0x0F, 0x33}), 13, 0));
    EXPECT_TRUE(ask(0x6F, {0x0F, 0x33}, kernel_code64).is_done());
}

// The port that was judged is the one that is asked for, whatever another thread writes meanwhile.
TEST_F(PolicyTest, AThreadThatRewritesThePort) {
    static u64 code_at;
    context.user_may = [](const vc::Request&) {
        reinterpret_cast<u8*>(code_at)[1] = 0x70;
        return true;
    };
    code_at = memory.place({0xE6, 0x80});
    EXPECT_TRUE(ask(0x7B, {0xE6, 0x80}).is_done());
    EXPECT_EQ(RawPage{seen.data()}.get(at::sw_exitinfo1) >> 16, 0x80U);
    EXPECT_EQ(reinterpret_cast<u8*>(code_at)[1], 0x70);
}

TEST_F(PolicyTest, WithoutIoplAndMapTheHookIsNotAsked) {
    context.user_may = always;
    for (const UserEvent& event : events()) {
        if (event.left_to_program) {
            frame    = canary_frame();
            frame.cs = user_code64;
            frame.rflags &= ~iopl3;
            EXPECT_TRUE(raises(handle(event.exit_code, event.code), 13, 0)) << event.name;
        }
    }
    EXPECT_EQ(asked, 0U);
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(PolicyTest, TsdAndPceDecideAboutCounters) {
    for (const u64 cr4 : {u64{0}, cr4_tsd, cr4_pce, cr4_tsd | cr4_pce, ~(cr4_tsd | cr4_la57),
                          ~(cr4_pce | cr4_la57)}) {
        MockCpu::cr4_value = cr4;
        const bool tsc     = (cr4 & cr4_tsd) == 0;
        const bool pmc     = (cr4 & cr4_pce) != 0;
        EXPECT_EQ(ask(0x6E, {0x0F, 0x31}).is_done(), tsc);
        EXPECT_EQ(ask(0x87, {0x0F, 0x01, 0xF9}).is_done(), tsc);
        EXPECT_EQ(ask(0x6F, {0x0F, 0x33}).is_done(), pmc);
        if (!tsc) {
            EXPECT_TRUE(raises(ask(0x6E, {0x0F, 0x31}), 13, 0));
            EXPECT_TRUE(raises(ask(0x87, {0x0F, 0x01, 0xF9}), 13, 0));
        }
        if (!pmc) {
            EXPECT_TRUE(raises(ask(0x6F, {0x0F, 0x33}), 13, 0));
        }
    }
}

} // namespace vestibule::test
