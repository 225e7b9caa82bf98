// SPDX-License-Identifier: BSD-2-Clause-Patent
// The SEV-SNP attestation report as the firmware writes it (SEV-SNP firmware ABI,
// ATTESTATION_REPORT structure, versions 2 to 5). What follows from it, and who has signed it, is
// in igvm/report.
#pragma once

#include "igvm/format/format.h"
#include "igvm/measure/digest.h"

#include <expected>
#include <string_view>

namespace vestibule::igvm {

struct AttestationReport {
    u32 version;
    u32 guest_svn;
    u64 policy;
    u8 family_id[16];
    u8 image_id[16];
    u32 vmpl;
    u32 signature_algorithm; // 1: ECDSA on P-384 with SHA-384
    u64 current_tcb;
    u64 platform_info;
    u32 flags; // AUTHOR_KEY_EN, MASK_CHIP_KEY, SIGNING_KEY in bits 4:2
    u32 reserved0;
    u8 report_data[64];
    u8 measurement[48];
    u8 host_data[32];
    u8 id_key_digest[48];
    u8 author_key_digest[48];
    u8 report_id[32];
    u8 report_id_ma[32];
    u64 reported_tcb;
    u8 cpu_family; // from version 3 on, as the two that follow
    u8 cpu_model;
    u8 cpu_stepping;
    u8 reserved1[21];
    u8 chip_id[64];
    u64 committed_tcb;
    u8 current_build;
    u8 current_minor;
    u8 current_major;
    u8 reserved2;
    u8 committed_build;
    u8 committed_minor;
    u8 committed_major;
    u8 reserved3;
    u64 launch_tcb;
    u64 launch_mit_vector; // from version 5 on, as the next
    u64 current_mit_vector;
    u8 reserved4[152];
    SnpSignature signature; // over all before it
    u8 reserved5[368];

    static constexpr u32 author_key_enabled = 1u << 0;
    static constexpr u32 chip_id_masked     = 1u << 1;

    [[nodiscard]] unsigned signing_key() const { return flags >> 2 & 7; }
};

inline constexpr u64 report_size = 0x4A0;
static_assert(sizeof(AttestationReport) == report_size);
static_assert(offsetof(AttestationReport, report_data) == 0x50);
static_assert(offsetof(AttestationReport, measurement) == 0x90);
static_assert(offsetof(AttestationReport, id_key_digest) == 0xE0);
static_assert(offsetof(AttestationReport, reported_tcb) == 0x180);
static_assert(offsetof(AttestationReport, chip_id) == 0x1A0);
static_assert(offsetof(AttestationReport, committed_tcb) == 0x1E0);
static_assert(offsetof(AttestationReport, launch_tcb) == 0x1F0);
static_assert(offsetof(AttestationReport, signature) == 0x2A0);

inline constexpr u64 signed_report_size = offsetof(AttestationReport, signature);

/// Who signs: SIGNING_KEY.
namespace signing_key {
inline constexpr unsigned vcek = 0;
inline constexpr unsigned vlek = 1;
inline constexpr unsigned none = 7;
} // namespace signing_key

struct ReportError {
    u64 offset;
    u64 found;
    std::string_view expected;
};

inline std::expected<AttestationReport, ReportError> read_report(std::span<const u8> bytes) {
    constexpr u32 oldest = 2; // the first version that firmware for guests wrote
    constexpr u32 newest = 5;
    if (bytes.size() != report_size) {
        return std::unexpected(ReportError{.offset   = 0,
                                           .found    = bytes.size(),
                                           .expected = "an attestation report of 0x4a0 bytes"});
    }
    AttestationReport report;
    __builtin_memcpy(&report, bytes.data(), sizeof(report));
    if (report.version < oldest || report.version > newest) {
        return std::unexpected(ReportError{
            .offset = 0, .found = report.version, .expected = "a report version of 2 to 5"});
    }
    return report;
}

} // namespace vestibule::igvm
