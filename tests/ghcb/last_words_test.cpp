// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest leaves in its GHCB page before it ends.
#include "ghcb/last_words.h"

#include <cstring>
#include <gtest/gtest.h>

namespace vestibule::ghcb {

namespace {

LastWords words_in(const Page& page) {
    LastWords words{};
    std::memcpy(&words, page.shared_buffer, sizeof words);
    return words;
}

} // namespace

TEST(LastWords, SayWhereAndWhy) {
    Page page{};
    Channel channel;
    channel.page = &page;
    leave_last_words(channel, reason::ghcb_bad_response, 0x1234, 0x7B, 0xB000'0000);
    const LastWords words = words_in(page);
    EXPECT_EQ(words.magic, LastWords::magic_value);
    EXPECT_EQ(words.reason,
              u64{reason::ghcb_bad_response.set} << 8 | reason::ghcb_bad_response.code);
    EXPECT_EQ(words.rip, 0x1234);
    EXPECT_EQ(words.error_code, 0x7B);
    EXPECT_EQ(words.address, 0xB000'0000);
}

TEST(LastWords, AreLeftOnceAndThePageIsNobodysThen) {
    // Writing them can raise #VC, where the hypervisor has taken the page; serving that must not
    // use the page, and comes here again.
    Page page{};
    Page backup{};
    Channel channel;
    channel.page   = &page;
    channel.backup = &backup;
    EXPECT_TRUE(channel.has_room());
    leave_last_words(channel, reason::ghcb_bad_response, 1, 2, 3);
    EXPECT_FALSE(channel.has_room());
    leave_last_words(channel, reason::ghcb_bad_response, 4, 5, 6);
    EXPECT_EQ(words_in(page).rip, 1);
}

TEST(LastWords, NeedAPage) {
    Channel channel;
    leave_last_words(channel, reason::ghcb_bad_response, 1, 2, 3);
    EXPECT_EQ(channel.holders, 0);
}

} // namespace vestibule::ghcb
