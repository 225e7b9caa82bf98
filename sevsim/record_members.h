// SPDX-License-Identifier: BSD-2-Clause-Patent
// The members of a record, a JSON object: each read with what it must be.
#pragma once

#include "x86/types.h"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace vestibule::sevsim {

// Registers keep the order in which the monitor names them.
using Json = nlohmann::ordered_json;

/// Reads members of one object; remembers the first that is missing or has the wrong form.
class Members {
  public:
    explicit Members(const Json& object) : object_{object} {}

    std::string text(const char* name) {
        const Json* member = required(name);
        if (member == nullptr || !member->is_string()) {
            complain(name, "a string");
            return {};
        }
        return member->get<std::string>();
    }

    std::string optional_text(const char* name) { return object_.contains(name) ? text(name) : ""; }

    u64 number(const char* name, u64 largest = ~u64{0}) {
        const Json* member = required(name);
        if (member == nullptr || !member->is_number_unsigned() || member->get<u64>() > largest) {
            complain(name, fmt::format("a number from 0 to {}", largest));
            return 0;
        }
        return member->get<u64>();
    }

    std::optional<u64> optional_number(const char* name, u64 largest = ~u64{0}) {
        return object_.contains(name) ? std::optional{number(name, largest)} : std::nullopt;
    }

    u64 hexadecimal(const char* name) {
        const std::string digits = text(name);
        const char* const end    = digits.data() + digits.size();
        u64 value                = 0;
        if (!digits.starts_with("0x")
            || std::from_chars(digits.data() + 2, end, value, 16)
                   != std::from_chars_result{end, std::errc{}}) {
            complain(name, "a string \"0x...\"");
        }
        return value;
    }

    void complain(const char* name, std::string_view expected) {
        if (wrong_.empty()) {
            wrong_ = fmt::format("member \"{}\": expected {}", name, expected);
        }
    }

    /// Empty where all was as it should be.
    const std::string& wrong() const { return wrong_; }

  private:
    const Json* required(const char* name) const {
        const auto found = object_.find(name);
        return found == object_.end() ? nullptr : &*found;
    }

    const Json& object_;
    std::string wrong_;
};

} // namespace vestibule::sevsim
