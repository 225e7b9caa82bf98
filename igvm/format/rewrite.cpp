// SPDX-License-Identifier: BSD-2-Clause-Patent
// Data keeps its order and its overlaps, and loses its gaps. The writer lays data out in the order
// of the headers that bring it, so that for its own files this changes nothing.
#include "igvm/format/rewrite.h"

#include "igvm/format/references.h"

#include <algorithm>

namespace vestibule::igvm {

FileCopy::FileCopy(const File& from)
    : from_(from),
      writer_(from.fixed_header().common.format_version, from.fixed_header().architecture) {
    for_each_header(from, [&](const Header& header) {
        if (const auto reference = reference_of(from, header)) {
            const u64 first = reference->file_offset;
            stretches_.push_back({.first = first, .end = first + reference->size, .place = 0});
        }
    });
    std::ranges::sort(stretches_, {}, &Stretch::first);
    u64 used = 0;
    for (const Stretch& stretch : stretches_) {
        if (used != 0 && stretch.first < stretches_[used - 1].end) {
            stretches_[used - 1].end = std::max(stretches_[used - 1].end, stretch.end);
        } else {
            stretches_[used++] = stretch;
        }
    }
    stretches_.resize(used);
    for (Stretch& stretch : stretches_) {
        stretch.place =
            writer_.append_data(from.bytes().subspan(stretch.first, stretch.end - stretch.first));
    }
}

void FileCopy::copy(const Header& header) {
    writer_.append(header.type, header.content);
    if (const auto reference = reference_of(from_, header)) {
        const auto after =
            std::ranges::upper_bound(stretches_, u64{reference->file_offset}, {}, &Stretch::first);
        const Stretch& stretch = *std::prev(after);
        writer_.refer(reference->field, stretch.place + (reference->file_offset - stretch.first));
    }
}

std::expected<std::vector<u8>, Error> rewrite(const File& file) {
    FileCopy copy(file);
    for_each_header(file, [&](const Header& header) { copy.copy(header); });
    return copy.writer().finish();
}

static bool same_header(const File& file, const Header& header, const File& other_file,
                        const Header& other) {
    if (header.type != other.type || header.content.size() != other.content.size()) {
        return false;
    }
    const auto reference       = reference_of(file, header);
    const auto other_reference = reference_of(other_file, other);
    if (!reference || !other_reference) {
        return !reference && !other_reference && std::ranges::equal(header.content, other.content);
    }
    const u64 field = reference->field;
    const u64 after = field + sizeof(u32);
    return std::ranges::equal(header.content.first(field), other.content.first(field))
           && std::ranges::equal(header.content.subspan(after), other.content.subspan(after))
           && std::ranges::equal(data_of(file, *reference), data_of(other_file, *other_reference));
}

bool same_content(const File& one, const File& other) {
    if (one.fixed_header().common.format_version != other.fixed_header().common.format_version
        || one.fixed_header().architecture != other.fixed_header().architecture) {
        return false;
    }
    std::vector<Header> headers;
    for_each_header(one, [&](const Header& header) { headers.push_back(header); });
    u64 same = 0;
    bool all = true;
    for_each_header(other, [&](const Header& header) {
        all = all && same < headers.size() && same_header(one, headers[same], other, header);
        ++same;
    });
    return all && same == headers.size();
}

} // namespace vestibule::igvm
