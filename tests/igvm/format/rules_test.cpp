// SPDX-License-Identifier: BSD-2-Clause-Patent
// Every rule of the reader, broken once: a row takes a valid file, changes one thing, makes the
// checksum right again, and names the rule that must refuse it.
#include "tests/igvm/seed_files.h"

#include "igvm/format/header_fields.h"

#include <algorithm>
#include <functional>
#include <set>

namespace vestibule::igvm::test {

struct Case {
    Case(Rule broken_rule, const char* how, std::function<void(Bytes&)> breaker,
         u32 format_version = 1)
        : rule(broken_rule), what(how), damage(std::move(breaker)), version(format_version) {}

    Rule rule;
    const char* what;
    std::function<void(Bytes&)> damage;
    u32 version;
};

/// Overwrites a field of the `number`th header that carries a T.
template <class T, class Value>
static std::function<void(Bytes&)> set(u64 field, Value value, unsigned number = 0) {
    return [=](Bytes& file) { store(file, content_of<T>(file, number) + field, value); };
}

/// Overwrites the tag of a header; `field` is the offset within the tag.
template <class T>
static std::function<void(Bytes&)> set_tag(u64 field, u32 value, unsigned number = 0) {
    return [=](Bytes& file) {
        store(file, content_of<T>(file, number) - sizeof(HeaderTag) + field, value);
    };
}

template <class Value>
static std::function<void(Bytes&)> set_at(u64 offset, Value value) {
    return [=](Bytes& file) { store(file, offset, value); };
}

/// A gap between fixed header and variable headers.
static void shifted_by_one(Bytes& file) {
    const auto header = load<FixedHeader>(file);
    const u64 start   = header.variable_header_offset;
    file.insert(file.begin() + static_cast<std::ptrdiff_t>(start), 0);
    store(file, offsetof(FixedHeader, variable_header_offset), static_cast<u32>(start + 1));
    store(file, offsetof(FixedHeader, total_file_size), static_cast<u32>(file.size()));
    // The data have moved as well.
    const u64 end = start + 1 + header.variable_header_size;
    for (u64 at = start + 1; at < end;) {
        const auto tag = load<HeaderTag>(file, at);
        for (const HeaderField& field : fields_of(tag.type)) {
            const u64 place = at + sizeof(HeaderTag) + field.offset;
            if (field.kind == FieldKind::file_offset && load<u32>(file, place) != 0) {
                store(file, place, load<u32>(file, place) + 1);
            }
        }
        at += sizeof(HeaderTag) + padded(tag.length);
    }
}

/// Overwrites bytes in the data of the `number`th VP context.
template <class Value>
static std::function<void(Bytes&)> set_context(u64 field, Value value, unsigned number = 0) {
    return [=](Bytes& file) {
        const auto context = load<VpContext>(file, content_of<VpContext>(file, number));
        store(file, context.file_offset + field, value);
    };
}

/// Puts other variable headers in place of the file's, with no file data but one byte.
static std::function<void(Bytes&)> rebuild(u32 version, const std::function<void(Bytes&)>& fill) {
    return [=](Bytes& file) {
        Bytes headers;
        fill(headers);
        const u64 start = version == 2 ? sizeof(FixedHeaderV2) : sizeof(FixedHeader);
        file.resize(start);
        file.insert(file.end(), headers.begin(), headers.end());
        file.push_back(0);
        store(file, offsetof(FixedHeader, variable_header_size), static_cast<u32>(headers.size()));
        store(file, offsetof(FixedHeader, total_file_size), static_cast<u32>(file.size()));
    };
}

template <class T>
static void append(Bytes& headers, const T& content, HeaderType type = T::types[0]) {
    const HeaderTag tag{.type = type, .length = sizeof(T)};
    std::ranges::copy(bytes_of(tag), std::back_inserter(headers));
    std::ranges::copy(bytes_of(content), std::back_inserter(headers));
    headers.resize(padded(headers.size()));
}

static SupportedPlatform platform(PlatformType type, u32 mask) {
    return {.compatibility_mask  = mask,
            .highest_vtl         = 0,
            .platform_type       = type,
            .platform_version    = 1,
            .shared_gpa_boundary = 0};
}

static CcaPolicy cca_policy() {
    return {.compatibility_mask = 1,
            .reserved0          = 0,
            .required_zeroes    = 0,
            .required_ones      = 0,
            .hash_algorithm     = 0,
            .lfa_policy         = 0,
            .reserved1          = {}};
}

/// A file for platform CCA with these headers more.
static std::function<void(Bytes&)> rebuild_arm(const std::function<void(Bytes&)>& fill) {
    return [=](Bytes& file) {
        rebuild(2, [&](Bytes& headers) {
            append(headers, platform(PlatformType::cca, 1));
            fill(headers);
        })(file);
        store(file, offsetof(FixedHeaderV2, architecture), Architecture::aarch64);
    };
}

/// A file for platform CCA with one byte behind its context's registers.
static std::function<void(Bytes&)> damaged_cca(u64 at) {
    return [=](Bytes& file) {
        file = cca_file();
        store(file, load<VpContext>(file, content_of<VpContext>(file)).file_offset + at, u8{1});
    };
}

#define AT(T, field) offsetof(T, field)

static const std::vector<Case>& cases() {
    using enum Rule;
    static const std::vector<Case> all = {
        {whole_fixed_header, "cut", [](Bytes& file) { file.resize(20); }},
        {whole_fixed_header, "version 2 cut", [](Bytes& file) { file.resize(28); }, 2},
        {magic, "another", set_at(AT(FixedHeader, magic), u32{0x4D56'474A})},
        {format_version, "0", set_at(AT(FixedHeader, format_version), u32{0})},
        {format_version, "3", set_at(AT(FixedHeader, format_version), u32{3})},
        {architecture, "2", set_at(AT(FixedHeaderV2, architecture), u32{2}), 2},
        {four_kib_pages, "16384", set_at(AT(FixedHeaderV2, page_size), u32{16384}), 2},
        {total_file_size, "one byte too many", [](Bytes& file) { file.push_back(0); }},
        {header_offset, "inside the header",
         set_at(AT(FixedHeader, variable_header_offset), u32{24}), 2},
        {header_aligned, "a gap of one byte", shifted_by_one},
        {header_offset, "at the fixed header's end, less one", set_at(AT(FixedHeader, variable_header_offset), u32{23})},
        {header_size, "to the end",
         [](Bytes& file) {
             const u64 end = file.size() & ~u64{7};
             file.resize(end);
             store(file, AT(FixedHeader, total_file_size), static_cast<u32>(end));
             store(file, AT(FixedHeader, variable_header_size),
                   static_cast<u32>(end - sizeof(FixedHeader)));
         }},
        {header_size, "past the end", set_at(AT(FixedHeader, variable_header_size), ~u32{7})},
        {header_size, "unaligned", set_at(AT(FixedHeader, variable_header_size), u32{12})},
        {whole_content, "longer than the section",
         rebuild(1, [](Bytes& headers) {
             append(headers, platform(PlatformType::native, 1));
             headers.resize(16);
         })},
        {whole_content, "4 GiB", set_tag<PageData>(AT(HeaderTag, length), ~u32{0})},
        {optional_type, "bit 31", set_tag<PageData>(AT(HeaderTag, type), 0x8000'0302)},
        {known_type, "0", set_tag<PageData>(AT(HeaderTag, type), 0)},
        {known_type, "reserved 0x306", set_tag<PageData>(AT(HeaderTag, type), 0x306)},
        {known_type, "0x314", set_tag<PageData>(AT(HeaderTag, type), 0x314)},
        {section_order, "policy as directive",
         [](Bytes& file) {
             const u64 at = content_of<ParameterInsert>(file) - sizeof(HeaderTag);
             store(file, at, HeaderType::guest_policy);
         }},
        {section_order, "platform after policy",
         [](Bytes& file) {
             const u64 at = content_of<CorimData>(file) - sizeof(HeaderTag);
             store(file, at, HeaderType::supported_platform);
         }},
        {exact_length, "short", set_tag<PageData>(AT(HeaderTag, length), 16)},
        {exact_length, "long", set_tag<PageData>(AT(HeaderTag, length), 25)},
        {exact_length, "padding counted", set_tag<VpContext>(AT(HeaderTag, length), 24)},
        {zero_padding, "one bit", set<VpContext>(sizeof(VpContext) + 3, u8{0x80})},
        {zero_reserved, "policy", set<GuestPolicy>(AT(GuestPolicy, reserved), u32{1})},
        {zero_reserved, "page tables",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, reserved), u8{1})},
        {zero_reserved, "CoRIM", set<CorimData>(AT(CorimData, reserved), u32{1})},
        {zero_reserved, "CoRIM signature", set<CorimData>(AT(CorimData, reserved), u32{1}, 1)},
        {zero_reserved, "page", set<PageData>(AT(PageData, reserved), u16{1})},
        {reserved_overlooked, "VP context", set<VpContext>(AT(VpContext, reserved), u16{1})},
        {zero_reserved, "memory", set<RequiredMemory>(AT(RequiredMemory, reserved), u32{1})},
        {reserved_overlooked, "ID block", set<SnpIdBlock>(AT(SnpIdBlock, reserved) + 2, u8{1})},
        {reserved_overlooked, "ID key", set<SnpIdBlock>(252, u32{1})},
        {reserved_overlooked, "author key", set<SnpIdBlock>(548, u32{1})},
        {some_platform, "no header at all", rebuild(1, [](Bytes&) {})},
        {some_platform, "a directive only",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, ParameterArea{.number_of_bytes      = 0,
                                                   .parameter_area_index = 0,
                                                   .file_offset          = 0});
                 })},
        {mask_not_empty, "page", set<PageData>(AT(PageData, compatibility_mask), u32{0})},
        {mask_single_bit, "no bit of a platform",
         set<SupportedPlatform>(AT(SupportedPlatform, compatibility_mask), u32{0})},
        {mask_declared, "page", set<PageData>(AT(PageData, compatibility_mask), u32{0x81})},
        {mask_declared, "policy", set<GuestPolicy>(AT(GuestPolicy, compatibility_mask), ~u32{0})},
        {mask_declared, "ID block", set<SnpIdBlock>(0, u32{16})},
        {mask_single_bit, "VP context", set<VpContext>(AT(VpContext, compatibility_mask), u32{3})},
        {mask_single_bit, "platform",
         set<SupportedPlatform>(AT(SupportedPlatform, compatibility_mask), u32{0x30})},
        {gpa_page_aligned, "page", set<PageData>(AT(PageData, gpa), u64{0x20'0001})},
        {gpa_page_aligned, "insert", set<ParameterInsert>(AT(ParameterInsert, gpa), u64{0x7800})},
        {gpa_page_aligned, "memory", set<RequiredMemory>(AT(RequiredMemory, gpa), u64{0x10})},
        {gpa_page_aligned, "error range", set<ErrorRange>(AT(ErrorRange, gpa), u64{0x10})},
        {gpa_page_aligned, "page tables",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, gpa), u64{0x800})},
        {gpa_page_aligned, "VMSA", set<VpContext>(AT(VpContext, gpa), u64{0x800}, 2)},
        {range_in_64_bits, "memory",
         set<RequiredMemory>(AT(RequiredMemory, gpa), ~u64{0} - 0xFFF)},
        {range_in_64_bits, "insert", set<ParameterInsert>(AT(ParameterInsert, gpa), ~u64{0} - 0xFFF, 1)},
        {range_in_64_bits, "error range",
         [](Bytes& file) {
             const u64 at = content_of<ErrorRange>(file);
             store(file, at + AT(ErrorRange, gpa), ~u64{0} - 0xFFF);
             store(file, at + AT(ErrorRange, size_bytes), u32{0x2000});
         }},
        {gpa_range, "relocation",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_region_size), ~u64{0xFFF})},
        {gpa_range, "page tables",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, size), ~u64{0xFFF})},
        {size_page_multiple, "memory",
         set<RequiredMemory>(AT(RequiredMemory, number_of_bytes), u32{0x2001})},
        {size_page_multiple, "area",
         set<ParameterArea>(AT(ParameterArea, number_of_bytes), u64{100})},
        {error_range_size, "100", set<ErrorRange>(AT(ErrorRange, size_bytes), u32{100})},
        {size_page_multiple, "relocation",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_region_size), u64{100})},
        {size_page_multiple, "page tables",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, size), u64{0x4001})},
        {size_page_multiple, "used page tables",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, used_size), u64{1})},
        {data_outside_headers, "page", set<PageData>(AT(PageData, file_offset), u32{24})},
        {data_outside_headers, "area", set<ParameterArea>(AT(ParameterArea, file_offset), u32{1})},
        {data_outside_headers, "CoRIM", set<CorimData>(AT(CorimData, file_offset), u32{8})},
        {corim_has_data, "offset 0", set<CorimData>(AT(CorimData, file_offset), u32{0})},
        {data_outside_headers, "context", set<VpContext>(AT(VpContext, file_offset), u32{8})},
        {data_inside_file, "page", set<PageData>(AT(PageData, file_offset), ~u32{0})},
        {data_inside_file, "page, one byte",
         [](Bytes& file) {
             store(file, content_of<PageData>(file) + AT(PageData, file_offset),
                   static_cast<u32>(file.size() - page_size + 1));
         }},
        {data_inside_file, "area",
         set<ParameterArea>(AT(ParameterArea, number_of_bytes), ~u64{0xFFF})},
        {data_inside_file, "CoRIM", set<CorimData>(AT(CorimData, size_bytes), ~u32{0})},
        {data_inside_file, "VBS count", set_context(0, ~u32{0}, 1)},
        {data_inside_file, "VBS list",
         [](Bytes& file) {
             store(file, content_of<VpContext>(file, 1) + AT(VpContext, file_offset),
                   static_cast<u32>(file.size() - 3));
         }},
        {data_inside_file, "VMSA",
         [](Bytes& file) {
             store(file, content_of<VpContext>(file, 2) + AT(VpContext, file_offset),
                   static_cast<u32>(file.size() - page_size + 8));
         }},
        {known_platform, "7",
         set<SupportedPlatform>(AT(SupportedPlatform, platform_type), u8{7})},
        {platform_architecture, "CCA on x64",
         set<SupportedPlatform>(AT(SupportedPlatform, platform_type), PlatformType::cca)},
        {platform_architecture, "NATIVE on AArch64", set_at(AT(FixedHeaderV2, architecture), u32{1}),
         2},
        {platform_architecture, "SNP on AArch64", set_at(AT(FixedHeaderV2, architecture), u32{1}),
         2},
        {platform_once, "NATIVE twice",
         set<SupportedPlatform>(AT(SupportedPlatform, platform_type), PlatformType::native, 1)},
        {mask_single_bit, "context of two platforms",
         set<VpContext>(AT(VpContext, compatibility_mask), u32{0x81})},
        {platform_mask_once, "1 twice",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, platform(PlatformType::native, 1));
                     append(headers, platform(PlatformType::sev_snp, 1));
                 })},
        {platform_version, "2",
         set<SupportedPlatform>(AT(SupportedPlatform, platform_version), u16{2})},
        {highest_vtl, "1", set<SupportedPlatform>(AT(SupportedPlatform, highest_vtl), u8{1})},
        {shared_boundary, "NATIVE",
         set<SupportedPlatform>(AT(SupportedPlatform, shared_gpa_boundary), u64{1} << 46)},
        {known_relocation_flags, "bit 3",
         set<RelocatableRegion>(AT(RelocatableRegion, flags), u8{8})},
        {relocation_alignment, "0",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_alignment), u64{0})},
        {relocation_alignment, "1",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_alignment), u64{1})},
        {relocation_aligned, "region",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_region_gpa), u64{0x41'0000})},
        {relocation_aligned, "minimum",
         set<RelocatableRegion>(AT(RelocatableRegion, minimum_relocation_gpa), u64{0x1000})},
        {relocation_aligned, "maximum",
         set<RelocatableRegion>(AT(RelocatableRegion, maximum_relocation_gpa), u64{0x1000})},
        {relocation_limits, "maximum below minimum",
         set<RelocatableRegion>(AT(RelocatableRegion, minimum_relocation_gpa), u64{0x9000'0000})},
        {relocation_disjoint, "same",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_region_gpa), u64{0x40'0000}, 1)},
        {relocation_disjoint, "first reaches into second",
         set<RelocatableRegion>(AT(RelocatableRegion, relocation_region_size), u64{0x20'1000})},
        {relocation_count, "65",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, platform(PlatformType::vsm_isolation, 1));
                     for (u64 i = 0; i < 65; ++i) {
                         append(headers, RelocatableRegion{.compatibility_mask     = 1,
                                                           .vp_index               = 0,
                                                           .vtl                    = 0,
                                                           .flags                  = 0,
                                                           .relocation_alignment   = page_size,
                                                           .relocation_region_gpa  = i * page_size,
                                                           .relocation_region_size = page_size,
                                                           .minimum_relocation_gpa = 0,
                                                           .maximum_relocation_gpa = 0});
                     }
                 })},
        {page_table_used_size, "more than there is",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, used_size), u64{0x5000})},
        {relocation_disjoint, "page tables inside",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, gpa), u64{0x50'0000})},
        {relocation_vtl, "3", set<RelocatableRegion>(AT(RelocatableRegion, vtl), u8{3})},
        {relocation_vtl, "page tables, 3",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, vtl), u8{3})},
        {relocation_context, "of another VTL",
         set<RelocatableRegion>(AT(RelocatableRegion, vtl), u8{0})},
        {relocation_context, "of another VP",
         set<PageTableRelocationRegion>(AT(PageTableRelocationRegion, vp_index), u16{1})},
        {relocation_context, "of a platform without VBS contexts",
         set<RelocatableRegion>(AT(RelocatableRegion, compatibility_mask), u32{8}, 1)},
        {page_table_region_once, "same platform",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, platform(PlatformType::vsm_isolation, 1));
                     for (const u64 gpa : {u64{0x10'0000}, u64{0x20'0000}}) {
                         append(headers, PageTableRelocationRegion{.compatibility_mask = 1,
                                                                   .vp_index           = 0,
                                                                   .vtl                = 0,
                                                                   .reserved           = 0,
                                                                   .gpa                = gpa,
                                                                   .size      = page_size,
                                                                   .used_size = page_size});
                     }
                 })},
        {area_index_once, "7 twice",
         set<ParameterArea>(AT(ParameterArea, parameter_area_index), u32{7}, 1)},
        {area_count, "65",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, platform(PlatformType::native, 1));
                     for (u32 i = 0; i < 65; ++i) {
                         append(headers, ParameterArea{.number_of_bytes      = page_size,
                                                       .parameter_area_index = i,
                                                       .file_offset          = 0});
                     }
                 })},
        {area_declared, "insert of 9",
         set<ParameterInsert>(AT(ParameterInsert, parameter_area_index), u32{9})},
        {area_declared, "usage of 9",
         set<ParameterUsage>(AT(ParameterUsage, parameter_area_index), u32{9})},
        {area_not_inserted, "second insert",
         set<ParameterInsert>(AT(ParameterInsert, parameter_area_index), u32{7}, 1)},
        {area_not_inserted, "usage after insert",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, platform(PlatformType::native, 1));
                     append(headers, ParameterArea{.number_of_bytes      = page_size,
                                                   .parameter_area_index = 0,
                                                   .file_offset          = 0});
                     append(headers, ParameterInsert{.gpa                  = 0,
                                                     .compatibility_mask   = 1,
                                                     .parameter_area_index = 0});
                     append(headers, ParameterUsage{.parameter_area_index = 0, .byte_offset = 0},
                            HeaderType::madt);
                 })},
        {insert_outside_page_tables, "last page of the region",
         set<ParameterInsert>(AT(ParameterInsert, gpa), u64{0x80'3000})},
        {insert_beside_page_tables, "from below",
         set<ParameterInsert>(AT(ParameterInsert, gpa), u64{0x7F'F000}, 1)},
        {usage_inside_area, "at its end",
         set<ParameterUsage>(AT(ParameterUsage, byte_offset), u32{0x1000})},
        {known_page_flags, "bit 3", set<PageData>(AT(PageData, flags), u32{8})},
        {known_page_type, "4", set<PageData>(AT(PageData, data_type), u16{4})},
        {large_page_aligned, "4 KiB off", set<PageData>(AT(PageData, gpa), u64{0x40'1000}, 1)},
        {large_page_without_data, "data",
         set<PageData>(AT(PageData, flags), u32{PageData::is_2mb_page})},
        {context_has_data, "offset 0", set<VpContext>(AT(VpContext, file_offset), u32{0}, 2)},
        {context_platform, "TDX", set<VpContext>(AT(VpContext, compatibility_mask), u32{8})},
        {context_gpa, "native", set<VpContext>(AT(VpContext, gpa), u64{0x1000})},
        {native_tail, "first byte", set_context(sizeof(NativeVpContext), u8{1})},
        {native_tail, "last byte", set_context(page_size - 1, u8{1})},
        {native_reserved, "second word", set_context(AT(NativeVpContext, reserved) + 2, u16{1})},
        {native_attributes, "VMSA form of code",
         set_context(AT(NativeVpContext, code.attributes), u16{0xA9B})},
        {native_attributes, "VMSA form of data",
         set_context(AT(NativeVpContext, data.attributes), u16{0xC93})},
        {corim_document_once, "signature made a second document",
         set_tag<CorimData>(AT(HeaderTag, type), 0x104, 1)},
        {corim_signature_order, "no document before it",
         set_tag<CorimData>(AT(HeaderTag, type), 0x105)},
        {corim_signature_order, "of another platform",
         set<CorimData>(AT(CorimData, compatibility_mask), u32{1}, 1)},
        {cca_architecture, "x64",
         rebuild(1,
                 [](Bytes& headers) {
                     append(headers, platform(PlatformType::native, 1));
                     append(headers, cca_policy());
                 })},
        {cca_conflict, "a bit both clear and set",
         rebuild_arm([](Bytes& headers) {
             CcaPolicy policy       = cca_policy();
             policy.required_zeroes = policy.required_ones = CcaPolicy::shared_mec;
             append(headers, policy);
         }), 2},
        {zero_reserved, "CCA policy, first",
         rebuild_arm([](Bytes& headers) {
             CcaPolicy policy = cca_policy();
             policy.reserved0 = 1;
             append(headers, policy);
         }), 2},
        {zero_reserved, "CCA policy, last",
         rebuild_arm([](Bytes& headers) {
             CcaPolicy policy    = cca_policy();
             policy.reserved1[5] = 1;
             append(headers, policy);
         }), 2},
        {context_platform, "of a platform that was not declared",
         set<VpContext>(AT(VpContext, compatibility_mask), u32{16})},
        {cca_platform, "CCA policy",
         rebuild_arm([](Bytes& headers) {
             CcaPolicy policy          = cca_policy();
             policy.compatibility_mask = 2;
             append(headers, policy);
         }), 2},
        {cca_tail, "first byte", damaged_cca(sizeof(CcaVpContext)), 2},
        {cca_tail, "last byte", damaged_cca(page_size - 1), 2},
        {data_inside_file, "CCA context that is short",
         [](Bytes& file) {
             file = cca_file();
             file.pop_back();
             store(file, AT(FixedHeader, total_file_size), static_cast<u32>(file.size()));
         }, 2},
        {vbs_registers, "none", set_context(0, u32{0}, 1)},
        {vbs_known_register, "RAX",
         set_context(sizeof(u32) + AT(VbsRegister, register_name), u32{0x2'0000}, 1)},
        {vbs_known_register, "of AArch64",
         set_context(sizeof(u32) + AT(VbsRegister, register_name), u32{0x2'0022}, 1)},
        {vbs_reserved, "last byte", set_context(sizeof(u32) + AT(VbsRegister, value) - 1, u8{1}, 1)},
        {vbs_vtl, "3",
         [](Bytes& file) {
             const u64 list =
                 load<VpContext>(file, content_of<VpContext>(file, 1)).file_offset + sizeof(u32);
             store(file, list, u8{3});
             store(file, list + sizeof(VbsRegister), u8{3});
         }},
        {vbs_vtl, "two of them", set_context(sizeof(u32) + sizeof(VbsRegister), u8{0}, 1)},
        {vbs_vp_index, "1", set<VpContext>(AT(VpContext, vp_index), u16{1}, 1)},
        {known_memory_flags, "bit 1", set<RequiredMemory>(AT(RequiredMemory, flags), u32{2})},
        {author_key_flag, "2", set<SnpIdBlock>(AT(SnpIdBlock, author_key_enabled), u8{2})},
    };
    return all;
}

#undef AT

TEST(IgvmRules, RichFileIsValid) {
    for (const u32 version : {1u, 2u}) {
        EXPECT_TRUE(rich_writer(version).finish()) << version;
    }
}

static std::expected<File, Error> parse_with_remarks(const Bytes& file,
                                                     std::vector<Error>& remarks) {
    return parse(file, OptionalHeaders::refused,
                 {.take =
                      [](void* all, const Error& remark) {
                          static_cast<std::vector<Error>*>(all)->push_back(remark);
                      },
                  .taker = &remarks});
}

/// What a tolerated rule remarks on is read, with that one remark.
TEST(IgvmRules, EachRefusesWhatBreaksIt) {
    for (const Case& test : cases()) {
        SCOPED_TRACE(std::string(row_of(test.rule).name) + ": " + test.what);
        Bytes file = must_finish(rich_writer(test.version));
        std::vector<Error> remarks;
        ASSERT_TRUE(parse_with_remarks(file, remarks));
        ASSERT_TRUE(remarks.empty()) << "the file to be damaged has it already";
        test.damage(file);
        reseal(file);
        const auto parsed = parse_with_remarks(file, remarks);
        if (is_tolerated(test.rule)) {
            ASSERT_TRUE(parsed) << parsed.error().rule_name();
            ASSERT_FALSE(remarks.empty());
            for (const Error& remark : remarks) {
                EXPECT_EQ(remark.rule_name(), row_of(test.rule).name) << "at " << remark.offset;
            }
            continue;
        }
        ASSERT_FALSE(parsed);
        EXPECT_EQ(parsed.error().rule_name(), row_of(test.rule).name)
            << "at " << parsed.error().offset;
        EXPECT_FALSE(parsed.error().expected().empty());
    }
}

TEST(IgvmRules, ErrorSaysWhere) {
    Bytes file   = must_finish(rich_writer(1));
    const u64 at = content_of<PageData>(file, 1);
    store(file, at + offsetof(PageData, data_type), u16{0x100});
    reseal(file);
    const auto parsed = parse(file);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().offset, at + offsetof(PageData, data_type));
    EXPECT_EQ(parsed.error().found, 0x100u);

    u32 index          = 0;
    const Bytes intact = must_finish(rich_writer(1));
    for (const Header header : parse(intact)->directives()) {
        if (header.offset == at) {
            index = header.index;
        }
    }
    EXPECT_EQ(parsed.error().header_index, index);
}

TEST(IgvmRules, ChecksumIsCheckedFirst) {
    Bytes file = must_finish(rich_writer(1));
    store(file, content_of<PageData>(file), u8{1});
    const auto parsed = parse(file);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().rule, Rule::checksum);
    EXPECT_TRUE(parsed.error().wanted);
}

TEST(IgvmRules, NoneIsLeftUntested) {
    std::set<Rule> tested = {Rule::checksum};
    for (const Case& test : cases()) {
        tested.insert(test.rule);
    }
    // The variable headers are a multiple of 8 bytes long and every header's padded length is one
    // too, so there is never a remainder too short for a tag: whole_tag guards against a change.
    tested.insert(Rule::whole_tag);
    for (const RuleRow& row : rules) {
        EXPECT_TRUE(tested.contains(row.rule)) << row.name;
    }
}

/// What ends with the address space wraps nowhere, and one page more does.
TEST(IgvmRules, TheLastPageOfTheAddressSpace) {
    const auto finish = [](u64 gpa, u32 size) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::native);
        writer.add(RequiredMemory{.gpa                = gpa,
                                  .compatibility_mask = mask,
                                  .number_of_bytes    = size,
                                  .flags              = 0,
                                  .reserved           = 0});
        return writer.finish();
    };
    constexpr u64 last_page = ~u64{0} - page_size + 1;
    EXPECT_TRUE(finish(last_page, page_size));
    EXPECT_TRUE(finish(last_page - page_size, 2 * page_size));
    EXPECT_TRUE(finish(last_page, 0));
    const auto remarks_on = [&](u64 gpa, u32 size) {
        std::vector<Error> remarks;
        EXPECT_TRUE(parse_with_remarks(finish(gpa, size).value(), remarks));
        return remarks;
    };
    EXPECT_TRUE(remarks_on(last_page - page_size, 2 * page_size).empty());
    const auto beyond = remarks_on(last_page, 2 * page_size);
    ASSERT_EQ(beyond.size(), 1u);
    EXPECT_EQ(beyond[0].rule, Rule::range_in_64_bits);
}

/// AArch64 files are none that this project builds, but show has to read them.
TEST(IgvmRules, ArmFile) {
    EXPECT_TRUE(parse(cca_file()));
    Writer native(2, Architecture::aarch64);
    native.add_platform(PlatformType::native);
    ASSERT_FALSE(native.finish());
    EXPECT_EQ(native.finish().error().rule, Rule::platform_architecture);
}

} // namespace vestibule::igvm::test
