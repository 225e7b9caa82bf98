// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an attestation report is made over, as build and report are told it: a verifier's nonce, and
// behind it the key that the payload is known by.
#pragma once

#include "igvm/tool/verbs.h"

#include "x86/types.h"

#include <array>
#include <optional>
#include <string>

namespace vestibule::igvm {

struct ReportDataArguments {
    std::string nonce; // hexadecimal digits, or @ and a file's name
    std::string key;   // a file
};

/// --attest and --attest-key.
void add_report_data_options(CLI::App& verb, ReportDataArguments& arguments,
                             const std::string& description);

/// REPORT_DATA: SHA-512 of the nonce's bytes and the key file's, so that
/// `cat nonce key | openssl sha512` gives the same. None where no nonce is named. Wrong use is a
/// CLI::ValidationError, a file that cannot be read a Failure.
std::optional<std::array<u8, 64>> report_data_of(const ReportDataArguments& arguments);

} // namespace vestibule::igvm
