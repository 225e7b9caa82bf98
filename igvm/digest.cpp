// See digest.h. libcrypto fails here only where memory does, and then nothing can go on.
#include "igvm/digest.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace vestibule::igvm {

namespace {
void must(bool done) {
    if (!done) {
        throw std::bad_alloc();
    }
}

const EVP_MD* algorithm_of(HashAlgorithm algorithm) {
    static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    static const EVP_MD* const sha384 = EVP_MD_fetch(nullptr, "SHA384", nullptr);
    return algorithm == HashAlgorithm::sha256 ? sha256 : sha384;
}

template <class Digest>
Digest hash(HashAlgorithm algorithm, std::span<const u8> bytes) {
    thread_local Hasher hasher(algorithm);
    Digest digest;
    hasher.restart();
    hasher.add(bytes);
    hasher.finish(digest);
    return digest;
}

int digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const auto lower = static_cast<char>(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}
} // namespace

Hasher::Hasher(HashAlgorithm algorithm) : algorithm_(algorithm), context_(EVP_MD_CTX_new()) {
    must(context_ != nullptr);
    restart();
}

Hasher::Hasher(const Hasher& other) : Hasher(other.algorithm_) { *this = other; }

Hasher::Hasher(Hasher&& other) noexcept
    : algorithm_(other.algorithm_), context_(std::exchange(other.context_, nullptr)) {}

Hasher& Hasher::operator=(const Hasher& other) {
    if (this != &other) {
        algorithm_ = other.algorithm_;
        must(EVP_MD_CTX_copy_ex(context_, other.context_) == 1);
    }
    return *this;
}

Hasher& Hasher::operator=(Hasher&& other) noexcept {
    algorithm_ = other.algorithm_;
    std::swap(context_, other.context_);
    return *this;
}

Hasher::~Hasher() { EVP_MD_CTX_free(context_); }

void Hasher::restart() {
    must(EVP_DigestInit_ex2(context_, algorithm_of(algorithm_), nullptr) == 1);
}

void Hasher::add(std::span<const u8> bytes) {
    must(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

void Hasher::finish(std::span<u8> digest) {
    must(EVP_DigestFinal_ex(context_, digest.data(), nullptr) == 1);
}

// Each its own thread_local hasher: the template is one function per digest's size.
Digest256 sha256(std::span<const u8> bytes) {
    return hash<Digest256>(HashAlgorithm::sha256, bytes);
}

Digest384 sha384(std::span<const u8> bytes) {
    return hash<Digest384>(HashAlgorithm::sha384, bytes);
}

Digest256 hmac_sha256(std::span<const u8> key, std::span<const u8> message) {
    Digest256 digest;
    must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(),
              message.size(), digest.data(), nullptr)
         != nullptr);
    return digest;
}

std::string to_hex(std::span<const u8> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (const u8 byte : bytes) {
        fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    }
    return text;
}

std::vector<u8> from_hex(std::string_view text) {
    std::vector<u8> bytes;
    if (text.size() % 2 != 0) {
        return bytes;
    }
    for (u64 at = 0; at < text.size(); at += 2) {
        const int high = digit(text[at]);
        const int low  = digit(text[at + 1]);
        if (high < 0 || low < 0) {
            return {};
        }
        bytes.push_back(static_cast<u8>((high << 4) | low));
    }
    return bytes;
}

} // namespace vestibule::igvm
