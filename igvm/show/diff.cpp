// SPDX-License-Identifier: BSD-2-Clause-Patent
// Platform by platform, since the same header may stand for several and the compatibility masks of
// two files need not agree; a difference that several platforms share is listed once.
#include "igvm/show/diff.h"

#include "igvm/format/context_fields.h"
#include "igvm/format/header_fields.h"
#include "igvm/format/references.h"
#include "igvm/measure/digest.h"
#include "igvm/show/describe.h"
#include "igvm/show/diff_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

namespace vestibule::igvm {

namespace {
constexpr u64 listed_at_most = 10'000;

constexpr std::string_view absent;

/// One of the two files, for one platform.
struct Side {
    const File& file;
    u32 mask;
};

/// What a header is about, so that the same thing is found again in the other file.
std::string subject(const Header& header) {
    const std::string_view name = header.row().name;
    if (const auto page = header.as<PageData>()) {
        return fmt::format("{} {:#x}", name, page->gpa);
    }
    if (const auto context = header.as<VpContext>()) {
        return fmt::format("{} of VP {}", name, context->vp_index);
    }
    if (const auto area = header.as<ParameterArea>()) {
        return fmt::format("{} {}", name, area->parameter_area_index);
    }
    if (const auto insert = header.as<ParameterInsert>()) {
        return fmt::format("{} of area {}", name, insert->parameter_area_index);
    }
    if (const auto usage = header.as<ParameterUsage>()) {
        return fmt::format("{} in area {}", name, usage->parameter_area_index);
    }
    if (is_optional(header.type)) {
        return fmt::format("{} {:#x}", name, static_cast<u32>(header.type));
    }
    return std::string(name);
}

std::span<const u8> data_behind(const File& file, const Header& header) {
    const auto reference = reference_of(file, header);
    return reference ? data_of(file, *reference) : std::span<const u8>{};
}

class Comparison {
  public:
    Comparison(const File& left, const File& right, const NamesOf& names)
        : left_(left), right_(right), names_(names) {}

    DiffResult run() {
        fixed_headers();
        for (const PlatformName& row : platform_names) {
            platform_            = row.platform;
            const u32 left_mask  = left_.mask_of(row.platform);
            const u32 right_mask = right_.mask_of(row.platform);
            const auto in_words  = [](u32 mask) { return mask == 0 ? "" : "supported"; };
            if ((left_mask == 0) != (right_mask == 0)) {
                add("platform", "platform", in_words(left_mask), in_words(right_mask));
            } else if (left_mask != 0) {
                platform({.file = left_, .mask = left_mask}, {.file = right_, .mask = right_mask});
            }
        }
        platform_.reset();
        // Headers without a mask, which are for every platform.
        headers({.file = left_, .mask = 0}, {.file = right_, .mask = 0});
        return std::move(result_);
    }

  private:
    void add(std::string_view kind, std::string where, std::string_view left,
             std::string_view right, std::string part = {}) {
        const std::string key = fmt::format("{}\n{}\n{}\n{}", kind, where, left, right);
        const auto known      = known_.find(key);
        if (known != known_.end()) {
            auto& platforms = result_.differences[known->second].platforms;
            if (platform_ && std::ranges::count(platforms, *platform_) == 0) {
                platforms.push_back(*platform_);
            }
            return;
        }
        if (result_.differences.size() == listed_at_most) {
            ++result_.unlisted;
            return;
        }
        known_.emplace(key, result_.differences.size());
        result_.differences.push_back({.kind      = kind,
                                       .platforms = {},
                                       .where     = std::move(where),
                                       .part      = std::move(part),
                                       .left      = std::string(left),
                                       .right     = std::string(right)});
        if (platform_) {
            result_.differences.back().platforms.push_back(*platform_);
        }
    }

    void fixed_headers() {
        const FixedHeaderV2& left  = left_.fixed_header();
        const FixedHeaderV2& right = right_.fixed_header();
        if (left.common.format_version != right.common.format_version) {
            add("file", "format version", fmt::format("{}", left.common.format_version),
                fmt::format("{}", right.common.format_version));
        }
        if (left.architecture != right.architecture) {
            add("file", "architecture", fmt::format("{}", static_cast<u32>(left.architecture)),
                fmt::format("{}", static_cast<u32>(right.architecture)));
        }
    }

    void platform(const Side& left, const Side& right) {
        headers(left, right);
        const auto names = names_ && platform_ ? names_(*platform_) : std::vector<NamedRange>{};
        for (const PageDifference& pages :
             diff_pages(left.file, left.mask, right.file, right.mask, names)) {
            add("pages", pages.where, pages.left, pages.right, pages.part);
        }
        contexts(left, right);
        order(left, right);
    }

    /// A header's own difference: its fields and its data, whatever the masks are.
    bool compare(const Side& left, const Header& header, const Side& right, const Header& other,
                 bool report) {
        bool same        = true;
        const auto found = [&](std::string_view what, std::string_view one, std::string_view two) {
            same = false;
            if (report) {
                add("header", fmt::format("{}: {}", subject(header), what), one, two);
            }
        };
        if (is_optional(header.type) && !std::ranges::equal(header.content, other.content)) {
            found("content", to_hex(header.content), to_hex(other.content));
        }
        for (const HeaderField& field : fields_of(header.type)) {
            const bool own = field.kind != FieldKind::mask && field.kind != FieldKind::file_offset
                             && !(header.type == HeaderType::supported_platform
                                  && field.name == "compatibility_mask");
            const std::string one = value_of(field, header);
            const std::string two = value_of(field, other);
            if (own && one != two) {
                found(field.name, one, two);
            }
        }
        const auto data       = data_behind(left.file, header);
        const auto other_data = data_behind(right.file, other);
        if (!std::ranges::equal(data, other_data)) {
            found("data", fmt::format("{} bytes", data.size()),
                  fmt::format("{} bytes, others", other_data.size()));
        }
        return same;
    }

    /// Whether headers() looks at it: pages, contexts and what belongs to other sides are not.
    static bool is_listed(const Side& side, const Header& header) {
        const bool masked = header.row().mask != Mask::none;
        return header.type != HeaderType::page_data && header.type != HeaderType::vp_context
               && masked == (side.mask != 0)
               && (!masked || (header.compatibility_mask() & side.mask) != 0);
    }

    static std::map<std::string, std::vector<Header>> listed(const Side& side) {
        std::map<std::string, std::vector<Header>> result;
        const auto take = [&](const HeaderRange& section) {
            for (const Header header : section) {
                if (is_listed(side, header)) {
                    result[subject(header)].push_back(header);
                }
            }
        };
        take(side.file.platforms());
        take(side.file.initialization());
        take(side.file.directives());
        return result;
    }

    void headers(const Side& left, const Side& right) {
        auto ours   = listed(left);
        auto theirs = listed(right);
        for (auto& [name, headers] : ours) {
            auto& others = theirs[name];
            // One for one in order: what two files have in common they mostly have in one order.
            const u64 both = std::min(headers.size(), others.size());
            for (u64 i = 0; i < both; ++i) {
                compare(left, headers[i], right, others[i], true);
            }
            if (headers.size() > both) {
                add("header", name, times(headers.size()), times(others.size()));
            }
        }
        for (const auto& [name, others] : theirs) {
            const auto headers = ours.find(name);
            const u64 count    = headers == ours.end() ? 0 : headers->second.size();
            if (others.size() > count) {
                add("header", name, times(count), times(others.size()));
            }
        }
    }

    static std::string times(u64 count) {
        return count == 0
                   ? std::string(absent)
                   : fmt::format("present{}", count == 1 ? "" : fmt::format(" {} times", count));
    }

    static std::map<u16, VpContext> contexts_of(const Side& side) {
        std::map<u16, VpContext> result;
        for (const Header header : side.file.directives(side.mask)) {
            if (const auto context = header.as<VpContext>()) {
                result.insert_or_assign(context->vp_index, *context);
            }
        }
        return result;
    }

    void contexts(const Side& left, const Side& right) {
        const auto ours   = contexts_of(left);
        const auto theirs = contexts_of(right);
        for (const auto& [vp, context] : ours) {
            const auto other = theirs.find(vp);
            if (other == theirs.end()) {
                add("register", fmt::format("VP {}", vp), "present", absent);
            } else {
                registers(left, context, right, other->second);
            }
        }
        for (const auto& [vp, context] : theirs) {
            if (!ours.contains(vp)) {
                add("register", fmt::format("VP {}", vp), absent, "present");
            }
        }
    }

    void registers(const Side& left, const VpContext& context, const Side& right,
                   const VpContext& other) {
        const u64 gpa       = context.gpa;
        const u64 other_gpa = other.gpa;
        if (gpa != other_gpa) {
            add("register", fmt::format("VP {} address", context.vp_index),
                fmt::format("{:#x}", gpa), fmt::format("{:#x}", other_gpa));
        }
        const auto kind = context_kind(platform_.value_or(PlatformType::tdx));
        if (!kind) {
            listed_registers(left, context, right, other);
            return;
        }
        const auto page       = left.file.data(context.file_offset, page_size);
        const auto other_page = right.file.data(other.file_offset, page_size);
        if (std::ranges::equal(page, other_page)) {
            return;
        }
        const auto ours   = context_values(*kind, page);
        const auto theirs = context_values(*kind, other_page);
        for (u64 i = 0; i < ours.size(); ++i) {
            if (ours[i].value != theirs[i].value) {
                add("register",
                    fmt::format("VP {} {}", context.vp_index,
                                context_field_at(*kind, ours[i].offset)),
                    fmt::format("{:#x}", ours[i].value), fmt::format("{:#x}", theirs[i].value));
            }
        }
    }

    /// A register that only one list has reads as absent in the other.
    void listed_registers(const Side& left, const VpContext& context, const Side& right,
                          const VpContext& other) {
        const auto by_name = [](const Side& side, const VpContext& own) {
            std::map<std::string, u64> result;
            for (const ContextRegister& each : vbs_registers(side.file, own)) {
                result.insert_or_assign(each.name, each.value);
            }
            return result;
        };
        const auto ours   = by_name(left, context);
        const auto theirs = by_name(right, other);
        auto names        = ours;
        names.insert(theirs.begin(), theirs.end());
        for (const auto& [name, unused] : names) {
            const auto value = [&](const std::map<std::string, u64>& own) {
                const auto found = own.find(name);
                return found == own.end() ? std::string(absent)
                                          : fmt::format("{:#x}", found->second);
            };
            if (value(ours) != value(theirs)) {
                add("register", fmt::format("VP {} {}", context.vp_index, name), value(ours),
                    value(theirs));
            }
        }
    }

    static std::vector<std::string> subjects(const Side& side) {
        std::vector<std::string> result;
        std::unordered_map<std::string, u64> seen;
        for (const Header header : side.file.directives(side.mask)) {
            std::string own = subject(header);
            const u64 count = ++seen[own];
            result.push_back(count == 1 ? own : fmt::format("{} (number {})", own, count));
        }
        return result;
    }

    /// Only of what both files have.
    static std::vector<std::string> common(const std::vector<std::string>& own,
                                           std::vector<std::string> other) {
        std::ranges::sort(other);
        std::vector<std::string> result;
        std::ranges::copy_if(own, std::back_inserter(result), [&](const std::string& name) {
            return std::ranges::binary_search(other, name);
        });
        return result;
    }

    void order(const Side& left, const Side& right) {
        const auto left_all  = subjects(left);
        const auto right_all = subjects(right);
        const auto ours      = common(left_all, right_all);
        const auto theirs    = common(right_all, left_all);
        for (u64 i = 0; i < ours.size(); ++i) {
            if (ours[i] != theirs[i]) {
                add("order", i == 0 ? "at the start" : fmt::format("behind {}", ours[i - 1]),
                    ours[i], theirs[i]);
                return;
            }
        }
    }

    const File& left_;
    const File& right_;
    const NamesOf& names_;
    std::optional<PlatformType> platform_; // at work on
    DiffResult result_;
    std::unordered_map<std::string, u64> known_;
};
} // namespace

DiffResult diff(const File& left, const File& right, const NamesOf& names) {
    return Comparison(left, right, names).run();
}

} // namespace vestibule::igvm
