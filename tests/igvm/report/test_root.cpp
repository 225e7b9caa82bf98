// SPDX-License-Identifier: BSD-2-Clause-Patent
// See test_root.h.
#include "tests/igvm/report/test_root.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <cstring>

namespace vestibule::igvm::test {

namespace {
constexpr const char* amd = "1.3.6.1.4.1.3704.1.";

void add_extension(X509* certificate, const std::string& oid, const Bytes& value) {
    ASN1_OCTET_STRING* data = ASN1_OCTET_STRING_new();
    ASN1_OCTET_STRING_set(data, value.data(), static_cast<int>(value.size()));
    ASN1_OBJECT* object       = OBJ_txt2obj((amd + oid).c_str(), 1);
    X509_EXTENSION* extension = X509_EXTENSION_create_by_OBJ(nullptr, object, 0, data);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    ASN1_OBJECT_free(object);
    ASN1_OCTET_STRING_free(data);
}

Bytes integer(unsigned value) {
    // DER: a leading zero keeps it positive.
    return value < 0x80 ? Bytes{2, 1, static_cast<u8>(value)}
                        : Bytes{2, 2, static_cast<u8>(value >> 8), static_cast<u8>(value)};
}

Bytes ia5(const std::string& text) {
    Bytes value = {0x16, static_cast<u8>(text.size())};
    value.insert(value.end(), text.begin(), text.end());
    return value;
}

void add_chip(X509* certificate, const Chip& chip) {
    add_extension(certificate, "1", integer(0));
    add_extension(certificate, "2", ia5(chip.product));
    add_extension(certificate, "3.1", integer(chip.bl));
    add_extension(certificate, "3.2", integer(chip.tee));
    add_extension(certificate, "3.3", integer(chip.snp));
    add_extension(certificate, "3.8", integer(chip.ucode));
    if (chip.fmc >= 0) {
        add_extension(certificate, "3.9", integer(static_cast<unsigned>(chip.fmc)));
    }
    if (!chip.id.empty()) {
        add_extension(certificate, "4", chip.id);
    }
    if (!chip.provider.empty()) {
        add_extension(certificate, "5", ia5(chip.provider));
    }
}

void set_name(X509_NAME* name, const std::string& text) {
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const u8*>(text.c_str()), // NOLINT: as text
                               -1, -1, 0);
}
} // namespace

Key new_rsa_key(unsigned bits) { return {EVP_RSA_gen(bits), EVP_PKEY_free}; }

Key new_ec_key(const char* curve) { return {EVP_EC_gen(curve), EVP_PKEY_free}; }

Bytes make_certificate(const Key& key, const Key& issuer_key, const CertificateOptions& options) {
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), options.from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), options.until);
    set_name(X509_get_subject_name(certificate), options.subject);
    set_name(X509_get_issuer_name(certificate), options.issuer);
    X509_set_pubkey(certificate, key.get());
    if (options.is_ca) {
        X509_EXTENSION* extension =
            X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(certificate, extension, -1);
        X509_EXTENSION_free(extension);
    }
    if (options.chip != nullptr && options.chip->has_extensions) {
        add_chip(certificate, *options.chip);
    }
    EVP_MD_CTX* digester  = EVP_MD_CTX_new();
    EVP_PKEY_CTX* padding = nullptr;
    EVP_DigestSignInit(digester, &padding, EVP_sha384(), nullptr, issuer_key.get());
    if (options.pss && EVP_PKEY_get_base_id(issuer_key.get()) == EVP_PKEY_RSA) {
        EVP_PKEY_CTX_set_rsa_padding(padding, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(padding, 48);
    }
    EXPECT_GT(X509_sign_ctx(certificate, digester), 0);
    EVP_MD_CTX_free(digester);
    u8* der          = nullptr;
    const int length = i2d_X509(certificate, &der);
    Bytes bytes(der, der + length);
    OPENSSL_free(der);
    X509_free(certificate);
    return bytes;
}

Bytes to_pem(const Bytes& der) {
    const u8* at      = der.data();
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    BIO* bio          = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, certificate);
    char* text        = nullptr;
    const long length = BIO_get_mem_data(bio, &text);
    Bytes bytes(text, text + length);
    BIO_free(bio);
    X509_free(certificate);
    return bytes;
}

Bytes to_table(const std::vector<Bytes>& certificates) {
    constexpr u64 row = 24;
    Bytes table((certificates.size() + 1) * row);
    for (u64 i = 0; i < certificates.size(); ++i) {
        const u32 values[] = {static_cast<u32>(table.size()),
                              static_cast<u32>(certificates[i].size())};
        table[i * row]     = static_cast<u8>(i + 1); // some GUID
        std::memcpy(&table[i * row + 16], values, sizeof(values));
        table.insert(table.end(), certificates[i].begin(), certificates[i].end());
    }
    return table;
}

TestRoot::TestRoot() : ark_key(new_rsa_key()), ask_key(new_rsa_key()), chip_key(new_ec_key()) {
    chip.id = Bytes(64);
    for (u64 i = 0; i < chip.id.size(); ++i) {
        chip.id[i] = static_cast<u8>(i + 1);
    }
    ark  = make_certificate(ark_key, ark_key,
                            {.subject = "ARK-Test", .issuer = "ARK-Test", .is_ca = true});
    ask  = make_certificate(ask_key, ark_key,
                            {.subject = "SEV-Test", .issuer = "ARK-Test", .is_ca = true});
    vcek = make_certificate(chip_key, ask_key,
                            {.subject = "SEV-VCEK", .issuer = "SEV-Test", .chip = &chip});
}

const TestRoot& TestRoot::get() {
    static const TestRoot root;
    return root;
}

AttestationReport TestRoot::report() const {
    AttestationReport report{};
    report.version             = 3;
    report.guest_svn           = 2;
    report.policy              = 0x3'0000;
    report.signature_algorithm = 1;
    report.reported_tcb = report.committed_tcb = report.current_tcb = report.launch_tcb =
        u64{chip.bl} | u64{chip.tee} << 8 | u64{chip.snp} << 48 | u64{chip.ucode} << 56;
    report.platform_info = 0x25;
    report.cpu_family    = 0x19;
    report.cpu_model     = 1;
    report.cpu_stepping  = 1;
    for (u64 i = 0; i < sizeof(report.measurement); ++i) {
        report.measurement[i] = static_cast<u8>(0xA0 + i);
    }
    std::memcpy(report.chip_id, chip.id.data(), chip.id.size());
    sign(report, chip_key);
    return report;
}

void sign(AttestationReport& report, const Key& key) {
    EVP_MD_CTX* digester = EVP_MD_CTX_new();
    const Bytes message  = bytes_of(report);
    EVP_DigestSignInit(digester, nullptr, EVP_sha384(), nullptr, key.get());
    std::size_t size = 256;
    Bytes der(size);
    EXPECT_EQ(EVP_DigestSign(digester, der.data(), &size, message.data(), signed_report_size), 1);
    EVP_MD_CTX_free(digester);
    const u8* at         = der.data();
    ECDSA_SIG* signature = d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(size));
    BN_bn2lebinpad(ECDSA_SIG_get0_r(signature), report.signature.r, sizeof(report.signature.r));
    BN_bn2lebinpad(ECDSA_SIG_get0_s(signature), report.signature.s, sizeof(report.signature.s));
    ECDSA_SIG_free(signature);
}

Bytes bytes_of(const AttestationReport& report) {
    Bytes bytes(sizeof(report));
    std::memcpy(bytes.data(), &report, sizeof(report));
    return bytes;
}

} // namespace vestibule::igvm::test
