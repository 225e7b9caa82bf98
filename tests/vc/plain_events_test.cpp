// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC of the events that need no more than registers: RDTSC, RDTSCP, RDPMC, INVD, WBINVD, WBNOINVD.
// What each shows, byte by byte, and what it takes from the answer (GHCB specification, table 5;
// conformance 6).
#include "tests/vc/fixture.h"

namespace vestibule::test {

struct PlainEvent {
    const char* name;
    u64 exit_code;
    Bytes code;
    bool shows_rcx;
    std::vector<unsigned> outputs;
};

static const std::vector<PlainEvent>& events() {
    static const std::vector<PlainEvent> all = {
        {"RDTSC",    0x6E, {0x0F, 0x31},       false, {at::rax, at::rdx}         },
        {"RDTSCP",   0x87, {0x0F, 0x01, 0xF9}, false, {at::rax, at::rcx, at::rdx}},
        {"RDPMC",    0x6F, {0x0F, 0x33},       true,  {at::rax, at::rdx}         },
        {"INVD",     0x76, {0x0F, 0x08},       false, {}                         },
        {"WBINVD",   0x89, {0x0F, 0x09},       false, {}                         },
        {"WBNOINVD", 0x89, {0xF3, 0x0F, 0x09}, false, {}                         },
    };
    return all;
}

struct PlainEventsTest : VcTest {
    PlainEventsTest() {
        on_vmgexit([](RawPage view) {
            answer_like_kvm(view, 0x1111'1111'0A0A'0A0A, 0x2222'2222'0B0B'0B0B,
                            0x3333'3333'0C0C'0C0C, 0x4444'4444'0D0D'0D0D);
        });
    }

    static bool returns(const PlainEvent& event, unsigned offset) {
        return std::ranges::find(event.outputs, offset) != event.outputs.end();
    }
};

TEST_F(PlainEventsTest, ShowExactlyTheirInputs) {
    for (const PlainEvent& event : events()) {
        frame             = canary_frame();
        page              = {};
        MockCpu::vmgexits = 0;
        ASSERT_TRUE(handle(event.exit_code, event.code).is_done()) << event.name;
        std::vector<FieldValue> inputs;
        if (event.shows_rcx) {
            inputs = {
                {at::rcx, before.rcx & 0xFFFF'FFFF}
            };
        }
        EXPECT_TRUE(same_page(seen, call_image(event.exit_code, 0, 0, inputs))) << event.name;
        EXPECT_EQ(MockCpu::vmgexits, 1U) << event.name;
    }
}

TEST_F(PlainEventsTest, Conformance6ResultsAreZeroExtendedHalves) {
    for (const PlainEvent& event : events()) {
        frame = canary_frame();
        ASSERT_TRUE(handle(event.exit_code, event.code).is_done()) << event.name;
        vc::Frame wanted = moved_on(event.code.size());
        if (returns(event, at::rax)) {
            wanted.rax = 0x0A0A'0A0A;
        }
        if (returns(event, at::rcx)) {
            wanted.rcx = 0x0C0C'0C0C;
        }
        if (returns(event, at::rdx)) {
            wanted.rdx = 0x0D0D'0D0D;
        }
        EXPECT_TRUE(frame == wanted) << event.name;
    }
}

TEST_F(PlainEventsTest, EachOutputMustBeMarked) {
    for (const PlainEvent& event : events()) {
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
            frame                       = canary_frame();
            const ghcb::Outcome outcome = handle(event.exit_code, event.code);
            if (returns(event, missing)) {
                EXPECT_TRUE(terminates(outcome, ghcb::reason::ghcb_missing_output)) << event.name;
                EXPECT_TRUE(frame == before) << event.name;
            } else {
                EXPECT_TRUE(outcome.is_done()) << event.name;
            }
        }
    }
}

} // namespace vestibule::test
