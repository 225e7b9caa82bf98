// SPDX-License-Identifier: BSD-2-Clause-Patent
// See expectation.h.
#include "sevsim/expectation.h"

#include "igvm/format/number.h"
#include "sevsim/rules.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

using Read = std::expected<void, std::string> (*)(Expectation& into, const std::string& value);

struct Form {
    std::string_view name;
    std::string_view takes; ///< empty: nothing
    std::string_view what;
    Read read;
};

std::expected<void, std::string> read_termination(Expectation& into, const std::string& value) {
    constexpr u64 most_set = 15; // GHCB specification 2.3.1: four bits, and eight
    const auto colon       = value.find(':');
    if (colon == std::string::npos) {
        return std::unexpected(fmt::format("found {}, expected SET:CODE, such as 0x2:0x30", value));
    }
    const auto set  = igvm::number_of(value.substr(0, colon), {.most = most_set});
    const auto code = igvm::number_of(value.substr(colon + 1), {.most = 0xFF});
    if (!set || !code) {
        return std::unexpected(set ? code.error() : set.error());
    }
    into.kind   = Expectation::Kind::termination;
    into.reason = {static_cast<u8>(*set), static_cast<u8>(*code)};
    return {};
}

std::expected<void, std::string> read_exit(Expectation& into, const std::string& value) {
    const auto number = igvm::number_of(value);
    if (!number) {
        return std::unexpected(number.error());
    }
    into.kind  = Expectation::Kind::exit;
    into.value = *number;
    return {};
}

std::expected<void, std::string> read_rule(Expectation& into, const std::string& value) {
    if (std::ranges::find(rules, value, &RuleDescription::id) == std::end(rules)) {
        return std::unexpected(fmt::format("no rule is called {}", value));
    }
    into.kind = Expectation::Kind::violation;
    into.rule = value;
    return {};
}

std::expected<void, std::string> read_pattern(Expectation& into, const std::string& value) {
    try {
        into.pattern = std::regex(value);
    } catch (const std::regex_error& error) {
        return std::unexpected(
            fmt::format("found {}, which is no regular expression: {}", value, error.what()));
    }
    into.kind = Expectation::Kind::output;
    return {};
}

template <OutcomeKind kind>
std::expected<void, std::string> read_end(Expectation& into, const std::string&) {
    into.kind = Expectation::Kind::end;
    into.end  = kind;
    return {};
}

constexpr Form forms[] = {
    {"termination", "SET:CODE", "the guest asks for its termination with this reason",
     read_termination                                                                                                  },
    {"exit",        "N",        "it exits through port 0xF4 with this code",           read_exit                       },
    {"poweroff",    "",         "it powers off",                                       read_end<OutcomeKind::power_off>},
    {"reset",       "",         "it resets the machine",                               read_end<OutcomeKind::reset>    },
    {"shutdown",    "",         "it shuts down: a triple fault",                       read_end<OutcomeKind::shutdown> },
    {"halt",        "",         "it halts for good",                                   read_end<OutcomeKind::halt>     },
    {"stop",        "",         "the machine stops it",                                read_end<OutcomeKind::stop>     },
    {"timeout",     "",         "it has not ended when its time is up",                read_end<OutcomeKind::host>     },
    {"violation",   "RULE",     "it breaks this rule",                                 read_rule                       },
    {"output",      "REGEX",    "a line of its serial output matches",                 read_pattern                    },
};

bool is_in_output(const std::regex& pattern, std::string_view output) {
    // Line by line, and no line without an end: std::regex goes as deep as its input is long.
    constexpr std::size_t longest = 4096;
    bool found                    = false;
    for_each_line(output, [&](std::string_view line) {
        line  = line.substr(0, longest);
        found = found || std::regex_search(line.begin(), line.end(), pattern);
    });
    return found;
}

} // namespace

std::expected<Expectation, std::string> expectation_of(const std::string& text) {
    const auto equals      = text.find('=');
    const std::string name = text.substr(0, equals);
    const auto* form       = std::ranges::find(forms, name, &Form::name);
    std::string names;
    for (const Form& each : forms) {
        names += fmt::format("{}{}", names.empty() ? "" : ", ", each.name);
    }
    if (form == std::end(forms)) {
        return std::unexpected(fmt::format("found {}, expected one of {}", text, names));
    }
    const bool has_value = equals != std::string::npos;
    if (has_value == form->takes.empty()) {
        return std::unexpected(
            form->takes.empty() ? fmt::format("found {}, expected {} alone", text, name)
                                : fmt::format("found {}, expected {}={}", text, name, form->takes));
    }
    Expectation result;
    result.text = text;
    if (const auto read = form->read(result, has_value ? text.substr(equals + 1) : ""); !read) {
        return std::unexpected(fmt::format("{}: {}", name, read.error()));
    }
    return result;
}

std::string expectation_forms() {
    std::string text;
    for (const Form& form : forms) {
        const std::string name = form.takes.empty() ? std::string(form.name)
                                                    : fmt::format("{}={}", form.name, form.takes);
        text += fmt::format("  {:<22}{}\n", name, form.what);
    }
    return text;
}

bool has_happened(const Expectation& expectation, const RunResult& result) {
    const RunRecords& records = result.records;
    const auto& outcome       = records.outcome;
    switch (expectation.kind) {
    case Expectation::Kind::termination:
        return outcome && outcome->kind == OutcomeKind::terminate && outcome->reason
               && outcome->reason->set == expectation.reason.set
               && outcome->reason->code == expectation.reason.code;
    case Expectation::Kind::exit:
        return outcome && outcome->kind == OutcomeKind::exit && outcome->value == expectation.value;
    case Expectation::Kind::end:
        return expectation.end == OutcomeKind::host ? result.qemu.how == Ending::timed_out
                                                    : outcome && outcome->kind == expectation.end;
    case Expectation::Kind::violation:
        return std::ranges::find(records.violations, expectation.rule, &Violation::rule)
               != records.violations.end();
    case Expectation::Kind::output: return is_in_output(expectation.pattern, result.output);
    }
    std::unreachable();
}

int exit_status(const RunResult& result, const std::vector<Expectation>& expectations) {
    if (expectations.empty() || result.qemu.how == Ending::interrupted) {
        return exit_status(result);
    }
    const auto is_expected = [&](const Violation& violation) {
        return is_allowed(result, violation)
               || std::ranges::any_of(expectations, [&](const Expectation& expectation) {
                      return expectation.kind == Expectation::Kind::violation
                             && expectation.rule == violation.rule;
                  });
    };
    const bool good = std::ranges::all_of(expectations,
                                          [&](const Expectation& expectation) {
                                              return has_happened(expectation, result);
                                          })
                      && std::ranges::all_of(result.records.violations, is_expected)
                      && result.records.malformed == 0 && result.unwritten.empty();
    return good ? 0 : 1;
}

} // namespace vestibule::sevsim
