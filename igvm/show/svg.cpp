// SPDX-License-Identifier: BSD-2-Clause-Patent
// See show.h: the picture. All columns share one scale of addresses: it is cut at every address
// where a box begins or ends, each piece is as high as the logarithm of its size, and pieces that
// no platform fills are a gap of one height, so that 4 KiB at the bottom and a page below 2^48 are
// on one sheet.
#include "igvm/format/vp_context.h"
#include "igvm/show/describe.h"
#include "igvm/show/memory_boxes.h"
#include "igvm/show/show.h"
#include "igvm/show/xml.h"
#include "x86/vmsa.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>

namespace vestibule::igvm {

namespace {
struct LookRow {
    Look look;
    std::string_view fill;
    std::string_view legend;
};

constexpr LookRow looks[] = {
    {.look = Look::data,        .fill = "#7db3ec", .legend = "data"             },
    {.look = Look::zero,        .fill = "#d8e8fa", .legend = "zero pages"       },
    {.look = Look::secrets,     .fill = "#f2b35e", .legend = "secrets"          },
    {.look = Look::cpuid,       .fill = "#f0dc62", .legend = "CPUID"            },
    {.look = Look::parameters,  .fill = "#93d693", .legend = "parameters"       },
    {.look = Look::vmsa,        .fill = "#d99be0", .legend = "VMSA"             },
    {.look = Look::error_range, .fill = "#ef8a8a", .legend = "error range"      },
    {.look = Look::mixed,       .fill = "#b9c4cf", .legend = "several, too many"},
    {.look = Look::required,    .fill = "#f4f4ee", .legend = "required memory"  },
    {.look = Look::relocatable, .fill = "#fbf3e2", .legend = "relocatable"      },
    {.look = Look::page_tables, .fill = "#e9f6ee", .legend = "page tables"      },
};

const LookRow& row_of(Look look) { return looks[static_cast<unsigned>(look)]; }

constexpr u64 box_limit    = 60; // a platform; more are not legible
constexpr u64 axis_width   = 150;
constexpr u64 column_width = 300;
constexpr u64 column_space = 20;
constexpr u64 top          = 96; // without further lines below the heads
constexpr u64 line_height  = 13;
constexpr u64 gap_height   = 40;
constexpr u64 least_height = 20;

struct Column {
    SupportedPlatform platform;
    std::vector<MemoryBox> boxes;
    std::vector<std::string> lines;
};

class Picture {
  public:
    Picture(const File& file, std::string_view name, const PictureWords& words)
        : file_(file), name_(name) {
        for (const Header header : file.platforms()) {
            const auto platform     = load<SupportedPlatform>(header.content);
            const PlatformType type = platform.platform_type;
            const auto names        = words.names ? words.names(type) : std::vector<NamedRange>{};
            columns_.push_back(
                {.platform = platform,
                 .boxes    = memory_boxes(file, type, box_limit, names),
                 .lines    = words.lines ? words.lines(type) : std::vector<std::string>{}});
            top_ = std::max(top_, top + columns_.back().lines.size() * line_height);
            for (const MemoryBox& box : columns_.back().boxes) {
                occurs_[static_cast<unsigned>(box.look)] = true;
                unmeasured_ = unmeasured_ || (!is_background(box.look) && box.unmeasured);
            }
        }
        set_scale();
    }

    std::string draw() {
        const u64 width = axis_width + columns_.size() * (column_width + column_space) + 20;
        bottom_         = std::max(bottom_, top_);
        // A line of the legend holds as many as fit.
        const u64 in_line       = std::max<u64>((width - 40) / 160, 1);
        const u64 legend_lines  = (std::size(looks) + in_line) / in_line;
        const u64 legend_height = 30 + legend_lines * 22;
        text_ =
            fmt::format("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
                        "viewBox=\"0 0 {0} {1}\" font-family=\"DejaVu Sans Mono, monospace\" "
                        "font-size=\"11\">\n"
                        "<title>{2}</title>\n"
                        "<defs><pattern id=\"unmeasured\" width=\"8\" height=\"8\" "
                        "patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\">"
                        "<rect width=\"2\" height=\"8\" fill=\"#555\" "
                        "fill-opacity=\"0.35\"/></pattern></defs>\n"
                        "<rect width=\"{0}\" height=\"{1}\" fill=\"white\"/>\n"
                        "<text x=\"20\" y=\"28\" font-size=\"16\">{2}</text>\n",
                        width, bottom_ + legend_height, xml_escaped(name_));
        axis(width);
        for (u64 i = 0; i < columns_.size(); ++i) {
            column(columns_[i], axis_width + i * (column_width + column_space));
        }
        legend(in_line);
        return std::move(text_) + "</svg>\n";
    }

  private:
    struct Piece {
        u64 first; // in pages
        u64 end;
        u64 y;
        u64 height;
        bool used;
    };

    template <class... T>
    void add(fmt::format_string<T...> format, T&&... values) {
        text_ += fmt::format(format, std::forward<T>(values)...);
    }

    void set_scale() {
        std::vector<u64> cuts;
        std::vector<std::pair<u64, int>> edges;
        for (const Column& column : columns_) {
            for (const MemoryBox& box : column.boxes) {
                cuts.insert(cuts.end(), {box.first, box.end});
                edges.insert(edges.end(), {
                                              {box.first, 1 },
                                              {box.end,   -1}
                });
            }
        }
        std::ranges::sort(cuts);
        cuts.erase(std::ranges::unique(cuts).begin(), cuts.end());
        std::ranges::sort(edges);
        u64 y     = top_;
        int depth = 0;
        auto edge = edges.begin();
        for (u64 i = 0; i + 1 < cuts.size(); ++i) {
            for (; edge != edges.end() && edge->first <= cuts[i]; ++edge) {
                depth += edge->second;
            }
            const u64 pages  = cuts[i + 1] - cuts[i];
            const u64 height = depth == 0
                                   ? gap_height
                                   : least_height + 5 * static_cast<u64>(std::bit_width(pages) - 1);
            pieces_.push_back({.first  = cuts[i],
                               .end    = cuts[i + 1],
                               .y      = y,
                               .height = height,
                               .used   = depth != 0});
            y += height;
        }
        bottom_ = y;
    }

    /// Where an address that some box begins or ends at is drawn.
    [[nodiscard]] u64 y_of(u64 page) const {
        const auto piece = std::ranges::lower_bound(pieces_, page, {}, &Piece::first);
        return piece == pieces_.end() ? bottom_ : piece->y;
    }

    void axis(u64 width) {
        for (const Piece& piece : pieces_) {
            address(piece.first, piece.y, width);
            if (!piece.used) {
                add("<text x=\"{}\" y=\"{}\" text-anchor=\"end\" fill=\"#888\">{} free</text>\n",
                    axis_width - 12, piece.y + gap_height / 2 + 4,
                    size_text(piece.end - piece.first));
                add("<path d=\"M{} {} H{}\" stroke=\"#bbb\" stroke-dasharray=\"2 6\"/>\n",
                    axis_width, piece.y + gap_height / 2, width - 20);
            }
        }
        if (!pieces_.empty()) {
            address(pieces_.back().end, bottom_, width);
        }
    }

    void address(u64 page, u64 y, u64 width) {
        // The end of 64-bit addresses is one more than fits.
        const bool fits = page <= ~u64{0} / page_size;
        add("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n", axis_width - 12, y + 4,
            fits ? fmt::format("{:#x}", page * page_size) : "end");
        add("<path d=\"M{} {} H{}\" stroke=\"#ddd\"/>\n", axis_width - 8, y, width - 20);
    }

    void column(const Column& column, u64 x) {
        add("<g>\n<text x=\"{}\" y=\"58\" font-size=\"14\" font-weight=\"bold\">{}</text>\n", x,
            name_of(column.platform.platform_type));
        const bool native = column.platform.platform_type == PlatformType::native;
        add("<text x=\"{}\" y=\"76\">{}{}</text>\n", x, start_of(column.platform),
            native ? ", nothing is measured" : "");
        u64 line = 0;
        for (const std::string& text : column.lines) {
            add("<text x=\"{}\" y=\"{}\" font-size=\"9\" fill=\"#444\">{}</text>\n", x,
                76 + ++line * line_height, xml_escaped(text));
        }
        for (const MemoryBox& box : column.boxes) {
            draw(box, x);
        }
        add("</g>\n");
    }

    /// Where VP 0 begins.
    [[nodiscard]] std::string start_of(const SupportedPlatform& platform) const {
        for (const Header header : file_.directives(platform.compatibility_mask)) {
            const auto context = header.as<VpContext>();
            if (!context || context->vp_index != 0) {
                continue;
            }
            switch (platform.platform_type) {
            case PlatformType::sev_snp:
            case PlatformType::sev_es: {
                const auto vmsa = load<x86::Vmsa>(file_.data(context->file_offset, page_size));
                return fmt::format("VP 0 starts at {:#x}", vmsa.cs.base + vmsa.rip);
            }
            case PlatformType::native:
            case PlatformType::sev:
                return fmt::format(
                    "VP 0 starts at {:#x}",
                    load<NativeVpContext>(file_.data(context->file_offset, page_size)).rip);
            default: return "VP 0 has a context";
            }
        }
        return "no VP context";
    }

    void draw(const MemoryBox& box, u64 x) {
        const u64 y           = y_of(box.first);
        const u64 height      = y_of(box.end) - y;
        const bool background = is_background(box.look);
        // What lies in the background shows its edge and, where it has room of its own, its name.
        const u64 left  = background ? x : x + 6;
        const u64 width = background ? column_width : column_width - 12;
        add("<g><title>{:#x}..{:#x}: {}</title>\n", box.first * page_size, box.end * page_size,
            xml_escaped(box.label));
        add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\" fill=\"{}\" "
            "stroke=\"#666\"{}/>\n",
            left, y, width, height, row_of(box.look).fill,
            background ? " stroke-dasharray=\"4 3\"" : "");
        if (!background && box.unmeasured) {
            add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"url(#unmeasured)\"/>\n",
                left, y, width, height);
        }
        constexpr u64 fitting = 42;
        std::string label     = fmt::format("{}", box.label);
        if (label.size() > fitting) {
            label = label.substr(0, fitting - 3) + "...";
        }
        if (background) {
            add("<text x=\"{}\" y=\"{}\" font-size=\"9\" fill=\"#777\" "
                "text-anchor=\"end\">{}</text>\n",
                left + width - 8, y + height - 4, xml_escaped(label));
        } else {
            // On a light ground, so that hatching does not cross the words.
            add("<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"14\" fill=\"white\" "
                "fill-opacity=\"0.7\" rx=\"3\"/>\n",
                left + 4, y + height / 2 - 7, label.size() * 7 - label.size() / 3 + 4);
            add("<text x=\"{}\" y=\"{}\">{}</text>\n", left + 6, y + height / 2 + 4,
                xml_escaped(label));
        }
        add("</g>\n");
    }

    void legend(u64 in_line) {
        u64 number      = 0;
        const auto item = [&](std::string_view fill, std::string_view words) {
            const u64 x = 20 + number % in_line * 160;
            const u64 y = bottom_ + 30 + number / in_line * 22;
            add("<rect x=\"{}\" y=\"{}\" width=\"16\" height=\"12\" fill=\"{}\" stroke=\"#666\"/>\n"
                "<text x=\"{}\" y=\"{}\">{}</text>\n",
                x, y, fill, x + 22, y + 10, words);
            ++number;
        };
        for (const LookRow& row : looks) {
            if (occurs_[static_cast<unsigned>(row.look)]) {
                item(row.fill, row.legend);
            }
        }
        if (unmeasured_) {
            item("url(#unmeasured)", "not measured");
        }
    }

    const File& file_;
    std::string name_;
    std::vector<Column> columns_;
    std::vector<Piece> pieces_;
    u64 top_    = top;
    u64 bottom_ = top;
    std::array<bool, std::size(looks)> occurs_{}; // what the legend explains
    bool unmeasured_ = false;
    std::string text_;
};
} // namespace

std::string show_svg(const File& file, std::string_view name, const PictureWords& words) {
    return Picture(file, name, words).draw();
}

} // namespace vestibule::igvm
