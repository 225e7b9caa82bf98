// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/report.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/secure_processor/launch.h"
#include "sevsim/monitor/secure_processor/p384.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

struct FirmwareVersion {
    u8 build;
    u8 minor;
    u8 major;
    u8 reserved;
};

/// A number of the signature, little-endian.
struct SignatureNumber {
    u8 bytes[72];
};

struct Report {
    u32 version;
    u32 guest_svn;
    u64 policy;
    u8 family_id[16];
    u8 image_id[16];
    u32 vmpl;
    u32 signature_algorithm;
    u64 current_tcb;
    u64 platform_info;
    u32 key_info;
    u32 reserved0;
    u8 report_data[64];
    u8 measurement[48];
    u8 host_data[32];
    u8 id_key_digest[48];
    u8 author_key_digest[48];
    u8 report_id[32];
    u8 report_id_ma[32];
    u64 reported_tcb;
    u8 cpuid_family; // from version 3 on
    u8 cpuid_model;
    u8 cpuid_stepping;
    u8 reserved1[21];
    u8 chip_id[64];
    u64 committed_tcb;
    FirmwareVersion current;
    FirmwareVersion committed;
    u64 launch_tcb;
    u64 launch_mit_vector; // from version 5 on
    u64 current_mit_vector;
    u8 reserved2[152];
    SignatureNumber r;
    SignatureNumber s;
    u8 reserved3[368];
};

static_assert(sizeof(Report) == report_size);
static_assert(offsetof(Report, current_tcb) == 0x038);
static_assert(offsetof(Report, report_data) == 0x050);
static_assert(offsetof(Report, measurement) == 0x090);
static_assert(offsetof(Report, host_data) == 0x0C0);
static_assert(offsetof(Report, report_id) == 0x140);
static_assert(offsetof(Report, reported_tcb) == 0x180);
static_assert(offsetof(Report, chip_id) == 0x1A0);
static_assert(offsetof(Report, committed_tcb) == 0x1E0);
static_assert(offsetof(Report, launch_tcb) == 0x1F0);
static_assert(offsetof(Report, r) == 0x2A0);

constexpr u32 ecdsa_p384_sha384     = 1;
constexpr u32 version_with_cpuid    = 3;
constexpr FirmwareVersion abi_level = {.build = 0, .minor = 55, .major = 1, .reserved = 0};

constexpr u8 no_migration_agent = 0xFF;

/// The families and models of CPUID 1 EAX (APM volume 3, CPUID function 1).
void name_processor(Report& report) {
    const u32 signature   = x86::Cpu::cpuid(1).eax;
    report.cpuid_family   = static_cast<u8>(((signature >> 8) & 0xF) + ((signature >> 20) & 0xFF));
    report.cpuid_model    = static_cast<u8>(((signature >> 4) & 0xF) | ((signature >> 12) & 0xF0));
    report.cpuid_stepping = static_cast<u8>(signature & 0xF);
}

SignatureNumber little_endian(const u8* big) {
    SignatureNumber number{};
    for (u64 n = 0; n < p384_size; ++n) {
        number.bytes[n] = big[p384_size - 1 - n];
    }
    return number;
}

bool has_key(u32 selection) {
    switch (selection & 3) {
    case 0: return true;
    case 1: return launch_module().signing_key_kind == SigningKey::vcek;
    case 2: return launch_module().signing_key_kind == SigningKey::vlek;
    default: return false;
    }
}

} // namespace

bool write_report(const ReportRequest& request, u8* bytes) {
    const LaunchModule& launch = launch_module();
    if (!has_key(request.key_selection)) {
        return false;
    }
    Report report{};
    report.version             = launch.report_version;
    report.guest_svn           = launch.identity.guest_svn;
    report.policy              = launch.policy;
    report.vmpl                = request.vmpl;
    report.signature_algorithm = ecdsa_p384_sha384;
    report.current_tcb         = launch.tcb;
    report.key_info            = (launch.identity.has_author_key != 0 ? 1u : 0u)
                      | static_cast<u32>(launch.signing_key_kind) << 2;
    report.reported_tcb  = launch.tcb;
    report.committed_tcb = launch.tcb;
    report.launch_tcb    = launch.tcb;
    report.current       = abi_level;
    report.committed     = abi_level;
    memcpy(report.family_id, launch.identity.family_id, sizeof report.family_id);
    memcpy(report.image_id, launch.identity.image_id, sizeof report.image_id);
    memcpy(report.report_data, request.report_data, sizeof report.report_data);
    memcpy(report.measurement, launch.measurement, sizeof report.measurement);
    memcpy(report.host_data, launch.host_data, sizeof report.host_data);
    memcpy(report.id_key_digest, launch.identity.id_key_digest, sizeof report.id_key_digest);
    memcpy(report.author_key_digest, launch.identity.author_key_digest,
           sizeof report.author_key_digest);
    memcpy(report.report_id, launch.report_id, sizeof report.report_id);
    memset(report.report_id_ma, no_migration_agent, sizeof report.report_id_ma);
    // A VLEK is nobody's in particular.
    if (launch.signing_key_kind == SigningKey::vcek) {
        memcpy(report.chip_id, launch.chip_id, sizeof report.chip_id);
    }
    if (report.version >= version_with_cpuid) {
        name_processor(report);
    }
    const std::span<const u8> signed_part{reinterpret_cast<const u8*>(&report),
                                          offsetof(Report, r)};
    const Signature signature = sign_p384(launch.signing_key, sha384(signed_part));
    report.r                  = little_endian(signature.r);
    report.s                  = little_endian(signature.s);
    memcpy(bytes, &report, sizeof report);
    return true;
}

} // namespace vestibule::sevsim
