// SPDX-License-Identifier: BSD-2-Clause-Patent
// AES-256-GCM (NIST SP 800-38D) with nonces of 96 bits and tags of 128: how a guest and the secure
// processor write to each other (SEV-SNP firmware ABI, 56860, section 8.26). In constant time, by
// general registers alone, with no memory of its own beyond the object and some hundred bytes of
// stack; aes256.h says why.
//
// Lengths up to 2^36 - 32 bytes, which the caller sees to: beyond that the counter would repeat.
#pragma once

#include "crypto/aes256.h"
#include "crypto/ghash.h"

namespace vestibule::crypto {

class AesGcm {
  public:
    static constexpr u64 key_size   = Aes256::key_size;
    static constexpr u64 nonce_size = 12;
    static constexpr u64 tag_size   = 16;

    /// What belongs to a message beside its text. SECURITY: a nonce that comes twice with one key
    /// gives away both texts and the key of the tags.
    struct Frame {
        const u8* nonce;
        Bytes authenticated;
    };

    void set_key(const u8* key) {
        cipher.set_key(key);
        u8 blocks[Aes256::bytes_at_once];
        for (u8& byte : blocks) {
            byte = 0;
        }
        cipher.encrypt(blocks);
        hash.set_key(blocks);
        wipe(blocks, sizeof blocks);
    }

    /// Encrypts in place, and writes the tag.
    void seal(const Frame& frame, u8* text, u64 size, u8* tag) {
        apply_key_stream(frame.nonce, text, size);
        make_tag(frame, {text, size}, tag);
    }

    /// Decrypts in place if the tag is the message's; else false, and the text is as it was:
    /// nothing of a forged message is ever decrypted.
    [[nodiscard]] bool open(const Frame& frame, u8* text, u64 size, const u8* tag) {
        u8 made[tag_size];
        make_tag(frame, {text, size}, made);
        const bool is_genuine = is_same(made, tag, tag_size);
        wipe(made, sizeof made);
        if (is_genuine) {
            apply_key_stream(frame.nonce, text, size);
        }
        return is_genuine;
    }

    /// There is no key any more.
    void forget() { wipe(this, sizeof *this); }

  private:
    static constexpr u32 counter_of_tag = 1; // the text's begins behind it (section 7.1)

    /// The key stream's next four blocks.
    void make_stream(const u8* nonce, u32 counter, u8* blocks) const {
        for (u64 block = 0; block < Aes256::blocks_at_once; ++block) {
            u8* const at = blocks + block * aes_block_size;
            for (u64 n = 0; n < nonce_size; ++n) {
                at[n] = nonce[n];
            }
            store_big32(at + nonce_size, counter + static_cast<u32>(block));
        }
        cipher.encrypt(blocks);
    }

    [[gnu::noinline]] void apply_key_stream(const u8* nonce, u8* text, u64 size) const {
        u8 stream[Aes256::bytes_at_once];
        u32 counter = counter_of_tag + 1;
        for (u64 done = 0; done < size; done += sizeof stream) {
            make_stream(nonce, counter, stream);
            counter += static_cast<u32>(Aes256::blocks_at_once);
            const u64 left  = size - done;
            const u64 count = left < sizeof stream ? left : sizeof stream;
            for (u64 n = 0; n < count; ++n) {
                text[done + n] = static_cast<u8>(text[done + n] ^ stream[n]);
            }
        }
        wipe(stream, sizeof stream);
    }

    [[gnu::noinline]] void make_tag(const Frame& frame, Bytes ciphertext, u8* tag) {
        hash.clear();
        hash.add(frame.authenticated);
        hash.add(ciphertext);
        hash.add_block(frame.authenticated.size * 8, ciphertext.size * 8);
        hash.finish(tag);
        u8 stream[Aes256::bytes_at_once];
        make_stream(frame.nonce, counter_of_tag, stream);
        for (u64 n = 0; n < tag_size; ++n) {
            tag[n] = static_cast<u8>(tag[n] ^ stream[n]);
        }
        wipe(stream, sizeof stream);
        hash.clear();
    }

    Aes256 cipher;
    Ghash hash;
};

} // namespace vestibule::crypto
