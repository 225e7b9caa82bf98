// SPDX-License-Identifier: BSD-2-Clause-Patent
// PAGE_DATA headers in runs: pages that differ in nothing but their address and content, one after
// another in the file and in guest memory. A picture or a listing by page would be unreadable.
#pragma once

#include "igvm/format/reader.h"

namespace vestibule::igvm {

struct PageRun {
    PageData first;
    u32 header_index; // of the first
    u64 step;         // a page's size
    u64 pages;
    bool zero; // without data

    [[nodiscard]] u64 size() const { return pages * step; }

    [[nodiscard]] bool measured() const {
        return (first.flags & (PageData::unmeasured | PageData::shared)) == 0;
    }
};

/// Calls run(const PageRun&) for runs of pages and other(const Header&) for all other directives
/// for a platform of the mask, in the file's order.
template <class Run, class Other>
void for_each_run(const File& file, u32 mask, Run run, Other other) {
    std::optional<PageRun> open;
    const auto close = [&] {
        if (open) {
            run(*open);
            open.reset();
        }
    };
    for (const Header header : file.directives(mask)) {
        const auto page = header.as<PageData>();
        if (!page) {
            close();
            other(header);
            continue;
        }
        const bool zero = page->file_offset == 0;
        if (open && page->gpa == open->first.gpa + open->size() && page->flags == open->first.flags
            && page->data_type == open->first.data_type
            && page->compatibility_mask == open->first.compatibility_mask && zero == open->zero) {
            ++open->pages;
            continue;
        }
        close();
        constexpr u64 large = u64{2} << 20;
        open                = PageRun{.first        = *page,
                                      .header_index = header.index,
                                      .step  = (page->flags & PageData::is_2mb_page) != 0 ? large : page_size,
                                      .pages = 1,
                                      .zero  = zero};
    }
    close();
}

} // namespace vestibule::igvm
