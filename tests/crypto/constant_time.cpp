// SPDX-License-Identifier: BSD-2-Clause-Patent
// Does anything that the cipher decides, or where it looks, depend on a key or a text? To be
// compiled with MemorySanitizer, which ends the program if so: key and text are memory that nobody
// has written, in its books. With LOOK_UP, a table of AES is looked up, as many implementations do.
#include "crypto/aes_gcm.h"

#include <cstdio>
#include <sanitizer/msan_interface.h>

using namespace vestibule;

namespace {

#ifdef LOOK_UP
constexpr u8 table[256] = {0x63, 0x7C, 0x77, 0x7B};
#endif

/// Opening a message is the same twice, and what a comparison of tags comes to is no secret.
bool seal_and_compare(u8* key, u8* text, u64 size) {
    crypto::AesGcm gcm;
    u8 nonce[crypto::AesGcm::nonce_size] = {1};
    u8 authenticated[48]                 = {2};
    u8 tag[crypto::AesGcm::tag_size];
    gcm.set_key(key);
    gcm.seal(
        {
            nonce, {authenticated, sizeof authenticated}
    },
        text, size, tag);
#ifdef LOOK_UP
    *static_cast<volatile u8*>(tag) = table[key[0]];
#endif
    bool same = crypto::is_same(tag, authenticated, sizeof tag);
    __msan_unpoison(&same, sizeof same);
    gcm.forget();
    return same;
}

} // namespace

int main() {
    u8 key[crypto::AesGcm::key_size];
    u8 text[1216];
    __msan_poison(key, sizeof key);
    __msan_poison(text, sizeof text);
    if (seal_and_compare(key, text, sizeof text)) {
        return 1;
    }
    std::puts("no branch and no address depends on key or text");
    return 0;
}
