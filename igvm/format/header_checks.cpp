// SPDX-License-Identifier: BSD-2-Clause-Patent
// Checks of single variable headers: first the two tables (compatibility mask by header type, bits
// that must be zero by field), then one function per type for what is no table. VP contexts are in
// vp_context_checks.cpp.
#include "igvm/format/header_checks.h"

#include "x86/page_table.h"

#include <bit>

namespace vestibule::igvm {

namespace {
/// Bits of a field that are zero in every valid file: reserved fields, unknown flags, the low bits
/// of what must be aligned.
struct ZeroBits {
    constexpr ZeroBits(HeaderType header, u64 at, u64 length, u64 forbidden, Rule broken)
        : bits(forbidden), offset(static_cast<u32>(at)), size(static_cast<u32>(length)),
          type(header), rule(broken) {}

    u64 bits;
    u32 offset;
    u32 size;
    HeaderType type;
    Rule rule;
};

constexpr u64 all_bits     = ~u64{0};
constexpr u64 in_page_bits = page_size - 1;

#define FIELD(T, field) T::types[0], offsetof(T, field), sizeof(T::field)
constexpr ZeroBits zero_bits[] = {
    {FIELD(SupportedPlatform, highest_vtl), ~u64{2}, Rule::highest_vtl},
    {FIELD(GuestPolicy, reserved), all_bits, Rule::zero_reserved},
    {FIELD(RelocatableRegion, flags), ~u64{RelocatableRegion::known_flags},
     Rule::known_relocation_flags},
    {FIELD(RelocatableRegion, relocation_alignment), in_page_bits, Rule::relocation_alignment},
    {FIELD(RelocatableRegion, relocation_region_size), in_page_bits, Rule::size_page_multiple},
    {FIELD(PageTableRelocationRegion, reserved), all_bits, Rule::zero_reserved},
    {FIELD(PageTableRelocationRegion, gpa), in_page_bits, Rule::gpa_page_aligned},
    {FIELD(PageTableRelocationRegion, size), in_page_bits, Rule::size_page_multiple},
    {FIELD(PageTableRelocationRegion, used_size), in_page_bits, Rule::size_page_multiple},
    {FIELD(CorimData, reserved), all_bits, Rule::zero_reserved},
    {HeaderType::corim_signature, offsetof(CorimData, reserved), sizeof(u32), all_bits,
     Rule::zero_reserved},
    {FIELD(CcaPolicy, reserved0), all_bits, Rule::zero_reserved},
    {FIELD(CcaPolicy, reserved1), all_bits, Rule::zero_reserved},
    {FIELD(ParameterArea, number_of_bytes), in_page_bits, Rule::size_page_multiple},
    {FIELD(PageData, gpa), in_page_bits, Rule::gpa_page_aligned},
    {FIELD(PageData, flags), ~u64{PageData::known_flags}, Rule::known_page_flags},
    {FIELD(PageData, data_type), ~u64{3}, Rule::known_page_type},
    {FIELD(PageData, reserved), all_bits, Rule::zero_reserved},
    {FIELD(ParameterInsert, gpa), in_page_bits, Rule::gpa_page_aligned},
    {FIELD(VpContext, reserved), all_bits, Rule::reserved_overlooked},
    {FIELD(RequiredMemory, gpa), in_page_bits, Rule::gpa_page_aligned},
    {FIELD(RequiredMemory, number_of_bytes), in_page_bits, Rule::size_page_multiple},
    {FIELD(RequiredMemory, flags), ~u64{RequiredMemory::vtl2_protectable},
     Rule::known_memory_flags},
    {FIELD(RequiredMemory, reserved), all_bits, Rule::zero_reserved},
    {FIELD(ErrorRange, gpa), in_page_bits, Rule::gpa_page_aligned},
    {FIELD(ErrorRange, size_bytes), in_page_bits, Rule::error_range_size},
    {FIELD(SnpIdBlock, author_key_enabled), ~u64{1}, Rule::author_key_flag},
    {FIELD(SnpIdBlock, reserved), all_bits, Rule::reserved_overlooked},
    {FIELD(SnpIdBlock, id_public_key.reserved), all_bits, Rule::reserved_overlooked},
    {FIELD(SnpIdBlock, author_public_key.reserved), all_bits, Rule::reserved_overlooked},
};
#undef FIELD

u64 load_bytes(std::span<const u8> bytes) {
    u64 value = 0;
    for (u64 i = 0; i < bytes.size(); ++i) {
        value |= u64{bytes[i]} << (8 * i);
    }
    return value;
}

/// Whether [gpa, gpa + size) ends within 64 bits; the last page of the address space does.
bool in_range(u64 gpa, u64 size) { return size == 0 || gpa <= ~u64{0} - (size - 1); }
} // namespace

using Result = HeaderChecks::Result;

Result HeaderChecks::judge(const Error& error) const {
    if (!is_tolerated(error.rule)) {
        return error;
    }
    remarks_(error);
    return std::nullopt;
}

Result HeaderChecks::check(const Header& header) {
    if (auto error = mask(header)) {
        return error;
    }
    for (const ZeroBits& row : zero_bits) {
        if (row.type != header.type) {
            continue;
        }
        const u64 value = load_bytes(header.content.subspan(row.offset, row.size));
        if ((value & row.bits) != 0) {
            if (auto error = judge(fault(row.rule, header, row.offset, value))) {
                return error;
            }
        }
    }
    switch (header.type) {
    case HeaderType::supported_platform: return platform(header);
    case HeaderType::relocatable_region: return relocatable_region(header);
    case HeaderType::page_table_relocation_region: return page_table_region(header);
    case HeaderType::corim_document:
    case HeaderType::corim_signature: return corim(header);
    case HeaderType::cca_policy: return cca_policy(header);
    case HeaderType::parameter_area: return parameter_area(header);
    case HeaderType::page_data: return page_data(header);
    case HeaderType::parameter_insert: return parameter_insert(header);
    case HeaderType::vp_context: return vp_context(header);
    case HeaderType::required_memory: return required_memory(header);
    case HeaderType::error_range: return error_range(header);
    default: return carries<ParameterUsage>(header.type) ? usage(header) : std::nullopt;
    }
}

Result HeaderChecks::mask(const Header& header) const {
    const HeaderTypeRow& row = header.row();
    if (row.mask == Mask::none) {
        return std::nullopt;
    }
    const u32 value = header.compatibility_mask();
    if (row.mask != Mask::any) {
        return std::has_single_bit(value)
                   ? std::nullopt
                   : Result(fault(Rule::mask_single_bit, header, row.mask_offset, value));
    }
    if (value == 0) {
        return judge(fault(Rule::mask_not_empty, header, row.mask_offset, value));
    }
    if ((value & ~declared_) != 0) {
        return judge(fault(Rule::mask_declared, header, row.mask_offset, value));
    }
    return std::nullopt;
}

/// `field` is where the header holds `file_offset`.
Result HeaderChecks::data(const Header& header, u64 field, u32 file_offset, u64 size) const {
    if (file_offset < data_start_) {
        return fault(Rule::data_outside_headers, header, field, file_offset);
    }
    if (file_offset > file_.size() || size > file_.size() - file_offset) {
        return fault(Rule::data_inside_file, header, field, file_offset);
    }
    return std::nullopt;
}

Result HeaderChecks::platform(const Header& header) {
    const auto platform = load<SupportedPlatform>(header.content);
    const auto type     = static_cast<u8>(platform.platform_type);
    const u64 at_type   = offsetof(SupportedPlatform, platform_type);
    if (type > static_cast<u8>(PlatformType::cca)) {
        return fault(Rule::known_platform, header, at_type, type);
    }

    // VSM alone exists on both architectures.
    const bool vsm = platform.platform_type == PlatformType::vsm_isolation;
    const bool arm = platform.platform_type == PlatformType::cca;
    if (!vsm && arm != (architecture_ == Architecture::aarch64)) {
        return fault(Rule::platform_architecture, header, at_type, type);
    }
    if (((platform_types_ >> type) & 1) != 0) {
        return fault(Rule::platform_once, header, at_type, type);
    }
    if ((platform.compatibility_mask & declared_) != 0) {
        if (auto error =
                judge(fault(Rule::platform_mask_once, header, 0, platform.compatibility_mask))) {
            return error;
        }
    }
    if (platform.platform_version != 1) {
        return fault(Rule::platform_version, header, offsetof(SupportedPlatform, platform_version),
                     platform.platform_version, 1);
    }
    const bool has_boundary = !vsm && platform.platform_type != PlatformType::native;
    if (!has_boundary && platform.shared_gpa_boundary != 0) {
        return fault(Rule::shared_boundary, header,
                     offsetof(SupportedPlatform, shared_gpa_boundary), platform.shared_gpa_boundary,
                     0);
    }
    platform_types_ |= u32{1} << type;
    declared_ |= platform.compatibility_mask;
    platform_of_bit_[std::countr_zero(platform.compatibility_mask)] = platform.platform_type;
    return std::nullopt;
}

Result HeaderChecks::relocatable_region(const Header& header) {
    const auto region = load<RelocatableRegion>(header.content);
    const u64 align   = region.relocation_alignment;
    if (align == 0) {
        return fault(Rule::relocation_alignment, header,
                     offsetof(RelocatableRegion, relocation_alignment), align);
    }
    if (region.relocation_region_gpa % align != 0) {
        return fault(Rule::relocation_aligned, header,
                     offsetof(RelocatableRegion, relocation_region_gpa),
                     region.relocation_region_gpa);
    }
    if (region.minimum_relocation_gpa % align != 0) {
        return fault(Rule::relocation_aligned, header,
                     offsetof(RelocatableRegion, minimum_relocation_gpa),
                     region.minimum_relocation_gpa);
    }
    if (region.maximum_relocation_gpa % align != 0) {
        return fault(Rule::relocation_aligned, header,
                     offsetof(RelocatableRegion, maximum_relocation_gpa),
                     region.maximum_relocation_gpa);
    }
    if (region.minimum_relocation_gpa > region.maximum_relocation_gpa) {
        if (auto error = judge(fault(Rule::relocation_limits, header,
                                     offsetof(RelocatableRegion, minimum_relocation_gpa),
                                     region.minimum_relocation_gpa))) {
            return error;
        }
    }
    if (!in_range(region.relocation_region_gpa, region.relocation_region_size)) {
        return fault(Rule::gpa_range, header, offsetof(RelocatableRegion, relocation_region_size),
                     region.relocation_region_size);
    }
    if (auto error = add_relocation(header, offsetof(RelocatableRegion, relocation_region_gpa),
                                    {.mask = region.compatibility_mask,
                                     .gpa  = region.relocation_region_gpa,
                                     .size = region.relocation_region_size})) {
        return error;
    }
    return name_vp(header, offsetof(RelocatableRegion, vp_index),
                   {.mask         = region.compatibility_mask,
                    .vp_index     = region.vp_index,
                    .vtl          = region.vtl,
                    .seen         = false,
                    .header_index = 0,
                    .offset       = 0});
}

/// `field` is where the header holds the region's address.
Result HeaderChecks::add_relocation(const Header& header, u64 field, const Region& region) {
    for (const Region& other : relocations_) {
        if (other.overlaps(region)) {
            return fault(Rule::relocation_disjoint, header, field, region.gpa);
        }
    }
    if (!relocations_.add(region)) {
        return fault(Rule::relocation_count, header, 0, region.mask);
    }
    return std::nullopt;
}

/// `field` is where the header holds the VP's index, with the VTL behind it.
Result HeaderChecks::name_vp(const Header& header, u64 field, const NamedVp& vp) {
    constexpr u8 highest_vtl = 2;
    if (vp.vtl > highest_vtl) {
        return fault(Rule::relocation_vtl, header, field + sizeof(vp.vp_index), vp.vtl);
    }
    NamedVp named      = vp;
    named.header_index = header.index;
    named.offset       = header.offset + field;
    if (!named_vps_.add(named)) {
        return fault(Rule::relocation_count, header, 0, vp.mask);
    }
    return std::nullopt;
}

Result HeaderChecks::missing_context() {
    for (const NamedVp& vp : named_vps_) {
        if (!vp.seen) {
            return Error{.rule         = Rule::relocation_context,
                         .header_index = vp.header_index,
                         .offset       = vp.offset,
                         .found        = vp.vp_index,
                         .wanted       = std::nullopt};
        }
    }
    return std::nullopt;
}

Result HeaderChecks::page_table_region(const Header& header) {
    const auto region = load<PageTableRelocationRegion>(header.content);
    if (!in_range(region.gpa, region.size)) {
        return fault(Rule::gpa_range, header, offsetof(PageTableRelocationRegion, size),
                     region.size);
    }
    if (region.used_size > region.size) {
        return fault(Rule::page_table_used_size, header,
                     offsetof(PageTableRelocationRegion, used_size), region.used_size);
    }
    const Region added{.mask = region.compatibility_mask, .gpa = region.gpa, .size = region.size};
    for (const Region& other : page_tables_) {
        if ((other.mask & added.mask) != 0) {
            return fault(Rule::page_table_region_once, header,
                         offsetof(PageTableRelocationRegion, compatibility_mask), added.mask);
        }
    }
    if (auto error = add_relocation(header, offsetof(PageTableRelocationRegion, gpa), added)) {
        return error;
    }
    // One per platform, of which a mask of 32 bits names at most 32.
    page_tables_.add(added);
    return name_vp(header, offsetof(PageTableRelocationRegion, vp_index),
                   {.mask         = region.compatibility_mask,
                    .vp_index     = region.vp_index,
                    .vtl          = region.vtl,
                    .seen         = false,
                    .header_index = 0,
                    .offset       = 0});
}

Result HeaderChecks::corim(const Header& header) {
    const auto corim   = load<CorimData>(header.content);
    const u32 mask     = corim.compatibility_mask;
    const bool is_text = header.type == HeaderType::corim_document;
    if (is_text && (mask & corim_documents_) != 0) {
        return fault(Rule::corim_document_once, header, 0, mask);
    }
    if (!is_text && ((mask & ~corim_documents_) != 0 || (mask & corim_signatures_) != 0)) {
        return fault(Rule::corim_signature_order, header, 0, mask);
    }
    (is_text ? corim_documents_ : corim_signatures_) |= mask;
    if (corim.file_offset == 0) {
        return judge(fault(Rule::corim_has_data, header, offsetof(CorimData, file_offset), 0));
    }
    return data(header, offsetof(CorimData, file_offset), corim.file_offset, corim.size_bytes);
}

Result HeaderChecks::cca_policy(const Header& header) {
    const auto policy = load<CcaPolicy>(header.content);
    if (architecture_ != Architecture::aarch64) {
        return fault(Rule::cca_architecture, header, 0, policy.compatibility_mask);
    }
    if ((policy.required_zeroes & policy.required_ones) != 0) {
        return fault(Rule::cca_conflict, header, offsetof(CcaPolicy, required_ones),
                     policy.required_ones);
    }
    for (u32 rest = policy.compatibility_mask; rest != 0; rest &= rest - 1) {
        const u32 lowest = rest & (~rest + 1);
        if ((lowest & declared_) == 0
            || platform_of_bit_[std::countr_zero(lowest)] != PlatformType::cca) {
            return fault(Rule::cca_platform, header, 0, policy.compatibility_mask);
        }
    }
    return std::nullopt;
}

Result HeaderChecks::parameter_area(const Header& header) {
    const auto declared = load<ParameterArea>(header.content);
    const u64 at_index  = offsetof(ParameterArea, parameter_area_index);
    for (const Area& area : areas_) {
        if (area.index == declared.parameter_area_index) {
            return fault(Rule::area_index_once, header, at_index, area.index);
        }
    }
    if (declared.file_offset != 0) {
        if (auto error = data(header, offsetof(ParameterArea, file_offset), declared.file_offset,
                              declared.number_of_bytes)) {
            return error;
        }
    }
    if (!areas_.add({.size     = declared.number_of_bytes,
                     .index    = declared.parameter_area_index,
                     .inserted = false})) {
        return fault(Rule::area_count, header, at_index, declared.parameter_area_index);
    }
    return std::nullopt;
}

Result HeaderChecks::page_data(const Header& header) {
    const auto page = load<PageData>(header.content);
    if ((page.flags & PageData::is_2mb_page) != 0) {
        if (page.gpa % x86::large_page_size != 0) {
            if (auto error = judge(
                    fault(Rule::large_page_aligned, header, offsetof(PageData, gpa), page.gpa))) {
                return error;
            }
        }
        // The igvm crate hands out 4096 bytes for such a header and QEMU fills up with zeros.
        if (page.file_offset != 0) {
            if (auto error = judge(fault(Rule::large_page_without_data, header,
                                         offsetof(PageData, file_offset), page.file_offset, 0))) {
                return error;
            }
        }
    }
    if (page.file_offset == 0) {
        return std::nullopt;
    }
    return data(header, offsetof(PageData, file_offset), page.file_offset, page_size);
}

Result HeaderChecks::open_area(const Header& header, u64 field, u32 index, Area*& area) {
    for (Area& candidate : areas_) {
        if (candidate.index != index) {
            continue;
        }
        if (candidate.inserted) {
            return fault(Rule::area_not_inserted, header, field, index);
        }
        area = &candidate;
        return std::nullopt;
    }
    return fault(Rule::area_declared, header, field, index);
}

Result HeaderChecks::parameter_insert(const Header& header) {
    const auto insert = load<ParameterInsert>(header.content);
    Area* area        = nullptr;
    if (auto error = open_area(header, offsetof(ParameterInsert, parameter_area_index),
                               insert.parameter_area_index, area)) {
        return error;
    }
    area->inserted  = true;
    const u64 field = offsetof(ParameterInsert, gpa);
    if (!in_range(insert.gpa, area->size)) {
        if (auto error = judge(fault(Rule::range_in_64_bits, header, field, insert.gpa))) {
            return error;
        }
    }
    const Region inserted{.mask = insert.compatibility_mask, .gpa = insert.gpa, .size = area->size};
    for (const Region& tables : page_tables_) {
        if (!tables.overlaps(inserted)) {
            continue;
        }
        // The igvm crate looks at the first byte.
        const Rule rule = insert.gpa - tables.gpa < tables.size ? Rule::insert_outside_page_tables
                                                                : Rule::insert_beside_page_tables;
        if (auto error = judge(fault(rule, header, field, insert.gpa))) {
            return error;
        }
    }
    return std::nullopt;
}

Result HeaderChecks::usage(const Header& header) {
    const auto usage = load<ParameterUsage>(header.content);
    Area* area       = nullptr;
    if (auto error = open_area(header, offsetof(ParameterUsage, parameter_area_index),
                               usage.parameter_area_index, area)) {
        return error;
    }
    if (usage.byte_offset >= area->size) {
        return judge(fault(Rule::usage_inside_area, header, offsetof(ParameterUsage, byte_offset),
                           usage.byte_offset));
    }
    return std::nullopt;
}

Result HeaderChecks::required_memory(const Header& header) {
    const auto memory = load<RequiredMemory>(header.content);
    if (!in_range(memory.gpa, memory.number_of_bytes)) {
        return judge(fault(Rule::range_in_64_bits, header,
                           offsetof(RequiredMemory, number_of_bytes), memory.number_of_bytes));
    }
    return std::nullopt;
}

Result HeaderChecks::error_range(const Header& header) {
    const auto range = load<ErrorRange>(header.content);
    if (!in_range(range.gpa, range.size_bytes)) {
        return judge(fault(Rule::range_in_64_bits, header, offsetof(ErrorRange, size_bytes),
                           range.size_bytes));
    }
    return std::nullopt;
}

} // namespace vestibule::igvm
