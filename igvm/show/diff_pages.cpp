// SPDX-License-Identifier: BSD-2-Clause-Patent
// See diff_pages.h.
#include "igvm/show/diff_pages.h"

#include "igvm/show/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vestibule::igvm {

namespace {
constexpr u64 large_page = u64{2} << 20;

using Pages = std::map<u64, PageData>; // by address; a later page replaces an earlier one

Pages pages_of(const File& file, u32 mask) {
    Pages result;
    for (const Header header : file.directives(mask)) {
        if (const auto page = header.as<PageData>()) {
            result.insert_or_assign(page->gpa, *page);
        }
    }
    return result;
}

std::string words(const PageData& page) {
    return fmt::format("{}{}{}", name_of(page.data_type),
                       (page.flags & PageData::unmeasured) != 0 ? ", unmeasured" : "",
                       (page.flags & PageData::shared) != 0 ? ", shared" : "");
}

/// Pages that differ alike, as they are gathered.
struct Stretch {
    u64 first;
    u64 end;
    u64 differing; // bytes
    u64 first_differing;
    std::string left;
    std::string right;
    bool content;       // that it is the content that differs
    std::string part{}; // NOLINT(readability-redundant-member-init): set by the gatherer
};

class Gatherer {
  public:
    explicit Gatherer(const std::vector<NamedRange>& names) : names_(names) {}

    void add(Stretch next) {
        next.part = name_at(names_, next.first);
        if (open_.part == next.part && open_.end == next.first && open_.end != 0
            && open_.left == next.left && open_.right == next.right
            && open_.content == next.content) {
            open_.end = next.end;
            open_.differing += next.differing;
            return;
        }
        close();
        open_ = std::move(next);
    }

    std::vector<PageDifference> finish() {
        close();
        return std::move(found_);
    }

  private:
    void close() {
        if (open_.end == 0) {
            return;
        }
        PageDifference result{.where = fmt::format("{:#x}..{:#x}", open_.first, open_.end),
                              .part  = open_.part,
                              .left  = open_.left,
                              .right = open_.right};
        if (open_.content) {
            result.right = fmt::format("{} bytes differ, the first at {:#x}", open_.differing,
                                       open_.first_differing);
        }
        found_.push_back(std::move(result));
        open_ = {};
    }

    const std::vector<NamedRange>& names_;
    Stretch open_{};
    std::vector<PageDifference> found_;
};

u64 size_of(const PageData& page) {
    return (page.flags & PageData::is_2mb_page) != 0 ? large_page : page_size;
}

Stretch only_in_one(const PageData& page, bool in_left) {
    const std::string here = words(page);
    return {.first           = page.gpa,
            .end             = page.gpa + size_of(page),
            .differing       = 0,
            .first_differing = 0,
            .left            = in_left ? here : "",
            .right           = in_left ? "" : here,
            .content         = false};
}

/// A page without data is one of zeros.
u8 byte_at(std::span<const u8> data, u64 at) { return data.empty() ? 0 : data[at]; }

void compare(Gatherer& gatherer, const File& left, const PageData& page, const File& right,
             const PageData& other) {
    Stretch found{.first           = page.gpa,
                  .end             = page.gpa + std::max(size_of(page), size_of(other)),
                  .differing       = 0,
                  .first_differing = 0,
                  .left            = words(page),
                  .right           = words(other),
                  .content         = false};
    if (found.left != found.right || size_of(page) != size_of(other)) {
        const auto sized = [](const PageData& own) {
            return size_of(own) == page_size ? "4K " : "2M ";
        };
        found.left.insert(0, sized(page));
        found.right.insert(0, sized(other));
        gatherer.add(std::move(found));
        return;
    }
    const auto data       = left.data(page);
    const auto other_data = right.data(other);
    for (u64 at = 0; at < page_size; ++at) {
        if (byte_at(data, at) != byte_at(other_data, at)) {
            found.first_differing = found.differing == 0 ? page.gpa + at : found.first_differing;
            ++found.differing;
        }
    }
    if (found.differing != 0) {
        found.content = true;
        gatherer.add(std::move(found));
    } else if (data.empty() != other_data.empty()) {
        // All zero in both; some monitors measure a page without data as another type.
        found.left += data.empty() ? ", zero without data" : ", zeros as data";
        found.right += other_data.empty() ? ", zero without data" : ", zeros as data";
        gatherer.add(std::move(found));
    }
}
} // namespace

std::vector<PageDifference> diff_pages(const File& left, u32 left_mask, const File& right,
                                       u32 right_mask, const std::vector<NamedRange>& names) {
    const Pages ours   = pages_of(left, left_mask);
    const Pages theirs = pages_of(right, right_mask);
    Gatherer gatherer(names);
    auto one = ours.begin();
    auto two = theirs.begin();
    while (one != ours.end() || two != theirs.end()) {
        if (two == theirs.end() || (one != ours.end() && one->first < two->first)) {
            gatherer.add(only_in_one((one++)->second, true));
        } else if (one == ours.end() || two->first < one->first) {
            gatherer.add(only_in_one((two++)->second, false));
        } else {
            compare(gatherer, left, (one++)->second, right, (two++)->second);
        }
    }
    return gatherer.finish();
}

} // namespace vestibule::igvm
