// SPDX-License-Identifier: BSD-2-Clause-Patent
// The strict reader of numbers and sizes: what it takes, and that nothing that two readers could
// take for two numbers passes.
#include "igvm/format/guest_policy.h"
#include "igvm/format/number.h"

#include <gtest/gtest.h>

namespace vestibule::igvm::test {

TEST(Numbers, AreDecimalOrHexadecimal) {
    struct Case {
        const char* text;
        u64 value;
    };

    for (const Case& own : {
             Case{"0",                    0         },
             {"7",                    7         },
             {"10",                   10        },
             {"18446744073709551615", ~u64{0}   },
             {"0x0",                  0         },
             {"0x10",                 16        },
             {"0X1f",                 31        },
             {"0x00000030000",        0x3'0000  },
             {"0xffffffffffffffff",   ~u64{0}   },
             {"0xDEADbeef",           0xDEADBEEF}
    }) {
        EXPECT_EQ(number_of(own.text), own.value) << own.text;
    }
}

TEST(Numbers, NothingElseIs) {
    for (const char* text : {"",
                             "-1",
                             "+1",
                             "010",
                             "00",
                             "08",
                             " 1",
                             "1 ",
                             "1_0",
                             "1'0",
                             "1,0",
                             "1.0",
                             "1e3",
                             "0b1",
                             "0o7",
                             "0x",
                             "0x-1",
                             "0x 1",
                             "0xg",
                             "x1",
                             "one",
                             "1x",
                             "10h",
                             "18446744073709551616",
                             "99999999999999999999",
                             "0x10000000000000000",
                             "0x1ffffffffffff0000",
                             "١"}) {
        const auto number = number_of(text);
        ASSERT_FALSE(number) << text;
        EXPECT_EQ(number.error(), std::string("found ") + text
                                      + ", expected a number of 64 bits, decimal and with no "
                                        "leading zero or hexadecimal behind 0x");
    }
    EXPECT_EQ(number_of("256", {.least = 1, .most = 255}).error(),
              "found 256, expected a number from 1 to 255, decimal and with no leading zero or "
              "hexadecimal behind 0x");
    EXPECT_FALSE(number_of("0", {.least = 1, .most = 255}));
    EXPECT_EQ(number_of("0xff", {.least = 1, .most = 255}), 255u);
}

TEST(Numbers, SizesHaveUnits) {
    struct Case {
        const char* text;
        u64 bytes;
    };

    for (const Case& own : {
             Case{"0",            0                        },
             {"4096",         4096                     },
             {"0x1000",       4096                     },
             {"1K",           1024                     },
             {"1KiB",         1024                     },
             {"64M",          u64{64} << 20            },
             {"64MiB",        u64{64} << 20            },
             {"2G",           u64{2} << 30             },
             {"2g",           u64{2} << 30             },
             {"2GiB",         u64{2} << 30             },
             {"0x40M",        u64{64} << 20            },
             {"17179869183G", u64{17'179'869'183} << 30}
    }) {
        EXPECT_EQ(byte_count_of(own.text), own.bytes) << own.text;
    }
    for (const char* text :
         {"", "M", "-64M", "+1M", "064M", "64MB", "64mib", "64X", "64 M", "6.4G", "1T", "1KiBB",
          "KiB", "17179869184G", "18014398509481984K", "99999999999999999999G"}) {
        EXPECT_FALSE(byte_count_of(text)) << text;
    }
    EXPECT_EQ(byte_count_of("3G", {.least = u64{32} << 20, .most = u64{2} << 30}).error(),
              "found 3G, expected a size from 32M to 2G: bytes, or with K, M, G (KiB, MiB, GiB)");
    EXPECT_EQ(byte_count_in_words(0), "0");
    EXPECT_EQ(byte_count_in_words(1536), "1536");
    EXPECT_EQ(byte_count_in_words(u64{3} << 19), "1536K");
}

TEST(Numbers, BetweenSigns) {
    EXPECT_EQ(numbers_between("1.55.16", '.', {.most = 255}), (std::vector<u64>{1, 55, 16}));
    for (const char* text : {"", "1.", ".1", "1..2", "1.256", "1.055", "0x1.2", "1.-2", "1. 2"}) {
        EXPECT_TRUE(numbers_between(text, '.', {.most = 255}).empty()) << text;
    }
}

/// What is signed is what was meant: a number that does not fit is no number.
TEST(Numbers, PoliciesAreNotCutOff) {
    for (const char* text : {"0x1ffffffffffff0000", "-1", "+0x30000", "030000", "0x", "30000h",
                             "0x30000 ", "18446744073709551616", "1.5"}) {
        EXPECT_FALSE(snp_policy_of(text)) << text;
    }
    EXPECT_EQ(snp_policy_of("196608"), 0x3'0000u);
    EXPECT_EQ(snp_policy_of("0x30000"), 0x3'0000u);
    EXPECT_FALSE(snp_policy_of("abi=01.55"));
    EXPECT_FALSE(snp_policy_of("abi=1.256"));
    EXPECT_EQ(snp_policy_of("abi=1.55"), 0x3'0137u);
}

} // namespace vestibule::igvm::test
