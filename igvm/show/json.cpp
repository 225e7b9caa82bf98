// SPDX-License-Identifier: BSD-2-Clause-Patent
// See show.h: the listing for programs. The object is written piece by piece, each piece made by
// nlohmann-json, so that a hostile file's listing does not have to fit into memory.
#include "igvm/format/context_fields.h"
#include "igvm/format/guest_policy.h"
#include "igvm/format/header_fields.h"
#include "igvm/format/page_runs.h"
#include "igvm/measure/digest.h"
#include "igvm/show/describe.h"
#include "igvm/show/show.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace vestibule::igvm {

using Json = nlohmann::ordered_json;

static std::string hex(u64 value) { return fmt::format("{:#x}", value); }

static Json platform_list(const File& file, u32 mask) {
    Json names = Json::array();
    for (const Header header : file.platforms()) {
        const auto platform = load<SupportedPlatform>(header.content);
        if ((platform.compatibility_mask & mask) != 0) {
            names.push_back(name_of(platform.platform_type));
        }
    }
    return names;
}

static Json registers(ContextKind kind, std::span<const u8> page) {
    Json result = Json::object();
    for (const ContextValue& field : context_values(kind, page)) {
        if (field.value != 0) {
            result[context_field_at(kind, field.offset)] = hex(field.value);
        }
    }
    return result;
}

static Json policy_json(const File& file, const GuestPolicy& policy) {
    Json meaning = Json::array();
    for (const Header header : file.platforms()) {
        const auto platform = load<SupportedPlatform>(header.content);
        if ((platform.compatibility_mask & policy.compatibility_mask) == 0) {
            continue;
        }
        Json bits = Json::array();
        for (const PolicyBit& row : policy_bits(platform.platform_type)) {
            if ((policy.policy >> row.number & 1) != 0) {
                bits.push_back(row.name);
            }
        }
        meaning.push_back({
            {"platform", name_of(platform.platform_type)},
            {"bits", bits},
            {"warnings", policy_warnings(platform.platform_type, policy.policy)},
        });
    }
    return meaning;
}

static Json header_json(const File& file, const Header& header) {
    Json result{
        {"header", header.index     },
        {"type",   header.row().name}
    };
    if (is_optional(header.type)) {
        result["number"]  = hex(static_cast<u32>(header.type));
        result["content"] = to_hex(header.content);
    }
    for (const HeaderField& field : fields_of(header.type)) {
        const auto bytes = header.content.subspan(field.offset, field.size);
        switch (field.kind) {
        case FieldKind::mask:
            result["platforms"] = platform_list(file, header.compatibility_mask());
            break;
        case FieldKind::number:
        case FieldKind::file_offset: result[field.name] = load_number(bytes); break;
        default: result[field.name] = value_of(field, header);
        }
    }
    if (const auto policy = header.as<GuestPolicy>()) {
        result["meaning"] = policy_json(file, *policy);
    }
    if (const auto policy = header.as<CcaPolicy>()) {
        result["hash"] = cca_hash_name(policy->hash_algorithm);
    }
    if (const auto context = header.as<VpContext>()) {
        const auto platform = file.platform_of(context->compatibility_mask);
        if (const auto kind = context_kind(platform.value_or(PlatformType::vsm_isolation))) {
            result["registers"] = registers(*kind, file.data(context->file_offset, page_size));
        } else {
            Json list = Json::object();
            for (const ContextRegister& own : vbs_registers(file, *context)) {
                list[own.name] = hex(own.value);
            }
            result["registers"] = std::move(list);
        }
    }
    return result;
}

static Json run_json(const File& file, const PageRun& run) {
    return {
        {"header", run.header_index},
        {"type", "PAGE_DATA"},
        {"platforms", platform_list(file, run.first.compatibility_mask)},
        {"gpa", hex(run.first.gpa)},
        {"end", hex(run.first.gpa + run.size())},
        {"pages", run.pages},
        {"page_size", run.step},
        {"data_type", name_of(run.first.data_type)},
        {"zero", run.zero},
        {"measured", run.measured()},
        {"shared", (run.first.flags & PageData::shared) != 0},
    };
}

namespace {
/// The elements of an array, one a line.
class ArrayWriter {
  public:
    ArrayWriter(const Sink& out, std::string_view name) : out_(out) {
        out_(fmt::format(",\n  \"{}\": [", name));
    }

    void add(const Json& element) {
        out_(fmt::format("{}\n    {}", empty_ ? "" : ",", element.dump()));
        empty_ = false;
    }

    void close() { out_(empty_ ? "]" : "\n  ]"); }

  private:
    const Sink& out_;
    bool empty_ = true;
};
} // namespace

void show_json(const File& file, std::string_view name, const Sink& out) {
    const FixedHeaderV2& fixed = file.fixed_header();
    // A file's name may be no UTF-8.
    const std::string quoted =
        Json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    out(fmt::format("{{\n  \"schema\": \"vestibule.show/1\",\n  \"file\": {},\n  "
                    "\"format_version\": {},\n  \"architecture\": \"{}\",\n"
                    "  \"page_size\": {},\n  \"size\": {},\n  \"checksum\": \"{:#010x}\",\n"
                    "  \"variable_headers\": {{\"offset\": {}, \"size\": {}}}",
                    quoted, fixed.common.format_version,
                    fixed.architecture == Architecture::x64 ? "x64" : "aarch64", fixed.page_size,
                    fixed.common.total_file_size, fixed.common.checksum,
                    fixed.common.variable_header_offset, fixed.common.variable_header_size));

    ArrayWriter platforms(out, "platforms");
    for (const Header header : file.platforms()) {
        const auto platform = load<SupportedPlatform>(header.content);
        platforms.add({
            {"platform",            name_of(platform.platform_type)  },
            {"mask",                hex(platform.compatibility_mask) },
            {"highest_vtl",         platform.highest_vtl             },
            {"version",             platform.platform_version        },
            {"shared_gpa_boundary", hex(platform.shared_gpa_boundary)},
        });
    }
    platforms.close();
    ArrayWriter initialization(out, "initialization");
    for (const Header header : file.initialization()) {
        initialization.add(header_json(file, header));
    }
    initialization.close();
    ArrayWriter directives(out, "directives");
    for_each_run(
        file, all_platforms, [&](const PageRun& run) { directives.add(run_json(file, run)); },
        [&](const Header& header) { directives.add(header_json(file, header)); });
    directives.close();
    out("\n}\n");
}

} // namespace vestibule::igvm
