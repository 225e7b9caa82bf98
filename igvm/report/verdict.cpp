// SPDX-License-Identifier: BSD-2-Clause-Patent
// See verdict.h. A demand is a row: its name in the policy, and what it makes of the report.
#include "igvm/report/verdict.h"

#include "igvm/format/guest_policy.h"
#include "igvm/format/number.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <stdexcept>

namespace vestibule::igvm {

namespace {
using Json = nlohmann::json;

/// What is wrong with the policy itself.
struct WrongPolicy : std::runtime_error {
    using runtime_error::runtime_error;
};

struct Context {
    const AttestationReport& report;
    CpuGeneration generation;
    std::vector<ReportCheck>& checks;

    void add(std::string name, bool passed, std::string found, std::string_view expected) const {
        checks.push_back({.name   = std::move(name),
                          .passed = passed,
                          .words  = passed ? std::move(found)
                                           : fmt::format("found {}, expected {}", found, expected)});
    }
};

u64 number_of(const Json& value, u64 most) {
    u64 number = 0;
    if (value.is_number_unsigned()) {
        number = value.get<u64>();
    } else if (value.is_string() && value.get<std::string>().starts_with("0x")) {
        const auto text = igvm::number_of(value.get<std::string>());
        if (!text) {
            throw WrongPolicy(text.error());
        }
        number = *text;
    } else {
        throw WrongPolicy(fmt::format("found {}, expected a number", value.dump()));
    }
    if (number > most) {
        throw WrongPolicy(fmt::format("found {}, expected at most {}", number, most));
    }
    return number;
}

std::string text_of(const Json& value) {
    if (!value.is_string()) {
        throw WrongPolicy(fmt::format("found {}, expected a text", value.dump()));
    }
    return value.get<std::string>();
}

/// One text, or a list of which one has to hold.
std::vector<std::string> texts_of(const Json& value) {
    if (!value.is_array()) {
        return {text_of(value)};
    }
    std::vector<std::string> texts;
    for (const Json& each : value) {
        texts.push_back(text_of(each));
    }
    return texts;
}

void bytes_are(const Context& context, const std::string& name, std::span<const u8> found,
               const Json& value) {
    bool passed = false;
    std::string expected;
    for (const std::string& text : texts_of(value)) {
        const auto bytes = from_hex_or_base64(text, found.size());
        if (bytes.empty()) {
            throw WrongPolicy(fmt::format("found {}, expected {} bytes in hexadecimal or base64",
                                          text, found.size()));
        }
        passed = passed || std::ranges::equal(bytes, found);
        expected += fmt::format("{}{}", expected.empty() ? "" : " or ", to_hex(bytes));
    }
    context.add(name, passed, to_hex(found), expected.empty() ? "nothing at all" : expected);
}

void at_least(const Context& context, const std::string& name, u64 found, u64 least) {
    context.add(name, found >= least, fmt::format("{}", found), fmt::format("{} or more", least));
}

void minimum_tcb(const Context& context, const std::string& name, const Json& value) {
    if (!value.is_object()) {
        throw WrongPolicy(
            fmt::format("found {}, expected an object such as {{\"snp\": 22}}", value.dump()));
    }
    const auto parts = tcb_parts(context.generation);
    u64 least        = 0;
    for (const auto& [key, level] : value.items()) {
        const auto part = std::ranges::find(parts, key, &TcbPart::name);
        if (part == parts.end()) {
            throw WrongPolicy(fmt::format("found {}, which {} has not, expected bl, tee, snp, "
                                          "ucode or Turin's fmc",
                                          key, name_of(context.generation)));
        }
        least |= number_of(level, 0xFF) << (8 * part->byte);
    }
    // What runs now may be newer than what the report is allowed to say, and what launched it
    // older.
    for (const auto& [which, tcb] : {
             std::pair<std::string_view, u64>("reported", context.report.reported_tcb),
             {"committed", context.report.committed_tcb},
             {"launch",    context.report.launch_tcb   }
    }) {
        const auto below = tcb_below(tcb, least, context.generation);
        context.add(fmt::format("{} ({})", name, which), below.empty(),
                    below.empty() ? tcb_in_words(tcb, context.generation) : below.front(),
                    "the minimum");
    }
}

void allowed_policy(const Context& context, const std::string& name, const Json& value) {
    u64 allowed = snp_policy::reserved_one | 0xFFFF; // and any version of the ABI
    if (value.is_array()) {
        for (const std::string& word : texts_of(value)) {
            const auto bits = policy_bits(PlatformType::sev_snp);
            const auto bit  = std::ranges::find(bits, word, &PolicyBit::name);
            if (bit == bits.end()) {
                throw WrongPolicy(fmt::format("found {}, expected a bit of an SNP policy", word));
            }
            allowed |= u64{1} << bit->number;
        }
    } else {
        allowed |= number_of(value, ~u64{0});
    }
    const u64 beyond = context.report.policy & ~allowed;
    std::string words;
    for (const PolicyBit& bit : policy_bits(PlatformType::sev_snp)) {
        if ((beyond >> bit.number & 1) != 0) {
            words += fmt::format("{}{}", words.empty() ? "" : ", ", bit.name);
        }
    }
    context.add(
        name, beyond == 0, fmt::format("{:#x}", context.report.policy),
        fmt::format("one without {}", words.empty() ? fmt::format("{:#x}", beyond) : words));
}

void required_policy(const Context& context, const std::string& name, const Json& value) {
    for (const std::string& word : texts_of(value)) {
        const auto bits = policy_bits(PlatformType::sev_snp);
        const auto bit  = std::ranges::find(bits, word, &PolicyBit::name);
        if (bit == bits.end()) {
            throw WrongPolicy(fmt::format("found {}, expected a bit of an SNP policy", word));
        }
        context.add(fmt::format("{} ({})", name, word),
                    (context.report.policy >> bit->number & 1) != 0,
                    fmt::format("{:#x}", context.report.policy), "that bit");
    }
}

void platform(const Context& context, const std::string& name, const Json& value) {
    if (!value.is_object()) {
        throw WrongPolicy(
            fmt::format("found {}, expected an object such as {{\"smt\": false}}", value.dump()));
    }
    for (const auto& [key, wanted] : value.items()) {
        const auto bits = platform_bits();
        const auto bit  = std::ranges::find(bits, key, &PlatformBit::name);
        if (bit == bits.end() || !wanted.is_boolean()) {
            throw WrongPolicy(fmt::format("found \"{}\": {}, expected a bit of PLATFORM_INFO and "
                                          "true or false",
                                          key, wanted.dump()));
        }
        const bool is_set = (context.report.platform_info >> bit->number & 1) != 0;
        context.add(fmt::format("{} ({})", name, key), is_set == wanted.get<bool>(),
                    is_set ? "on" : "off", wanted.get<bool>() ? "on" : "off");
    }
}

struct Demand {
    std::string_view name;
    void (*check)(const Context& context, const std::string& name, const Json& value);
};

template <auto member>
void bytes_of_report(const Context& context, const std::string& name, const Json& value) {
    bytes_are(context, name, context.report.*member, value);
}

constexpr Demand demands[] = {
    {"minimum_version",
     [](const Context& c, const std::string& n, const Json& v) {
         at_least(c, n, c.report.version, number_of(v, ~u32{0}));
     }},
    {"minimum_tcb", minimum_tcb},
    {"allowed_policy", allowed_policy},
    {"required_policy", required_policy},
    {"vmpl",
     [](const Context& c, const std::string& n, const Json& v) {
         const u64 most = number_of(v, 3);
         // Those that the host asks for have no level: all ones.
         c.add(n, c.report.vmpl <= most, fmt::format("{}", c.report.vmpl),
               fmt::format("{} or less", most));
     }},
    {"measurement", bytes_of_report<&AttestationReport::measurement>},
    {"host_data", bytes_of_report<&AttestationReport::host_data>},
    {"report_data", bytes_of_report<&AttestationReport::report_data>},
    {"id_key_digest", bytes_of_report<&AttestationReport::id_key_digest>},
    {"author_key_digest", bytes_of_report<&AttestationReport::author_key_digest>},
    {"family_id", bytes_of_report<&AttestationReport::family_id>},
    {"image_id", bytes_of_report<&AttestationReport::image_id>},
    {"chip_id", bytes_of_report<&AttestationReport::chip_id>},
    {"minimum_guest_svn",
     [](const Context& c, const std::string& n, const Json& v) {
         at_least(c, n, c.report.guest_svn, number_of(v, ~u32{0}));
     }},
    {"signing_key",
     [](const Context& c, const std::string& n, const Json& v) {
         const std::string wanted = text_of(v);
         if (wanted != "vcek" && wanted != "vlek") {
             throw WrongPolicy(fmt::format("found {}, expected vcek or vlek", wanted));
         }
         const bool is_vlek = c.report.signing_key() == signing_key::vlek;
         c.add(n, is_vlek == (wanted == "vlek"), is_vlek ? "vlek" : "vcek", wanted);
     }},
    {"platform", platform},
    {"mitigations",
     [](const Context& c, const std::string& n, const Json& v) {
         const u64 wanted = number_of(v, ~u64{0});
         const u64 has =
             c.report.version >= 5 ? c.report.launch_mit_vector & c.report.current_mit_vector : 0;
         c.add(n, (wanted & ~has) == 0, fmt::format("{:#x}", has),
               fmt::format("{:#x}, at launch and now", wanted));
     }},
};
} // namespace

std::expected<std::vector<ReportCheck>, std::string>
check_policy(const AttestationReport& report, CpuGeneration generation, std::string_view policy) {
    std::vector<ReportCheck> checks;
    const Context context{.report = report, .generation = generation, .checks = checks};
    const Json object = Json::parse(policy, nullptr, false);
    if (!object.is_object()) {
        return std::unexpected("found no JSON object, expected one");
    }
    for (const auto& [name, value] : object.items()) {
        const auto* const demand = std::ranges::find(demands, name, &Demand::name);
        if (demand == std::end(demands)) {
            std::string known;
            for (const Demand& each : demands) {
                known += fmt::format("{}{}", known.empty() ? "" : ", ", each.name);
            }
            return std::unexpected(fmt::format("{}: expected one of {}", name, known));
        }
        try {
            demand->check(context, name, value);
        } catch (const WrongPolicy& wrong) {
            return std::unexpected(fmt::format("{}: {}", name, wrong.what()));
        }
    }
    return checks;
}

} // namespace vestibule::igvm
