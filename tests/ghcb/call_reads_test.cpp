// SPDX-License-Identifier: BSD-2-Clause-Patent
// The hypervisor can change the page at any moment, so each word of the answer is read once, and
// what was read is what is judged and used (vc-exceptions, "GHCB copy-out"). Every access of a call
// is seen here; a hypervisor that overwrites the page after each of them changes nothing.
#include "ghcb/call.h"
#include "tests/ghcb/mock.h"
#include "tests/ghcb/page_watch.h"
#include <algorithm>

namespace vestibule::test {

using ghcb::Answer;
using ghcb::Field;
using ghcb::RegisterSet;

static constexpr RegisterSet all_four =
    ghcb::registers::rax | ghcb::registers::rbx | ghcb::registers::rcx | ghcb::registers::rdx;

struct ReadsTest : testing::Test {
    ReadsTest() { MockCpu::reset(); }

    ~ReadsTest() override { MockCpu::reset(); }

    /// A call with the page watched but for the time that the hypervisor has it.
    template <RegisterSet wanted>
    Answer exit(const std::function<void(RawPage)>& reply) {
        MockCpu::hypervisor = [&] {
            watch.stop();
            shown = watch.accesses.size();
            reply(raw);
            watch.start();
        };
        watch.accesses.clear();
        watch.start();
        ghcb::Call<MockCpu> call{channel};
        call.put(Field::rax, 1);
        const Answer answer = call.exit(x86::ExitCode{0x72}, 0, 0, wanted);
        watch.stop();
        return answer;
    }

    /// How often the answer's bytes at `offset` were read.
    auto reads_of(unsigned offset) const {
        return std::ranges::count_if(watch.accesses, [&](const PageWatch::Access& access) {
            return !access.write && access.offset / 8 == offset / 8;
        });
    }

    PageWatch watch;
    RawPage raw{watch.bytes()};
    ghcb::Channel channel{
        .page = reinterpret_cast<ghcb::Page*>(watch.bytes()), .gpa = 0x80'1000, .version = 2};
    size_t shown = 0; // accesses before VMGEXIT
};

TEST_F(ReadsTest, EachWordOfTheAnswerOnce) {
    EXPECT_TRUE(exit<all_four>([](RawPage view) {
                    view.answer(0, 0,
                                {
                                    {at::rax, 1},
                                    {at::rbx, 2},
                                    {at::rcx, 3},
                                    {at::rdx, 4}
                    });
                }).outcome.is_done());
    for (const unsigned offset : {at::sw_exitinfo1, at::rax, at::rbx, at::rcx, at::rdx,
                                  at::valid_bitmap, at::valid_bitmap + 8}) {
        EXPECT_EQ(reads_of(offset), 1) << std::hex << offset;
    }
    EXPECT_EQ(std::ranges::count_if(watch.accesses,
                                    [](const PageWatch::Access& access) { return !access.write; }),
              7);
}

TEST_F(ReadsTest, EachWordOfARefusalOnce) {
    EXPECT_TRUE(
        raises(exit<all_four>([](RawPage view) { view.answer(1, 0x8000'030D); }).outcome, 13, 0));
    EXPECT_EQ(reads_of(at::sw_exitinfo1), 1);
    EXPECT_EQ(reads_of(at::sw_exitinfo2), 1);
}

TEST_F(ReadsTest, NothingIsReadBeforeVmgexit) {
    exit<all_four>([](RawPage) {});
    ASSERT_GT(shown, 0U);
    for (size_t n = 0; n < shown; ++n) {
        EXPECT_TRUE(watch.accesses[n].write) << std::hex << watch.accesses[n].offset;
    }
}

TEST_F(ReadsTest, OnlyTheBitmapIsWrittenAfterwards) {
    exit<all_four>([](RawPage) {});
    for (size_t n = shown; n < watch.accesses.size(); ++n) {
        const PageWatch::Access& access = watch.accesses[n];
        EXPECT_TRUE(!access.write || (access.offset & ~15U) == at::valid_bitmap)
            << std::hex << access.offset;
    }
}

TEST_F(ReadsTest, OverwritingThePageAfterEachReadChangesNothing) {
    // After each read, every byte of the page but for those not read yet is something else.
    watch.after = [this](const PageWatch::Access& access) {
        if (MockCpu::vmgexits == 1 && !access.write) {
            raw.set(access.offset & ~7U, 0xEEEE'EEEE'EEEE'EEEE);
        }
    };
    const Answer answer = exit<all_four>([](RawPage view) {
        view.answer(0, 0,
                    {
                        {at::rax, 0xA1A1'A1A1'A1A1'A1A1},
                        {at::rbx, 0xB2B2'B2B2'B2B2'B2B2},
                        {at::rcx, 0xC3C3'C3C3'C3C3'C3C3},
                        {at::rdx, 0xD4D4'D4D4'D4D4'D4D4}
        });
    });
    EXPECT_TRUE(answer.outcome.is_done());
    EXPECT_EQ(answer.reg[0], 0xA1A1'A1A1'A1A1'A1A1U);
    EXPECT_EQ(answer.reg[3], 0xB2B2'B2B2'B2B2'B2B2U);
    EXPECT_EQ(answer.reg[1], 0xC3C3'C3C3'C3C3'C3C3U);
    EXPECT_EQ(answer.reg[2], 0xD4D4'D4D4'D4D4'D4D4U);
}

TEST_F(ReadsTest, AnExceptionCannotBeSwappedAfterItWasAccepted) {
    watch.after = [this](const PageWatch::Access& access) {
        if (MockCpu::vmgexits == 1 && !access.write && access.offset == at::sw_exitinfo2) {
            raw.set(at::sw_exitinfo2, 0x8000'0380); // vector 0x80: a system call
        }
    };
    const Answer answer =
        exit<all_four>([](RawPage view) { view.answer(1, 0x1234'5678'8000'0B0D); });
    EXPECT_TRUE(raises(answer.outcome, 13, 0x1234'5678));
}

} // namespace vestibule::test
