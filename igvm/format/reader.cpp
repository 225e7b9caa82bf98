// SPDX-License-Identifier: BSD-2-Clause-Patent
// The reader's walk: fixed header, checksum, then the variable headers one after another, in the
// order in which the igvm crate checks them, so that both name the same fault first.
#include "igvm/format/reader.h"

#include "igvm/format/crc32.h"
#include "igvm/format/header_checks.h"

namespace vestibule::igvm {

static std::unexpected<Error> refuse(Rule rule, u32 index, u64 offset, u64 found,
                                     std::optional<u64> wanted = {}) {
    return std::unexpected(Error{
        .rule = rule, .header_index = index, .offset = offset, .found = found, .wanted = wanted});
}

static std::expected<FixedHeaderV2, Error> read_fixed_header(std::span<const u8> bytes,
                                                             const Remarks& remarks) {
    const auto refuse_file = [](Rule rule, u64 offset, u64 found, std::optional<u64> wanted = {}) {
        return refuse(rule, Error::no_header, offset, found, wanted);
    };
    const u64 length = bytes.size();
    if (length < sizeof(FixedHeader)) {
        return refuse_file(Rule::whole_fixed_header, 0, length, sizeof(FixedHeader));
    }

    FixedHeaderV2 header{.common       = load<FixedHeader>(bytes),
                         .architecture = Architecture::x64,
                         .page_size    = page_size};
    u64 header_end = sizeof(FixedHeader);
    if (header.common.magic != file_magic) {
        return refuse_file(Rule::magic, offsetof(FixedHeader, magic), header.common.magic,
                           file_magic);
    }
    if (header.common.format_version != 1 && header.common.format_version != 2) {
        return refuse_file(Rule::format_version, offsetof(FixedHeader, format_version),
                           header.common.format_version);
    }
    if (header.common.format_version == 2) {
        header_end = sizeof(FixedHeaderV2);
        if (length < header_end) {
            return refuse_file(Rule::whole_fixed_header, 0, length, header_end);
        }
        header = load<FixedHeaderV2>(bytes);
        if (header.architecture != Architecture::x64
            && header.architecture != Architecture::aarch64) {
            return refuse_file(Rule::architecture, offsetof(FixedHeaderV2, architecture),
                               static_cast<u32>(header.architecture));
        }
        if (header.page_size != page_size) {
            return refuse_file(Rule::four_kib_pages, offsetof(FixedHeaderV2, page_size),
                               header.page_size, page_size);
        }
    }

    const FixedHeader& common = header.common;
    if (common.total_file_size != length) {
        return refuse_file(Rule::total_file_size, offsetof(FixedHeader, total_file_size),
                           common.total_file_size, length);
    }
    const u64 start = common.variable_header_offset;
    if (start < header_end) {
        return refuse_file(Rule::header_offset, offsetof(FixedHeader, variable_header_offset),
                           start);
    }
    const u64 size = common.variable_header_size;
    if (size % header_alignment != 0 || start + size >= length) {
        return refuse_file(Rule::header_size, offsetof(FixedHeader, variable_header_size), size);
    }
    if (start % header_alignment != 0) {
        remarks({.rule         = Rule::header_aligned,
                 .header_index = Error::no_header,
                 .offset       = offsetof(FixedHeader, variable_header_offset),
                 .found        = start,
                 .wanted       = std::nullopt});
    }

    // A gap between fixed header and variable headers is allowed and not part of the checksum.
    constexpr u8 zero_checksum[sizeof(u32)]{};
    const auto fixed = bytes.first(header_end);
    Crc32 crc;
    crc.add(fixed.first(offsetof(FixedHeader, checksum)));
    crc.add(zero_checksum);
    crc.add(fixed.subspan(sizeof(FixedHeader)));
    crc.add(bytes.subspan(start, size));
    if (common.checksum != crc.value()) {
        return refuse_file(Rule::checksum, offsetof(FixedHeader, checksum), common.checksum,
                           crc.value());
    }
    return header;
}

/// The header at `position`, known to be whole, of a defined type and of that type's length.
static std::expected<Header, Error> read_header(std::span<const u8> bytes, u64 position, u64 end,
                                                u32 index, OptionalHeaders optional,
                                                const Remarks& remarks) {
    if (end - position < sizeof(HeaderTag)) {
        return refuse(Rule::whole_tag, index, position, end - position, sizeof(HeaderTag));
    }
    const auto tag       = load<HeaderTag>(bytes, position);
    const auto type      = static_cast<u32>(tag.type);
    const u64 content    = position + sizeof(HeaderTag);
    const u64 at_length  = position + offsetof(HeaderTag, length);
    const bool skippable = is_optional(tag.type);
    if (skippable && optional == OptionalHeaders::refused) {
        return refuse(Rule::optional_type, index, position, type);
    }
    const HeaderTypeRow* row = find_header_type(tag.type);
    if (row == nullptr && !skippable) {
        return refuse(Rule::known_type, index, position, type);
    }
    if (padded(tag.length) > end - content) {
        return refuse(Rule::whole_content, index, at_length, tag.length);
    }
    if (!skippable && tag.length != row->size) {
        return refuse(Rule::exact_length, index, at_length, tag.length, row->size);
    }
    for (u64 at = content + tag.length; at < content + padded(tag.length); ++at) {
        if (bytes[at] != 0) {
            remarks({.rule         = Rule::zero_padding,
                     .header_index = index,
                     .offset       = at,
                     .found        = bytes[at],
                     .wanted       = 0});
        }
    }
    return Header{.type    = tag.type,
                  .index   = index,
                  .offset  = content,
                  .content = bytes.subspan(content, tag.length)};
}

/// Optional headers belong to no section: they stand in the current one, but not among platforms,
/// where only platforms are looked for.
static unsigned section_of(const Header& header, unsigned current) {
    if (!is_optional(header.type)) {
        return static_cast<unsigned>(header.row().section());
    }
    constexpr auto first = static_cast<unsigned>(Section::initialization);
    return current < first ? first : current;
}

std::expected<File, Error> parse(std::span<const u8> bytes, OptionalHeaders optional,
                                 Remarks remarks) {
    const auto fixed_header = read_fixed_header(bytes, remarks);
    if (!fixed_header) {
        return std::unexpected(fixed_header.error());
    }

    File file;
    file.bytes_        = bytes;
    file.fixed_header_ = *fixed_header;
    const u64 first    = fixed_header->common.variable_header_offset;
    const u64 end      = first + fixed_header->common.variable_header_size;
    for (File::Bounds& bounds : file.sections_) {
        bounds = {.first = end, .end = end, .first_index = 0};
    }

    HeaderChecks checks(bytes, *fixed_header, remarks);
    unsigned current        = 0;
    u32 index               = 0;
    file.sections_[0].first = first;
    for (u64 position = first; position < end; ++index) {
        const auto header = read_header(bytes, position, end, index, optional, remarks);
        if (!header) {
            return std::unexpected(header.error());
        }
        const unsigned section = section_of(*header, current);
        if (section < current) {
            return refuse(Rule::section_order, index, position, static_cast<u32>(header->type));
        }
        while (current < section) {
            file.sections_[current].end = position;
            file.sections_[++current]   = {.first = position, .end = end, .first_index = index};
        }
        if (const auto fault = checks.check(*header)) {
            return std::unexpected(*fault);
        }
        position = header->offset + padded(header->content.size());
    }
    if (!checks.has_platform()) {
        return refuse(Rule::some_platform, Error::no_header, first, 0);
    }
    if (const auto fault = checks.missing_context()) {
        return std::unexpected(*fault);
    }
    return file;
}

u32 File::mask_of(PlatformType platform) const {
    for (const Header header : platforms()) {
        const auto declared = load<SupportedPlatform>(header.content);
        if (declared.platform_type == platform) {
            return declared.compatibility_mask;
        }
    }
    return 0;
}

std::optional<PlatformType> File::platform_of(u32 mask) const {
    std::optional<PlatformType> found;
    for (const Header header : platforms()) {
        const auto declared = load<SupportedPlatform>(header.content);
        if (declared.compatibility_mask == mask) {
            found = declared.platform_type;
        }
    }
    return found;
}

HeaderRange::Iterator::Iterator(const HeaderRange& range, u64 position, u32 index)
    : file_(range.file_), position_(position), end_(range.end_), index_(index), mask_(range.mask_) {
    skip_others();
}

Header HeaderRange::Iterator::operator*() const {
    const auto tag    = load<HeaderTag>(file_, position_);
    const u64 content = position_ + sizeof(HeaderTag);
    return {.type    = tag.type,
            .index   = index_,
            .offset  = content,
            .content = file_.subspan(content, tag.length)};
}

HeaderRange::Iterator& HeaderRange::Iterator::operator++() {
    position_ += sizeof(HeaderTag) + padded(load<HeaderTag>(file_, position_).length);
    ++index_;
    skip_others();
    return *this;
}

void HeaderRange::Iterator::skip_others() {
    while (mask_ != all_platforms && position_ < end_
           && ((**this).compatibility_mask() & mask_) == 0) {
        position_ += sizeof(HeaderTag) + padded(load<HeaderTag>(file_, position_).length);
        ++index_;
    }
}

} // namespace vestibule::igvm
