// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whether a report comes from a chip of AMD's: the report's signature by VCEK or VLEK, that key's
// certificate by ASK or ASVK, that by ARK, and ARK by its pinned fingerprint (57230, "VCEK
// Certificate and KDS Interface Specification"; SEV-SNP firmware ABI, chapter 10). Every check is
// one line.
#pragma once

#include "igvm/report/certificates.h"

#include <ctime>

namespace vestibule::igvm {

struct ReportCheck {
    std::string name;
    bool passed;
    std::string words; // what was found; where it failed, what was expected too
};

struct ChainOptions {
    /// The roots that are believed, by the SHA-256 of their certificate; AMD's where there is none.
    std::vector<Digest256> roots;
    std::time_t at; // certificates have to be valid then
    CpuGeneration generation;
};

/// In the order of the chain, from the report upwards. `signed_part` is the report's bytes.
std::vector<ReportCheck> check_chain(const AttestationReport& report,
                                     std::span<const u8> signed_part,
                                     std::span<const Certificate> certificates,
                                     const ChainOptions& options);

/// The generation that a leaf's certificate is of, for reports that do not say it themselves.
std::optional<CpuGeneration> generation_of(std::span<const Certificate> certificates);

} // namespace vestibule::igvm
