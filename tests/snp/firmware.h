// SPDX-License-Identifier: BSD-2-Clause-Patent
// A secure processor for unit tests: what it does with a page of message, by the tables of the
// firmware ABI (56860, section 8.26) and by OpenSSL's AES-GCM; none of it from snp/ or crypto/, so
// that one mistake is not on both sides.
#pragma once

#include "x86/types.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <openssl/evp.h>
#include <span>
#include <vector>

namespace vestibule::test {

using MessagePage = std::array<u8, 4096>;

namespace message_at {
inline constexpr unsigned tag       = 0x00;
inline constexpr unsigned sequence  = 0x20;
inline constexpr unsigned algorithm = 0x30;
inline constexpr unsigned version   = 0x31;
inline constexpr unsigned size      = 0x32;
inline constexpr unsigned type      = 0x34;
inline constexpr unsigned of_type   = 0x35; // version of the message
inline constexpr unsigned length    = 0x36;
inline constexpr unsigned vmpck     = 0x3C;
inline constexpr unsigned payload   = 0x60;
} // namespace message_at

inline u64 number_at(std::span<const u8> page, unsigned offset, unsigned size) {
    u64 value = 0;
    std::memcpy(&value, &page[offset], size);
    return value;
}

/// One AES-256-GCM run over a page's payload, forwards or backwards; false where a tag is wrong.
inline bool crypt(MessagePage& page, const std::array<u8, 32>& key, bool encrypts) {
    const auto length = static_cast<int>(number_at(page, message_at::length, 2));
    std::array<u8, 12> nonce{};
    std::memcpy(nonce.data(), &page[message_at::sequence], 8);
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context{
        EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
    u8* const payload = &page[message_at::payload];
    int count         = 0;
    EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data(),
                      encrypts ? 1 : 0);
    EVP_CipherUpdate(context.get(), nullptr, &count, &page[message_at::algorithm], 48);
    EVP_CipherUpdate(context.get(), payload, &count, payload, length);
    u8 none[16];
    if (!encrypts) {
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, 16, &page[message_at::tag]);
        return EVP_CipherFinal_ex(context.get(), none, &count) == 1;
    }
    EVP_CipherFinal_ex(context.get(), none, &count);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, &page[message_at::tag]);
    return true;
}

struct Firmware {
    std::array<std::array<u8, 32>, 4> keys{};
    std::array<u64, 4> counters{};

    /// From a payload to that of the answer.
    std::function<std::vector<u8>(std::span<const u8>)> answer;

    /// What an answer's header has beside that; sealed with it.
    std::function<void(MessagePage&)> header = [](MessagePage&) {};

    static constexpr u32 invalid_param   = 0x16;
    static constexpr u32 bad_measurement = 0x0B;

    /// SNP_GUEST_REQUEST; 0, or its status with nothing changed.
    u32 serve(MessagePage request, MessagePage& response) {
        const u64 number = number_at(request, message_at::vmpck, 1);
        const u64 length = number_at(request, message_at::length, 2);
        if (request[message_at::algorithm] != 1 || request[message_at::version] != 1
            || number_at(request, message_at::size, 2) != 96 || number > 3 || length > 4000
            || number_at(request, message_at::sequence, 8) != counters[number] + 1) {
            return invalid_param;
        }
        if (!crypt(request, keys[number], false)) {
            return bad_measurement;
        }
        const auto told = answer({&request[message_at::payload], length});
        response        = request;
        std::fill(response.begin() + message_at::payload, response.end(), 0);
        std::fill(response.begin(), response.begin() + message_at::sequence, 0);
        ++response[message_at::type];
        counters[number] += 2;
        std::memcpy(&response[message_at::sequence], &counters[number], 8);
        const auto size = static_cast<u16>(told.size());
        std::memcpy(&response[message_at::length], &size, sizeof size);
        std::ranges::copy(told, &response[message_at::payload]);
        header(response);
        return crypt(response, keys[number], true) ? 0 : bad_measurement;
    }
};

/// Sees to it that no two messages that differ go out with one nonce, ever: that would give both
/// away.
class NonceWatch {
  public:
    void see(const MessagePage& page) {
        const auto nonce           = std::pair{number_at(page, message_at::vmpck, 1),
                                     number_at(page, message_at::sequence, 8)};
        const auto [known, is_new] = seen.emplace(nonce, page);
        EXPECT_TRUE(is_new || known->second == page)
            << "VMPCK" << nonce.first << ", message " << nonce.second;
    }

    u64 count() const { return seen.size(); }

  private:
    std::map<std::pair<u64, u64>, MessagePage> seen;
};

} // namespace vestibule::test
