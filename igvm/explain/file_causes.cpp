// SPDX-License-Identifier: BSD-2-Clause-Patent
// See file_causes.h. What is to be replaced is found once, in the launch as it stands; a cause then
// knows its pages by where they lie in the file.
#include "igvm/explain/file_causes.h"

#include "igvm/format/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>

namespace vestibule::igvm {

namespace {
using Pages = std::vector<std::vector<u8>>;

/// Both values of what is altered, in words.
struct Values {
    std::string here;
    std::string there;
};

Cause cause_of(std::string name, std::string group, std::string who, Values values,
               std::function<void(std::vector<Step>&)> steps) {
    return {.name  = std::move(name),
            .who   = std::move(who),
            .group = std::move(group),
            .plan  = {},
            .value = {},
            .steps = std::move(steps),
            .here  = std::move(values.here),
            .there = std::move(values.there),
            .vmsa  = {}};
}

bool is_page(const Step& step) {
    return step.type == PageType::normal && step.data.size() == page_size;
}

/// A text and its zero, within one page; null where none has it.
struct Place {
    const u8* page;
    u64 offset;
};

std::optional<Place> find_text(const Launch& launch, std::span<const u8> text) {
    for (const Step& step : launch.steps) {
        if (!is_page(step)) {
            continue;
        }
        const auto found = std::ranges::search(step.data, text);
        if (!found.empty()) {
            return Place{.page   = step.data.data(),
                         .offset = static_cast<u64>(found.begin() - step.data.begin())};
        }
    }
    return std::nullopt;
}

std::vector<u8> with_zero(std::string_view line) {
    std::vector<u8> bytes(line.begin(), line.end());
    bytes.push_back(0);
    return bytes;
}

void add_lines(std::vector<Cause>& causes, const Launch& launch,
               const FileAlternatives& alternatives) {
    const auto& record = alternatives.record;
    if (alternatives.line.empty() && !record) {
        return;
    }
    const auto own   = with_zero(alternatives.line);
    const auto place = record ? std::optional(Place{.page = record->page, .offset = record->line})
                              : find_text(launch, own);
    const auto step  = std::ranges::find_if(launch.steps, [&](const Step& each) {
        return place && is_page(each) && each.data.data() == place->page;
    });
    if (step == launch.steps.end()) {
        return;
    }
    const auto add = [&](std::string name, std::string who, std::string_view line) {
        const auto other = with_zero(line);
        auto page        = std::make_shared<std::vector<u8>>(step->data.begin(), step->data.end());
        const auto at    = std::span(*page).subspan(place->offset);
        // A longer one goes where nothing but zeros follow.
        const u64 room = record ? record->line_room : at.size();
        const bool fits =
            other.size() <= own.size()
            || (other.size() <= room
                && std::ranges::all_of(at.subspan(own.size(), other.size() - own.size()),
                                       [](u8 byte) { return byte == 0; }));
        if (!fits || other == own) {
            return;
        }
        if (record) {
            const u64 size = line.size();
            std::memcpy(page->data() + record->line_size, &size, sizeof(size));
        }
        std::ranges::fill(at.first(own.size()), u8{0});
        std::ranges::copy(other, at.begin());
        causes.push_back(cause_of(std::move(name), "command line", std::move(who),
                                  {.here  = fmt::format("\"{}\"", alternatives.line),
                                   .there = fmt::format("\"{}\"", line)},
                                  [page, where = place->page](std::vector<Step>& steps) {
                                      for (Step& each : steps) {
                                          if (each.data.data() == where) {
                                              each.data = *page;
                                          }
                                      }
                                  }));
    };
    for (const std::string& line : alternatives.other_lines) {
        add(fmt::format("command line \"{}\" in the file", line), "built with another --cmdline",
            line);
    }
    add("empty command line in the file", "built without --cmdline", "");
    add("command line with a line feed in the file", "read from a file with its last line feed",
        alternatives.line + "\n");
}

Pages pages_of(std::span<const u8> bytes) {
    Pages pages;
    for (u64 at = 0; at < bytes.size(); at += page_size) {
        const auto piece = bytes.subspan(at, std::min<u64>(page_size, bytes.size() - at));
        pages.emplace_back(piece.begin(), piece.end());
        pages.back().resize(page_size);
    }
    return pages;
}

/// A page of zeros may come without data.
bool holds(const Step& step, const std::vector<u8>& page) {
    const bool zeros = std::ranges::all_of(page, [](u8 byte) { return byte == 0; });
    return (step.type == PageType::normal || step.type == PageType::zero) && step.pages == 1
           && (step.data.empty() ? zeros : std::ranges::equal(step.data, page));
}

/// A page of the file, and what stands in its place.
using Replaced = std::pair<const u8*, std::vector<u8>>;

/// The record with another initrd's size in it; nothing where there is none.
std::shared_ptr<const Replaced>
told_size(const Launch& launch, const std::optional<FileAlternatives::Record>& record, u64 size) {
    const auto step = std::ranges::find_if(launch.steps, [&](const Step& each) {
        return record && is_page(each) && each.data.data() == record->page;
    });
    if (step == launch.steps.end()) {
        return nullptr;
    }
    std::vector<u8> page(step->data.begin(), step->data.end());
    std::memcpy(page.data() + record->initrd_size, &size, sizeof(size));
    return std::make_shared<const Replaced>(record->page, std::move(page));
}

void add_initrds(std::vector<Cause>& causes, const Launch& launch,
                 const FileAlternatives& alternatives) {
    if (!alternatives.initrd || alternatives.initrd->bytes.empty()) {
        return;
    }
    const Pages own = pages_of(alternatives.initrd->bytes);
    const auto found =
        std::ranges::search(launch.steps, own, [](const Step& step, const std::vector<u8>& page) {
            return holds(step, page);
        });
    if (found.empty()) {
        return;
    }
    const u64 gpa   = found.front().gpa;
    const u64 count = own.size();
    for (const FileAlternatives::Content& other : alternatives.other_initrds) {
        const auto pages = std::make_shared<const Pages>(pages_of(other.bytes));
        const auto told  = told_size(launch, alternatives.record, other.bytes.size());
        causes.push_back(cause_of(
            fmt::format("initrd {} in the file", other.name), "initrd",
            "built with another --initrd", {.here = alternatives.initrd->name, .there = other.name},
            [pages, gpa, count, told](std::vector<Step>& steps) {
                for (Step& each : steps) {
                    if (told && each.data.data() == told->first) {
                        each.data = told->second;
                    }
                }
                const auto first = std::ranges::find(steps, gpa, &Step::gpa);
                if (first == steps.end() || static_cast<u64>(steps.end() - first) < count) {
                    return;
                }
                Step step     = *first;
                const auto at = first - steps.begin();
                steps.erase(first, first + static_cast<std::ptrdiff_t>(count));
                std::vector<Step> others;
                for (const std::vector<u8>& page : *pages) {
                    step.type = PageType::normal;
                    step.data = page;
                    others.push_back(step);
                    step.gpa += page_size;
                }
                steps.insert(steps.begin() + at, others.begin(), others.end());
            }));
    }
}

/// A page of page-table entries whose C-bit is at one of two places.
bool is_page_table(std::span<const u8> page) {
    constexpr u64 both    = bit(47) | bit(51);
    constexpr u64 others  = ~(both | 0x3F'FFFF'F000) & 0x0007'FFFF'FFFF'F000; // beyond 256 GiB
    constexpr u64 present = 1;
    u64 entries           = 0;
    for (u64 at = 0; at < page.size(); at += sizeof(u64)) {
        const u64 entry = load<u64>(page, at);
        const u64 c_bit = entry & both;
        if (entry == 0) {
            continue;
        }
        if ((entry & present) == 0 || (entry & others) != 0 || c_bit == 0 || c_bit == both) {
            return false;
        }
        ++entries;
    }
    return entries != 0;
}

void add_c_bit(std::vector<Cause>& causes, const Launch& launch) {
    constexpr u64 both = bit(47) | bit(51);
    const auto tables  = std::make_shared<std::map<const u8*, std::vector<u8>>>();
    bool at_51         = false;
    for (const Step& step : launch.steps) {
        if (!is_page(step) || !is_page_table(step.data)) {
            continue;
        }
        std::vector<u8>& page = (*tables)[step.data.data()];
        page.assign(step.data.begin(), step.data.end());
        for (u64 at = 0; at < page.size(); at += sizeof(u64)) {
            const u64 entry = load<u64>(page, at);
            const u64 moved = entry == 0 ? entry : entry ^ both;
            at_51           = at_51 || (entry & bit(51)) != 0;
            std::memcpy(page.data() + at, &moved, sizeof(moved));
        }
    }
    if (tables->empty()) {
        return;
    }
    causes.push_back(cause_of("C-bit the other of 47 and 51 in page tables", "C-bit",
                              "built for another processor (--cbit)",
                              {.here = at_51 ? "51" : "47", .there = at_51 ? "47" : "51"},
                              [tables](std::vector<Step>& steps) {
                                  for (Step& step : steps) {
                                      const auto table = tables->find(step.data.data());
                                      if (table != tables->end()) {
                                          step.data = table->second;
                                      }
                                  }
                              }));
}
} // namespace

std::vector<Cause> file_causes(const Launch& launch, const FileAlternatives& alternatives) {
    std::vector<Cause> causes;
    add_lines(causes, launch, alternatives);
    add_initrds(causes, launch, alternatives);
    add_c_bit(causes, launch);
    return causes;
}

} // namespace vestibule::igvm
