// SPDX-License-Identifier: BSD-2-Clause-Patent
// One exchange through the GHCB page (GHCB specification, section 4): what the hypervisor is shown
// and when, what it must have marked valid, and what is left in the page afterwards.
#include "ghcb/call.h"
#include "tests/ghcb/mock.h"

namespace vestibule::test {

using ghcb::Answer;
using ghcb::Field;
using ghcb::RegisterSet;
namespace reason = ghcb::reason;

static constexpr RegisterSet no_outputs{};
static constexpr RegisterSet rax_only    = ghcb::registers::rax;
static constexpr RegisterSet rax_and_rdx = rax_only | ghcb::registers::rdx;
static constexpr RegisterSet all_four = rax_and_rdx | ghcb::registers::rbx | ghcb::registers::rcx;

static constexpr x86::ExitCode some_exit{0x7C};

struct CallTest : GhcbTest {
    /// A call whose answer marks RAX, RBX, RCX, RDX by the bits 0 to 3 of `marked`.
    template <RegisterSet wanted>
    Answer exit_marking(unsigned marked) {
        on_vmgexit([marked](RawPage view) {
            constexpr FieldValue registers[] = {
                {at::rax, 0xA1A1'A1A1'A1A1'A1A1},
                {at::rbx, 0xB2B2'B2B2'B2B2'B2B2},
                {at::rcx, 0xC3C3'C3C3'C3C3'C3C3},
                {at::rdx, 0xD4D4'D4D4'D4D4'D4D4},
            };
            view.answer(0, 0);
            for (unsigned n = 0; n < 4; ++n) {
                view.set(registers[n].offset, registers[n].value);
                if ((marked >> n & 1) != 0) {
                    view.mark_valid(registers[n].offset);
                }
            }
        });
        return ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, wanted);
    }

    /// `needed` names the registers as `marked` above does.
    template <RegisterSet wanted>
    void done_exactly_when_marked(unsigned needed) {
        for (unsigned marked = 0; marked < 16; ++marked) {
            const Answer answer = exit_marking<wanted>(marked);
            if ((marked & needed) == needed) {
                EXPECT_TRUE(answer.outcome.is_done()) << "marked " << marked;
            } else {
                EXPECT_TRUE(terminates(answer.outcome, reason::ghcb_missing_output))
                    << "marked " << marked;
            }
            EXPECT_TRUE(raw.nothing_valid());
        }
    }
};

TEST_F(CallTest, TheMsrHoldsTheAddressBeforeVmgexit) {
    ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, no_outputs);
    EXPECT_EQ(MockCpu::steps, (std::vector<Step>{
                                  {"wrmsr", 0xC001'0130, gpa},
                                  {"vmgexit"}
    }));
}

TEST_F(CallTest, TheMsrIsWrittenForEachCall) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    for (unsigned n = 0; n < 3; ++n) {
        MockCpu::ghcb_msr = 0x8000'001F'4000'0005; // somebody used the MSR protocol
        ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, no_outputs);
        EXPECT_EQ(MockCpu::ghcb_msr, gpa);
    }
}

TEST_F(CallTest, ExactlyWhatWasPut) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    ghcb::Call<MockCpu> call{channel};
    call.put(Field::rcx, 0x8182'8384'8586'8788);
    call.put(Field::rax, 0);
    call.exit(some_exit, 1, 2, no_outputs);
    EXPECT_TRUE(same_page(seen, call_image(0x7C, 1, 2,
                                           {
                                               {at::rcx, 0x8182'8384'8586'8788},
                                               {at::rax, 0                    }
    })));
}

TEST_F(CallTest, VersionAndUsage) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    for (const u16 version : {u16{1}, u16{2}}) {
        channel.version = version;
        std::memset(raw.bytes + 0xFF0, 0xFF, 16); // the hypervisor's work
        ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, no_outputs);
        EXPECT_EQ(seen[at::protocol_version], version);
        EXPECT_EQ(seen[at::protocol_version + 1], 0);
        EXPECT_EQ(seen[at::ghcb_usage], 0);
        EXPECT_EQ(seen[at::ghcb_usage + 1], 0);
        EXPECT_EQ(seen[at::ghcb_usage + 2], 0);
        EXPECT_EQ(seen[at::ghcb_usage + 3], 0);
    }
}

TEST_F(CallTest, WhatWasMarkedBeforeIsNotMarkedAgain) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    std::memset(raw.bytes, 0xFF, 4096);
    ghcb::Call<MockCpu> call{channel};
    call.put(Field::rcx, 5);
    call.exit(some_exit, 0, 0, no_outputs);
    const RawPage view{seen.data()};
    const Image wanted = call_image(0x7C, 0, 0,
                                    {
                                        {at::rcx, 5}
    });
    EXPECT_EQ(view.get(0x3F0), 0U);
    EXPECT_EQ(view.get(0x3F8), RawPage{const_cast<u8*>(wanted.data())}.get(0x3F8));
}

TEST_F(CallTest, OutputsMustBeMarked) {
    done_exactly_when_marked<no_outputs>(0b0000);
    done_exactly_when_marked<rax_only>(0b0001);
    done_exactly_when_marked<rax_and_rdx>(0b1001);
    done_exactly_when_marked<all_four>(0b1111);
}

TEST_F(CallTest, OutputsAreCopiedAndOthersAreNot) {
    const Answer all = exit_marking<all_four>(0b1111);
    EXPECT_EQ(all.reg[0], 0xA1A1'A1A1'A1A1'A1A1U);
    EXPECT_EQ(all.reg[3], 0xB2B2'B2B2'B2B2'B2B2U);
    EXPECT_EQ(all.reg[1], 0xC3C3'C3C3'C3C3'C3C3U);
    EXPECT_EQ(all.reg[2], 0xD4D4'D4D4'D4D4'D4D4U);
    const Answer one = exit_marking<rax_only>(0b1111);
    EXPECT_EQ(one.reg[0], 0xA1A1'A1A1'A1A1'A1A1U);
    EXPECT_EQ(one.reg[3], 0U);
    EXPECT_EQ(one.reg[1], 0U);
    EXPECT_EQ(one.reg[2], 0U);
}

TEST_F(CallTest, InputsLeftMarkedAreNoOutputs) {
    // A hypervisor that touches nothing: RAX is still marked, but RBX, RCX and RDX never were.
    ghcb::Call<MockCpu> call{channel};
    call.put(Field::rax, 1);
    EXPECT_TRUE(
        terminates(call.exit(some_exit, 0, 0, all_four).outcome, reason::ghcb_missing_output));
}

TEST_F(CallTest, NothingStaysMarkedWhateverTheAnswer) {
    struct Row {
        u64 info1;
        u64 info2;
    };

    for (const Row row : {
             Row{0, 0          },
             Row{1, 0x8000'030D},
             Row{1, 0          },
             Row{2, 4          },
             Row{3, 0          }
    }) {
        on_vmgexit([row](RawPage view) {
            view.answer(row.info1, row.info2);
            std::memset(view.bytes + at::valid_bitmap, 0xFF, 16);
        });
        ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, all_four);
        EXPECT_TRUE(raw.nothing_valid()) << row.info1;
        EXPECT_EQ(channel.holders, 0);
    }
}

TEST_F(CallTest, ARefusalIsNotHiddenByMissingOutputs) {
    on_vmgexit([](RawPage view) { view.answer(2, 6); });
    EXPECT_TRUE(terminates(ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, all_four).outcome,
                           {2, 0x26}));
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); });
    EXPECT_TRUE(
        raises(ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, all_four).outcome, 13, 0));
}

TEST_F(CallTest, HeldWhileTheHypervisorHasThePage) {
    on_vmgexit([this](RawPage view) {
        EXPECT_EQ(channel.holders, 1);
        view.answer(0, 0);
    });
    ghcb::Call<MockCpu>{channel}.exit(some_exit, 0, 0, no_outputs);
    EXPECT_EQ(MockCpu::vmgexits, 1U);
    EXPECT_EQ(channel.holders, 0);
}

} // namespace vestibule::test
