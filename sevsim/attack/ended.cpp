// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/ended.h"

#include "cli/json.h"

#include <fmt/format.h>

#include <charconv>

namespace vestibule::sevsim::attack {

namespace {

using cli::Json;

const Json& member(const Json& object, const char* name) {
    static const Json nothing;
    const auto found = object.is_object() ? object.find(name) : object.end();
    return object.is_object() && found != object.end() ? *found : nothing;
}

std::string text(const Json& object, const char* name) {
    const Json& value = member(object, name);
    return value.is_string() ? value.get<std::string>() : std::string{};
}

/// A number, or a string "0x...".
std::optional<u64> number(const Json& object, const char* name) {
    const Json& value = member(object, name);
    if (value.is_number_unsigned()) {
        return value.get<u64>();
    }
    const std::string digits = text(object, name);
    u64 result               = 0;
    const char* const end    = digits.data() + digits.size();
    if (!digits.starts_with("0x")
        || std::from_chars(digits.data() + 2, end, result, 16).ptr != end) {
        return std::nullopt;
    }
    return result;
}

} // namespace

u64 place_of(std::string_view kind, u64 code, u64 rip) {
    u64 hash       = 0xCBF2'9CE4'8422'2325; // FNV-1a: the same everywhere, as results are compared
    const auto add = [&hash](u64 byte) { hash = (hash ^ byte) * 0x100'0000'01B3; };
    for (const char c : kind) {
        add(static_cast<unsigned char>(c));
    }
    for (const u64 value : {code, rip}) {
        for (unsigned shift = 0; shift < 64; shift += 8) {
            add((value >> shift) & 0xFF);
        }
    }
    return hash;
}

namespace {

std::expected<Ended, std::string> ended_of(const Json& object) {
    const Json& outcome = member(object, "outcome");
    if (text(object, "schema") != "vestibule.run/1" || text(outcome, "kind").empty()) {
        return std::unexpected(std::string{"no report of a run"});
    }
    Ended ended;
    ended.kind        = text(outcome, "kind");
    ended.value       = number(outcome, "value");
    ended.reason_name = text(outcome, "reason_name");
    ended.words       = text(outcome, "words");
    ended.lost_page   = number(outcome, "page");
    ended.idt_limit   = number(outcome, "idt_limit");
    const auto set    = number(outcome, "reason_set");
    const auto code   = number(outcome, "reason_code");
    if (set && code) {
        ended.reason = ReasonCodes{static_cast<u8>(*set), static_cast<u8>(*code)};
    }
    for (const Json& row : member(object, "violations")) {
        const Json& allowed = member(row, "allowed");
        if (!allowed.is_boolean() || !allowed.get<bool>()) {
            ended.broken.push_back({.rule  = text(row, "rule"),
                                    .rip   = text(row, "first_rip"),
                                    .count = number(row, "count").value_or(0)});
        }
    }
    const Json& counts = member(object, "counts");
    ended.vmruns       = number(counts, "vmrun").value_or(0);
    ended.vcs          = number(counts, "vc").value_or(0);
    ended.vmgexits     = number(counts, "vmgexit").value_or(0);
    ended.told         = number(member(object, "hostile"), "told").value_or(0);
    for (const Json& row : member(object, "last_exits")) {
        const u64 rip = number(row, "rip").value_or(0);
        ended.rips.push_back(rip);
        ended.places.insert(place_of(text(row, "kind"), number(row, "code").value_or(0), rip));
    }
    const auto rip = number(member(member(object, "state"), "registers"), "rip");
    if (rip) {
        ended.rips.push_back(*rip);
    }
    const u64 how = set && code ? *set << 8 | *code : ended.value.value_or(0);
    ended.places.insert(place_of(ended.kind, how, set ? 0 : rip.value_or(0)));
    return ended;
}

} // namespace

std::expected<Ended, std::string> ended_of(std::string_view report) {
    return ended_of(Json::parse(report, nullptr, false));
}

std::expected<Planned, std::string> planned_of(std::string_view line) {
    const Json object = Json::parse(line, nullptr, false);
    const auto plan   = number(object, "plan");
    auto ended        = ended_of(member(object, "run"));
    if (!plan || !ended) {
        return std::unexpected(std::string{"no line of a batch"});
    }
    ended->output = text(object, "output");
    for (const Json& edge : member(object, "edges")) {
        if (edge.is_number_unsigned()) {
            ended->places.insert(place_of("edge", edge.get<u64>(), 0));
        }
    }
    return Planned{.plan = *plan, .ended = std::move(*ended)};
}

} // namespace vestibule::sevsim::attack
