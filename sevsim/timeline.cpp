// Columns of equal width, each as high as there were VMGEXITs in its time, piled up by kind: the
// most frequent kinds have a colour of their own.
#include "sevsim/timeline.h"

#include "igvm/show/xml.h"
#include "sevsim/slice.h"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <string_view>
#include <tuple>

namespace vestibule::sevsim {

namespace {

constexpr u64 left          = 80;
constexpr u64 top           = 70;
constexpr u64 plot_height   = 360;
constexpr u64 most_columns  = 900;
constexpr u64 column_width  = 1;
constexpr u64 legend_width  = 300;
constexpr u64 bottom        = 60;
constexpr u64 plot_width    = most_columns * column_width;
constexpr u64 picture_width = left + plot_width + legend_width;

/// The last one is for all kinds that are left.
constexpr std::string_view colours[] = {"#3b7dd8", "#e08a2e", "#4aa564", "#c94f4f",
                                        "#8a63c9", "#2fa3a3", "#d1b52f", "#9aa3ad"};

/// One kind of VMGEXIT, over all columns.
struct Kind {
    std::string name;
    u64 total = 0;
    std::vector<u64> columns;
};

/// The requests of the MSR protocol are few, and one kind.
std::string kind_of(const Slice& slice) { return slice.kind == "GHCB" ? slice.name : slice.kind; }

/// The most frequent first, what has no colour left in one.
std::vector<Kind> by_kind(const std::vector<Slice>& slices, u64 slices_per_column, u64 columns) {
    std::map<std::string, Kind> found;
    for (const Slice& slice : slices) {
        Kind& kind = found[kind_of(slice)];
        kind.name  = kind_of(slice);
        kind.columns.resize(columns);
        kind.columns[slice.at / slices_per_column] += slice.count;
        kind.total += slice.count;
    }
    std::vector<Kind> kinds;
    kinds.reserve(found.size());
    for (auto& [name, kind] : found) {
        kinds.push_back(std::move(kind));
    }
    std::ranges::sort(kinds, [](const Kind& one, const Kind& other) {
        return std::tie(other.total, one.name) < std::tie(one.total, other.name);
    });
    while (kinds.size() > std::size(colours)) {
        const Kind last = std::move(kinds.back());
        kinds.pop_back();
        Kind& rest = kinds.back();
        rest.name  = "others";
        rest.total += last.total;
        for (u64 n = 0; n < columns; ++n) {
            rest.columns[n] += last.columns[n];
        }
    }
    return kinds;
}

/// A round number, 1, 2 or 5 times a power of ten, that goes into `whole` five times at the most.
double step_for(double whole) {
    const double power = std::pow(10, std::floor(std::log10(whole / 5)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (power * factor * 5 >= whole) {
            return power * factor;
        }
    }
    return power * 10;
}

using Text = std::back_insert_iterator<std::string>;

void label(Text out, u64 x, u64 y, std::string_view anchor, std::string_view text) {
    fmt::format_to(out, "<text x=\"{}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                   igvm::xml_escaped(text));
}

/// Where an axis that reaches `whole`, which is not zero, has marks.
std::vector<double> marks(double whole) {
    const double step = step_for(whole);
    std::vector<double> places;
    places.reserve(6);
    for (unsigned n = 0; n * step <= whole && n <= 5; ++n) {
        places.push_back(n * step);
    }
    return places;
}

void axes(Text out, double seconds, double most_a_second) {
    const u64 base = top + plot_height;
    for (const double at : marks(seconds)) {
        const u64 x = left + static_cast<u64>(at / seconds * plot_width);
        fmt::format_to(out, "<path d=\"M{} {}v5\" stroke=\"#333\"/>\n", x, base);
        label(out, x, base + 20, "middle", fmt::format("{:g} s", at));
    }
    for (const double at : marks(most_a_second)) {
        const u64 y = base - static_cast<u64>(at / most_a_second * plot_height);
        fmt::format_to(out, "<path d=\"M{} {}h{}\" stroke=\"#ddd\"/>\n", left, y, plot_width);
        label(out, left - 8, y + 4, "end", fmt::format("{:g}", at));
    }
    label(out, 8, top - 16, "start", "VMGEXITs a second");
    label(out, left + plot_width / 2, base + 42, "middle",
          "the guest's time, by the time-stamp counter");
}

/// Each kind on top of those before it.
void columns(Text out, const std::vector<Kind>& kinds, u64 highest) {
    std::vector<u64> below(kinds.empty() ? 0 : kinds.front().columns.size());
    const auto height = [highest](u64 count) {
        return static_cast<double>(count) * plot_height / static_cast<double>(highest);
    };
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        fmt::format_to(out, R"(<path fill="{}" d=")", colours[k]);
        for (u64 n = 0; n < below.size(); ++n) {
            const u64 count = kinds[k].columns[n];
            if (count != 0) {
                fmt::format_to(out, "M{} {:.1f}h{}v{:.1f}h-{}z", left + n * column_width,
                               static_cast<double>(top + plot_height) - height(below[n] + count),
                               column_width, height(count), column_width);
            }
            below[n] += count;
        }
        fmt::format_to(out, "\"/>\n");
    }
}

void legend(Text out, const std::vector<Kind>& kinds) {
    constexpr u64 line = 22;
    for (std::size_t k = 0; k < kinds.size(); ++k) {
        const u64 y = top + k * line;
        fmt::format_to(out, "<rect x=\"{}\" y=\"{}\" width=\"14\" height=\"14\" fill=\"{}\"/>\n",
                       left + plot_width + 20, y, colours[k]);
        label(out, left + plot_width + 42, y + 12, "start",
              fmt::format("{}: {}", kinds[k].name, kinds[k].total));
    }
}

} // namespace

std::string timeline(const RunResult& result) {
    const std::vector<Slice>& slices = result.records.slices;
    u64 slice_count                  = 1;
    for (const Slice& slice : slices) {
        slice_count = std::max(slice_count, slice.at + 1);
    }
    const u64 slices_per_column   = (slice_count + most_columns - 1) / most_columns;
    const std::vector<Kind> kinds = by_kind(slices, slices_per_column, most_columns);
    u64 highest                   = 1;
    for (u64 n = 0; n < most_columns; ++n) {
        u64 sum = 0;
        for (const Kind& kind : kinds) {
            sum += kind.columns[n];
        }
        highest = std::max(highest, sum);
    }
    const double column_seconds =
        static_cast<double>(slices_per_column * slice_milliseconds) / 1000.0;

    std::string svg;
    const Text out{svg};
    fmt::format_to(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
                   "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
                   "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
                   picture_width, top + plot_height + bottom);
    label(out, left, 26, "start",
          fmt::format("{}; a column is {:g} ms", outcome_line(result), column_seconds * 1000));
    axes(out, column_seconds * most_columns, static_cast<double>(highest) / column_seconds);
    columns(out, kinds, highest);
    legend(out, kinds);
    svg += "</svg>\n";
    return svg;
}

} // namespace vestibule::sevsim
