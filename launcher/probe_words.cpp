// SPDX-License-Identifier: BSD-2-Clause-Patent
// See probe.h: what was found, in words, as JSON and as rows of a table.
#include "launcher/probe.h"

#include "cli/json.h"
#include "igvm/show/describe.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::launcher {

namespace {
std::string_view name_of(Fate fate) {
    constexpr std::string_view names[] = {"taken", "dropped", "altered", "refused", "unsolved"};
    return names[static_cast<unsigned>(fate)];
}

std::string line_of(const ProbedField& field) {
    std::string line =
        fmt::format("{:<20} {:<8} {:#x}", field.name, name_of(field.fate), field.given);
    if (field.fate == Fate::altered || field.fate == Fate::dropped) {
        line += fmt::format(" becomes {:#x}", field.measured);
    }
    if (!field.words.empty()) {
        line += fmt::format(": {}", field.words);
    }
    return field.as_predicted ? line : line + "   <- not as in the profile";
}
} // namespace

std::string text_of(const Probe& probe) {
    std::string text =
        fmt::format("kernel {}, {}, held against {}; {} launches\n", probe.release,
                    igvm::name_of(probe.platform), probe.profile.words(), probe.launches);
    for (const ProbedField& field : probe.forced) {
        text += fmt::format("{:<20} forced   {:#x}, {:#x} by the profile   <- not as in the "
                            "profile\n",
                            field.name, field.measured, field.given);
    }
    for (const ProbedField& field : probe.fields) {
        text += line_of(field) + "\n";
    }
    const auto others = std::ranges::count(probe.fields, false, &ProbedField::as_predicted)
                        + static_cast<std::ptrdiff_t>(probe.forced.size());
    return text
           + (others == 0 ? fmt::format("this kernel is as {} says\n", probe.profile.profile.name)
                          : fmt::format("{} fields are not as {} says\n", others,
                                        probe.profile.profile.name));
}

nlohmann::ordered_json json_of(const Probe& probe) {
    const auto list = [](const std::vector<ProbedField>& fields) {
        auto result = nlohmann::ordered_json::array();
        for (const ProbedField& field : fields) {
            nlohmann::ordered_json one{
                {"field", field.name},
                {"offset", fmt::format("{:#x}", field.offset)},
                {"fate", name_of(field.fate)},
                {"given", fmt::format("{:#x}", field.given)},
                {"as_predicted", field.as_predicted}
            };
            if (field.fate != Fate::refused && field.fate != Fate::unsolved) {
                one["measured"] = fmt::format("{:#x}", field.measured);
            }
            if (!field.words.empty()) {
                one["words"] = field.words;
            }
            result.push_back(std::move(one));
        }
        return result;
    };
    cli::Json object          = cli::json_output("probe");
    object["platform"]        = igvm::name_of(probe.platform);
    object["kernel_release"]  = probe.release;
    object["kernel_profile"]  = probe.profile.profile.name;
    object["kernel_verified"] = probe.profile.verified;
    object["launches"]        = probe.launches;
    object["forced"]          = list(probe.forced);
    object["fields"]          = list(probe.fields);
    return object;
}

std::string rows_of(const Probe& probe) {
    std::string rows = fmt::format("    // Linux {}, where it is not as {} says\n", probe.release,
                                   probe.profile.profile.name);
    const auto add   = [&](const ProbedField& field, std::string_view effect, u64 value,
                         std::string_view who) {
        const bool snp = probe.platform == igvm::PlatformType::sev_snp;
        rows += fmt::format("    {{probed, {}, {}, Effect::{}, {:#x}, FIELD({}), \"{}\"}},\n", !snp,
                              snp, effect, value, field.name, who);
    };
    for (const ProbedField& field : probe.forced) {
        const bool sets = (field.measured & field.given) == field.given;
        add(field, sets ? "set_bits" : "replace",
            sets ? field.measured & ~field.given : field.measured, "KVM forces it");
    }
    for (const ProbedField& field : probe.fields) {
        if (field.as_predicted) {
            continue;
        }
        switch (field.fate) {
        case Fate::taken: rows += fmt::format("    // {}: taken as it is\n", field.name); break;
        case Fate::dropped: add(field, "replace", field.measured, "KVM does not take it"); break;
        case Fate::altered:
            if ((field.measured & ~field.given) == 0) {
                add(field, "clear_bits", field.given & ~field.measured, "KVM cuts it");
            } else if ((field.given & ~field.measured) == 0) {
                add(field, "set_bits", field.measured & ~field.given, "KVM forces it");
            } else {
                add(field, "replace", field.measured, "KVM makes something else of it");
            }
            break;
        case Fate::refused: add(field, "refuse", 0, "KVM refuses it"); break;
        case Fate::unsolved: rows += fmt::format("    // {}: unsolved\n", field.name);
        }
    }
    return rows;
}

} // namespace vestibule::launcher
