// SPDX-License-Identifier: BSD-2-Clause-Patent
// A lane a kind of VMGEXIT, the most frequent first, each to its own scale, and a lane of marks:
// serial lines, lies, broken rules. The axis ends where the run does.
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

constexpr u64 left          = 210;
constexpr u64 top           = 84;
constexpr u64 lane_height   = 56;
constexpr u64 lane_space    = 12;
constexpr u64 bottom        = 64;
constexpr u64 plot_width    = 1200;
constexpr u64 right         = 40;
constexpr u64 most_columns  = 400;
constexpr u64 picture_width = left + plot_width + right;

/// The last one is for all kinds that are left.
constexpr std::string_view colours[] = {"#3b7dd8", "#e08a2e", "#4aa564", "#c94f4f",
                                        "#8a63c9", "#2fa3a3", "#d1b52f", "#9aa3ad"};

/// One kind of VMGEXIT, over all columns.
struct Kind {
    std::string name;
    u64 total = 0;
    std::vector<u64> columns;
};

/// How time goes onto the paper, in milliseconds.
struct Axis {
    double end;    ///< of the run
    double column; ///< that a column stands for
    u64 columns;

    [[nodiscard]] double x(double milliseconds) const {
        return static_cast<double>(left) + std::min(milliseconds / end, 1.0) * plot_width;
    }
};

/// The requests of the MSR protocol are few, and one kind.
std::string kind_of(const Slice& slice) { return slice.kind == "GHCB" ? slice.name : slice.kind; }

/// The most frequent first, what has no colour left in one.
std::vector<Kind> by_kind(const std::vector<Slice>& slices, const Axis& axis) {
    std::map<std::string, Kind> found;
    for (const Slice& slice : slices) {
        Kind& kind = found[kind_of(slice)];
        kind.name  = kind_of(slice);
        kind.columns.resize(axis.columns);
        const auto column = static_cast<u64>(static_cast<double>(slice.at) / axis.column);
        kind.columns[std::min(column, axis.columns - 1)] += slice.count;
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
        for (u64 n = 0; n < axis.columns; ++n) {
            rest.columns[n] += last.columns[n];
        }
    }
    return kinds;
}

/// A round number, 1, 2 or 5 times a power of ten, that goes into `whole` ten times at the most.
double step_for(double whole) {
    const double power = std::pow(10, std::floor(std::log10(whole / 10)));
    for (const double factor : {1.0, 2.0, 5.0}) {
        if (power * factor * 10 >= whole) {
            return power * factor;
        }
    }
    return power * 10;
}

std::string time_text(double milliseconds) {
    constexpr double a_second = 1000;
    return milliseconds < a_second ? fmt::format("{:g} ms", milliseconds)
                                   : fmt::format("{:g} s", milliseconds / a_second);
}

using Text = std::back_insert_iterator<std::string>;

void label(Text out, double x, u64 y, std::string_view anchor, std::string_view text) {
    fmt::format_to(out, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                   igvm::xml_escaped(text));
}

void draw_axis(Text out, const Axis& axis, u64 base) {
    const double step = step_for(axis.end);
    for (unsigned n = 0; n * step <= axis.end * 1.0001; ++n) {
        const double x = axis.x(n * step);
        fmt::format_to(out, "<path d=\"M{:.1f} {}V{}\" stroke=\"#ddd\"/>\n", x, top - 6, base + 5);
        label(out, x, base + 20, "middle", time_text(n * step));
    }
    fmt::format_to(out, "<path d=\"M{:.1f} {}V{}\" stroke=\"#333\" stroke-dasharray=\"4 3\"/>\n",
                   axis.x(axis.end), top - 6, base + 5);
    label(out, axis.x(axis.end), top - 12, "end", fmt::format("end: {}", time_text(axis.end)));
    label(out, static_cast<double>(left) + plot_width / 2.0, base + 44, "middle",
          "the guest's time, by the time-stamp counter");
}

/// Each column with what it stands for, for who points at it.
void draw_lane(Text out, const Kind& kind, std::string_view colour, const Axis& axis, u64 y) {
    constexpr double a_second = 1000;
    const u64 highest         = std::max<u64>(std::ranges::max(kind.columns), 1);
    const u64 base            = y + lane_height;
    const double width        = axis.column / axis.end * plot_width;
    label(out, left - 12, y + 22, "end", fmt::format("{}: {}", kind.name, kind.total));
    fmt::format_to(out,
                   "<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#777\" "
                   "font-size=\"11\">at most {:.0f} a second</text>\n",
                   left - 12, y + 40, static_cast<double>(highest) * a_second / axis.column);
    fmt::format_to(out, "<path d=\"M{} {}h{}\" stroke=\"#bbb\"/>\n", left, base, plot_width);
    for (u64 n = 0; n < axis.columns; ++n) {
        const u64 count = kind.columns[n];
        if (count == 0) {
            continue;
        }
        const double height =
            std::max(static_cast<double>(count) * lane_height / static_cast<double>(highest), 1.0);
        const double from = static_cast<double>(n) * axis.column;
        fmt::format_to(out,
                       "<path fill=\"{}\" d=\"M{:.1f} {}h{:.2f}v-{:.1f}h-{:.2f}z\"><title>{} from "
                       "{} on: {}</title></path>\n",
                       colour, axis.x(from), base, std::max(width, 1.0), height,
                       std::max(width, 1.0), igvm::xml_escaped(kind.name), time_text(from), count);
    }
}

struct MarkLook {
    Mark::Kind kind;
    std::string_view name, colour;
    u64 y; ///< in its lane
};

constexpr u64 mark_height  = 14;
constexpr MarkLook looks[] = {
    {Mark::Kind::serial_line, "serial lines", "#555555", 0                  },
    {Mark::Kind::lie,         "lies",         "#8a63c9", mark_height + 4    },
    {Mark::Kind::violation,   "broken rules", "#c92a2a", 2 * mark_height + 8},
};

/// The guest's own lines, in the order of their marks.
std::vector<std::string> serial_lines(const RunResult& result) {
    std::vector<std::string> lines;
    for_each_line(result.output,
                  [&lines](std::string_view line) { lines.emplace_back(line.substr(0, 100)); });
    return lines;
}

double milliseconds_of(const Mark& mark, const RunResult& result) {
    constexpr double in_a_second = 1000;
    const auto& start            = result.records.start;
    if (!start || start->tsc_hz.value_or(0) == 0 || mark.time < start->time.value_or(0)) {
        return 0;
    }
    return static_cast<double>(mark.time - start->time.value_or(0)) * in_a_second
           / static_cast<double>(start->tsc_hz.value_or(0));
}

void draw_marks(Text out, const RunResult& result, const Axis& axis, u64 y) {
    const std::vector<std::string> lines = serial_lines(result);
    std::size_t line                     = 0;
    std::map<Mark::Kind, u64> totals;
    for (const Mark& mark : result.records.marks) {
        const auto* look  = std::ranges::find(looks, mark.kind, &MarkLook::kind);
        const double at   = milliseconds_of(mark, result);
        std::string words = mark.words;
        if (mark.kind == Mark::Kind::serial_line) {
            words = line < lines.size() ? lines[line] : "";
            ++line;
        }
        ++totals[mark.kind];
        fmt::format_to(out,
                       "<path stroke=\"{}\" stroke-width=\"2\" d=\"M{:.1f} {}v{}\"><title>{} at "
                       "{:.3f} ms: {}</title></path>\n",
                       look->colour, axis.x(at), y + look->y, mark_height, look->name, at,
                       igvm::xml_escaped(words));
    }
    for (const MarkLook& look : looks) {
        label(out, left - 12, y + look.y + 12, "end",
              fmt::format("{}: {}", look.name, totals[look.kind]));
    }
}

Axis axis_of(const RunResult& result) {
    double end = 1;
    for (const Slice& slice : result.records.slices) {
        const u64 length = slice.at < fine_milliseconds ? 1 : coarse_milliseconds;
        end              = std::max(end, static_cast<double>(slice.at + length));
    }
    for (const Mark& mark : result.records.marks) {
        end = std::max(end, milliseconds_of(mark, result));
    }
    const double least  = end > fine_milliseconds ? coarse_milliseconds : 1;
    const double column = std::max(least, std::ceil(end / most_columns / least) * least);
    return {.end     = end,
            .column  = column,
            .columns = std::max<u64>(static_cast<u64>(std::ceil(end / column)), 1)};
}

} // namespace

std::string timeline(const RunResult& result) {
    const Axis axis               = axis_of(result);
    const std::vector<Kind> kinds = by_kind(result.records.slices, axis);
    constexpr u64 lane            = lane_height + lane_space;
    const u64 base                = top + (kinds.size() + 1) * lane;
    std::string svg;
    const Text out{svg};
    fmt::format_to(out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
                   "viewBox=\"0 0 {0} {1}\" font-family=\"sans-serif\" font-size=\"13\">\n"
                   "<title>VMGEXITs of {2}</title>\n"
                   "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
                   "<text x=\"20\" y=\"28\" font-size=\"18\">VMGEXITs of {2}</text>\n",
                   picture_width, base + bottom,
                   igvm::xml_escaped(result.guest.empty() ? "a guest" : result.guest));
    label(out, 20, 50, "start",
          fmt::format("{}; a column is {}", outcome_line(result), time_text(axis.column)));
    draw_axis(out, axis, base);
    u64 y = top;
    for (std::size_t k = 0; k < kinds.size(); ++k, y += lane) {
        draw_lane(out, kinds[k], colours[k], axis, y);
    }
    draw_marks(out, result, axis, y);
    svg += "</svg>\n";
    return svg;
}

} // namespace vestibule::sevsim
