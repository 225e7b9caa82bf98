// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/aes_gcm.h"

#include "sevsim/monitor/memory/memory.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

constexpr unsigned rounds    = 14;
constexpr unsigned key_words = 8; // of 4 bytes

/// Times x in the field of AES.
constexpr u8 double_of(u8 value) {
    constexpr u8 polynomial = 0x1B;
    return static_cast<u8>((value << 1) ^ ((value & 0x80) != 0 ? polynomial : 0));
}

constexpr u8 rotate_left(u8 value, unsigned by) {
    return static_cast<u8>((value << by) | (value >> (8 - by)));
}

/// SubBytes (FIPS 197, section 5.1.1): the inverse in the field, then an affine map. The powers of
/// 3 go through all values but 0, and those of its inverse through their inverses.
struct SubstitutionBox {
    u8 values[256]{};

    constexpr SubstitutionBox() {
        u8 power   = 1;
        u8 inverse = 1;
        do {
            power = static_cast<u8>(power ^ double_of(power)); // times 3
            // Divided by 3, which is times 0xF6.
            inverse = static_cast<u8>(inverse ^ (inverse << 1));
            inverse = static_cast<u8>(inverse ^ (inverse << 2));
            inverse = static_cast<u8>(inverse ^ (inverse << 4));
            inverse = static_cast<u8>(inverse ^ ((inverse & 0x80) != 0 ? 0x09 : 0));
            values[power] =
                static_cast<u8>(inverse ^ rotate_left(inverse, 1) ^ rotate_left(inverse, 2)
                                ^ rotate_left(inverse, 3) ^ rotate_left(inverse, 4) ^ 0x63);
        } while (power != 1);
        values[0] = 0x63;
    }
};

constexpr SubstitutionBox box{};

static_assert(box.values[0x53] == 0xED); // the standard's own example

void mix_column(u8* column) {
    const u8 all   = column[0] ^ column[1] ^ column[2] ^ column[3];
    const u8 first = column[0];
    for (unsigned row = 0; row < 4; ++row) {
        const u8 next = row == 3 ? first : column[row + 1];
        column[row] =
            static_cast<u8>(column[row] ^ all ^ double_of(static_cast<u8>(column[row] ^ next)));
    }
}

void add_to(u8* sum, const u8* other) {
    for (unsigned n = 0; n < 16; ++n) {
        sum[n] ^= other[n];
    }
}

void write_big64(u8* to, u64 value) {
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

} // namespace

AesGcm::AesGcm(const u8* key) {
    u8* const words = round_keys_[0];
    memcpy(words, key, u64{key_words} * 4);
    u8 round_constant = 1;
    for (unsigned n = key_words; n < (rounds + 1) * 4; ++n) {
        u8 word[4];
        memcpy(word, words + u64{n - 1} * 4, sizeof word);
        if (n % key_words == 0) {
            std::rotate(word, word + 1, word + 4);
        }
        if (n % 4 == 0) { // AES-256 substitutes twice in a key's length
            for (u8& byte : word) {
                byte = box.values[byte];
            }
        }
        if (n % key_words == 0) {
            word[0] ^= round_constant;
            round_constant = double_of(round_constant);
        }
        for (unsigned byte = 0; byte < 4; ++byte) {
            words[n * 4 + byte] = words[(n - key_words) * 4 + byte] ^ word[byte];
        }
    }
    hash_key_ = encrypt_block({});
}

AesGcm::Block AesGcm::encrypt_block(const Block& from) const {
    Block state = from;
    add_to(state.bytes, round_keys_[0]);
    for (unsigned round = 1; round <= rounds; ++round) {
        Block shifted;
        for (unsigned column = 0; column < 4; ++column) {
            for (unsigned row = 0; row < 4; ++row) {
                shifted.bytes[column * 4 + row] =
                    box.values[state.bytes[(column + row) % 4 * 4 + row]];
            }
        }
        for (unsigned column = 0; column < 4 && round != rounds; ++column) {
            mix_column(shifted.bytes + u64{column} * 4);
        }
        add_to(shifted.bytes, round_keys_[round]);
        state = shifted;
    }
    return state;
}

/// The counter begins at 2: 1 is the tag's (SP 800-38D, section 7.1).
void AesGcm::apply_key_stream(const u8* nonce, std::span<const u8> from, u8* to) const {
    Block counter{};
    memcpy(counter.bytes, nonce, 12);
    u32 number = 1;
    for (u64 at = 0; at < from.size(); at += sizeof(Block)) {
        const u32 big = __builtin_bswap32(++number);
        memcpy(counter.bytes + 12, &big, sizeof big);
        const Block stream = encrypt_block(counter);
        const u64 count    = std::min<u64>(sizeof(Block), from.size() - at);
        for (u64 n = 0; n < count; ++n) {
            to[at + n] = from[at + n] ^ stream.bytes[n];
        }
    }
}

/// Times the hash key in GHASH's field, whose bits go from the highest of byte 0 on (section 6.3).
AesGcm::Block AesGcm::multiply(const Block& factor) const {
    constexpr u64 polynomial = 0xE1ull << 56;
    const auto half          = [](const Block& block, unsigned n) {
        u64 value;
        memcpy(&value, block.bytes + u64{n} * 8, sizeof value);
        return __builtin_bswap64(value);
    };
    u64 power[2]      = {half(hash_key_, 0), half(hash_key_, 1)};
    const u64 bits[2] = {half(factor, 0), half(factor, 1)};
    u64 product[2]    = {0, 0};
    for (unsigned n = 0; n < 128; ++n) {
        const u64 mask = 0 - ((bits[n / 64] >> (63 - n % 64)) & 1);
        product[0] ^= power[0] & mask;
        product[1] ^= power[1] & mask;
        const u64 carry = 0 - (power[1] & 1);
        power[1]        = (power[1] >> 1) | (power[0] << 63);
        power[0]        = (power[0] >> 1) ^ (polynomial & carry);
    }
    Block result;
    write_big64(result.bytes, product[0]);
    write_big64(result.bytes + 8, product[1]);
    return result;
}

void AesGcm::absorb(Block& hash, std::span<const u8> data) const {
    for (u64 at = 0; at < data.size(); at += sizeof(Block)) {
        const u64 count = std::min<u64>(sizeof(Block), data.size() - at);
        for (u64 n = 0; n < count; ++n) {
            hash.bytes[n] ^= data[at + n];
        }
        hash = multiply(hash);
    }
}

AesGcm::Block AesGcm::tag_of(const GcmMessage& message, std::span<const u8> ciphertext) const {
    Block hash{};
    absorb(hash, message.authenticated);
    absorb(hash, ciphertext);
    Block lengths;
    write_big64(lengths.bytes, message.authenticated.size() * 8);
    write_big64(lengths.bytes + 8, ciphertext.size() * 8);
    absorb(hash, lengths.bytes);
    Block first{};
    memcpy(first.bytes, message.nonce, 12);
    first.bytes[15] = 1;
    add_to(hash.bytes, encrypt_block(first).bytes);
    return hash;
}

void AesGcm::encrypt(const GcmMessage& message, std::span<const u8> from, u8* to, u8* tag) const {
    apply_key_stream(message.nonce, from, to);
    const Block made = tag_of(message, {to, from.size()});
    memcpy(tag, made.bytes, gcm_tag_size);
}

bool AesGcm::decrypt(const GcmMessage& message, std::span<const u8> from, u8* to,
                     const u8* tag) const {
    const Block made = tag_of(message, from);
    apply_key_stream(message.nonce, from, to);
    return memcmp(made.bytes, tag, gcm_tag_size) == 0;
}

} // namespace vestibule::sevsim
