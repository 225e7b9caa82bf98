// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/memory_picture.h"

#include "igvm/show/xml.h"
#include "sevsim/page_states.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <string_view>

namespace vestibule::sevsim {

namespace {

constexpr u64 columns       = 512;
constexpr u64 column_width  = 2;
constexpr u64 left          = 110;
constexpr u64 top           = 50;
constexpr u64 legend_width  = 330;
constexpr u64 picture_width = left + columns * column_width + legend_width;
constexpr u64 tallest       = 1100;

/// By PageState.
constexpr std::string_view colours[] = {"#e6e8eb", "#e08a2e", "#d1b52f", "#3b7dd8",
                                        "#2a5aa0", "#8a63c9", "#c94f4f"};

static_assert(std::size(colours) == std::size(page_state_names));

using Text = std::back_insert_iterator<std::string>;

void label(Text out, u64 x, u64 y, std::string_view anchor, std::string_view text) {
    fmt::format_to(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                   igvm::xml_escaped(text));
}

/// How many pages are in a column: one, or where these would be too many rows, more.
u64 column_pages(const std::vector<PageRun>& runs) {
    u64 pages = 0;
    for (const PageRun& run : runs) {
        pages += run.pages;
    }
    return pages / columns / tallest + 1;
}

/// Where rows stand that have pages: firmware's, far up, follow at once.
class Rows {
  public:
    explicit Rows(const std::vector<PageRun>& runs)
        : pages_in_column_{column_pages(runs)}, pages_in_row_{columns * pages_in_column_} {
        for (const PageRun& run : runs) {
            for (u64 row = run.gpa / page_size / pages_in_row_;
                 row <= (run.gpa / page_size + run.pages - 1) / pages_in_row_; ++row) {
                places_.try_emplace(row, 0);
            }
        }
        u64 place = 0;
        for (auto& [row, at] : places_) {
            at = place++;
        }
    }

    u64 count() const { return places_.size(); }

    u64 height() const { return std::clamp<u64>(tallest / std::max<u64>(count(), 1), 1, 8); }

    u64 y(u64 row) const { return top + places_.at(row) * height(); }

    const std::map<u64, u64>& all() const { return places_; }

    u64 pages_in_column() const { return pages_in_column_; }

    u64 pages_in_row() const { return pages_in_row_; }

    /// So many pages from left to right.
    double width(u64 pages) const {
        return static_cast<double>(pages * column_width) / static_cast<double>(pages_in_column_);
    }

  private:
    u64 pages_in_column_;
    u64 pages_in_row_;
    std::map<u64, u64> places_;
};

void draw(Text out, const Rows& rows, const PageRun& run) {
    u64 page      = run.gpa / page_size;
    const u64 end = page + run.pages;
    while (page < end) {
        const u64 row      = page / rows.pages_in_row();
        const u64 until    = std::min(end, (row + 1) * rows.pages_in_row());
        const double width = rows.width(until - page);
        fmt::format_to(out, R"(M{:g} {}h{:g}v{}h-{:g}z)",
                       static_cast<double>(left) + rows.width(page % rows.pages_in_row()),
                       rows.y(row), width, rows.height(), width);
        page = until;
    }
}

} // namespace

std::string memory_picture(const RunResult& result) {
    const std::vector<PageRun>& runs = result.records.pages;
    const Rows rows{runs};
    const u64 height = top + std::max<u64>(rows.count() * rows.height(), 200) + 30;
    std::string svg;
    const Text out{svg};
    fmt::format_to(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
                   "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
                   "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
                   picture_width, height);
    label(out, left, 26, "start",
          fmt::format("{}; a row is {} MiB, a column {} KiB", outcome_line(result),
                      rows.pages_in_row() * page_size / 0x10'0000,
                      rows.pages_in_column() * page_size / 1024));
    u64 last_label = 0;
    for (const auto& [row, place] : rows.all()) {
        const u64 y = rows.y(row);
        if (place == 0 || y >= last_label + 24) {
            label(out, left - 8, y + 8, "end",
                  fmt::format("{:#x}", row * rows.pages_in_row() * page_size));
            last_label = y;
        }
    }
    for (std::size_t state = 0; state < std::size(colours); ++state) {
        u64 pages = 0;
        fmt::format_to(out, R"(<path fill="{}" d=")", colours[state]);
        for (const PageRun& run : runs) {
            if (run.state == page_state_names[state]) {
                draw(out, rows, run);
                pages += run.pages;
            }
        }
        fmt::format_to(out, "\"/>\n");
        constexpr u64 line = 22;
        const u64 x        = left + columns * column_width + 20;
        const u64 y        = top + state * line;
        fmt::format_to(out, "<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"14\" fill=\"{}\"/>\n", x,
                       y, colours[state]);
        label(out, x + 22, y + 12, "start",
              fmt::format("{}: {} pages", page_state_names[state], pages));
    }
    svg += "</svg>\n";
    return svg;
}

} // namespace vestibule::sevsim
