// SPDX-License-Identifier: BSD-2-Clause-Patent
// A root of the tests' own, as AMD's is built: ARK and ASK with RSA of 4096 bits and RSASSA-PSS,
// keys of chips on P-384 with AMD's extensions in their certificates, and reports that they sign.
// Written from 57230 and the firmware ABI; igvm/report is not used here.
#pragma once

#include "igvm/measure/attestation_report.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace vestibule::igvm::test {

using Bytes = std::vector<u8>;
using Key   = std::shared_ptr<EVP_PKEY>;

Key new_rsa_key(unsigned bits = 4096);
Key new_ec_key(const char* curve = "P-384");

/// What a chip's certificate says.
struct Chip {
    std::string product = "Milan-B0";
    unsigned bl = 4, tee = 0, snp = 22, ucode = 213;
    int fmc = -1; // Turin's
    Bytes id;     // none in a VLEK's
    std::string provider;
    bool has_extensions = true;
};

struct CertificateOptions {
    std::string subject;
    std::string issuer;
    bool is_ca       = false;
    long from        = -3600; // seconds from now
    long until       = 3600;
    bool pss         = true;
    const Chip* chip = nullptr;
};

/// In DER.
Bytes make_certificate(const Key& key, const Key& issuer_key, const CertificateOptions& options);

Bytes to_pem(const Bytes& der);

/// As an extended guest request returns them.
Bytes to_table(const std::vector<Bytes>& certificates);

/// ARK, ASK and the key of a chip, made once for all tests: RSA keys take their time.
struct TestRoot {
    TestRoot();

    static const TestRoot& get();

    Key ark_key, ask_key, chip_key;
    Chip chip;
    Bytes ark, ask, vcek;

    /// Of version 3, of a Milan, with this chip's TCB and ID, signed.
    [[nodiscard]] AttestationReport report() const;
};

void sign(AttestationReport& report, const Key& key);

Bytes bytes_of(const AttestationReport& report);

} // namespace vestibule::igvm::test
