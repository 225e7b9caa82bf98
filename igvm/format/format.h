// SPDX-License-Identifier: BSD-2-Clause-Patent
// The IGVM file format as types: the fixed header and every variable header, as they lie in the
// file, little-endian (microsoft/igvm, igvm_defs: IGVM_FIXED_HEADER and the IGVM_VHS_ structures).
// The table of header types is in header_types.h, VP contexts are in vp_context.h.
#pragma once

#include "x86/types.h"

namespace vestibule::igvm {

inline constexpr u32 file_magic = 0x4D56'4749; // "IGVM"

enum class Architecture : u32 { x64 = 0, aarch64 = 1 };

/// Version 1. The checksum covers the fixed header with this field zero, then the variable headers.
struct FixedHeader {
    u32 magic;
    u32 format_version;
    u32 variable_header_offset;
    u32 variable_header_size; // with all padding
    u32 total_file_size;
    u32 checksum;
};

static_assert(sizeof(FixedHeader) == 24);

/// Version 2 goes on where version 1 ends.
struct FixedHeaderV2 {
    FixedHeader common;
    Architecture architecture;
    u32 page_size;
};

static_assert(sizeof(FixedHeaderV2) == 32);

enum class HeaderType : u32 {
    supported_platform           = 0x001,
    guest_policy                 = 0x101,
    relocatable_region           = 0x102,
    page_table_relocation_region = 0x103,
    corim_document               = 0x104,
    corim_signature              = 0x105,
    cca_policy                   = 0x106,
    parameter_area               = 0x301,
    page_data                    = 0x302,
    parameter_insert             = 0x303,
    vp_context                   = 0x304,
    required_memory              = 0x305,
    vp_count_parameter           = 0x307,
    srat                         = 0x308,
    madt                         = 0x309,
    mmio_ranges                  = 0x30A,
    snp_id_block                 = 0x30B,
    memory_map                   = 0x30C,
    error_range                  = 0x30D,
    command_line                 = 0x30E,
    slit                         = 0x30F,
    pptt                         = 0x310,
    vbs_measurement              = 0x311,
    device_tree                  = 0x312,
    environment_info_parameter   = 0x313,
};

/// What stands before each variable header's content; the content is padded with zeros to 8 bytes.
struct HeaderTag {
    HeaderType type;
    u32 length; // of the content, without padding
};

static_assert(sizeof(HeaderTag) == 8);

inline constexpr u64 header_alignment = 8;

constexpr u64 padded(u64 length) {
    return (length + header_alignment - 1) & ~(header_alignment - 1);
}

enum class PlatformType : u8 {
    native        = 0,
    vsm_isolation = 1,
    sev_snp       = 2,
    tdx           = 3,
    sev           = 4,
    sev_es        = 5,
    cca           = 6,
};

/// Every content type lists the header types that carry it: most carry their own.
struct SupportedPlatform {
    static constexpr HeaderType types[] = {HeaderType::supported_platform};
    u32 compatibility_mask; // exactly one bit, by which later headers name this platform
    u8 highest_vtl;         // 0 or 2
    PlatformType platform_type;
    u16 platform_version;    // 1 for all
    u64 shared_gpa_boundary; // virtual top of memory on SNP and TDX
};

static_assert(sizeof(SupportedPlatform) == 16);

struct GuestPolicy {
    static constexpr HeaderType types[] = {HeaderType::guest_policy};
    u64 policy;
    u32 compatibility_mask;
    u32 reserved;
};

static_assert(sizeof(GuestPolicy) == 16);

struct RelocatableRegion {
    static constexpr HeaderType types[] = {HeaderType::relocatable_region};
    u32 compatibility_mask;
    u16 vp_index;
    u8 vtl;
    u8 flags; // is_vtl2, apply_rip, apply_gdtr
    u64 relocation_alignment;
    u64 relocation_region_gpa;
    u64 relocation_region_size;
    u64 minimum_relocation_gpa;
    u64 maximum_relocation_gpa;

    static constexpr u8 known_flags = 0x7;
};

static_assert(sizeof(RelocatableRegion) == 48);
static_assert(offsetof(RelocatableRegion, relocation_alignment) == 8);

struct PageTableRelocationRegion {
    static constexpr HeaderType types[] = {HeaderType::page_table_relocation_region};
    u32 compatibility_mask;
    u16 vp_index;
    u8 vtl;
    u8 reserved;
    u64 gpa;
    u64 size;
    u64 used_size;
};

static_assert(sizeof(PageTableRelocationRegion) == 32);

struct CorimData {
    static constexpr HeaderType types[] = {HeaderType::corim_document, HeaderType::corim_signature};
    u32 compatibility_mask;
    u32 file_offset;
    u32 size_bytes;
    u32 reserved;
};

static_assert(sizeof(CorimData) == 16);

/// What a realm's attributes must be: a bit of `required_zeroes` must be clear, one of
/// `required_ones` set.
struct CcaPolicy {
    static constexpr HeaderType types[] = {HeaderType::cca_policy};
    u32 compatibility_mask;
    u32 reserved0;
    u64 required_zeroes;
    u64 required_ones;
    u8 hash_algorithm; // RMM C2.24: 0 SHA-256, 1 SHA-512, 2 SHA-384
    u8 lfa_policy;     // live firmware activation: 0 disallowed, 1 allowed
    u8 reserved1[6];

    static constexpr u64 debug      = 1u << 0;
    static constexpr u64 shared_mec = 1u << 1; // memory encryption context
};

static_assert(sizeof(CcaPolicy) == 32);
static_assert(offsetof(CcaPolicy, required_zeroes) == 8);
static_assert(offsetof(CcaPolicy, hash_algorithm) == 24);

struct ParameterArea {
    static constexpr HeaderType types[] = {HeaderType::parameter_area};
    u64 number_of_bytes;
    u32 parameter_area_index;
    u32 file_offset; // of the initial content; 0 = zeros
};

static_assert(sizeof(ParameterArea) == 16);

enum class PageDataType : u16 { normal = 0, secrets = 1, cpuid_data = 2, cpuid_xf = 3 };

struct PageData {
    static constexpr HeaderType types[] = {HeaderType::page_data};
    u64 gpa;
    u32 compatibility_mask;
    u32 file_offset; // 0 = a page of zeros
    u32 flags;
    PageDataType data_type;
    u16 reserved;

    static constexpr u32 is_2mb_page = 1u << 0;
    static constexpr u32 unmeasured  = 1u << 1;
    static constexpr u32 shared      = 1u << 2; // visible to the host, never measured
    static constexpr u32 known_flags = is_2mb_page | unmeasured | shared;
};

static_assert(sizeof(PageData) == 24);
static_assert(offsetof(PageData, data_type) == 20);

struct ParameterInsert {
    static constexpr HeaderType types[] = {HeaderType::parameter_insert};
    u64 gpa;
    u32 compatibility_mask;
    u32 parameter_area_index;
};

static_assert(sizeof(ParameterInsert) == 16);

/// The only header whose content is no multiple of 8.
struct [[gnu::packed]] VpContext {
    static constexpr HeaderType types[] = {HeaderType::vp_context};
    u64 gpa; // of the VMSA on SNP and SEV-ES; 0 elsewhere
    u32 compatibility_mask;
    u32 file_offset;
    u16 vp_index;
    u16 reserved;
};

static_assert(sizeof(VpContext) == 20);

struct RequiredMemory {
    static constexpr HeaderType types[] = {HeaderType::required_memory};
    u64 gpa;
    u32 compatibility_mask;
    u32 number_of_bytes;
    u32 flags;
    u32 reserved;

    static constexpr u32 vtl2_protectable = 1u << 0;
};

static_assert(sizeof(RequiredMemory) == 24);

/// One content for all "put this parameter into that area" headers. They have no mask: they hold
/// for every platform.
struct ParameterUsage {
    static constexpr HeaderType types[] = {HeaderType::vp_count_parameter,
                                           HeaderType::srat,
                                           HeaderType::madt,
                                           HeaderType::mmio_ranges,
                                           HeaderType::memory_map,
                                           HeaderType::command_line,
                                           HeaderType::slit,
                                           HeaderType::pptt,
                                           HeaderType::device_tree,
                                           HeaderType::environment_info_parameter};
    u32 parameter_area_index;
    u32 byte_offset;
};

static_assert(sizeof(ParameterUsage) == 8);

struct ErrorRange {
    static constexpr HeaderType types[] = {HeaderType::error_range};
    u64 gpa;
    u32 compatibility_mask;
    u32 size_bytes;
};

static_assert(sizeof(ErrorRange) == 16);

struct SnpSignature {
    u8 r[72];
    u8 s[72];
};

/// Not the firmware's own layout of a key: that one has no reserved word after the curve.
struct SnpPublicKey {
    u32 curve;
    u32 reserved;
    u8 qx[72];
    u8 qy[72];
};

struct SnpIdBlock {
    static constexpr HeaderType types[] = {HeaderType::snp_id_block};
    u32 compatibility_mask;
    u8 author_key_enabled;
    u8 reserved[3];
    u8 ld[48];
    u8 family_id[16];
    u8 image_id[16];
    u32 version;
    u32 guest_svn;
    u32 id_key_algorithm;
    u32 author_key_algorithm;
    SnpSignature id_key_signature;
    SnpPublicKey id_public_key;
    SnpSignature author_key_signature;
    SnpPublicKey author_public_key;
};

static_assert(sizeof(SnpIdBlock) == 0x2B8);
static_assert(offsetof(SnpIdBlock, ld) == 8);
static_assert(offsetof(SnpIdBlock, id_key_signature) == 104);
static_assert(offsetof(SnpIdBlock, id_public_key) == 248);
static_assert(offsetof(SnpIdBlock, author_key_signature) == 400);
static_assert(offsetof(SnpIdBlock, author_public_key) == 544);

struct VbsMeasurement {
    static constexpr HeaderType types[] = {HeaderType::vbs_measurement};
    u32 compatibility_mask;
    u32 version;
    u32 product_id;
    u32 module_id;
    u32 security_version;
    u32 policy_flags;
    u32 boot_digest_algorithm;
    u32 signing_algorithm;
    u8 boot_measurement_digest[64];
    u8 signature[256];
    u8 public_key[512];
};

static_assert(sizeof(VbsMeasurement) == 0x360);

} // namespace vestibule::igvm
