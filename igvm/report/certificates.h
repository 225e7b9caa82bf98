// SPDX-License-Identifier: BSD-2-Clause-Patent
// X.509 certificates of AMD's keys by OpenSSL: from PEM, DER or the table that an extended guest
// request returns (GHCB specification, section 4.1.8.1), and the extensions that AMD puts into
// those of VCEK and VLEK (VCEK certificate and KDS interface specification, 57230, table 8).
#pragma once

#include "igvm/report/fields.h"

#include <memory>

using X509 = struct x509_st;

namespace vestibule::igvm {

/// What AMD says of a chip in its key's certificate.
struct ChipExtensions {
    std::string product;                               // productName, "Milan-B0"
    std::vector<std::pair<std::string, unsigned>> tcb; // by TcbPart::name
    std::vector<u8> chip_id;                           // hwID; none in a VLEK's
    std::string provider;                              // csp_id; none in a VCEK's

    [[nodiscard]] bool is_there() const { return !product.empty() || !tcb.empty(); }
};

class Certificate {
  public:
    /// Takes it.
    explicit Certificate(X509* certificate);

    [[nodiscard]] X509* get() const { return certificate_.get(); }

    [[nodiscard]] std::string subject() const; // the common name
    [[nodiscard]] std::string issuer() const;
    [[nodiscard]] bool is_rsa() const;
    /// P-384, and a point of it.
    [[nodiscard]] bool has_ec_key() const;
    [[nodiscard]] bool is_self_issued() const;
    [[nodiscard]] ChipExtensions extensions() const;
    [[nodiscard]] Digest256 fingerprint() const;
    /// ECDSA with SHA-384 over a message, by this certificate's key.
    [[nodiscard]] bool has_signed(std::span<const u8> message, const SnpSignature& signature) const;

  private:
    std::shared_ptr<X509> certificate_;
};

/// All that there are in a file's bytes; an error says why there are none.
std::expected<std::vector<Certificate>, std::string> read_certificates(std::span<const u8> bytes);

} // namespace vestibule::igvm
