// SPDX-License-Identifier: BSD-2-Clause-Patent
// See build_manifest.h.
#include "igvm/tool/build_manifest.h"

#include "cli/json.h"
#include "igvm/format/header_types.h"
#include "igvm/measure/digest.h"
#include "igvm/show/describe.h"
#include "version.h"

#include <fmt/format.h>

namespace vestibule::igvm {

using ordered_json = cli::Json;

static std::string hex(u64 value) { return fmt::format("{:#x}", value); }

static ordered_json json_of(const BuildInput& input) {
    return {
        {"file",   input.name                 },
        {"size",   input.bytes.size()         },
        {"sha256", to_hex(sha256(input.bytes))}
    };
}

static ordered_json json_of(const BuildOptions& options, const std::string& entry) {
    ordered_json platforms = ordered_json::array();
    for (const PlatformType platform : options.platforms) {
        platforms.push_back(name_of(platform));
    }
    ordered_json object{
        {"platforms",       platforms              },
        {"entry",           entry                  },
        {"c_bit",           options.c_bit          },
        {"vcpus",           options.vcpus          },
        {"snp_policy",      hex(options.snp_policy)},
        {"memory_map",      options.memory_map     },
        {"vp_count",        options.vp_count       },
        {"memory",          options.memory         },
        {"memory_below_4g", options.below_4g()     }
    };
    if (options.vmpl != 0) {
        object["vmpl"] = options.vmpl;
    }
    if (options.report_data) {
        object["report_data"] = to_hex(*options.report_data);
    }
    return object;
}

static ordered_json json_of(const Placed& placed) {
    ordered_json row{
        {"part",   name_of(placed.part)                  },
        {"gpa",    hex(placed.gpa)                       },
        {"size",   placed.content.size()                 },
        {"sha256", to_hex(sha256(placed.content.bytes()))}
    };
    if (placed.platform) {
        row["platform"] = name_of(*placed.platform);
    }
    return row;
}

static ordered_json json_of(const Layout& layout) {
    ordered_json parts = ordered_json::array();
    for (const Placed& placed : layout.pages) {
        parts.push_back(json_of(placed));
    }
    ordered_json parameters = ordered_json::array();
    for (const ParameterPage& page : layout.at.parameters) {
        parameters.push_back({
            {"parameter", find_header_type(page.parameter)->name},
            {"gpa",       hex(page.gpa)                         }
        });
    }
    ordered_json required = ordered_json::array();
    for (const boot::MemoryRange& range : layout.required) {
        required.push_back({
            {"gpa",  hex(range.base)},
            {"size", range.size     }
        });
    }
    return {
        {"base",            hex(layout.at.base)},
        {"parts",           parts              },
        {"parameters",      parameters         },
        {"required_memory", required           }
    };
}

std::string build_manifest(const BuildRecord& record) {
    ordered_json object = cli::json_output("manifest");
    object["igvmtool"]  = version;
    object["out"]       = json_of(BuildInput{.name = record.out, .bytes = record.file.bytes});
    object["options"]   = json_of(record.options, record.entry);
    object["stub"]      = json_of(record.stub);
    if (const Payload* payload = record.contents.payload) {
        ordered_json& row = object["payload"] = json_of(record.payload);
        row["format"]                         = name_of(payload->format);
        row["base"]                           = hex(payload->base);
        row["entry"]                          = hex(payload->entry);
        object["command_line"]                = record.contents.command_line;
        if (!record.initrd.bytes.empty()) {
            object["initrd"] = json_of(record.initrd);
        }
    }
    object["layout"] = json_of(record.file.layout);
    return cli::json_text(object);
}

} // namespace vestibule::igvm
