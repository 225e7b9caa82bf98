// SPDX-License-Identifier: BSD-2-Clause-Patent
// The conversation with the secure processor, whatever the hypervisor does with it: no nonce goes
// out with two messages, no answer is taken that is not the firmware's to that very message.
#include "snp/guest_requests.h"

#include "tests/snp/requests_fixture.h"
#include <algorithm>
#include <random>

namespace vestibule::test {

namespace reason = ghcb::reason;

struct GuestRequestsTest : RequestsTest {
    bool key_is_wiped() const {
        return std::ranges::all_of(secrets.vmpck[0], [](u8 byte) { return byte == 0; });
    }
};

TEST_F(GuestRequestsTest, AskedAndAnswered) {
    ASSERT_TRUE(open().is_done());
    for (u64 n = 0; n < 3; ++n) {
        ASSERT_TRUE(ask("who am I?").is_done());
        EXPECT_EQ(answer(), "who am I?");
        EXPECT_EQ(number_at(sent.back(), message_at::sequence, 8), 2 * n + 1);
        EXPECT_EQ(secrets.sequence[0], 2 * n + 2);
    }
    EXPECT_EQ(secrets.sequence[1], 0);
}

TEST_F(GuestRequestsTest, TheCallShowsTwoAddressesAndNoMore) {
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("x").is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x8000'0011, request_gpa, response_gpa)));
}

TEST_F(GuestRequestsTest, TheMessageIsAsTheFirmwareAbiHasIt) {
    ASSERT_TRUE(open(2).is_done());
    ASSERT_TRUE(ask("abc").is_done());
    const MessagePage& page = sent.back();
    EXPECT_EQ(number_at(page, message_at::tag + 16, 8) | number_at(page, message_at::tag + 24, 8),
              0);
    EXPECT_EQ(number_at(page, 0x28, 8), 0);
    EXPECT_EQ(page[message_at::type], 5);
    EXPECT_EQ(page[message_at::of_type], 1);
    EXPECT_EQ(number_at(page, message_at::length, 2), 3);
    EXPECT_EQ(page[message_at::vmpck], 2);
    EXPECT_NE(page[message_at::payload], 'a');
    for (unsigned n = message_at::payload + 3; n < page.size(); ++n) {
        ASSERT_EQ(page[n], 0) << n;
    }
}

/// As often as the host likes; each time the same bytes, though it has written over them.
TEST_F(GuestRequestsTest, BusyIsAskedAgainWithTheSameMessage) {
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) {
        refuse(view, 0, busy);
        request_page.fill(0xEE);
    };
    for (unsigned n = 0; n < 5; ++n) {
        EXPECT_TRUE(terminates(ask("patience"), reason::request_busy));
        EXPECT_EQ(secrets.sequence[0], 1); // odd: under way
    }
    hypervisor = [this](RawPage view) { carry(view); };
    ASSERT_TRUE(ask("patience").is_done());
    EXPECT_EQ(answer(), "patience");
    EXPECT_EQ(sent.size(), 6);
    EXPECT_EQ(sent.front(), sent.back());
    EXPECT_EQ(secrets.sequence[0], 2);
}

/// Another message while one is under way: that one has to be answered first, with its number.
TEST_F(GuestRequestsTest, AnotherMessageWaitsForTheOneUnderWay) {
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) { refuse(view, 0, busy); };
    EXPECT_TRUE(terminates(ask("first"), reason::request_busy));
    EXPECT_TRUE(terminates(ask("second"), reason::request_busy));
    EXPECT_EQ(sent[0], sent[1]);
    hypervisor = [this](RawPage view) { carry(view); };
    ASSERT_TRUE(ask("second").is_done());
    EXPECT_EQ(answer(), "second");
    ASSERT_EQ(sent.size(), 4);
    EXPECT_EQ(sent[0], sent[2]);
    EXPECT_EQ(number_at(sent[3], message_at::sequence, 8), 3);
}

TEST_F(GuestRequestsTest, AnErrorLeavesTheMessageUnderWay) {
    struct Row {
        u64 exitinfo1;
        u64 exitinfo2;
        ghcb::Reason reason;
        u64 status;
    };

    const Row rows[] = {
        {2, 5,                      {2, 0x25},                 0                     },
        {7, 0,                      reason::ghcb_bad_response, 0                     },
        {0, 0x16,                   reason::request_refused,   0x16                  },
        {0, u64{0xFFFF'FFFF} << 32, reason::request_refused,   u64{0xFFFF'FFFF} << 32},
        {0, u64{1} << 32,           reason::request_refused,   u64{1} << 32          },
        {0, u64{3} << 32,           reason::request_refused,   u64{3} << 32          },
    };
    ASSERT_TRUE(open().is_done());
    for (const Row& row : rows) {
        hypervisor = [&](RawPage view) { refuse(view, row.exitinfo1, row.exitinfo2); };
        EXPECT_TRUE(terminates(ask("still here"), row.reason));
        EXPECT_EQ(messages.status, row.status);
        EXPECT_EQ(sent.back(), sent.front());
    }
    hypervisor = [this](RawPage view) { carry(view); };
    ASSERT_TRUE(ask("still here").is_done());
    EXPECT_EQ(answer(), "still here");
}

TEST_F(GuestRequestsTest, ExitInfo2MustBeMarkedValid) {
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) {
        carry(view);
        view.clear_valid();
    };
    EXPECT_TRUE(terminates(ask("x"), reason::ghcb_missing_output));
}

/// Carried, and denied. The same again is all that there is, and the firmware refuses it.
TEST_F(GuestRequestsTest, ADeniedMessageIsNeverReplacedByAnother) {
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) {
        (void)carry_message();
        response_page.fill(0);
        view.answer(0, busy);
    };
    EXPECT_TRUE(terminates(ask("one"), reason::request_busy));
    hypervisor = [this](RawPage view) { carry(view); };
    for (const char* text : {"one", "two", "three"}) {
        EXPECT_TRUE(terminates(ask(text), reason::request_refused));
        EXPECT_EQ(messages.status, Firmware::invalid_param);
    }
    EXPECT_EQ(nonces.count(), 1);
}

/// An answer that the hypervisor has kept: to the message before, or to the one before that.
TEST_F(GuestRequestsTest, AnOldAnswerEndsTheConversation) {
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("old").is_done());
    const MessagePage old = response_page;
    hypervisor            = [&](RawPage view) {
        sent.push_back(request_page);
        response_page = old;
        view.answer(0, 0);
    };
    EXPECT_TRUE(terminates(ask("old"), reason::request_bad_answer));
    EXPECT_TRUE(key_is_wiped());
    hypervisor = [this](RawPage view) { carry(view); };
    EXPECT_TRUE(terminates(ask("old"), reason::request_no_key));
    EXPECT_EQ(sent.size(), 2);
    messages = {};
    EXPECT_TRUE(terminates(open(), reason::request_no_key));
    EXPECT_TRUE(open(1).is_done()); // the others are not touched
}

TEST_F(GuestRequestsTest, ARequestSentBackIsNoAnswer) {
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) {
        response_page = request_page;
        view.answer(0, 0);
    };
    EXPECT_TRUE(terminates(ask("echo"), reason::request_bad_answer));
    EXPECT_TRUE(key_is_wiped());
}

/// By the firmware's key and with the right number, but to something else.
TEST_F(GuestRequestsTest, AnAnswerToAnotherQuestionIsNone) {
    for (const unsigned byte : {message_at::algorithm, message_at::version, message_at::size,
                                message_at::type, message_at::of_type, message_at::vmpck}) {
        messages            = {};
        secrets.sequence[0] = 0;
        std::ranges::copy(firmware.keys[0], secrets.vmpck[0]);
        firmware.counters[0] = 0;
        firmware.header      = [byte](MessagePage& page) { ++page[byte]; };
        ASSERT_TRUE(open().is_done());
        EXPECT_TRUE(terminates(ask("x"), reason::request_bad_answer)) << "byte " << byte;
    }
}

TEST_F(GuestRequestsTest, NothingIsNoAnswer) {
    ASSERT_TRUE(open().is_done());
    response_page.fill(0xAA);
    hypervisor = [](RawPage view) { view.answer(0, 0); };
    EXPECT_TRUE(terminates(ask("x"), reason::request_bad_answer));
    EXPECT_TRUE(std::ranges::all_of(response_page, [](u8 byte) { return byte == 0; }));
}

/// Every bit of the answer that means something.
TEST_F(GuestRequestsTest, AChangedAnswerIsNone) {
    constexpr std::string_view text = "sixteen and some";
    const auto means_something      = [&text](unsigned byte) {
        return byte < 16 || (byte >= message_at::sequence && byte < message_at::sequence + 8)
               || (byte >= message_at::algorithm && byte < message_at::payload + text.size());
    };
    for (unsigned n = 0; n < (message_at::payload + text.size() + 4) * 8; ++n) {
        messages            = {};
        secrets.sequence[0] = 0;
        std::ranges::copy(firmware.keys[0], secrets.vmpck[0]);
        firmware.counters[0] = 0;
        ASSERT_TRUE(open().is_done());
        hypervisor = [this, n](RawPage view) {
            carry(view);
            response_page[n / 8] = static_cast<u8>(response_page[n / 8] ^ 1u << n % 8);
        };
        if (means_something(n / 8)) {
            EXPECT_TRUE(terminates(ask(text), reason::request_bad_answer)) << "bit " << n;
        } else {
            ASSERT_TRUE(ask(text).is_done()) << "bit " << n;
            EXPECT_EQ(answer(), text);
        }
    }
}

TEST_F(GuestRequestsTest, TheAnswerIsCopiedBeforeItIsChecked) {
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("stays").is_done());
    response_page.fill(0);
    request_page.fill(0);
    EXPECT_EQ(answer(), "stays");
}

/// Who comes next in this guest goes on with the numbers, and not where one is odd.
TEST_F(GuestRequestsTest, NumbersGoOnInTheSecretsPage) {
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("stub").is_done());
    messages = {};
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("kernel").is_done());
    EXPECT_EQ(secrets.sequence[0], 4);
    hypervisor = [this](RawPage view) { refuse(view, 0, busy); };
    EXPECT_TRUE(terminates(ask("lost"), reason::request_busy));
    messages = {};
    EXPECT_TRUE(terminates(open(), reason::request_sequence));
}

/// Two that share a VMPCK, against the rules: neither takes the other's number.
TEST_F(GuestRequestsTest, AMessageOfSomebodyElsesIsLeftAlone) {
    ASSERT_TRUE(open().is_done());
    snp::GuestMessages other{};
    std::swap(messages, other);
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) { refuse(view, 0, busy); };
    EXPECT_TRUE(terminates(ask("mine"), reason::request_busy));
    std::swap(messages, other);
    hypervisor = [this](RawPage view) { carry(view); };
    EXPECT_TRUE(terminates(ask("yours"), reason::request_sequence));
    EXPECT_EQ(sent.size(), 1);
    std::swap(messages, other);
    ASSERT_TRUE(ask("mine").is_done());
    std::swap(messages, other);
    ASSERT_TRUE(ask("yours").is_done());
    EXPECT_EQ(secrets.sequence[0], 4);
}

TEST_F(GuestRequestsTest, NumbersComeToAnEnd) {
    secrets.sequence[0]  = 0xFFFF'FFFC;
    firmware.counters[0] = 0xFFFF'FFFC;
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("the last").is_done());
    EXPECT_EQ(secrets.sequence[0], 0xFFFF'FFFE);
    EXPECT_TRUE(terminates(ask("one more"), reason::request_sequence));
    EXPECT_TRUE(key_is_wiped());
    secrets.vmpck[1][0]      = 1;
    secrets.sequence_high[1] = 1; // by who counts further
    messages                 = {};
    EXPECT_TRUE(terminates(open(1), reason::request_sequence));
}

TEST_F(GuestRequestsTest, AKeyThatIsGivenUpIsNowhereAnyMore) {
    ASSERT_TRUE(open().is_done());
    ASSERT_TRUE(ask("x").is_done());
    snp::give_up_key(messages);
    EXPECT_TRUE(key_is_wiped());
    const auto* bytes = reinterpret_cast<const u8*>(&messages.key);
    EXPECT_TRUE(std::all_of(bytes, bytes + sizeof messages.key, [](u8 byte) { return byte == 0; }));
    EXPECT_TRUE(terminates(ask("x"), reason::request_no_key));
}

// --- The extended request ---

TEST_F(GuestRequestsTest, CertificatesHaveTheirPages) {
    ASSERT_TRUE(open().is_done());
    snp::CertificatePages pages{.gpa = 0x00A0'0000, .count = 4, .needed = 0};
    ASSERT_TRUE(ask("x", &pages).is_done());
    EXPECT_TRUE(same_page(seen, call_image(0x8000'0012, request_gpa, response_gpa,
                                           {
                                               {at::rax, 0x00A0'0000},
                                               {at::rbx, 4          }
    })));
}

TEST_F(GuestRequestsTest, TooFewPagesAndTheSameMessageAgain) {
    ASSERT_TRUE(open().is_done());
    hypervisor = [this](RawPage view) {
        if (view.get(at::rbx) < 3) {
            refuse(view, 0, u64{1} << 32);
            view.put({at::rbx, 3});
        } else {
            carry(view);
        }
    };
    snp::CertificatePages pages{.gpa = 0x00A0'0000, .count = 1, .needed = 0};
    EXPECT_TRUE(terminates(ask("x", &pages), reason::request_certificates));
    EXPECT_EQ(pages.needed, 3);
    pages.count = 3;
    ASSERT_TRUE(ask("x", &pages).is_done());
    EXPECT_EQ(pages.needed, 0);
    EXPECT_EQ(sent.front(), sent.back());
}

TEST_F(GuestRequestsTest, ANumberOfPagesThatSaysNothing) {
    ASSERT_TRUE(open().is_done());
    snp::CertificatePages pages{.gpa = 0x00A0'0000, .count = 2, .needed = 0};
    for (const u64 wanted : {u64{0}, u64{1}, u64{2}}) {
        hypervisor = [&](RawPage view) {
            refuse(view, 0, u64{1} << 32);
            view.put({at::rbx, wanted});
        };
        EXPECT_TRUE(terminates(ask("x", &pages), reason::request_refused));
    }
    hypervisor = [this](RawPage view) { refuse(view, 0, u64{1} << 32); }; // RBX is not valid
    EXPECT_TRUE(terminates(ask("x", &pages), reason::ghcb_missing_output));
}

// --- A hypervisor that does anything ---

class Chaos : public GuestRequestsTest {
  protected:
    /// One of the things that it can do, at random.
    void misbehave(RawPage view) {
        sent.push_back(request_page);
        nonces.see(request_page);
        switch (random() % 12) {
        case 0: view.answer(0, busy); return;
        case 1: view.answer(0, random()); return;
        case 2: view.answer(random() % 4, random() % 8); return;
        case 3: // carried, and denied
            (void)firmware.serve(request_page, response_page);
            view.answer(0, busy);
            return;
        case 4: // spoilt on its way
            request_page[random() % 200] = static_cast<u8>(random());
            view.answer(0, firmware.serve(request_page, response_page));
            return;
        case 5: // an old answer
            response_page = kept;
            view.answer(0, 0);
            return;
        case 6: // a spoilt one
            view.answer(0, firmware.serve(request_page, response_page));
            response_page[random() % 200] = static_cast<u8>(random());
            return;
        default:
            view.answer(0, firmware.serve(request_page, response_page));
            kept = response_page;
            return;
        }
    }

    std::mt19937_64 random{5};
    MessagePage kept{};
};

TEST_F(Chaos, NothingRepeatsAndNothingIsForged) {
    unsigned answered = 0;
    for (unsigned round = 0; round < 300; ++round) {
        nonces              = {};
        messages            = {};
        secrets.sequence[0] = 0;
        for (u8& byte : firmware.keys[0]) {
            byte = static_cast<u8>(random());
        }
        firmware.counters[0] = 0;
        std::ranges::copy(firmware.keys[0], secrets.vmpck[0]);
        hypervisor      = [this](RawPage view) { misbehave(view); };
        firmware.answer = [](std::span<const u8> asked) {
            std::vector<u8> told{asked.begin(), asked.end()};
            told.push_back('!');
            return told;
        };
        ASSERT_TRUE(open().is_done());
        for (unsigned n = 0; n < 30; ++n) {
            const std::string text = "message " + std::to_string(random() % 3);
            if (ask(text).is_done()) {
                ++answered;
                ASSERT_EQ(answer(), text + "!");
            }
        }
    }
    EXPECT_GT(answered, 300); // some get through
}

} // namespace vestibule::test
