// SPDX-License-Identifier: BSD-2-Clause-Patent
// See memory_boxes.h.
#include "igvm/show/memory_boxes.h"

#include "igvm/format/page_runs.h"
#include "igvm/show/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace vestibule::igvm {

namespace {
constexpr u64 to_pages(u64 bytes) { return bytes / page_size; }

Look look_of(const PageRun& run) {
    switch (run.first.data_type) {
    case PageDataType::secrets: return Look::secrets;
    case PageDataType::cpuid_data:
    case PageDataType::cpuid_xf: return Look::cpuid;
    default: return run.zero ? Look::zero : Look::data;
    }
}

class Collector {
  public:
    Collector(const File& file, PlatformType platform, const std::vector<NamedRange>& names)
        : file_(file), names_(names), mask_(file.mask_of(platform)),
          measures_(platform != PlatformType::native) {}

    std::vector<MemoryBox> run() {
        for (const Header header : file_.initialization(mask_)) {
            if (const auto region = header.as<RelocatableRegion>()) {
                add(region->relocation_region_gpa, region->relocation_region_size,
                    Look::relocatable, false, "relocatable");
            } else if (const auto tables = header.as<PageTableRelocationRegion>()) {
                add(tables->gpa, tables->size, Look::page_tables, false, "page tables");
            }
        }
        for_each_run(
            file_, mask_, [&](const PageRun& pages) { page_run(pages); },
            [&](const Header& header) { directive(header); });
        std::ranges::sort(boxes_, {},
                          [](const MemoryBox& box) { return std::pair(box.first, box.order); });
        return std::move(boxes_);
    }

  private:
    void add(u64 gpa, u64 size, Look look, bool measured, std::string label) {
        const u64 first = to_pages(gpa);
        boxes_.push_back({.first      = first,
                          .end        = first + std::max<u64>(to_pages(size), 1),
                          .look       = look,
                          .unmeasured = !measured && measures_,
                          .parts      = 1,
                          .order      = boxes_.size(),
                          .label      = std::move(label)});
    }

    void page_run(const PageRun& run) {
        const bool normal = run.first.data_type == PageDataType::normal;
        // On SNP pages of every type are in the digest, some without their content.
        const std::string_view kind =
            normal ? (run.zero ? "zero" : "data") : name_of(run.first.data_type);
        const bool shared          = (run.first.flags & PageData::shared) != 0;
        const std::string_view how = !measures_        ? ""
                                     : shared          ? ", shared, unmeasured"
                                     : !run.measured() ? ", unmeasured"
                                     : normal          ? ", measured"
                                                       : ", filled by the host";
        // One after another of what has a name, or none, as a whole. The last page may end at 2^64.
        for (u64 at = 0; at < run.size();) {
            const u64 gpa          = run.first.gpa + at;
            const std::string name = name_at(names_, gpa);
            u64 next               = next_edge(run, at);
            while (next < run.size() && name_at(names_, run.first.gpa + next) == name) {
                next = next_edge(run, next);
            }
            add(gpa, next - at, look_of(run), run.measured(),
                words((next - at) / run.step, run.step, name, kind) + std::string(how));
            at = next;
        }
    }

    /// Up to where another name may begin, from the run's beginning and in steps of its pages.
    [[nodiscard]] u64 next_edge(const PageRun& run, u64 at) const {
        u64 next = run.size();
        for (const NamedRange& range : names_) {
            for (const u64 edge : {range.gpa, range.gpa + range.size}) {
                const u64 offset = edge - run.first.gpa;
                if (edge > run.first.gpa && offset > at) {
                    next = std::min(next, (offset + run.step - 1) / run.step * run.step);
                }
            }
        }
        return next;
    }

    static std::string words(u64 pages, u64 step, const std::string& name, std::string_view kind) {
        if (name.empty()) {
            return fmt::format("{} x {} {}", pages, step == page_size ? "4K" : "2M", kind);
        }
        const std::string size = fmt::format("{}: {}", name, size_text(to_pages(pages * step)));
        const auto* zero       = kind == "zero" ? " zero" : "";
        return pages == 1 ? size + zero : fmt::format("{}, {}{} pages", size, pages, zero);
    }

    void directive(const Header& header) {
        if (const auto area = header.as<ParameterArea>()) {
            areas_[area->parameter_area_index] = {.size = area->number_of_bytes, .holds = {}};
        } else if (const auto usage = header.as<ParameterUsage>()) {
            std::string& holds   = areas_[usage->parameter_area_index].holds;
            constexpr u64 enough = 100;
            if (holds.size() < enough) {
                holds += fmt::format("{}{}", holds.empty() ? "" : ", ", header.row().name);
            }
        } else if (const auto insert = header.as<ParameterInsert>()) {
            const Area& inserted = areas_[insert->parameter_area_index];
            add(insert->gpa, inserted.size, Look::parameters, false,
                fmt::format("parameters: {}", inserted.holds.empty() ? "none" : inserted.holds));
        } else if (const auto memory = header.as<RequiredMemory>()) {
            add(memory->gpa, memory->number_of_bytes, Look::required, false, "required memory");
        } else if (const auto range = header.as<ErrorRange>()) {
            add(range->gpa, range->size_bytes, Look::error_range, false, "error range");
        } else if (const auto context = header.as<VpContext>()) {
            vp_context(*context);
        }
    }

    void vp_context(const VpContext& context) {
        const auto platform = file_.platform_of(context.compatibility_mask);
        if (platform != PlatformType::sev_snp && platform != PlatformType::sev_es) {
            return; // registers without a place in memory
        }
        for (MemoryBox& box : boxes_) {
            if (box.look == Look::vmsa && box.first == to_pages(context.gpa)) {
                ++box.parts;
                box.label = fmt::format("VMSAs of {} VPs, measured", box.parts);
                return;
            }
        }
        add(context.gpa, page_size, Look::vmsa, true,
            fmt::format("VMSA of VP {}, measured", context.vp_index));
    }

    struct Area {
        u64 size;
        std::string holds;
    };

    const File& file_;
    const std::vector<NamedRange>& names_;
    u32 mask_;
    bool measures_;
    std::map<u32, Area> areas_;
    std::vector<MemoryBox> boxes_;
};

/// At most `limit` boxes of these, which are by address: the widest gaps stay, what is between them
/// becomes one.
std::vector<MemoryBox> joined(const std::vector<MemoryBox>& boxes, u64 limit) {
    if (boxes.size() <= limit) {
        return boxes;
    }
    std::vector<u64> gaps;
    u64 end = boxes.front().end;
    for (u64 i = 1; i < boxes.size(); ++i) {
        gaps.push_back(boxes[i].first > end ? boxes[i].first - end : 0);
        end = std::max(end, boxes[i].end);
    }
    std::vector<u64> widest = gaps;
    std::ranges::nth_element(widest, widest.begin() + static_cast<std::ptrdiff_t>(limit) - 1,
                             std::greater<>());
    const u64 narrow = widest[limit - 1]; // gaps up to this one are closed

    std::vector<MemoryBox> result = {boxes.front()};
    for (u64 i = 1; i < boxes.size(); ++i) {
        if (gaps[i - 1] > narrow) {
            result.push_back(boxes[i]);
            continue;
        }
        MemoryBox& last = result.back();
        last.end        = std::max(last.end, boxes[i].end);
        last.look       = last.look == boxes[i].look ? last.look : Look::mixed;
        last.unmeasured = last.unmeasured || boxes[i].unmeasured;
        last.parts += boxes[i].parts;
        last.label = fmt::format("{} parts of {} pages", last.parts, last.pages());
    }
    return result;
}
} // namespace

std::string size_text(u64 pages) {
    constexpr std::string_view units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double amount                      = static_cast<double>(pages) * 4;
    unsigned unit                      = 0;
    for (; amount >= 1024 && unit + 1 < std::size(units); ++unit) {
        amount /= 1024;
    }
    return fmt::format("{:.4g} {}", amount, units[unit]);
}

std::vector<MemoryBox> memory_boxes(const File& file, PlatformType platform, u64 limit,
                                    const std::vector<NamedRange>& names) {
    const std::vector<MemoryBox> all = Collector(file, platform, names).run();
    std::vector<MemoryBox> background;
    std::vector<MemoryBox> foreground;
    for (const MemoryBox& box : all) {
        (is_background(box.look) ? background : foreground).push_back(box);
    }
    std::vector<MemoryBox> result = joined(background, limit);
    for (MemoryBox& box : joined(foreground, limit)) {
        result.push_back(std::move(box));
    }
    return result;
}

} // namespace vestibule::igvm
