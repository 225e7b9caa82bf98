// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls within calls: an NMI's handler raises #VC while a call lies in the GHCB page, and after NMI
// complete the next NMI may come at any moment, between any two words that are copied
// (vc-exceptions.md, section 7). Whatever nests, the interrupted call goes on as if nothing had
// been.
#include "ghcb/nmi.h"
#include "tests/ghcb/mock.h"
#include "tests/ghcb/page_watch.h"

namespace vestibule::test {

namespace {

constexpr auto some_exit = x86::ExitCode::msr;

Image image_of(const u8* bytes) {
    Image image{};
    std::memcpy(image.data(), bytes, image.size());
    return image;
}

} // namespace

class GhcbNestingTest : public GhcbTest {
  protected:
    GhcbNestingTest() {
        channel.page   = reinterpret_cast<ghcb::Page*>(watch.bytes());
        channel.backup = &backup;
        raw.bytes      = watch.bytes();
    }

    /// What an NMI's handler does: a call of its own.
    void inner_call() {
        ASSERT_TRUE(channel.has_room());
        ghcb::Call<MockCpu> call{channel};
        call.put(ghcb::Field::rax, 0x1111);
        call.put(ghcb::Field::xcr0, 0x2222);
        (void)call.exit(x86::ExitCode::cpuid, 0, 0, ghcb::registers::rax);
    }

    /// The outer call, with `nested` run after its access number `when` to the page; 0 for never.
    /// True if what the hypervisor saw of it and what came back are right.
    void outer_call(size_t when, const std::function<void()>& nested) {
        std::memset(raw.bytes, 0, page_size);
        watch.accesses.clear();
        watch.after = [&, when](const PageWatch::Access&) {
            if (watch.accesses.size() == when) {
                inside = true;
                nested();
                inside = false;
            }
        };
        MockCpu::hypervisor = [&] {
            if (!inside) {
                watch.stop();
                seen = image_of(raw.bytes);
                raw.answer(0, 0,
                           {
                               {at::rax, 0xAAAA},
                               {at::rdx, 0xDDDD}
                });
                watch.start();
            } else {
                raw.answer(1, 0x8000'030D,
                           {
                               {at::rax, 0xBAD}
                });
            }
        };
        watch.start();
        {
            ghcb::Call<MockCpu> call{channel};
            call.put_register(ghcb::registers::rcx, 0xC0C0);
            const ghcb::Answer answer =
                call.exit(some_exit, 0, 0, ghcb::registers::rax | ghcb::registers::rdx);
            watch.stop();
            EXPECT_TRUE(answer.outcome.is_done()) << when;
            EXPECT_EQ(answer.reg[0], 0xAAAAU) << when;
            EXPECT_EQ(answer.reg[2], 0xDDDDU) << when;
        }
        EXPECT_EQ(channel.holders, 0) << when;
        EXPECT_FALSE(channel.is_kept) << when;
    }

    void undisturbed_by(const std::function<void()>& nested) {
        outer_call(0, nested);
        const Image alone = seen;
        const size_t all  = watch.accesses.size();
        ASSERT_GT(all, 10U);
        for (size_t when = 1; when <= all; ++when) {
            outer_call(when, nested);
            EXPECT_TRUE(same_page(seen, alone)) << "after access " << when;
        }
    }

    PageWatch watch;
    ghcb::Page backup{};
    bool inside = false;
};

TEST_F(GhcbNestingTest, OneCallWithinAnother) {
    undisturbed_by([this] { inner_call(); });
}

TEST_F(GhcbNestingTest, NmiComplete) {
    undisturbed_by([this] { EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel)); });
}

TEST_F(GhcbNestingTest, ACallAndNmiComplete) {
    undisturbed_by([this] {
        inner_call();
        EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel));
    });
}

TEST_F(GhcbNestingTest, ANewNmiAtNmiComplete) {
    undisturbed_by([this] {
        const auto answer   = MockCpu::hypervisor;
        MockCpu::hypervisor = [this, answer] {
            answer();
            MockCpu::hypervisor = answer;
            inner_call(); // the next NMI's
            EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel));
        };
        EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel));
        MockCpu::hypervisor = answer;
    });
}

TEST_F(GhcbNestingTest, NmiCompleteSaysWhatTheProtocolAsks) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel));
    EXPECT_TRUE(same_page(seen, call_image(0x8000'0003, 0, 0)));
    EXPECT_EQ(channel.holders, 0);
    // Whatever is answered: the next NMI may have used the page since.
    on_vmgexit([](RawPage view) { view.answer(1, 0x8000'030D); });
    EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel));
}

TEST_F(GhcbNestingTest, AThirdLevelHasNoRoom) {
    on_vmgexit([](RawPage view) { view.answer(0, 0); });
    ghcb::Call<MockCpu> outer{channel};
    EXPECT_TRUE(channel.has_room());
    const ghcb::Call<MockCpu> inner{channel};
    EXPECT_FALSE(channel.has_room());
    EXPECT_FALSE(ghcb::complete_nmi<MockCpu>(channel));
    EXPECT_EQ(MockCpu::vmgexits, 0U);
}

TEST_F(GhcbNestingTest, WithoutABackupNothingNests) {
    channel.backup = nullptr;
    const ghcb::Call<MockCpu> outer{channel};
    EXPECT_FALSE(channel.has_room());
    EXPECT_FALSE(ghcb::complete_nmi<MockCpu>(channel));
}

/// While the page is copied back after NMI complete, the next NMI comes: between any two words.
TEST_F(GhcbNestingTest, ANewNmiWhileThePageIsPutBack) {
    constexpr size_t words = page_size / 8;
    Image held{};
    for (size_t n = 0; n < held.size(); ++n) {
        held[n] = static_cast<u8>(n * 7 + n / 256);
    }
    for (size_t when = 1; when <= words; when += 37) {
        std::memcpy(raw.bytes, held.data(), held.size());
        channel.holders     = 1; // somebody's call
        MockCpu::hypervisor = [this] {
            raw.answer(0, 0,
                       {
                           {at::rax, 1}
            });
        };
        const bool keeps = ghcb::keep_page(channel);
        EXPECT_TRUE(keeps);
        std::memset(raw.bytes, 0xEE, page_size); // NMI complete's
        watch.accesses.clear();
        watch.after = [&](const PageWatch::Access&) {
            if (watch.accesses.size() == when) {
                inner_call();
                EXPECT_TRUE(ghcb::complete_nmi<MockCpu>(channel));
            }
        };
        watch.start();
        ghcb::put_page_back(channel, keeps);
        watch.stop();
        EXPECT_TRUE(same_page(image_of(raw.bytes), held)) << when;
        EXPECT_FALSE(channel.is_kept);
        EXPECT_EQ(channel.holders, 1);
        channel.holders = 0;
    }
}

} // namespace vestibule::test
