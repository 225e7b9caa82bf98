// SPDX-License-Identifier: BSD-2-Clause-Patent
// The decoder against Zydis, enumerated: in each code size, each opcode of the one-byte map, of
// 0F's and of 0F 01's, with each ModRM byte and each SIB byte where there is one, behind prefixes.
// What follows them differs from form to form.
//
// By itself it takes every prefix alone, with and without a REX prefix, and fewer ModRM bytes
// behind pairs and triples: about 15 seconds. With VESTIBULE_DECODE_LONG=1 in the environment it
// takes every prefix, pair and triple with every REX prefix too: about 10 minutes.
#include "tests/vc/decode_oracle.h"
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <gtest/gtest.h>

namespace vestibule::test {

using vc::CodeSize;

namespace {

using Bytes = std::vector<u8>;

constexpr u8 legacy[] = {0x66, 0x67, 0xF2, 0xF3, 0xF0, 0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};

/// Displacements and immediates with signs and zeros at every place, the next one each time.
class Filler {
  public:
    void fill(u8* bytes, size_t count) {
        state     = state * 6364136223846793005ULL + 1442695040888963407ULL;
        u64 value = state;
        for (size_t n = 0; n < count; ++n) {
            value    = n == 8 ? ~value : value;
            bytes[n] = static_cast<u8>(value >> (8 * (n % 8)));
        }
        if ((state >> 60) == 0) {
            std::memset(bytes, (state >> 59 & 1) != 0 ? 0xFF : 0x80, count);
        }
    }

  private:
    u64 state = 1;
};

bool every_modrm(u8) { return true; }

/// One for each mod and reg, the rm walking; and what is served of 0F 01.
bool some_modrm(u8 modrm) {
    for (const vc::Group7& member : vc::group7) {
        if (modrm == member.modrm) {
            return true;
        }
    }
    const unsigned mod = modrm >> 6;
    const unsigned reg = (modrm >> 3) & 7;
    return (modrm & 7U) == ((mod + reg) & 7);
}

class Enumeration {
  public:
    explicit Enumeration(CodeSize code_size) : oracle{code_size} {}

    ~Enumeration() { EXPECT_EQ(disagreed, 0U); }

    Enumeration(const Enumeration&)            = delete;
    Enumeration& operator=(const Enumeration&) = delete;

    void one(size_t size) {
        ++forms;
        switch (oracle.compare(form.data(), size)) {
        case DecodeOracle::Verdict::both_accept: ++accepted; break;
        case DecodeOracle::Verdict::both_refuse: break;
        case DecodeOracle::Verdict::listed_difference: ++listed; break;
        case DecodeOracle::Verdict::disagree:
            if (++disagreed <= 20) {
                ADD_FAILURE() << oracle.what();
            }
        }
    }

    /// Every opcode behind these prefixes, with the ModRM bytes that are chosen.
    template <class ModRmChosen>
    void opcodes(const Bytes& prefixes, bool every_sib, ModRmChosen&& chosen) {
        std::ranges::copy(prefixes, form.begin());
        for (unsigned opcode = 0; opcode < 512; ++opcode) {
            size_t at = prefixes.size();
            if (opcode >= 256) {
                form[at++] = 0x0F;
            } else if (opcode == 0x0F) {
                continue;
            }
            form[at++]     = static_cast<u8>(opcode);
            const bool sib = every_sib && served(opcode);
            for (unsigned modrm = 0; modrm < 256; ++modrm) {
                if (chosen(static_cast<u8>(modrm))) {
                    modrms(at, static_cast<u8>(modrm), sib);
                }
            }
        }
    }

    /// Every opcode with some ModRM bytes, where only `size` bytes are there.
    void truncated(const Bytes& prefixes, size_t size) {
        available = size;
        opcodes(prefixes, false, some_modrm);
        available = form.size();
    }

    void print(const char* name) const {
        std::printf("%s: %llu forms enumerated, %llu accepted by both, %llu disagreements\n", name,
                    static_cast<unsigned long long>(forms),
                    static_cast<unsigned long long>(accepted),
                    static_cast<unsigned long long>(disagreed));
        std::printf("counted: forms that decoder and Zydis were asked: %llu\n"
                    "counted: forms on which they disagree: %llu\n",
                    static_cast<unsigned long long>(forms),
                    static_cast<unsigned long long>(disagreed));
        for (const DecodeOracle::Difference& difference : oracle.listed_differences()) {
            if (difference.count != 0) {
                std::printf("  and %llu times: %s\n",
                            static_cast<unsigned long long>(difference.count), difference.what);
            }
        }
    }

  private:
    /// Opcodes with which all SIB bytes are tried: those of the decoder's table.
    static bool served(unsigned opcode) {
        return vc::opcode_table.row_of[opcode >> 8][opcode & 0xFF] != 0;
    }

    void modrms(size_t at, u8 modrm, bool every_sib) {
        form[at]           = modrm;
        const bool has_sib = modrm < 0xC0 && (modrm & 7) == 4;
        for (unsigned sib = 0; sib < (every_sib && has_sib ? 256 : 1); ++sib) {
            filler.fill(&form[at + 1], 14);
            if (every_sib && has_sib) {
                form[at + 1] = static_cast<u8>(sib);
            }
            one(available);
        }
    }

    DecodeOracle oracle;
    Filler filler;
    std::array<u8, 32> form{};
    size_t available = form.size();
    u64 forms        = 0;
    u64 accepted     = 0;
    u64 listed       = 0;
    u64 disagreed    = 0;
};

/// No REX at all, then, in 64-bit code, each of them.
std::vector<Bytes> rex_prefixes(CodeSize code_size) {
    std::vector<Bytes> all = {{}};
    for (u8 rex = 0x40; code_size == CodeSize::bits64 && rex < 0x50; ++rex) {
        all.push_back({rex});
    }
    return all;
}

class DecodeOracleTest : public testing::TestWithParam<CodeSize> {};

} // namespace

TEST_P(DecodeOracleTest, EveryOpcodeModRmAndSib) {
    Enumeration all{GetParam()};
    for (const Bytes& rex : rex_prefixes(GetParam())) {
        all.opcodes(rex, true, every_modrm);
    }
    for (const u8 prefix : {u8{0x67}, u8{0x66}}) {
        all.opcodes({prefix}, true, every_modrm);
        if (GetParam() == CodeSize::bits64) {
            all.opcodes({prefix, 0x47}, true, every_modrm);
        }
    }
    all.print("every ModRM and SIB");
}

TEST_P(DecodeOracleTest, EveryPrefixWithEveryRex) {
    Enumeration all{GetParam()};
    for (const u8 prefix : legacy) {
        for (const Bytes& rex : rex_prefixes(GetParam())) {
            Bytes prefixes = {prefix};
            prefixes.insert(prefixes.end(), rex.begin(), rex.end());
            all.opcodes(prefixes, false, every_modrm);
            if (!rex.empty()) {
                all.opcodes({rex[0], prefix}, false, some_modrm); // in which place it is ignored
            }
        }
    }
    all.print("every prefix with every REX");
}

TEST_P(DecodeOracleTest, PairsOfPrefixesInBothOrders) {
    Enumeration all{GetParam()};
    for (const u8 first : legacy) {
        for (const u8 second : legacy) {
            for (const Bytes& rex : rex_prefixes(GetParam())) {
                Bytes prefixes = {first, second};
                prefixes.insert(prefixes.end(), rex.begin(), rex.end());
                all.opcodes(prefixes, false, some_modrm);
            }
        }
    }
    all.print("pairs of prefixes");
}

TEST_P(DecodeOracleTest, TriplesOfPrefixes) {
    Enumeration all{GetParam()};
    for (const u8 first : legacy) {
        for (const u8 second : legacy) {
            for (const u8 third : legacy) {
                all.opcodes({first, second, third}, false, [&](u8 modrm) {
                    return (modrm & 0xC7U) == ((first + second + third) & 7U) || modrm == 0xD9;
                });
            }
        }
    }
    all.print("triples of prefixes");
}

TEST_P(DecodeOracleTest, EveryTruncationAndEveryLength) {
    Enumeration all{GetParam()};
    for (size_t size = 0; size <= 15; ++size) {
        all.truncated({}, size);
    }
    for (const u8 prefix : {u8{0x66}, u8{0x67}, u8{0x2E}, u8{0xF3}, u8{0x41}}) {
        for (size_t count = 1; count <= 15; ++count) {
            all.truncated(Bytes(count, prefix), 15);
            all.truncated(Bytes(count, prefix), 32);
        }
    }
    all.print("truncations and lengths");
}

TEST_P(DecodeOracleTest, LongEnumeration) {
    if (std::getenv("VESTIBULE_DECODE_LONG") == nullptr) {
        GTEST_SKIP() << "set VESTIBULE_DECODE_LONG=1 for it";
    }
    Enumeration all{GetParam()};
    for (const Bytes& rex : rex_prefixes(GetParam())) {
        for (const u8 first : legacy) {
            Bytes one = {first};
            one.insert(one.end(), rex.begin(), rex.end());
            all.opcodes(one, true, every_modrm);
            for (const u8 second : legacy) {
                Bytes two = {first, second};
                two.insert(two.end(), rex.begin(), rex.end());
                all.opcodes(two, false, every_modrm);
                for (const u8 third : legacy) {
                    Bytes three = {first, second, third};
                    three.insert(three.end(), rex.begin(), rex.end());
                    all.opcodes(three, false, some_modrm);
                }
            }
        }
    }
    all.print("long");
}

static std::string size_name(const testing::TestParamInfo<CodeSize>& size) {
    static constexpr std::array names = {"bits16", "bits32", "bits64"};
    return names[static_cast<u8>(size.param)];
}

INSTANTIATE_TEST_SUITE_P(CodeSizes, DecodeOracleTest,
                         testing::Values(CodeSize::bits16, CodeSize::bits32, CodeSize::bits64),
                         size_name);

} // namespace vestibule::test
