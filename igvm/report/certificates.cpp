// SPDX-License-Identifier: BSD-2-Clause-Patent
// See certificates.h.
#include "igvm/report/certificates.h"

#include "igvm/format/guid.h"
#include "igvm/measure/ecdsa.h"
#include "igvm/measure/openssl.h"

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

namespace {
using Bio     = std::unique_ptr<BIO, Freed<BIO_free>>;
using Integer = std::unique_ptr<ASN1_INTEGER, Freed<ASN1_INTEGER_free>>;

/// 57230, table 8: under 1.3.6.1.4.1.3704.1.
constexpr std::string_view amd = "1.3.6.1.4.1.3704.1.";

struct TcbExtension {
    std::string_view oid;
    std::string_view name;
};

constexpr TcbExtension tcb_extensions[] = {
    {.oid = "3.1", .name = "bl"   },
    {.oid = "3.2", .name = "tee"  },
    {.oid = "3.3", .name = "snp"  },
    {.oid = "3.8", .name = "ucode"},
    {.oid = "3.9", .name = "fmc"  },
};

std::string common_name(const X509_NAME* name) {
    char text[256]{};
    X509_NAME_get_text_by_NID(const_cast<X509_NAME*>(name), NID_commonName, text, // NOLINT: C
                              sizeof(text));
    return text;
}

/// A certificate table's row (GHCB specification, 4.1.8.1).
struct [[gnu::packed]] TableRow {
    Guid guid;
    u32 offset;
    u32 length;
};

std::expected<std::vector<Certificate>, std::string> read_pem(std::span<const u8> bytes) {
    const Bio bio(BIO_new_mem_buf(bytes.data(), static_cast<int>(bytes.size())));
    std::vector<Certificate> found;
    while (X509* next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)) {
        found.emplace_back(next);
    }
    // It ends where no further one begins; anything else is one that cannot be read.
    const bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    if (found.empty() || !ended) {
        return std::unexpected(fmt::format("found a PEM text that is no certificate behind {} "
                                           "others, expected certificates alone",
                                           found.size()));
    }
    return found;
}

std::expected<std::vector<Certificate>, std::string> read_der(std::span<const u8> bytes) {
    std::vector<Certificate> found;
    const u8* at        = bytes.data();
    const u8* const end = at + bytes.size();
    while (at < end) {
        X509* const next = d2i_X509(nullptr, &at, end - at);
        if (next == nullptr) {
            return std::unexpected(
                fmt::format("offset {:#x}: found no certificate, expected one in DER",
                            static_cast<u64>(at - bytes.data())));
        }
        found.emplace_back(next);
    }
    return found;
}

std::expected<std::vector<Certificate>, std::string> read_table(std::span<const u8> bytes) {
    std::vector<Certificate> found;
    for (u64 at = 0; at + sizeof(TableRow) <= bytes.size(); at += sizeof(TableRow)) {
        TableRow row;
        std::memcpy(&row, bytes.data() + at, sizeof(row));
        if (row.guid == Guid{}) {
            return found.empty() ? std::expected<std::vector<Certificate>, std::string>(
                                       std::unexpected("found an empty table of certificates"))
                                 : found;
        }
        const u64 offset = row.offset;
        const u64 length = row.length;
        if (offset > bytes.size() || length > bytes.size() - offset) {
            return std::unexpected(
                fmt::format("offset {:#x}: found a certificate of {:#x} bytes at {:#x}, expected "
                            "it within the {:#x} bytes of the table",
                            at, length, offset, bytes.size()));
        }
        auto own = read_certificates(bytes.subspan(offset, length));
        if (!own) {
            return std::unexpected(fmt::format("offset {:#x}: {}", offset, own.error()));
        }
        std::ranges::move(*own, std::back_inserter(found));
    }
    return std::unexpected(
        "found neither PEM nor DER nor a table of certificates that ends with a row of zeros");
}
} // namespace

Certificate::Certificate(X509* certificate) : certificate_(certificate, X509_free) {}

std::string Certificate::subject() const { return common_name(X509_get_subject_name(get())); }

std::string Certificate::issuer() const { return common_name(X509_get_issuer_name(get())); }

bool Certificate::is_rsa() const {
    const EVP_PKEY* const key = X509_get0_pubkey(get());
    return key != nullptr && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;
}

bool Certificate::has_ec_key() const { return is_p384(X509_get0_pubkey(get())); }

bool Certificate::is_self_issued() const {
    return X509_NAME_cmp(X509_get_subject_name(get()), X509_get_issuer_name(get())) == 0;
}

ChipExtensions Certificate::extensions() const {
    ChipExtensions result;
    for (int at = 0; at < X509_get_ext_count(get()); ++at) {
        X509_EXTENSION* const extension = X509_get_ext(get(), at);
        char text[128]{};
        OBJ_obj2txt(text, sizeof(text), X509_EXTENSION_get_object(extension), 1);
        const std::string_view oid(text);
        if (!oid.starts_with(amd)) {
            continue;
        }
        const std::string_view own          = oid.substr(amd.size());
        const ASN1_OCTET_STRING* const data = X509_EXTENSION_get_data(extension);
        const u8* bytes                     = ASN1_STRING_get0_data(data);
        const int length                    = ASN1_STRING_length(data);
        const std::span value(bytes, static_cast<u64>(length));
        if (own == "4") {
            result.chip_id.assign(value.begin(), value.end()); // as it is, in no type of ASN.1
        } else if ((own == "2" || own == "5") && value.size() > 2) {
            // An IA5String of a short length.
            const std::string name(value.begin() + 2, value.end());
            (own == "2" ? result.product : result.provider) = name;
        }
        const auto* row = std::ranges::find(tcb_extensions, own, &TcbExtension::oid);
        if (row == std::end(tcb_extensions)) {
            continue;
        }
        const Integer number(d2i_ASN1_INTEGER(nullptr, &bytes, length));
        const long level = number == nullptr ? -1 : ASN1_INTEGER_get(number.get());
        // What is no byte is no level, and equals none in a report.
        result.tcb.emplace_back(row->name,
                                level < 0 || level > 0xFF ? 0x100u : static_cast<unsigned>(level));
    }
    return result;
}

Digest256 Certificate::fingerprint() const {
    u8* der          = nullptr;
    const int length = i2d_X509(get(), &der);
    Digest256 digest = sha256({der, static_cast<u64>(std::max(length, 0))});
    OPENSSL_free(der);
    return digest;
}

bool Certificate::has_signed(std::span<const u8> message, const SnpSignature& signature) const {
    return has_ec_key() && is_signed(public_key_of(X509_get0_pubkey(get())), signature, message);
}

std::expected<std::vector<Certificate>, std::string> read_certificates(std::span<const u8> bytes) {
    constexpr std::string_view armour = "-----BEGIN CERTIFICATE-----";
    constexpr u8 sequence             = 0x30;
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (text.find(armour) != std::string_view::npos) {
        return read_pem(bytes);
    }
    return !bytes.empty() && bytes.front() == sequence ? read_der(bytes) : read_table(bytes);
}

} // namespace vestibule::igvm
