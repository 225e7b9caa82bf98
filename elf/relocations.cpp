// SPDX-License-Identifier: BSD-2-Clause-Patent
// See relocations.h. DT_RELA with R_X86_64_RELATIVE, and DT_RELR, which is the same in fewer bytes
// (System V ABI, "Dynamic Section" and "Relocation"). The tables are read out of the file, not out
// of memory: what is relocated may be a table itself.
#include "elf/relocations.h"

namespace vestibule::elf {

Fault Relocations::read_dynamic() {
    for (u64 offset = 0; offset + sizeof(Dynamic) <= image_->dynamic_size;
         offset += sizeof(Dynamic)) {
        const u64 at            = image_->dynamic + offset;
        const auto [tag, value] = file_.load<Dynamic>(at);
        switch (tag) {
        case dynamic_end: return no_fault;
        case dynamic_rela: rela_.address = value; break;
        case dynamic_relr: relr_.address = value; break;
        case dynamic_rela_size:
            rela_.size     = value;
            rela_.named_at = at;
            break;
        case dynamic_relr_size:
            relr_.size     = value;
            relr_.named_at = at;
            break;
        case dynamic_rela_entry:
            if (value != sizeof(Rela)) {
                return damaged("relocations of 24 bytes", at, value);
            }
            break;
        case dynamic_needed: return unsupported("a payload that needs no library", at, value);
        case dynamic_rel_size:
        case dynamic_plt_rel_size:
            if (value != 0) {
                return unsupported("no relocations but relative ones with addends", at, value);
            }
            break;
        default: break;
        }
    }
    return no_fault;
}

/// The table's entries in the file.
Fault Relocations::find(Table& table) const {
    if (table.size == 0) {
        return no_fault;
    }
    for (u32 i = 0; i < image_->segment_count; ++i) {
        const Segment& segment = image_->segments[i];
        const Bytes data{file_.data + segment.offset, segment.file_size};
        if (table.address >= segment.place
            && data.hold(table.address - segment.place, table.size)) {
            table.entries = {data.data + (table.address - segment.place), table.size};
            return no_fault;
        }
    }
    return damaged("a table of relocations in the payload's data", table.named_at, table.size);
}

Fault Relocations::open(Bytes file, const Image& image) {
    *this  = {};
    file_  = file;
    image_ = &image;
    if (!image.position_independent) {
        return no_fault;
    }
    if (const Fault fault = read_dynamic(); fault.is_there()) {
        return fault;
    }
    if (const Fault fault = find(rela_); fault.is_there()) {
        return fault;
    }
    return find(relr_);
}

Fault Relocations::take(const Table& table, u64 place, const u64* value, MovingWord& word) const {
    word = {.is_there  = true,
            .has_value = value != nullptr,
            .place     = place,
            .value     = value != nullptr ? *value : 0,
            .named_at  = table.named_at};
    for (u32 i = 0; i < image_->segment_count; ++i) {
        const Segment& segment = image_->segments[i];
        if (place >= segment.place && place - segment.place < segment.memory_size
            && segment.memory_size - (place - segment.place) >= sizeof(u64)) {
            return no_fault;
        }
    }
    return no_such_word(word);
}

Fault Relocations::next(MovingWord& word) {
    while (rela_.entries.hold(rela_.at, sizeof(Rela))) {
        const auto entry = rela_.entries.load<Rela>(rela_.at);
        const u32 type   = low_half(entry.info);
        rela_.at += sizeof(Rela);
        if (type == relocation_relative) {
            return take(rela_, entry.offset, &entry.addend, word);
        }
        if (type != relocation_none) {
            return unsupported("R_X86_64_RELATIVE, the only relocation that needs no symbols",
                               rela_.named_at, type);
        }
    }
    // An even entry is the address of a word; an odd one is a bitmap of the 63 words behind the
    // last.
    while (bitmap_ == 0 && relr_.entries.hold(relr_.at, sizeof(u64))) {
        const auto entry = relr_.entries.load<u64>(relr_.at);
        relr_.at += sizeof(u64);
        if ((entry & 1) == 0) {
            behind_ = entry + sizeof(u64);
            return take(relr_, entry, nullptr, word);
        }
        bitmap_ = entry >> 1;
        group_  = behind_;
        behind_ += 63 * sizeof(u64);
    }
    if (bitmap_ == 0) {
        word = {};
        return no_fault;
    }
    const auto first = static_cast<u64>(__builtin_ctzll(bitmap_));
    bitmap_ &= bitmap_ - 1;
    return take(relr_, group_ + first * sizeof(u64), nullptr, word);
}

} // namespace vestibule::elf
