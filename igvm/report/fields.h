// SPDX-License-Identifier: BSD-2-Clause-Patent
// What stands in an attestation report, field by field and in words: versions of the trusted
// computing base by the processor's generation (SEV-SNP firmware ABI, TCB_VERSION), PLATFORM_INFO,
// the guest's policy.
#pragma once

#include "igvm/measure/attestation_report.h"

#include <optional>
#include <string>
#include <vector>

namespace vestibule::igvm {

/// Of one root of AMD's. Genoa's is Bergamo's and Siena's too.
enum class CpuGeneration : u8 { milan, genoa, turin };

std::string_view name_of(CpuGeneration generation);

/// By the report itself, which says so from version 3 on.
std::optional<CpuGeneration> generation_of(const AttestationReport& report);

/// By the certificate's productName: "Milan-B0".
std::optional<CpuGeneration> generation_named(std::string_view product);

/// One component of a TCB_VERSION: where it lies is the generation's matter.
struct TcbPart {
    std::string_view name; // as AMD's key server calls it without "SPL", "bl"
    std::string_view words;
    unsigned byte;
};

std::span<const TcbPart> tcb_parts(CpuGeneration generation);

constexpr unsigned tcb_value(u64 tcb, const TcbPart& part) {
    return static_cast<unsigned>(tcb >> (8 * part.byte) & 0xFF);
}

/// "boot loader 4, TEE 0, SNP 22, microcode 213"
std::string tcb_in_words(u64 tcb, CpuGeneration generation);

/// Parts of which the first is below the second.
std::vector<std::string> tcb_below(u64 tcb, u64 least, CpuGeneration generation);

struct PlatformBit {
    unsigned number;
    std::string_view name;
    std::string_view words;
};

std::span<const PlatformBit> platform_bits();

struct ReportLine {
    std::string name;
    std::string value;
};

/// Every field that this version of the report has.
std::vector<ReportLine> lines_of(const AttestationReport& report, CpuGeneration generation);

/// Where AMD's key server has the certificates of a report: that of its key, and the chain above.
std::vector<std::string> addresses_of(const AttestationReport& report, CpuGeneration generation);

} // namespace vestibule::igvm
