// SPDX-License-Identifier: BSD-2-Clause-Patent
// The table of variable header types: name, size, section and where the compatibility mask stands
// (igvm_defs, IgvmVariableHeaderType). 0x306 was SHARED_BOUNDARY_GPA and is nobody's now.
#pragma once

#include "igvm/format/format.h"

#include <string_view>

namespace vestibule::igvm {

/// Headers come in this order of sections; none may go back.
enum class Section : u8 { platform, initialization, directive };

struct SectionRow {
    Section section;
    u32 first;
    u32 last;
};

inline constexpr SectionRow sections[] = {
    {.section = Section::platform,       .first = 0x001, .last = 0x100},
    {.section = Section::initialization, .first = 0x101, .last = 0x200},
    {.section = Section::directive,      .first = 0x301, .last = 0x400},
};

/// What a header's compatibility mask says: nothing (the header is for all platforms), which of the
/// declared platforms it is for, which single one, or the bit of a platform declared here.
enum class Mask : u8 { none, any, single, declares };

struct HeaderTypeRow {
    std::string_view name;
    HeaderType type;
    u32 size;
    u32 mask_offset;
    Mask mask;

    [[nodiscard]] constexpr Section section() const {
        for (const SectionRow& row : sections) {
            if (static_cast<u32>(type) <= row.last) {
                return row.section;
            }
        }
        return Section::directive;
    }
};

namespace detail {
template <class T>
consteval HeaderTypeRow row(std::string_view name, Mask mask = Mask::any,
                            HeaderType type = T::types[0]) {
    HeaderTypeRow result{
        .name = name, .type = type, .size = sizeof(T), .mask_offset = 0, .mask = mask};
    if constexpr (requires { &T::compatibility_mask; }) {
        result.mask_offset = offsetof(T, compatibility_mask);
    } else {
        result.mask = Mask::none;
    }
    return result;
}

consteval HeaderTypeRow usage(std::string_view name, HeaderType type) {
    return row<ParameterUsage>(name, Mask::none, type);
}
} // namespace detail

inline constexpr HeaderTypeRow header_types[] = {
    detail::row<SupportedPlatform>("SUPPORTED_PLATFORM", Mask::declares),
    detail::row<GuestPolicy>("GUEST_POLICY"),
    detail::row<RelocatableRegion>("RELOCATABLE_REGION"),
    detail::row<PageTableRelocationRegion>("PAGE_TABLE_RELOCATION_REGION"),
    detail::row<CorimData>("CORIM_DOCUMENT"),
    detail::row<CorimData>("CORIM_SIGNATURE", Mask::any, HeaderType::corim_signature),
    detail::row<CcaPolicy>("CCA_POLICY"),
    detail::row<ParameterArea>("PARAMETER_AREA"),
    detail::row<PageData>("PAGE_DATA"),
    detail::row<ParameterInsert>("PARAMETER_INSERT"),
    detail::row<VpContext>("VP_CONTEXT", Mask::single),
    detail::row<RequiredMemory>("REQUIRED_MEMORY"),
    detail::usage("VP_COUNT_PARAMETER", HeaderType::vp_count_parameter),
    detail::usage("SRAT", HeaderType::srat),
    detail::usage("MADT", HeaderType::madt),
    detail::usage("MMIO_RANGES", HeaderType::mmio_ranges),
    detail::row<SnpIdBlock>("SNP_ID_BLOCK"),
    detail::usage("MEMORY_MAP", HeaderType::memory_map),
    detail::row<ErrorRange>("ERROR_RANGE"),
    detail::usage("COMMAND_LINE", HeaderType::command_line),
    detail::usage("SLIT", HeaderType::slit),
    detail::usage("PPTT", HeaderType::pptt),
    detail::row<VbsMeasurement>("VBS_MEASUREMENT"),
    detail::usage("DEVICE_TREE", HeaderType::device_tree),
    detail::usage("ENVIRONMENT_INFO_PARAMETER", HeaderType::environment_info_parameter),
};

constexpr bool is_optional(HeaderType type) { return (static_cast<u32>(type) >> 31) != 0; }

/// Of any length, and for all platforms as far as anyone can say.
inline constexpr HeaderTypeRow unknown_optional_header{.name        = "unknown optional header",
                                                       .type        = HeaderType{0x8000'0000},
                                                       .size        = 0,
                                                       .mask_offset = 0,
                                                       .mask        = Mask::none};

/// The row of a type, or null where the format defines no such type.
constexpr const HeaderTypeRow* find_header_type(HeaderType type) {
    for (const HeaderTypeRow& row : header_types) {
        if (row.type == type) {
            return &row;
        }
    }
    return nullptr;
}

/// Whether headers of this type carry a T.
template <class T>
constexpr bool carries(HeaderType type) {
    for (const HeaderType own : T::types) {
        if (own == type) {
            return true;
        }
    }
    return false;
}

} // namespace vestibule::igvm
