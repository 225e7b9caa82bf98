// The decoder (vc-exceptions 4 and 5; APM volume 3, chapter 1): every opcode byte behind every
// prefix, the limit of 15 bytes, and sources that end early. It never asks for a byte that is not
// the instruction's.
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

/// What the table of opcodes says of the bytes after the prefixes.
struct Known {
    Bytes opcode; // without the immediate
    Mnemonic mnemonic;
    unsigned size; // operand: 1; 4 where it follows the prefixes; 0 none
    bool immediate;
};

static const std::vector<Known>& known() {
    static const std::vector<Known> all = {
        {{0x0F, 0xA2}, Mnemonic::cpuid, 0, false},
        {{0x0F, 0x30}, Mnemonic::wrmsr, 0, false},
        {{0x0F, 0x32}, Mnemonic::rdmsr, 0, false},
        {{0xE4},       Mnemonic::in,    1, true },
        {{0xE5},       Mnemonic::in,    4, true },
        {{0xE6},       Mnemonic::out,   1, true },
        {{0xE7},       Mnemonic::out,   4, true },
        {{0xEC},       Mnemonic::in,    1, false},
        {{0xED},       Mnemonic::in,    4, false},
        {{0xEE},       Mnemonic::out,   1, false},
        {{0xEF},       Mnemonic::out,   4, false},
    };
    return all;
}

static const Known* find(const Bytes& opcode) {
    const auto row =
        std::ranges::find_if(known(), [&](const Known& one) { return one.opcode == opcode; });
    return row == known().end() ? nullptr : &*row;
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

/// Decodes prefix, opcode and a filler, and holds the result against the table.
static void expect_decoded(const Bytes& prefix, const Bytes& opcode) {
    const Known* wanted = find(opcode);
    Source source{.bytes = prefix + opcode + Bytes(16, 0x5A)};
    const Decoded decoded = vc::decode64(source);
    SCOPED_TRACE(testing::PrintToString(prefix + opcode));
    if (wanted == nullptr || prefix == Bytes{0xF0}) {
        EXPECT_NE(decoded.error, DecodeError::none);
        EXPECT_EQ(decoded.instruction.mnemonic, Mnemonic::none);
        if (wanted != nullptr) {
            EXPECT_EQ(decoded.error, DecodeError::lock_prefix);
        }
        return;
    }
    ASSERT_EQ(decoded.error, DecodeError::none);
    const vc::Instruction& instruction = decoded.instruction;
    EXPECT_EQ(instruction.mnemonic, wanted->mnemonic);
    EXPECT_EQ(instruction.length,
              prefix.size() + opcode.size() + static_cast<size_t>(wanted->immediate));
    EXPECT_EQ(source.given, instruction.length);
    if (wanted->size != 0) {
        const bool halved = wanted->size == 4 && prefix == Bytes{0x66};
        EXPECT_EQ(instruction.operand_size, halved ? 2 : wanted->size);
        EXPECT_EQ(instruction.port_in_dx, !wanted->immediate);
        EXPECT_EQ(instruction.immediate, wanted->immediate ? 0x5A : 0);
    }
}

TEST(Decode, EveryByteBehindEveryPrefix) {
    for (const Bytes& prefix : prefixes()) {
        for (unsigned byte = 0; byte < 256; ++byte) {
            const Bytes one = {static_cast<u8>(byte)};
            if (byte != 0x0F) {
                expect_decoded(prefix, one);
            }
            expect_decoded(prefix, Bytes{0x0F} + one);
        }
    }
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
                const Decoded decoded = vc::decode64(source);
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
            EXPECT_EQ(vc::decode64(source).error, DecodeError::lock_prefix);
            EXPECT_LE(source.given, prefix.size() + one.opcode.size() + 1);
        }
    }
}

TEST(Decode, AnUnknownOpcodeIsTheLastByteRead) {
    Source one{
        .bytes = {0x66, 0x90, 0x90, 0x90}
    };
    EXPECT_EQ(vc::decode64(one).error, DecodeError::unknown_opcode);
    EXPECT_EQ(one.given, 2U);
    Source two{
        .bytes = {0x66, 0x0F, 0x0B, 0x90}
    };
    EXPECT_EQ(vc::decode64(two).error, DecodeError::unknown_opcode);
    EXPECT_EQ(two.given, 3U);
}

TEST(Decode, FifteenBytesAndNotSixteen) {
    for (const u8 filler : {u8{0x66}, u8{0x2E}, u8{0x67}, u8{0xF3}, u8{0x41}}) {
        for (const Known& one : known()) {
            const Bytes rest = one.opcode + (one.immediate ? Bytes{0x80} : Bytes{});
            Source fits{.bytes = Bytes(15 - rest.size(), filler) + rest + Bytes(4, 0x90)};
            const Decoded decoded = vc::decode64(fits);
            ASSERT_EQ(decoded.error, DecodeError::none);
            EXPECT_EQ(decoded.instruction.length, 15);
            EXPECT_EQ(fits.given, 15U);
            Source longer{.bytes = Bytes(16 - rest.size(), filler) + rest + Bytes(4, 0x90)};
            EXPECT_EQ(vc::decode64(longer).error, DecodeError::too_long);
            EXPECT_EQ(longer.given, 15U);
        }
        Source only_prefixes{.bytes = Bytes(40, filler)};
        EXPECT_EQ(vc::decode64(only_prefixes).error, DecodeError::too_long);
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
                EXPECT_EQ(vc::decode64(source).error, DecodeError::out_of_bytes)
                    << testing::PrintToString(source.bytes);
            }
            Source source{.bytes = whole};
            EXPECT_EQ(vc::decode64(source).error, DecodeError::none);
            EXPECT_FALSE(source.exhausted);
        }
    }
}

} // namespace vestibule::test
