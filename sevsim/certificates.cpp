// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/certificates.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <memory>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string_view>

namespace vestibule::sevsim {

namespace {

template <class T, void (*free)(T*)>
struct Freed {
    void operator()(T* object) const { free(object); }
};

using Key         = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY, EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509, X509_free>>;

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

using File = std::unique_ptr<std::FILE, FileCloser>;

Key make_p384() { return Key{EVP_EC_gen("P-384")}; }

Key make_rsa() {
    constexpr std::size_t bits = 4096;
    return Key{EVP_RSA_gen(bits)};
}

void set_name(X509_NAME* name, const std::string& common_name) {
    const auto add = [name](const char* field, const std::string& text) {
        X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>(text.c_str()), -1, -1, 0);
    };
    add("O", "sevsim TEST, not AMD");
    add("CN", common_name);
}

void add_extension(X509* certificate, const std::string& oid, std::span<const u8> der) {
    ASN1_OBJECT* const object      = OBJ_txt2obj(oid.c_str(), 1);
    ASN1_OCTET_STRING* const value = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(value, der.data(), static_cast<int>(der.size()));
    X509_EXTENSION* const extension = X509_EXTENSION_create_by_OBJ(nullptr, object, 0, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
}

/// A DER INTEGER of one byte; those above 0x7F want a zero in front.
std::vector<u8> der_integer(u8 value) {
    return value < 0x80 ? std::vector<u8>{2, 1, value} : std::vector<u8>{2, 2, 0, value};
}

/// An IA5String of a short length.
std::vector<u8> der_text(std::string_view text) {
    std::vector<u8> der{0x16, static_cast<u8>(text.size())};
    der.insert(der.end(), text.begin(), text.end());
    return der;
}

/// AMD's own arc, 1.3.6.1.4.1.3704.1 (57230, table 8).
void add_chip_facts(X509* certificate, const ChipFacts& chip) {
    const std::string arc = "1.3.6.1.4.1.3704.1.";
    add_extension(certificate, arc + "1", der_integer(1));
    add_extension(certificate, arc + "2", der_text("TEST-sevsim")); // productName
    // Bytes of the TCB: boot loader, TEE, four reserved ones, SNP, microcode.
    constexpr unsigned extension_of_byte[] = {1, 2, 4, 5, 6, 7, 3, 8};
    for (unsigned byte = 0; byte < 8; ++byte) {
        add_extension(certificate, fmt::format("{}3.{}", arc, extension_of_byte[byte]),
                      der_integer(static_cast<u8>(chip.tcb >> (8 * byte))));
    }
    if (chip.kind == SigningKey::vcek) {
        add_extension(certificate, arc + "4", chip.chip_id);
    } else {
        add_extension(certificate, arc + "5", der_text("TEST provider")); // csp_id
    }
}

struct Issuer {
    std::string name;
    EVP_PKEY* key;
};

Certificate issue(const std::string& name, EVP_PKEY* key, const Issuer& issuer,
                  const ChipFacts* chip) {
    constexpr long year = 365L * 24 * 60 * 60;
    Certificate made{X509_new()};
    X509* const certificate = made.get();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -24L * 60 * 60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 25 * year);
    set_name(X509_get_subject_name(certificate), name);
    set_name(X509_get_issuer_name(certificate), issuer.name);
    X509_set_pubkey(certificate, key);
    if (chip != nullptr) {
        add_chip_facts(certificate, *chip);
    } else {
        X509_EXTENSION* const ca =
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(certificate, ca, -1);
        X509_EXTENSION_free(ca);
    }
    const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX, EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
    EVP_PKEY_CTX* parameters = nullptr;
    EVP_DigestSignInit(context.get(), &parameters, EVP_sha384(), nullptr, issuer.key);
    if (EVP_PKEY_get_base_id(issuer.key) == EVP_PKEY_RSA) {
        EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST);
    }
    return X509_sign_ctx(certificate, context.get()) > 0 ? std::move(made) : nullptr;
}

std::vector<u8> der(X509* certificate) {
    std::vector<u8> bytes(static_cast<std::size_t>(i2d_X509(certificate, nullptr)));
    u8* to = bytes.data();
    i2d_X509(certificate, &to);
    return bytes;
}

/// The private number of a key; false where it is not of P-384.
bool take_scalar(EVP_PKEY* key, std::array<u8, 48>& scalar) {
    BIGNUM* number = nullptr;
    const bool got = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number) == 1
                     && EVP_PKEY_get_bits(key) == 384
                     && BN_bn2binpad(number, scalar.data(), static_cast<int>(scalar.size()))
                            == static_cast<int>(scalar.size());
    BN_clear_free(number);
    return got;
}

constexpr const char* ark_name  = "TEST ARK-sevsim";
constexpr const char* ask_name  = "TEST SEV-sevsim"; // as AMD calls its ASK
constexpr const char* vcek_name = "TEST SEV-VCEK";
constexpr const char* vlek_name = "TEST SEV-VLEK";
constexpr const char* no_crypto = "OpenSSL could not make a key or a certificate";

const char* leaf_name(SigningKey kind) { return kind == SigningKey::vcek ? vcek_name : vlek_name; }

const char* leaf_file(SigningKey kind) { return kind == SigningKey::vcek ? "vcek" : "vlek"; }

std::unexpected<std::string> file_error(const std::string& path, std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", path, what));
}

std::expected<void, std::string> write_key(const std::string& path, EVP_PKEY* key) {
    const File file{std::fopen(path.c_str(), "wxe")};
    if (!file) {
        return file_error(path, std::strerror(errno));
    }
    std::filesystem::permissions(path, std::filesystem::perms::owner_read
                                           | std::filesystem::perms::owner_write);
    if (PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
        return file_error(path, "the key could not be written");
    }
    return {};
}

std::expected<void, std::string> write_certificate(const std::string& path, X509* certificate) {
    const File file{std::fopen(path.c_str(), "wxe")};
    if (!file) {
        return file_error(path, std::strerror(errno));
    }
    if (PEM_write_X509(file.get(), certificate) != 1) {
        return file_error(path, "the certificate could not be written");
    }
    return {};
}

std::expected<Certificate, std::string> read_certificate(const std::string& path) {
    const File file{std::fopen(path.c_str(), "re")};
    if (!file) {
        return file_error(
            path, fmt::format("{} (`sevsim certs DIR` makes a root)", std::strerror(errno)));
    }
    Certificate certificate{PEM_read_X509(file.get(), nullptr, nullptr, nullptr)};
    if (!certificate) {
        return file_error(path, "expected a certificate in PEM");
    }
    return certificate;
}

/// What makes two certificates a chain.
bool is_issued_by(X509* certificate, X509* issuer) {
    return X509_check_issued(issuer, certificate) == X509_V_OK
           && X509_verify(certificate, X509_get0_pubkey(issuer)) == 1;
}

} // namespace

std::array<u8, 64> chip_id() {
    constexpr std::string_view text = "TEST chip of sevsim";
    std::array<u8, 64> id{};
    std::ranges::copy(text, id.begin());
    return id;
}

std::expected<SigningChain, std::string> make_chain(const ChipFacts& chip) {
    const Key ark = make_p384(), ask = make_p384(), leaf = make_p384();
    SigningChain chain{};
    if (!ark || !ask || !leaf || !take_scalar(leaf.get(), chain.key)) {
        return std::unexpected(no_crypto);
    }
    const Certificate root = issue(ark_name, ark.get(), {ark_name, ark.get()}, nullptr);
    const Certificate mid  = issue(ask_name, ask.get(), {ark_name, ark.get()}, nullptr);
    const Certificate end  = issue(leaf_name(chip.kind), leaf.get(), {ask_name, ask.get()}, &chip);
    if (!root || !mid || !end) {
        return std::unexpected(no_crypto);
    }
    chain.ark  = der(root.get());
    chain.ask  = der(mid.get());
    chain.leaf = der(end.get());
    return chain;
}

std::expected<void, std::string> write_root(const std::string& directory) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) {
        return file_error(directory, error.message());
    }
    const Key ark = make_rsa(), ask = make_rsa();
    if (!ark || !ask) {
        return std::unexpected(no_crypto);
    }
    const Certificate root = issue(ark_name, ark.get(), {ark_name, ark.get()}, nullptr);
    const Certificate mid  = issue(ask_name, ask.get(), {ark_name, ark.get()}, nullptr);
    if (!root || !mid) {
        return std::unexpected(no_crypto);
    }
    const auto put = [&](const char* name, EVP_PKEY* key,
                         X509* certificate) -> std::expected<void, std::string> {
        if (auto written = write_key(fmt::format("{}/{}.key", directory, name), key); !written) {
            return written;
        }
        return write_certificate(fmt::format("{}/{}.pem", directory, name), certificate);
    };
    if (auto written = put("ark", ark.get(), root.get()); !written) {
        return written;
    }
    if (auto written = put("ask", ask.get(), mid.get()); !written) {
        return written;
    }
    for (const SigningKey kind : {SigningKey::vcek, SigningKey::vlek}) {
        const ChipFacts chip{.kind = kind, .chip_id = chip_id(), .tcb = chip_tcb};
        const Key key         = make_p384();
        const Certificate end = issue(leaf_name(kind), key.get(), {ask_name, ask.get()}, &chip);
        if (!key || !end) {
            return std::unexpected(no_crypto);
        }
        if (auto written = put(leaf_file(kind), key.get(), end.get()); !written) {
            return written;
        }
    }
    return {};
}

std::expected<SigningChain, std::string> read_root(const std::string& directory,
                                                   const ChipFacts& chip) {
    const std::string leaf = fmt::format("{}/{}", directory, leaf_file(chip.kind));
    const auto root        = read_certificate(directory + "/ark.pem");
    const auto mid         = read_certificate(directory + "/ask.pem");
    const auto end         = read_certificate(leaf + ".pem");
    for (const auto* certificate : {&root, &mid, &end}) {
        if (!*certificate) {
            return std::unexpected(certificate->error());
        }
    }
    if (!is_issued_by(root->get(), root->get()) || !is_issued_by(mid->get(), root->get())
        || !is_issued_by(end->get(), mid->get())) {
        return file_error(directory, "its certificates are no chain of ARK, ASK and the leaf");
    }
    const std::string key_path = leaf + ".key";
    const File file{std::fopen(key_path.c_str(), "re")};
    if (!file) {
        return file_error(key_path, std::strerror(errno));
    }
    const Key key{PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr)};
    SigningChain chain{};
    if (!key || !take_scalar(key.get(), chain.key)) {
        return file_error(key_path, "expected a private key of P-384 in PEM");
    }
    if (EVP_PKEY_eq(key.get(), X509_get0_pubkey(end->get())) != 1) {
        return file_error(key_path, "another key than the certificate's beside it");
    }
    chain.ark  = der(root->get());
    chain.ask  = der(mid->get());
    chain.leaf = der(end->get());
    return chain;
}

std::vector<u8> certificate_table(const SigningChain& chain, SigningKey kind) {
    struct Entry {
        std::array<u8, 16> guid;
        u32 offset;
        u32 length;
    };

    constexpr std::array<u8, 16> vcek{0x63, 0xDA, 0x75, 0x8D, 0xE6, 0x64, 0x45, 0x64,
                                      0xAD, 0xC5, 0xF4, 0xB9, 0x3B, 0xE8, 0xAC, 0xCD};
    constexpr std::array<u8, 16> vlek{0xA8, 0x07, 0x4B, 0xC2, 0xA2, 0x5A, 0x48, 0x3E,
                                      0xAA, 0xE6, 0x39, 0xC0, 0x45, 0xA0, 0xB8, 0xA1};
    constexpr std::array<u8, 16> ask{0x4A, 0xB7, 0xB3, 0x79, 0xBB, 0xAC, 0x4F, 0xE4,
                                     0xA0, 0x2F, 0x05, 0xAE, 0xF3, 0x27, 0xC7, 0x82};
    constexpr std::array<u8, 16> ark{0xC0, 0xB4, 0x06, 0xA4, 0xA8, 0x03, 0x49, 0x52,
                                     0x97, 0x43, 0x3F, 0xB6, 0x01, 0x4C, 0xD0, 0xAE};
    static_assert(sizeof(Entry) == 24);

    const std::pair<std::array<u8, 16>, const std::vector<u8>*> certificates[] = {
        {kind == SigningKey::vcek ? vcek : vlek, &chain.leaf},
        {ask,                                    &chain.ask },
        {ark,                                    &chain.ark },
    };
    std::vector<u8> table(sizeof(Entry)
                          * (std::size(certificates) + 1)); // an entry of zeros ends it
    std::size_t row = 0;
    for (const auto& [guid, bytes] : certificates) {
        const Entry entry{guid, static_cast<u32>(table.size()), static_cast<u32>(bytes->size())};
        std::memcpy(table.data() + row++ * sizeof entry, &entry, sizeof entry);
        table.insert(table.end(), bytes->begin(), bytes->end());
    }
    return table;
}

} // namespace vestibule::sevsim
