// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a verifier does with an attestation report, by OpenSSL: the certificates lead from the root
// to the key, the key has signed the report, and the report is about this launch.
//
//   report_check DUMP DIGEST [ROOT]
//
// DUMP is a report and, behind it, the table of certificates that came with one; DIGEST what
// igvmtool measures; ROOT the certificate (PEM) that the chain must begin with.
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string>
#include <vector>

namespace {

using Bytes       = std::vector<unsigned char>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

constexpr std::size_t report_size = 0x4A0;
constexpr std::size_t signed_size = 0x2A0;

[[noreturn]] void fail(const char* what) {
    std::printf("report_check: %s\n", what);
    std::exit(1);
}

/// The certificate of a GUID, by the first byte of it: 63 VCEK, A8 VLEK, 4A ASK, C0 ARK.
Certificate find(const Bytes& table, unsigned char guid) {
    for (std::size_t at = 0; at + 24 <= table.size() && table[at] != 0; at += 24) {
        std::uint32_t where[2];
        std::memcpy(where, table.data() + at + 16, sizeof where);
        if (table[at] == guid && where[0] + std::size_t{where[1]} <= table.size()) {
            const unsigned char* der = table.data() + where[0];
            return {d2i_X509(nullptr, &der, static_cast<long>(where[1])), &X509_free};
        }
    }
    return {nullptr, &X509_free};
}

bool is_test(X509* certificate) {
    char name[256] = {};
    X509_NAME_oneline(X509_get_subject_name(certificate), name, sizeof name);
    return std::strstr(name, "CN=TEST ") != nullptr;
}

/// Little-endian, 48 bytes of it.
BIGNUM* number(const unsigned char* bytes) { return BN_lebin2bn(bytes, 48, nullptr); }

bool is_signed(const Bytes& report, X509* certificate) {
    const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature{ECDSA_SIG_new(),
                                                                          &ECDSA_SIG_free};
    ECDSA_SIG_set0(signature.get(), number(&report[0x2A0]), number(&report[0x2E8]));
    unsigned char* der = nullptr;
    const int size     = i2d_ECDSA_SIG(signature.get(), &der);
    const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context{EVP_MD_CTX_new(),
                                                                          &EVP_MD_CTX_free};
    EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha384(), nullptr,
                         X509_get0_pubkey(certificate));
    const bool good = EVP_DigestVerify(context.get(), der, static_cast<std::size_t>(size),
                                       report.data(), signed_size)
                      == 1;
    OPENSSL_free(der);
    return good;
}

std::string hex(const unsigned char* bytes, std::size_t size) {
    std::string text;
    for (std::size_t n = 0; n < size; ++n) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", bytes[n]);
        text += digits;
    }
    return text;
}

} // namespace

int main(int argc, char** argv) {
    if (argc < 3) {
        fail("expected DUMP and DIGEST");
    }
    std::ifstream file{argv[1], std::ios::binary};
    const Bytes dumped{std::istreambuf_iterator<char>{file}, {}};
    if (dumped.size() <= report_size) {
        fail("the dump is no report and certificates");
    }
    const Bytes report{dumped.begin(), dumped.begin() + report_size};
    const Bytes table{dumped.begin() + report_size, dumped.end()};
    const auto vcek         = find(table, 0x63);
    const auto vlek         = find(table, 0xA8);
    const Certificate& leaf = vcek ? vcek : vlek;
    const auto ask          = find(table, 0x4A);
    const auto ark          = find(table, 0xC0);
    if (!leaf || !ask || !ark) {
        fail("certificates are missing");
    }
    if (!is_test(leaf.get()) || !is_test(ask.get()) || !is_test(ark.get())) {
        fail("a certificate that does not say TEST");
    }
    if (X509_verify(ark.get(), X509_get0_pubkey(ark.get())) != 1
        || X509_verify(ask.get(), X509_get0_pubkey(ark.get())) != 1
        || X509_verify(leaf.get(), X509_get0_pubkey(ask.get())) != 1) {
        fail("the certificates are no chain");
    }
    if (argc > 3) {
        std::FILE* const pem = std::fopen(argv[3], "r");
        const Certificate root{
            pem == nullptr ? nullptr : PEM_read_X509(pem, nullptr, nullptr, nullptr), &X509_free};
        if (pem != nullptr) {
            std::fclose(pem);
        }
        if (!root || X509_cmp(root.get(), ark.get()) != 0) {
            fail("the chain begins with another root");
        }
    }
    if (!is_signed(report, leaf.get())) {
        fail("the report is not signed by the key of its certificate");
    }
    Bytes spoilt = report;
    spoilt[0x90] ^= 1;
    if (is_signed(spoilt, leaf.get())) {
        fail("a spoilt report is signed as well");
    }
    if (hex(&report[0x90], 48) != argv[2]) {
        fail(("MEASUREMENT is " + hex(&report[0x90], 48) + ", expected " + argv[2]).c_str());
    }
    for (unsigned n = 0; n < 64; ++n) {
        if (report[0x50 + n] != n) {
            fail("REPORT_DATA is not what the guest has sent");
        }
    }
    std::printf("version %u, policy %s, host data %s, %s: verified\n", report[0],
                hex(&report[8], 8).c_str(), hex(&report[0xC0], 4).c_str(), vcek ? "VCEK" : "VLEK");
    return 0;
}
