// What a verifier compares: the SEV-SNP attestation report (SEV-SNP firmware ABI,
// ATTESTATION_REPORT structure). Its signature is not this tool's business.
#pragma once

#include "igvm/measure/digest.h"

#include <expected>

namespace vestibule::igvm {

inline constexpr u64 report_size        = 0x4A0;
inline constexpr u64 report_policy      = 0x08;
inline constexpr u64 report_measurement = 0x90;

struct ReportFacts {
    u32 version;
    u64 policy;
    Digest384 measurement;
};

struct ReportError {
    u64 offset;
    u64 found;
    std::string_view expected;
};

inline std::expected<ReportFacts, ReportError> read_report(std::span<const u8> bytes) {
    constexpr u32 oldest = 2; // the first version that firmware for guests wrote
    constexpr u32 newest = 15;
    if (bytes.size() != report_size) {
        return std::unexpected(ReportError{.offset   = 0,
                                           .found    = bytes.size(),
                                           .expected = "an attestation report of 0x4a0 bytes"});
    }
    ReportFacts facts;
    __builtin_memcpy(&facts.version, bytes.data(), sizeof(facts.version));
    __builtin_memcpy(&facts.policy, bytes.data() + report_policy, sizeof(facts.policy));
    __builtin_memcpy(facts.measurement.data(), bytes.data() + report_measurement,
                     sizeof(facts.measurement));
    if (facts.version < oldest || facts.version > newest) {
        return std::unexpected(ReportError{
            .offset = 0, .found = facts.version, .expected = "a report version of 2 to 15"});
    }
    return facts;
}

} // namespace vestibule::igvm
