// SPDX-License-Identifier: BSD-2-Clause-Patent
// See digest.h. libcrypto fails here only where memory does, and then nothing can go on.
#include "igvm/measure/digest.h"

#include <fmt/format.h>

#include <new>
#include <utility>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

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

Digest256 sha256(std::span<const u8> bytes) {
    thread_local Hasher hasher(HashAlgorithm::sha256);
    Digest256 digest;
    hasher.restart();
    hasher.add(bytes);
    hasher.finish(digest);
    return digest;
}

// OpenSSL's older calls: a chain is a hundred thousand messages of two blocks, and EVP takes half
// as long again for each as these do.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

Digest384 sha384(std::span<const u8> bytes) {
    SHA512_CTX context;
    Digest384 digest;
    must(SHA384_Init(&context) == 1 && SHA384_Update(&context, bytes.data(), bytes.size()) == 1
         && SHA384_Final(digest.data(), &context) == 1);
    return digest;
}

#pragma GCC diagnostic pop

Digest512 sha512(std::span<const u8> bytes) {
    Digest512 digest;
    must(EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha512(), nullptr)
         == 1);
    return digest;
}

Digest256 hmac_sha256(std::span<const u8> key, std::span<const u8> message) {
    Digest256 digest;
    must(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), message.data(),
              message.size(), digest.data(), nullptr)
         != nullptr);
    return digest;
}

} // namespace vestibule::igvm
