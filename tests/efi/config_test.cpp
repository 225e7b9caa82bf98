// SPDX-License-Identifier: BSD-2-Clause-Patent
// vestibule.conf: what is understood, and that everything else is refused with its line and why.
#include "efi/config.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace vestibule::efi {
namespace {

std::string_view view(Text text) { return {text.data, text.size}; }

Text text(const std::string& from) { return {from.data(), from.size()}; }

std::string refusal(const std::string& file) {
    Config config;
    const Problem wrong = read_config(text(file), config);
    EXPECT_EQ(wrong.kind, wrong.words.text().empty() ? Trouble::none : Trouble::config);
    return std::string(view(wrong.words.text()));
}

TEST(EfiConfig, EmptyFileIsTheSelftest) {
    Config config;
    ASSERT_FALSE(read_config("", config).is_there());
    EXPECT_TRUE(config.payload.empty());
    EXPECT_EQ(config.mode, Mode::any);
    EXPECT_EQ(config.verbose, Verbose::console);
    EXPECT_EQ(config.timeout, 0u);
}

TEST(EfiConfig, EveryKey) {
    Config config;
    const std::string file = "\xEF\xBB\xBF# a comment = with an equals sign\r\n"
                             "\r\n"
                             "payload = \\boot\\kernel.elf\r\n"
                             "\tinitrd=initrd.img  \n"
                             "cmdline = root=/dev/vda1 # not a comment\n"
                             "protocol = linux\n"
                             "address = 0x01fFf000\n"
                             "mode = sev-es\n"
                             "verbose = com1\n"
                             "timeout = 3600";
    ASSERT_EQ(refusal(file), "");
    ASSERT_FALSE(read_config(text(file), config).is_there());
    EXPECT_EQ(view(config.payload), "\\boot\\kernel.elf");
    EXPECT_EQ(view(config.initrd), "initrd.img");
    EXPECT_EQ(view(config.command_line), "root=/dev/vda1 # not a comment");
    EXPECT_EQ(config.protocol, kernel::Protocol::linux64);
    EXPECT_EQ(config.address, 0x1FF'F000u);
    EXPECT_EQ(config.mode, Mode::sev_es);
    EXPECT_EQ(config.verbose, Verbose::com1);
    EXPECT_EQ(config.timeout, 3600u);
}

TEST(EfiConfig, EmptyCommandLineIsOne) { EXPECT_EQ(refusal("payload = a\ncmdline =\n"), ""); }

struct Mistake {
    const char* file;
    const char* words;
};

constexpr Mistake mistakes[] = {
    {"payload kernel.elf",
     "vestibule.conf, line 1: found \"payload kernel.elf\", expected key = value"                                       },
    {"\n\nkernel = a",                     "vestibule.conf, line 3: unknown key \"kernel\""                             },
    {"= a",                                "vestibule.conf, line 1: unknown key \"\""                                   },
    {"Payload = a",                        "vestibule.conf, line 1: unknown key \"Payload\""                            },
    {"payload = a\n# b\npayload = c",
     "vestibule.conf, line 3: payload again, which line 1 has already"                                                  },
    {"payload =",
     "vestibule.conf, line 1: payload: found \"\", expected a path of 1 to 255 characters"                              },
    {"mode = snp",                         "vestibule.conf, line 1: mode: found \"snp\", expected any, native or sev-es"},
    {"verbose = yes",
     "vestibule.conf, line 1: verbose: found \"yes\", expected off, console or com1"                                    },
    {"payload = a\nprotocol = elf",
     "vestibule.conf, line 2: protocol: found \"elf\", expected auto, boot-info, pvh or linux"                          },
    {"payload = a\naddress = 1000",        "vestibule.conf, line 2: address: found \"1000\", expected an "
                                    "address in base 16 (0x1000000), of "
                                    "a page below 4 GiB"                             },
    {"payload = a\naddress = 0x1001",      "vestibule.conf, line 2: address: found \"0x1001\", expected "
                                      "an address in base 16 (0x1000000), "
                                      "of a page below 4 GiB"                      },
    {"payload = a\naddress = 0x",          "vestibule.conf, line 2: address: found \"0x\", expected an "
                                  "address in base 16 (0x1000000), of a "
                                  "page below 4 GiB"                                   },
    {"payload = a\naddress = 0x0",         "vestibule.conf, line 2: address: found \"0x0\", expected an "
                                   "address in base 16 (0x1000000), of "
                                   "a page below 4 GiB"                               },
    {"payload = a\naddress = 0x10000g0",
     "vestibule.conf, line 2: address: found \"0x10000g0\", expected an address in base 16 "
     "(0x1000000), of a page below 4 GiB"                                                                               },
    {"payload = a\naddress = 0x100000000",
     "vestibule.conf, line 2: address: found \"0x100000000\", expected an address in base 16 "
     "(0x1000000), of a page below 4 GiB"                                                                               },
    {"protocol = pvh",
     "vestibule.conf, line 1: protocol without a payload: the selftest takes none"                                      },
    {"address = 0x1000",
     "vestibule.conf, line 1: address without a payload: the selftest takes none"                                       },
    {"timeout = -1",
     "vestibule.conf, line 1: timeout: found \"-1\", expected a number of seconds, 0 to 3600"                           },
    {"timeout = 3601",
     "vestibule.conf, line 1: timeout: found \"3601\", expected a number of seconds, 0 to 3600"                         },
    {"timeout = 99999999999999999999",
     "vestibule.conf, line 1: timeout: found \"99999999999999999999\", expected a number of "
     "seconds, 0 to 3600"                                                                                               },
    {"timeout =",
     "vestibule.conf, line 1: timeout: found \"\", expected a number of seconds, 0 to 3600"                             },
    {"mode = any\ninitrd = a",
     "vestibule.conf, line 2: initrd without a payload: the selftest takes none"                                        },
    {"cmdline = quiet",
     "vestibule.conf, line 1: cmdline without a payload: the selftest takes none"                                       },
    {"payload = caf\xC3\xA9",              "vestibule.conf, line 1: found byte 0xc3, expected ASCII text"               },
};

TEST(EfiConfig, Mistakes) {
    for (const Mistake& mistake : mistakes) {
        EXPECT_EQ(refusal(mistake.file), mistake.words) << mistake.file;
    }
}

TEST(EfiConfig, ZeroBytes) {
    EXPECT_EQ(refusal(std::string("mode = any\n\0", 12)),
              "vestibule.conf, line 2: found byte 0x0, expected ASCII text");
}

TEST(EfiConfig, LongPaths) {
    EXPECT_EQ(refusal("payload = " + std::string(max_path, 'a')), "");
    EXPECT_NE(refusal("payload = " + std::string(max_path + 1, 'a')), "");
    EXPECT_NE(refusal(std::string(5000, 'k') + " = a"), "") << "and the words are cut, no more";
}

} // namespace
} // namespace vestibule::efi
