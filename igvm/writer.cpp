// Layout of a file as the igvm crate writes it: fixed header, variable headers at once behind it,
// file data at once behind those, without alignment (igvm_defs, IGVM_FIXED_HEADER).
#include "igvm/writer.h"

#include "igvm/crc32.h"

#include <algorithm>
#include <cstring>
#include <limits>

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

void Writer::add_page(PageData page, std::span<const u8> data) {
    if (std::ranges::all_of(data, [](u8 byte) { return byte == 0; })) {
        page.file_offset = 0;
        add(page);
        return;
    }
    std::vector<u8> whole(data.begin(), data.end());
    whole.resize(page_size);
    add(page, whole);
}

void Writer::append(HeaderType type, const void* content, u64 size) {
    const u64 start = headers_.size();
    headers_.resize(start + sizeof(HeaderTag) + padded(size));
    store(headers_, start, HeaderTag{.type = type, .length = static_cast<u32>(size)});
    std::memcpy(headers_.data() + start + sizeof(HeaderTag), content, size);
}

u64 Writer::place(std::span<const u8> data) {
    const auto [known, is_new] =
        places_.try_emplace(std::string(data.begin(), data.end()), data_.size());
    if (is_new) {
        data_.insert(data_.end(), data.begin(), data.end());
    }
    return known->second;
}

std::expected<std::vector<u8>, Error> Writer::finish() const {
    const u64 start      = version_ == 1 ? sizeof(FixedHeader) : sizeof(FixedHeaderV2);
    const u64 data_start = start + headers_.size();
    // The igvm crate refuses a file that ends with its headers.
    const u64 size = data_start + std::max<u64>(data_.size(), 1);
    if (size > std::numeric_limits<u32>::max()) {
        return std::unexpected(Error{.rule         = Rule::total_file_size,
                                     .header_index = Error::no_header,
                                     .offset       = offsetof(FixedHeader, total_file_size),
                                     .found        = size,
                                     .wanted       = std::nullopt});
    }

    std::vector<u8> file(size);
    std::ranges::copy(headers_, file.begin() + static_cast<std::ptrdiff_t>(start));
    std::ranges::copy(data_, file.begin() + static_cast<std::ptrdiff_t>(data_start));
    for (const Reference& reference : references_) {
        store(file, start + reference.field, static_cast<u32>(data_start + reference.data));
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
    crc.add(std::span(file).first(data_start));
    store(file, offsetof(FixedHeader, checksum), crc.value());

    if (const auto accepted = parse(file); !accepted) {
        return std::unexpected(accepted.error());
    }
    return file;
}

} // namespace vestibule::igvm
