// SPDX-License-Identifier: BSD-2-Clause-Patent
// How the decoder reads (APM volume 3, chapter 1): pairs of prefixes, the limit of 15 bytes, and
// sources that end early. It never asks for a byte that is not the instruction's. What it says of
// each form, vc_decode_forms_test.cpp and, for all of them, vc_decode_oracle_test.cpp hold it to.
#include "vc/decode.h"
#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

namespace vestibule::test {

using vc::Decoded;
using vc::DecodeError;
using vc::Mnemonic;
using Bytes = std::vector<u8>;

/// A source that counts what it is asked for.
struct Source {
    Bytes bytes;
    size_t given   = 0;
    bool exhausted = false;

    bool operator()(u8& byte) {
        if (given == bytes.size()) {
            exhausted = true;
            return false;
        }
        byte = bytes[given++];
        return true;
    }
};

static Decoded decode64(Source& source) { return vc::decode(vc::CodeSize::bits64, source); }

/// What the table of opcodes says of the bytes after the prefixes.
struct Known {
    Bytes opcode; // without the immediate
    Mnemonic mnemonic;
    bool immediate;
};

static const std::vector<Known>& known() {
    static const std::vector<Known> all = {
        {{0x0F, 0xA2}, Mnemonic::cpuid, false},
        {{0x0F, 0x30}, Mnemonic::wrmsr, false},
        {{0x0F, 0x32}, Mnemonic::rdmsr, false},
        {{0xE4},       Mnemonic::in,    true },
        {{0xE5},       Mnemonic::in,    true },
        {{0xE6},       Mnemonic::out,   true },
        {{0xE7},       Mnemonic::out,   true },
        {{0xEC},       Mnemonic::in,    false},
        {{0xED},       Mnemonic::in,    false},
        {{0xEE},       Mnemonic::out,   false},
        {{0xEF},       Mnemonic::out,   false},
    };
    return all;
}

static std::vector<Bytes> prefixes() {
    std::vector<Bytes> all = {{},     {0x66}, {0x67}, {0xF2}, {0xF3}, {0xF0},
                              {0x26}, {0x2E}, {0x36}, {0x3E}, {0x64}, {0x65}};
    for (u8 rex = 0x40; rex <= 0x4F; ++rex) {
        all.push_back({rex});
    }
    return all;
}

static Bytes operator+(Bytes left, const Bytes& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

TEST(Decode, PairsOfPrefixesMakeAnInstructionLonger) {
    for (const Bytes& first : prefixes()) {
        for (const Bytes& second : prefixes()) {
            const Bytes prefix = first + second;
            if (std::ranges::find(prefix, 0xF0) != prefix.end()) {
                continue;
            }
            for (const Known& one : known()) {
                Source source{.bytes = prefix + one.opcode + Bytes{0x80}};
                const Decoded decoded = decode64(source);
                ASSERT_EQ(decoded.error, DecodeError::none) << testing::PrintToString(prefix);
                EXPECT_EQ(decoded.instruction.mnemonic, one.mnemonic);
                EXPECT_EQ(decoded.instruction.length, source.given);
                EXPECT_EQ(source.given,
                          prefix.size() + one.opcode.size() + static_cast<size_t>(one.immediate));
            }
        }
    }
}

TEST(Decode, LockAnywhereAmongThePrefixes) {
    for (const Known& one : known()) {
        for (const Bytes& prefix : {
                 Bytes{0xF0, 0x66},
                 Bytes{0x66, 0xF0},
                 Bytes{0xF0, 0x48}
        }) {
            Source source{.bytes = prefix + one.opcode + Bytes{0x80}};
            EXPECT_EQ(decode64(source).error, DecodeError::lock_prefix);
            EXPECT_LE(source.given, prefix.size() + one.opcode.size() + 1);
        }
    }
}

TEST(Decode, AnUnknownOpcodeIsTheLastByteRead) {
    Source one{
        .bytes = {0x66, 0x90, 0x90, 0x90}
    };
    EXPECT_EQ(decode64(one).error, DecodeError::unknown_opcode);
    EXPECT_EQ(one.given, 2U);
    Source two{
        .bytes = {0x66, 0x0F, 0x0B, 0x90}
    };
    EXPECT_EQ(decode64(two).error, DecodeError::unknown_opcode);
    EXPECT_EQ(two.given, 3U);
}

TEST(Decode, FifteenBytesAndNotSixteen) {
    for (const u8 filler : {u8{0x66}, u8{0x2E}, u8{0x67}, u8{0xF3}, u8{0x41}}) {
        for (const Known& one : known()) {
            const Bytes rest = one.opcode + (one.immediate ? Bytes{0x80} : Bytes{});
            Source fits{.bytes = Bytes(15 - rest.size(), filler) + rest + Bytes(4, 0x90)};
            const Decoded decoded = decode64(fits);
            ASSERT_EQ(decoded.error, DecodeError::none);
            EXPECT_EQ(decoded.instruction.length, 15);
            EXPECT_EQ(fits.given, 15U);
            Source longer{.bytes = Bytes(16 - rest.size(), filler) + rest + Bytes(4, 0x90)};
            EXPECT_EQ(decode64(longer).error, DecodeError::too_long);
            EXPECT_EQ(longer.given, 15U);
        }
        Source only_prefixes{.bytes = Bytes(40, filler)};
        EXPECT_EQ(decode64(only_prefixes).error, DecodeError::too_long);
        EXPECT_EQ(only_prefixes.given, 15U);
    }
}

TEST(Decode, EveryTruncation) {
    for (const Bytes& prefix : {
             Bytes{},
             Bytes{0x66},
             Bytes{0x2E, 0x66, 0x48},
             Bytes(12, 0x3E)
    }) {
        for (const Known& one : known()) {
            const Bytes whole = prefix + one.opcode + (one.immediate ? Bytes{0x80} : Bytes{});
            for (size_t length = 0; length < whole.size(); ++length) {
                Source source{.bytes = Bytes(whole.begin(),
                                             whole.begin() + static_cast<std::ptrdiff_t>(length))};
                EXPECT_EQ(decode64(source).error, DecodeError::out_of_bytes)
                    << testing::PrintToString(source.bytes);
            }
            Source source{.bytes = whole};
            EXPECT_EQ(decode64(source).error, DecodeError::none);
            EXPECT_FALSE(source.exhausted);
        }
    }
}

} // namespace vestibule::test
