// SPDX-License-Identifier: BSD-2-Clause-Patent
// Layout of a file as the igvm crate writes it: fixed header, variable headers at once behind it,
// file data at once behind those, without alignment (igvm_defs, IGVM_FIXED_HEADER).
#include "igvm/format/writer.h"

#include "igvm/format/crc32.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <string_view>
#include <utility>

#include <sys/mman.h>

namespace vestibule::igvm {

template <class T>
static void store(std::span<u8> bytes, u64 offset, const T& value) {
    std::memcpy(bytes.subspan(offset, sizeof(T)).data(), &value, sizeof(T));
}

u32 Writer::add_platform(PlatformType platform, u64 shared_gpa_boundary) {
    const u32 mask = 1u << platforms_++;
    add(SupportedPlatform{.compatibility_mask  = mask,
                          .highest_vtl         = 0,
                          .platform_type       = platform,
                          .platform_version    = 1,
                          .shared_gpa_boundary = shared_gpa_boundary});
    return mask;
}

/// Zero, and every byte equal to its neighbour: memcmp is many times as fast as a look at each.
static bool all_zero(std::span<const u8> data) {
    return data.empty()
           || (data[0] == 0 && std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

void Writer::add_page(PageData page, std::span<const u8> data) {
    if (all_zero(data)) {
        page.file_offset = 0;
        add(page);
        return;
    }
    if (data.size() == page_size) {
        add(page, data);
        return;
    }
    std::vector<u8> whole(data.begin(), data.end());
    whole.resize(page_size);
    add(page, whole);
}

void Writer::append(HeaderType type, std::span<const u8> content) {
    const u64 start = headers_.size();
    headers_.resize(start + sizeof(HeaderTag) + padded(content.size()));
    store(headers_, start, HeaderTag{.type = type, .length = static_cast<u32>(content.size())});
    last_content_ = start + sizeof(HeaderTag);
    std::ranges::copy(content, std::span(headers_).subspan(last_content_).begin());
    if (is_optional(type)) {
        optional_ = OptionalHeaders::kept;
    }
}

u64 Writer::append_data(std::span<const u8> data) {
    const u64 place = data_.size() - gap_;
    data_.insert(data_.end(), data.begin(), data.end());
    return place;
}

void Writer::refer(u64 field, u64 place) {
    references_.push_back({.field = last_content_ + field, .data = place});
}

u64 Writer::place(std::span<const u8> data) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view text(reinterpret_cast<const char*>(data.data()), data.size());
    const u64 hash           = std::hash<std::string_view>()(text);
    const auto [first, last] = blobs_.equal_range(hash);
    for (auto known = first; known != last; ++known) {
        const Blob& blob = known->second;
        if (std::ranges::equal(this->data().subspan(blob.place, blob.size), data)) {
            return blob.place;
        }
    }
    const u64 place = append_data(data);
    blobs_.emplace(hash, Blob{.place = place, .size = data.size()});
    return place;
}

void Writer::reserve(u64 headers, u64 data) {
    headers_.reserve(headers);
    gap_ = sizeof(FixedHeaderV2) + headers;
    data_.reserve(gap_ + data);
    // Memory that is new costs a page fault for every page, which is more than copying into it.
    const u64 first = (std::bit_cast<u64>(data_.data()) + page_size - 1) & ~(page_size - 1);
    const u64 end   = std::bit_cast<u64>(data_.data()) + data_.capacity();
    if (first < end) {
        madvise(std::bit_cast<void*>(first), end - first, MADV_HUGEPAGE); // or not
    }
    data_.resize(gap_);
}

static u64 fixed_header_size(u32 version) {
    return version == 1 ? sizeof(FixedHeader) : sizeof(FixedHeaderV2);
}

u64 Writer::data_start() const { return fixed_header_size(version_) + headers_.size(); }

std::expected<std::vector<u8>, Error> Writer::finish() const& {
    std::vector<u8> file;
    file.reserve(data_start() + data().size());
    file.resize(data_start());
    file.insert(file.end(), data().begin(), data().end());
    return complete(std::move(file));
}

std::expected<std::vector<u8>, Error> Writer::finish() && {
    if (data_start() > gap_) {
        return std::as_const(*this).finish();
    }
    data_.erase(data_.begin(), data_.begin() + static_cast<std::ptrdiff_t>(gap_ - data_start()));
    return complete(std::move(data_));
}

std::expected<std::vector<u8>, Error> Writer::complete(std::vector<u8>&& file) const {
    const u64 start = fixed_header_size(version_);
    // The igvm crate refuses a file that ends with its headers.
    const u64 size = std::max<u64>(file.size(), data_start() + 1);
    if (size > std::numeric_limits<u32>::max()) {
        return std::unexpected(Error{.rule         = Rule::total_file_size,
                                     .header_index = Error::no_header,
                                     .offset       = offsetof(FixedHeader, total_file_size),
                                     .found        = size,
                                     .wanted       = std::nullopt});
    }
    file.resize(size);
    std::ranges::copy(headers_, file.begin() + static_cast<std::ptrdiff_t>(start));
    for (const Reference& reference : references_) {
        store(file, start + reference.field, static_cast<u32>(data_start() + reference.data));
    }

    const FixedHeaderV2 header{
        .common       = {.magic                  = file_magic,
                         .format_version         = version_,
                         .variable_header_offset = static_cast<u32>(start),
                         .variable_header_size   = static_cast<u32>(headers_.size()),
                         .total_file_size        = static_cast<u32>(size),
                         .checksum               = 0},
        .architecture = architecture_,
        .page_size    = static_cast<u32>(page_size)
    };
    std::memcpy(file.data(), &header, start);
    Crc32 crc;
    crc.add(std::span(file).first(data_start()));
    store(file, offsetof(FixedHeader, checksum), crc.value());

    if (const auto accepted = parse(file, optional_); !accepted) {
        return std::unexpected(accepted.error());
    }
    return std::move(file);
}

} // namespace vestibule::igvm
