// SPDX-License-Identifier: BSD-2-Clause-Patent
// See ecdsa.h.
#include "igvm/measure/ecdsa.h"

#include "igvm/measure/openssl.h"

#include <fmt/format.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string_view>
#include <vector>

#include <unistd.h>

namespace vestibule::igvm {

namespace {
using Number        = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Signature     = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Digester      = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Context       = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Parameters    = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using ParameterList = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;

constexpr std::string_view curve_name = "secp384r1";
constexpr int coordinate_size         = 48;

void store(const BIGNUM* number, std::span<u8> bytes) {
    must(BN_bn2lebinpad(number, bytes.data(), static_cast<int>(bytes.size())) >= 0);
}

Number load_number(std::span<const u8> bytes) {
    Number number(BN_lebin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
    must(number != nullptr);
    return number;
}

/// OpenSSL's own asks /dev/tty, whoever sits there, and waits.
int ask_passphrase(char* into, int size, int, void* is_locked) {
    *static_cast<bool*>(is_locked) = true;
    return isatty(STDIN_FILENO) == 1
                   && EVP_read_pw_string(into, size, "Passphrase of the key: ", 0) == 0
               ? static_cast<int>(std::strlen(into))
               : -1;
}

/// A PEM file's key, by one of OpenSSL's readers; an error names the file.
template <auto read>
std::expected<OwnedKey, std::string> key_of_file(const std::string& path, std::string_view what) {
    const std::unique_ptr<std::FILE, Freed<std::fclose>> file(std::fopen(path.c_str(), "re"));
    if (file == nullptr) {
        return std::unexpected(fmt::format("{}: cannot open: {}", path, std::strerror(errno)));
    }
    bool is_locked = false;
    OwnedKey key(read(file.get(), nullptr, ask_passphrase, &is_locked));
    if (key == nullptr && is_locked) {
        return std::unexpected(fmt::format("{}: found an encrypted key, expected its passphrase: "
                                           "there is no terminal to ask for it, or it is wrong",
                                           path));
    }
    if (key == nullptr) {
        return std::unexpected(
            fmt::format("{}: offset 0x0: no {} key found, expected one in PEM", path, what));
    }
    if (!is_p384(key.get())) {
        return std::unexpected(
            fmt::format("{}: found another key, expected one of the curve P-384", path));
    }
    return key;
}

} // namespace

void must(bool done) {
    if (!done) {
        throw std::runtime_error("OpenSSL failed");
    }
}

bool is_p384(const EVP_PKEY* key) {
    char name[64]{};
    return key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC
           && EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name, sizeof(name),
                                             nullptr)
                  == 1
           && name == curve_name;
}

SnpPublicKey public_key_of(const EVP_PKEY* key) {
    SnpPublicKey result{.curve = curve_p384, .reserved = 0, .qx = {}, .qy = {}};
    const auto coordinate = [&](const char* name, std::span<u8> bytes) {
        BIGNUM* number = nullptr;
        must(EVP_PKEY_get_bn_param(key, name, &number) == 1);
        const Number owned(number);
        store(number, bytes);
    };
    coordinate(OSSL_PKEY_PARAM_EC_PUB_X, result.qx);
    coordinate(OSSL_PKEY_PARAM_EC_PUB_Y, result.qy);
    return result;
}

OwnedKey p384_key(const SnpPublicKey& from) {
    const Number x = load_number(from.qx);
    const Number y = load_number(from.qy);
    if (BN_num_bytes(x.get()) > coordinate_size || BN_num_bytes(y.get()) > coordinate_size) {
        return nullptr;
    }
    u8 point[1 + 2 * coordinate_size] = {POINT_CONVERSION_UNCOMPRESSED};
    must(BN_bn2binpad(x.get(), point + 1, coordinate_size) >= 0);
    must(BN_bn2binpad(y.get(), point + 1 + coordinate_size, coordinate_size) >= 0);

    const ParameterList list(OSSL_PARAM_BLD_new());
    must(list != nullptr
         && OSSL_PARAM_BLD_push_utf8_string(list.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                            curve_name.data(), curve_name.size())
                == 1
         && OSSL_PARAM_BLD_push_octet_string(list.get(), OSSL_PKEY_PARAM_PUB_KEY, point,
                                             sizeof(point))
                == 1);
    const Parameters parameters(OSSL_PARAM_BLD_to_param(list.get()));
    const Context context(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    must(parameters != nullptr && context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
    EVP_PKEY* key = nullptr;
    if (EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
        return nullptr;
    }
    return OwnedKey(key);
}

void PrivateKey::Free::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

std::expected<PrivateKey, std::string> PrivateKey::read(const std::string& path) {
    auto key = key_of_file<PEM_read_PrivateKey>(path, "private");
    if (!key) {
        return std::unexpected(key.error());
    }
    return PrivateKey(key->release());
}

std::expected<SnpPublicKey, std::string> read_public_key(const std::string& path) {
    const auto key = key_of_file<PEM_read_PUBKEY>(path, "public");
    if (!key) {
        return std::unexpected(key.error());
    }
    return public_key_of(key->get());
}

std::optional<SnpSignature> read_signature(std::span<const u8> bytes) {
    SnpSignature result{};
    if (bytes.size() == 2 * coordinate_size) {
        std::ranges::reverse_copy(bytes.first(coordinate_size), result.r);
        std::ranges::reverse_copy(bytes.last(coordinate_size), result.s);
        return result;
    }
    const u8* at = bytes.data();
    const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(bytes.size())));
    if (signature == nullptr || at != bytes.data() + bytes.size()
        || BN_num_bytes(ECDSA_SIG_get0_r(signature.get())) > coordinate_size
        || BN_num_bytes(ECDSA_SIG_get0_s(signature.get())) > coordinate_size) {
        return std::nullopt;
    }
    store(ECDSA_SIG_get0_r(signature.get()), result.r);
    store(ECDSA_SIG_get0_s(signature.get()), result.s);
    return result;
}

PrivateKey PrivateKey::make() {
    PrivateKey key(EVP_EC_gen("P-384"));
    must(key.key_ != nullptr);
    return key;
}

SnpPublicKey PrivateKey::public_key() const { return public_key_of(key_.get()); }

SnpSignature PrivateKey::sign(std::span<const u8> message) const {
    const Digester digester(EVP_MD_CTX_new());
    std::size_t size = 0;
    must(digester != nullptr
         && EVP_DigestSignInit(digester.get(), nullptr, EVP_sha384(), nullptr, key_.get()) == 1
         && EVP_DigestSign(digester.get(), nullptr, &size, message.data(), message.size()) == 1);
    std::vector<u8> der(size);
    must(EVP_DigestSign(digester.get(), der.data(), &size, message.data(), message.size()) == 1);
    const u8* at = der.data();
    const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size)));
    must(signature != nullptr);
    SnpSignature result{};
    store(ECDSA_SIG_get0_r(signature.get()), result.r);
    store(ECDSA_SIG_get0_s(signature.get()), result.s);
    return result;
}

std::vector<u8> der_of(const SnpSignature& signature) {
    const Signature numbers(ECDSA_SIG_new());
    must(numbers != nullptr
         && ECDSA_SIG_set0(numbers.get(), load_number(signature.r).release(),
                           load_number(signature.s).release())
                == 1);
    u8* der        = nullptr;
    const int size = i2d_ECDSA_SIG(numbers.get(), &der);
    must(size > 0);
    std::vector<u8> bytes(der, der + size);
    OPENSSL_free(der);
    return bytes;
}

bool is_signed(const SnpPublicKey& key, const SnpSignature& signature,
               std::span<const u8> message) {
    const OwnedKey point = p384_key(key);
    if (point == nullptr) {
        return false;
    }
    const std::vector<u8> bytes = der_of(signature);
    const Digester digester(EVP_MD_CTX_new());
    must(digester != nullptr
         && EVP_DigestVerifyInit(digester.get(), nullptr, EVP_sha384(), nullptr, point.get()) == 1);
    return EVP_DigestVerify(digester.get(), bytes.data(), bytes.size(), message.data(),
                            message.size())
           == 1;
}

} // namespace vestibule::igvm
