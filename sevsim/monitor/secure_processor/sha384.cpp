// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/sha384.h"

#include "sevsim/monitor/memory/memory.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

constexpr u64 block_size  = 128;
constexpr u64 length_size = 16; // of the message's length in bits, at the end of the last block
constexpr unsigned rounds = 80;

/// The first 64 bits of the fractional parts of the cube roots of the first 80 primes (FIPS 180-4,
/// section 4.2.3).
// clang-format off
constexpr u64 constants[rounds] = {
    0x428A'2F98'D728'AE22, 0x7137'4491'23EF'65CD, 0xB5C0'FBCF'EC4D'3B2F, 0xE9B5'DBA5'8189'DBBC,
    0x3956'C25B'F348'B538, 0x59F1'11F1'B605'D019, 0x923F'82A4'AF19'4F9B, 0xAB1C'5ED5'DA6D'8118,
    0xD807'AA98'A303'0242, 0x1283'5B01'4570'6FBE, 0x2431'85BE'4EE4'B28C, 0x550C'7DC3'D5FF'B4E2,
    0x72BE'5D74'F27B'896F, 0x80DE'B1FE'3B16'96B1, 0x9BDC'06A7'25C7'1235, 0xC19B'F174'CF69'2694,
    0xE49B'69C1'9EF1'4AD2, 0xEFBE'4786'384F'25E3, 0x0FC1'9DC6'8B8C'D5B5, 0x240C'A1CC'77AC'9C65,
    0x2DE9'2C6F'592B'0275, 0x4A74'84AA'6EA6'E483, 0x5CB0'A9DC'BD41'FBD4, 0x76F9'88DA'8311'53B5,
    0x983E'5152'EE66'DFAB, 0xA831'C66D'2DB4'3210, 0xB003'27C8'98FB'213F, 0xBF59'7FC7'BEEF'0EE4,
    0xC6E0'0BF3'3DA8'8FC2, 0xD5A7'9147'930A'A725, 0x06CA'6351'E003'826F, 0x1429'2967'0A0E'6E70,
    0x27B7'0A85'46D2'2FFC, 0x2E1B'2138'5C26'C926, 0x4D2C'6DFC'5AC4'2AED, 0x5338'0D13'9D95'B3DF,
    0x650A'7354'8BAF'63DE, 0x766A'0ABB'3C77'B2A8, 0x81C2'C92E'47ED'AEE6, 0x9272'2C85'1482'353B,
    0xA2BF'E8A1'4CF1'0364, 0xA81A'664B'BC42'3001, 0xC24B'8B70'D0F8'9791, 0xC76C'51A3'0654'BE30,
    0xD192'E819'D6EF'5218, 0xD699'0624'5565'A910, 0xF40E'3585'5771'202A, 0x106A'A070'32BB'D1B8,
    0x19A4'C116'B8D2'D0C8, 0x1E37'6C08'5141'AB53, 0x2748'774C'DF8E'EB99, 0x34B0'BCB5'E19B'48A8,
    0x391C'0CB3'C5C9'5A63, 0x4ED8'AA4A'E341'8ACB, 0x5B9C'CA4F'7763'E373, 0x682E'6FF3'D6B2'B8A3,
    0x748F'82EE'5DEF'B2FC, 0x78A5'636F'4317'2F60, 0x84C8'7814'A1F0'AB72, 0x8CC7'0208'1A64'39EC,
    0x90BE'FFFA'2363'1E28, 0xA450'6CEB'DE82'BDE9, 0xBEF9'A3F7'B2C6'7915, 0xC671'78F2'E372'532B,
    0xCA27'3ECE'EA26'619C, 0xD186'B8C7'21C0'C207, 0xEADA'7DD6'CDE0'EB1E, 0xF57D'4F7F'EE6E'D178,
    0x06F0'67AA'7217'6FBA, 0x0A63'7DC5'A2C8'98A6, 0x113F'9804'BEF9'0DAE, 0x1B71'0B35'131C'471B,
    0x28DB'77F5'2304'7D84, 0x32CA'AB7B'40C7'2493, 0x3C9E'BE0A'15C9'BEBC, 0x431D'67C4'9C10'0D4C,
    0x4CC5'D4BE'CB3E'42B6, 0x597F'299C'FC65'7E2A, 0x5FCB'6FAB'3AD6'FAEC, 0x6C44'198C'4A47'5817,
};
// clang-format on

constexpr u64 rotate(u64 value, unsigned by) { return (value >> by) | (value << (64 - by)); }

u64 read_big(const u8* bytes) {
    u64 value;
    memcpy(&value, bytes, sizeof value);
    return __builtin_bswap64(value);
}

void write_big(u8* bytes, u64 value) {
    value = __builtin_bswap64(value);
    memcpy(bytes, &value, sizeof value);
}

} // namespace

void Sha384::compress() {
    u64 w[rounds];
    for (unsigned n = 0; n < 16; ++n) {
        w[n] = read_big(block_ + u64{n} * 8);
    }
    for (unsigned n = 16; n < rounds; ++n) {
        const u64 a = w[n - 15];
        const u64 b = w[n - 2];
        w[n]        = w[n - 16] + (rotate(a, 1) ^ rotate(a, 8) ^ (a >> 7)) + w[n - 7]
               + (rotate(b, 19) ^ rotate(b, 61) ^ (b >> 6));
    }
    u64 s[8];
    memcpy(s, state_, sizeof s);
    for (unsigned n = 0; n < rounds; ++n) {
        const u64 choice   = (s[4] & s[5]) ^ (~s[4] & s[6]);
        const u64 majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
        const u64 one = s[7] + (rotate(s[4], 14) ^ rotate(s[4], 18) ^ rotate(s[4], 41)) + choice
                        + constants[n] + w[n];
        const u64 two = (rotate(s[0], 28) ^ rotate(s[0], 34) ^ rotate(s[0], 39)) + majority;
        memmove(s + 1, s, 7 * sizeof s[0]);
        s[4] += one;
        s[0] = one + two;
    }
    for (unsigned n = 0; n < 8; ++n) {
        state_[n] += s[n];
    }
}

void Sha384::add(std::span<const u8> bytes) {
    while (!bytes.empty()) {
        const u64 used  = size_ % block_size;
        const u64 count = std::min<u64>(block_size - used, bytes.size());
        memcpy(block_ + used, bytes.data(), count);
        size_ += count;
        bytes = bytes.subspan(count);
        if (size_ % block_size == 0) {
            compress();
        }
    }
}

Digest384 Sha384::finish() {
    const u64 bits   = size_ * 8;
    constexpr u8 end = 0x80;
    constexpr u8 zeros[2 * block_size]{};
    add({&end, 1});
    const u64 used = size_ % block_size;
    const u64 rest = block_size - sizeof bits;
    add(std::span{zeros}.first(used <= block_size - length_size ? rest - used
                                                                : block_size + rest - used));
    u8 length[sizeof bits];
    write_big(length, bits);
    add(length);
    Digest384 digest;
    for (unsigned n = 0; n < 6; ++n) {
        write_big(digest.bytes + u64{n} * 8, state_[n]);
    }
    return digest;
}

Digest384 sha384(std::span<const u8> bytes) {
    Sha384 hash;
    hash.add(bytes);
    return hash.finish();
}

Digest384 hmac_sha384(std::span<const u8> key, std::span<const std::span<const u8>> pieces) {
    constexpr u8 inner_pad = 0x36;
    constexpr u8 outer_pad = 0x5C;
    u8 inner_key[block_size];
    u8 outer_key[block_size];
    for (u64 n = 0; n < block_size; ++n) {
        const u8 byte = n < key.size() ? key[n] : u8{0};
        inner_key[n]  = byte ^ inner_pad;
        outer_key[n]  = byte ^ outer_pad;
    }
    Sha384 inner;
    inner.add(inner_key);
    for (const std::span<const u8> piece : pieces) {
        inner.add(piece);
    }
    const Digest384 inside = inner.finish();
    Sha384 outer;
    outer.add(outer_key);
    outer.add(inside.bytes);
    return outer.finish();
}

} // namespace vestibule::sevsim
