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

constexpr u64 pages_in_row  = 512;
constexpr u64 page_width    = 2;
constexpr u64 left          = 110;
constexpr u64 top           = 50;
constexpr u64 legend_width  = 330;
constexpr u64 picture_width = left + pages_in_row * page_width + legend_width;
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

/// Where rows stand that have pages: firmware's, far up, follow at once.
class Rows {
  public:
    explicit Rows(const std::vector<PageRun>& runs) {
        for (const PageRun& run : runs) {
            for (u64 row = run.gpa / page_size / pages_in_row;
                 row <= (run.gpa / page_size + run.pages - 1) / pages_in_row; ++row) {
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

  private:
    std::map<u64, u64> places_;
};

void draw(Text out, const Rows& rows, const PageRun& run) {
    u64 page      = run.gpa / page_size;
    const u64 end = page + run.pages;
    while (page < end) {
        const u64 row   = page / pages_in_row;
        const u64 until = std::min(end, (row + 1) * pages_in_row);
        fmt::format_to(out, R"(M{} {}h{}v{}h-{}z)", left + page % pages_in_row * page_width,
                       rows.y(row), (until - page) * page_width, rows.height(),
                       (until - page) * page_width);
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
          fmt::format("{}; a row is 2 MiB, a column 4 KiB", outcome_line(result)));
    u64 last_label = 0;
    for (const auto& [row, place] : rows.all()) {
        const u64 y = rows.y(row);
        if (place == 0 || y >= last_label + 24) {
            label(out, left - 8, y + 8, "end",
                  fmt::format("{:#x}", row * pages_in_row * page_size));
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
        const u64 x        = left + pages_in_row * page_width + 20;
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
