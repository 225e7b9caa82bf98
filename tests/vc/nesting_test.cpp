// SPDX-License-Identifier: BSD-2-Clause-Patent
// A #VC in the middle of another one: the hypervisor injects it, or an NMI's handler raises it, at
// any point of the outer event (vc-exceptions 6 and 7). From the first byte that the outer event
// writes into the GHCB page until it has its copy of the answer, the page is its own: a second
// event there would send values of its own under the outer one's name, or leave it the wrong
// answer.
#include "tests/ghcb/page_watch.h"
#include "tests/vc/fixture.h"

namespace vestibule::test {

struct NestingTest : VcTest {
    NestingTest() {
        channel.page        = reinterpret_cast<ghcb::Page*>(watch.bytes());
        raw.bytes           = watch.bytes();
        MockCpu::hypervisor = [this] {
            if (nested) {
                answer_like_kvm(raw, 5, 6, 7, 8);
                return;
            }
            watch.stop();
            std::memcpy(seen.data(), raw.bytes, seen.size());
            answer_like_kvm(raw, 1, 2, 3, 4);
            watch.start();
        };
    }

    /// WRMSR, with a second #VC (RDMSR) after the outer event's access number `when` to the page;
    /// what became of the second one.
    ghcb::Outcome nest(u64 outer_exit, const Bytes& outer, size_t when) {
        ghcb::Outcome inner_outcome = ghcb::Outcome::done();
        watch.accesses.clear();
        watch.after = [&](const PageWatch::Access&) {
            if (watch.accesses.size() != when) {
                return;
            }
            nested           = true;
            vc::Frame inner  = canary_frame();
            inner.rip        = inner_memory.place({0x0F, 0x32});
            inner.error_code = 0x7C;
            inner_outcome    = vc::handle<MockCpu>(inner, context);
            nested           = false;
        };
        frame             = canary_frame();
        MockCpu::vmgexits = 0;
        watch.start();
        outer_outcome = handle(outer_exit, outer);
        watch.stop();
        return inner_outcome;
    }

    void refused_until_the_answer_is_copied(u64 exit_code, const Bytes& code) {
        (void)nest(exit_code, code, 0);
        const size_t accesses = watch.accesses.size();
        ASSERT_GT(accesses, 8U);
        for (size_t when = 1; when < accesses; ++when) {
            EXPECT_TRUE(terminates(nest(exit_code, code, when), ghcb::reason::ghcb_reentered))
                << "after access " << when << " of " << accesses;
            EXPECT_EQ(MockCpu::vmgexits, 1U);
        }
    }

    PageWatch watch;
    CodeAtPageEnd inner_memory;
    bool nested = false;
    ghcb::Outcome outer_outcome{};
};

TEST_F(NestingTest, Wrmsr) { refused_until_the_answer_is_copied(0x7C, {0x0F, 0x30}); }

TEST_F(NestingTest, Cpuid) { refused_until_the_answer_is_copied(0x72, {0x0F, 0xA2}); }

TEST_F(NestingTest, InByDx) { refused_until_the_answer_is_copied(0x7B, {0xEC}); }

TEST_F(NestingTest, TheHypervisorIsNeverShownAMixtureOfTwoEvents) {
    (void)nest(0x7C, {0x0F, 0x30}, 0);
    const Image alone     = seen;
    const size_t accesses = watch.accesses.size();
    for (size_t when = 1; when < accesses; ++when) {
        if (nest(0x7C, {0x0F, 0x30}, when).is_done()) {
            EXPECT_TRUE(same_page(seen, alone)) << "after access " << when;
        }
    }
}

} // namespace vestibule::test
