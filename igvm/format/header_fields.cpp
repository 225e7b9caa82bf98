// SPDX-License-Identifier: BSD-2-Clause-Patent
// See header_fields.h. Offsets come from the types alone: a field's name here is its name there.
#include "igvm/format/header_fields.h"

#include "igvm/format/hex.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
using enum FieldKind;

#define FIELD(T, field, kind) {#field, offsetof(T, field), sizeof(T::field), kind}

constexpr HeaderField platform_fields[] = {
    FIELD(SupportedPlatform, compatibility_mask, hex),
    FIELD(SupportedPlatform, highest_vtl, number),
    FIELD(SupportedPlatform, platform_type, number),
    FIELD(SupportedPlatform, platform_version, number),
    FIELD(SupportedPlatform, shared_gpa_boundary, hex),
};
constexpr HeaderField policy_fields[] = {
    FIELD(GuestPolicy, policy, hex),
    FIELD(GuestPolicy, compatibility_mask, mask),
};
constexpr HeaderField relocatable_fields[] = {
    FIELD(RelocatableRegion, compatibility_mask, mask),
    FIELD(RelocatableRegion, vp_index, number),
    FIELD(RelocatableRegion, vtl, number),
    FIELD(RelocatableRegion, flags, hex),
    FIELD(RelocatableRegion, relocation_alignment, hex),
    FIELD(RelocatableRegion, relocation_region_gpa, hex),
    FIELD(RelocatableRegion, relocation_region_size, hex),
    FIELD(RelocatableRegion, minimum_relocation_gpa, hex),
    FIELD(RelocatableRegion, maximum_relocation_gpa, hex),
};
constexpr HeaderField page_tables_fields[] = {
    FIELD(PageTableRelocationRegion, compatibility_mask, mask),
    FIELD(PageTableRelocationRegion, vp_index, number),
    FIELD(PageTableRelocationRegion, vtl, number),
    FIELD(PageTableRelocationRegion, gpa, hex),
    FIELD(PageTableRelocationRegion, size, hex),
    FIELD(PageTableRelocationRegion, used_size, hex),
};
constexpr HeaderField corim_fields[] = {
    FIELD(CorimData, compatibility_mask, mask),
    FIELD(CorimData, file_offset, file_offset),
    FIELD(CorimData, size_bytes, number),
};
constexpr HeaderField cca_fields[] = {
    FIELD(CcaPolicy, compatibility_mask, mask), FIELD(CcaPolicy, required_zeroes, hex),
    FIELD(CcaPolicy, required_ones, hex),       FIELD(CcaPolicy, hash_algorithm, number),
    FIELD(CcaPolicy, lfa_policy, number),
};
constexpr HeaderField area_fields[] = {
    FIELD(ParameterArea, number_of_bytes, number),
    FIELD(ParameterArea, parameter_area_index, number),
    FIELD(ParameterArea, file_offset, file_offset),
};
constexpr HeaderField page_fields[] = {
    FIELD(PageData, gpa, hex),
    FIELD(PageData, compatibility_mask, mask),
    FIELD(PageData, file_offset, file_offset),
    FIELD(PageData, flags, hex),
    FIELD(PageData, data_type, number),
};
constexpr HeaderField insert_fields[] = {
    FIELD(ParameterInsert, gpa, hex),
    FIELD(ParameterInsert, compatibility_mask, mask),
    FIELD(ParameterInsert, parameter_area_index, number),
};
constexpr HeaderField context_fields[] = {
    FIELD(VpContext, gpa, hex),
    FIELD(VpContext, compatibility_mask, mask),
    FIELD(VpContext, file_offset, file_offset),
    FIELD(VpContext, vp_index, number),
};
constexpr HeaderField memory_fields[] = {
    FIELD(RequiredMemory, gpa, hex),
    FIELD(RequiredMemory, compatibility_mask, mask),
    FIELD(RequiredMemory, number_of_bytes, number),
    FIELD(RequiredMemory, flags, hex),
};
constexpr HeaderField usage_fields[] = {
    FIELD(ParameterUsage, parameter_area_index, number),
    FIELD(ParameterUsage, byte_offset, number),
};
constexpr HeaderField error_range_fields[] = {
    FIELD(ErrorRange, gpa, hex),
    FIELD(ErrorRange, compatibility_mask, mask),
    FIELD(ErrorRange, size_bytes, number),
};
constexpr HeaderField id_block_fields[] = {
    FIELD(SnpIdBlock, compatibility_mask, mask),
    FIELD(SnpIdBlock, author_key_enabled, number),
    FIELD(SnpIdBlock, ld, bytes),
    FIELD(SnpIdBlock, family_id, bytes),
    FIELD(SnpIdBlock, image_id, bytes),
    FIELD(SnpIdBlock, version, number),
    FIELD(SnpIdBlock, guest_svn, number),
    FIELD(SnpIdBlock, id_key_algorithm, number),
    FIELD(SnpIdBlock, author_key_algorithm, number),
    FIELD(SnpIdBlock, id_key_signature.r, bytes),
    FIELD(SnpIdBlock, id_key_signature.s, bytes),
    FIELD(SnpIdBlock, id_public_key.curve, number),
    FIELD(SnpIdBlock, id_public_key.qx, bytes),
    FIELD(SnpIdBlock, id_public_key.qy, bytes),
    FIELD(SnpIdBlock, author_key_signature.r, bytes),
    FIELD(SnpIdBlock, author_key_signature.s, bytes),
    FIELD(SnpIdBlock, author_public_key.curve, number),
    FIELD(SnpIdBlock, author_public_key.qx, bytes),
    FIELD(SnpIdBlock, author_public_key.qy, bytes),
};
constexpr HeaderField vbs_fields[] = {
    FIELD(VbsMeasurement, compatibility_mask, mask),
    FIELD(VbsMeasurement, version, number),
    FIELD(VbsMeasurement, product_id, number),
    FIELD(VbsMeasurement, module_id, number),
    FIELD(VbsMeasurement, security_version, number),
    FIELD(VbsMeasurement, policy_flags, hex),
    FIELD(VbsMeasurement, boot_digest_algorithm, number),
    FIELD(VbsMeasurement, signing_algorithm, number),
    FIELD(VbsMeasurement, boot_measurement_digest, bytes),
    FIELD(VbsMeasurement, signature, bytes),
    FIELD(VbsMeasurement, public_key, bytes),
};
#undef FIELD

template <class T>
constexpr bool is_for(HeaderType type) {
    return carries<T>(type);
}

struct Row {
    bool (*is_for)(HeaderType);
    std::span<const HeaderField> fields;
};

constexpr Row rows[] = {
    {.is_for = is_for<SupportedPlatform>,         .fields = platform_fields   },
    {.is_for = is_for<GuestPolicy>,               .fields = policy_fields     },
    {.is_for = is_for<RelocatableRegion>,         .fields = relocatable_fields},
    {.is_for = is_for<PageTableRelocationRegion>, .fields = page_tables_fields},
    {.is_for = is_for<CorimData>,                 .fields = corim_fields      },
    {.is_for = is_for<CcaPolicy>,                 .fields = cca_fields        },
    {.is_for = is_for<ParameterArea>,             .fields = area_fields       },
    {.is_for = is_for<PageData>,                  .fields = page_fields       },
    {.is_for = is_for<ParameterInsert>,           .fields = insert_fields     },
    {.is_for = is_for<VpContext>,                 .fields = context_fields    },
    {.is_for = is_for<RequiredMemory>,            .fields = memory_fields     },
    {.is_for = is_for<ParameterUsage>,            .fields = usage_fields      },
    {.is_for = is_for<ErrorRange>,                .fields = error_range_fields},
    {.is_for = is_for<SnpIdBlock>,                .fields = id_block_fields   },
    {.is_for = is_for<VbsMeasurement>,            .fields = vbs_fields        },
};

/// No type of the format is forgotten.
consteval bool all_types() {
    for (const HeaderTypeRow& type : header_types) {
        bool found = false;
        for (const Row& row : rows) {
            found = found || row.is_for(type.type);
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

static_assert(all_types());
} // namespace

std::span<const HeaderField> fields_of(HeaderType type) {
    for (const Row& row : rows) {
        if (row.is_for(type)) {
            return row.fields;
        }
    }
    return {};
}

u64 load_number(std::span<const u8> bytes) {
    u64 value = 0;
    for (u64 i = 0; i < bytes.size() && i < sizeof(u64); ++i) {
        value |= u64{bytes[i]} << (8 * i);
    }
    return value;
}

std::string value_of(const HeaderField& field, const Header& header) {
    const auto bytes = header.content.subspan(field.offset, field.size);
    switch (field.kind) {
    case FieldKind::bytes: return to_hex(bytes);
    case FieldKind::number: return fmt::format("{}", load_number(bytes));
    default: return fmt::format("{:#x}", load_number(bytes));
    }
}

} // namespace vestibule::igvm
