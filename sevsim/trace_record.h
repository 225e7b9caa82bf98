// SPDX-License-Identifier: BSD-2-Clause-Patent
// A record of the trace, as text and pictures of it read it. Nothing is believed: what is missing
// or of another type is empty.
#pragma once

#include "cli/json.h"
#include "x86/types.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>

namespace vestibule::sevsim {

class TraceRecord {
  public:
    explicit TraceRecord(std::string_view line) : object_(cli::Json::parse(line, nullptr, false)) {}

    [[nodiscard]] const cli::Json& object() const { return object_; }

    [[nodiscard]] bool is_object() const { return object_.is_object(); }

    [[nodiscard]] std::string kind() const { return text("record"); }

    [[nodiscard]] std::string text(const char* name) const {
        const auto found = object_.find(name);
        return found != object_.end() && found->is_string() ? found->get<std::string>() : "";
    }

    /// A number, or a string "0x...".
    [[nodiscard]] std::optional<u64> value(const char* name) const {
        const auto found = object_.find(name);
        if (found == object_.end()) {
            return std::nullopt;
        }
        if (found->is_number_unsigned()) {
            return found->get<u64>();
        }
        const std::string digits = text(name);
        u64 number               = 0;
        const char* const end    = digits.data() + digits.size();
        if (!digits.starts_with("0x")
            || std::from_chars(digits.data() + 2, end, number, 16).ptr != end) {
            return std::nullopt;
        }
        return number;
    }

    [[nodiscard]] u64 number(const char* name) const { return value(name).value_or(0); }

  private:
    cli::Json object_;
};

/// The run's clock: ticks since the start as seconds. Without a frequency a tick is a nanosecond.
class TraceClock {
  public:
    void start(const TraceRecord& record) {
        begin_ = record.value("time").value_or(begin_);
        hertz_ = record.value("tsc_hz");
    }

    [[nodiscard]] double seconds(u64 time) const {
        constexpr double nanoseconds = 1e9;
        const u64 ticks              = time > begin_ ? time - begin_ : 0;
        const u64 hertz              = hertz_.value_or(0);
        return static_cast<double>(ticks) / (hertz != 0 ? static_cast<double>(hertz) : nanoseconds);
    }

    [[nodiscard]] std::optional<u64> hertz() const { return hertz_; }

  private:
    u64 begin_ = 0;
    std::optional<u64> hertz_;
};

} // namespace vestibule::sevsim
