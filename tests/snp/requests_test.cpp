// SPDX-License-Identifier: BSD-2-Clause-Patent
// What is asked of the secure processor and what is made of its answers, however it fills them in.
#include "snp/requests.h"

#include "tests/snp/requests_fixture.h"
#include <algorithm>

namespace vestibule::test {

namespace reason = ghcb::reason;

class Asking : public RequestsTest {
  protected:
    Asking() {
        EXPECT_TRUE(open().is_done());
        firmware.answer = [this](std::span<const u8> payload) {
            asked.assign(payload.begin(), payload.end());
            return told;
        };
    }

    /// A status, and filled up to that many bytes.
    void tell(u32 status, u64 size) {
        told.resize(size);
        for (u64 n = 0; n < size; ++n) {
            told[n] = static_cast<u8>(n);
        }
        std::memcpy(told.data(), &status, std::min(size, sizeof status));
    }

    void tell_report(u32 size_told, u64 size) {
        tell(0, 32 + size);
        std::memcpy(told.data() + 4, &size_told, sizeof size_told);
    }

    ghcb::Outcome ask_report(u64 room) {
        bytes.assign(room, 0xEE);
        buffer = {.bytes = bytes.data(), .size = room};
        snp::ReportRequest request{};
        request.report_data[0]  = 0xD0;
        request.report_data[63] = 0xD3;
        request.vmpl            = 1;
        request.key_sel         = 2;
        return snp::get_report<MockCpu>(messages, channel, request, buffer);
    }

    /// Nothing of an answer stays behind.
    bool nothing_left() const {
        const auto* received = reinterpret_cast<const u8*>(&messages.received);
        return std::all_of(received, received + sizeof messages.received,
                           [](u8 byte) { return byte == 0; });
    }

    std::vector<u8> asked;
    std::vector<u8> told;
    std::vector<u8> bytes;
    snp::ReportBuffer buffer{};
};

TEST_F(Asking, ForAReport) {
    tell_report(1184, 1184);
    ASSERT_TRUE(ask_report(1184).is_done());
    EXPECT_EQ(buffer.size, 1184);
    EXPECT_TRUE(std::equal(bytes.begin(), bytes.end(), told.begin() + 32));
    ASSERT_EQ(asked.size(), 96);
    EXPECT_EQ(asked[0], 0xD0);
    EXPECT_EQ(asked[63], 0xD3);
    EXPECT_EQ(number_at(asked, 64, 4), 1);
    EXPECT_EQ(number_at(asked, 68, 4), 2);
    EXPECT_EQ(sent.back()[message_at::type], 5);
    EXPECT_TRUE(nothing_left());
}

TEST_F(Asking, ForAReportOfAnotherSize) {
    tell_report(1500, 1500);
    ASSERT_TRUE(ask_report(2000).is_done());
    EXPECT_EQ(buffer.size, 1500);
    EXPECT_EQ(bytes[1500], 0xEE);
}

TEST_F(Asking, ForAReportThatDoesNotFit) {
    for (const auto& [size_told, size, room] : {
             std::tuple{1184U,        1183UL, 2000UL},
             std::tuple{1184U,        1184UL, 1183UL},
             std::tuple{0xFFFF'FFFFU, 1184UL, 2000UL},
             std::tuple{1U,           0UL,    2000UL}
    }) {
        tell_report(size_told, size);
        EXPECT_TRUE(terminates(ask_report(room), reason::request_answer_size));
        EXPECT_TRUE(std::ranges::all_of(bytes, [](u8 byte) { return byte == 0xEE; }));
        EXPECT_TRUE(nothing_left());
    }
}

/// The firmware's status is the answer's first word, and all of it where that is an error.
TEST_F(Asking, ForWhatTheFirmwareRefuses) {
    for (const u64 size : {u64{4}, u64{32}, u64{1216}}) {
        tell(0x16, size);
        EXPECT_TRUE(terminates(ask_report(1184), reason::request_status));
        EXPECT_EQ(messages.status, 0x16);
        EXPECT_TRUE(nothing_left());
    }
    for (const u64 size : {u64{0}, u64{3}}) {
        tell(0, size);
        EXPECT_TRUE(terminates(ask_report(1184), reason::request_answer_size));
    }
    tell(0, 31);
    EXPECT_TRUE(terminates(ask_report(1184), reason::request_answer_size));
    tell_report(1184, 1184); // and the next one is served
    EXPECT_TRUE(ask_report(1184).is_done());
}

TEST_F(Asking, ForADerivedKey) {
    tell(0, 64);
    u8 key[32];
    snp::KeyRequest request{.root_key_select    = 4,
                            .reserved           = 0,
                            .guest_field_select = 0x3F,
                            .vmpl               = 3,
                            .guest_svn          = 7,
                            .tcb_version        = 0x1122'3344'5566'7788,
                            .launch_mit_vector  = 9};
    ASSERT_TRUE(snp::get_derived_key<MockCpu>(messages, channel, request, key).is_done());
    EXPECT_TRUE(std::equal(key, key + 32, told.begin() + 32));
    ASSERT_EQ(asked.size(), 32);
    EXPECT_EQ(number_at(asked, 0, 4), 4);
    EXPECT_EQ(number_at(asked, 8, 8), 0x3F);
    EXPECT_EQ(number_at(asked, 16, 4), 3);
    EXPECT_EQ(number_at(asked, 20, 4), 7);
    EXPECT_EQ(number_at(asked, 24, 8), 0x1122'3344'5566'7788);
    EXPECT_EQ(sent.back()[message_at::type], 3);
    EXPECT_EQ(sent.back()[message_at::of_type], 1);
    EXPECT_TRUE(nothing_left());

    request.guest_field_select |= bit(6);
    ASSERT_TRUE(snp::get_derived_key<MockCpu>(messages, channel, request, key).is_done());
    ASSERT_EQ(asked.size(), 40);
    EXPECT_EQ(number_at(asked, 32, 8), 9);
    EXPECT_EQ(sent.back()[message_at::of_type], 2);

    tell(0, 63);
    std::fill(key, key + 32, 0xEE);
    EXPECT_TRUE(terminates(snp::get_derived_key<MockCpu>(messages, channel, request, key),
                           reason::request_answer_size));
    tell(0x27, 64);
    EXPECT_TRUE(terminates(snp::get_derived_key<MockCpu>(messages, channel, request, key),
                           reason::request_status));
    EXPECT_TRUE(std::all_of(key, key + 32, [](u8 byte) { return byte == 0xEE; }));
}

TEST_F(Asking, ForTheClock) {
    tell(0, 128);
    snp::TscInfo info{};
    ASSERT_TRUE(snp::get_tsc_info<MockCpu>(messages, channel, info).is_done());
    EXPECT_EQ(info.tsc_scale, 0x0F0E'0D0C'0B0A'0908);
    EXPECT_EQ(info.tsc_offset, 0x1716'1514'1312'1110);
    EXPECT_EQ(info.tsc_factor, 0x1B1A'1918);
    EXPECT_EQ(asked, std::vector<u8>(128, 0));
    EXPECT_EQ(sent.back()[message_at::type], 17);
    tell(0, 127);
    EXPECT_TRUE(terminates(snp::get_tsc_info<MockCpu>(messages, channel, info),
                           reason::request_answer_size));
}

} // namespace vestibule::test
