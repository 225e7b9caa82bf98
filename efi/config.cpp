// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/config.h"

namespace vestibule::efi {

namespace {

constexpr bool is_blank(char character) { return character == ' ' || character == '\t'; }

constexpr Text trimmed(Text text) {
    while (!text.empty() && is_blank(text[0])) {
        text = text.from(1);
    }
    while (!text.empty() && is_blank(text[text.size - 1])) {
        text = text.first(text.size - 1);
    }
    return text;
}

/// Where `wanted` stands first, or the text's end.
constexpr u64 find(Text text, char wanted) {
    u64 at = 0;
    while (at < text.size && text[at] != wanted) {
        ++at;
    }
    return at;
}

constexpr Problem mistake(u64 line, const auto&... parts) {
    return problem(Trouble::config, "vestibule.conf, line ", line, ": ", parts...);
}

// --- Values: each takes one, or says what is expected. Empty text: taken. ---

using Taken = Text;

template <Text Config::* path>
Taken take_path(Text value, Config& config) {
    if (value.empty() || value.size > max_path) {
        return "a path of 1 to 255 characters";
    }
    config.*path = value;
    return {};
}

Taken take_command_line(Text value, Config& config) {
    config.command_line = value;
    return {};
}

Taken take_mode(Text value, Config& config) {
    if (value == "any") {
        config.mode = Mode::any;
    } else if (value == "native") {
        config.mode = Mode::native;
    } else if (value == "sev-es") {
        config.mode = Mode::sev_es;
    } else {
        return "any, native or sev-es";
    }
    return {};
}

Taken take_protocol(Text value, Config& config) {
    struct Row {
        Text name;
        kernel::Protocol protocol;
    };

    constexpr Row rows[] = {
        {"auto",      kernel::Protocol::automatic},
        {"boot-info", kernel::Protocol::boot_info},
        {"pvh",       kernel::Protocol::pvh      },
        {"linux",     kernel::Protocol::linux64  },
    };
    for (const Row& row : rows) {
        if (value == row.name) {
            config.protocol = row.protocol;
            return {};
        }
    }
    return "auto, boot-info, pvh or linux";
}

/// The value of a digit of base 16; 16 of what is none.
constexpr u64 digit_of(char character) {
    constexpr Text digits = "0123456789abcdef";
    const char lower =
        character >= 'A' && character <= 'F' ? static_cast<char>(character - 'A' + 'a') : character;
    return find(digits, lower);
}

Taken take_address(Text value, Config& config) {
    constexpr Text expected = "an address in base 16 (0x1000000), of a page below 4 GiB";
    constexpr u64 longest   = 8; // digits
    if (value.size < 3 || value.size > 2 + longest || !(value.first(2) == "0x")) {
        return expected;
    }
    u64 address = 0;
    for (u64 i = 2; i < value.size; ++i) {
        const u64 digit = digit_of(value[i]);
        if (digit == 16) {
            return expected;
        }
        address = address * 16 + digit;
    }
    if (address == 0 || address % page_size != 0) {
        return expected;
    }
    config.address = address;
    return {};
}

Taken take_verbose(Text value, Config& config) {
    if (value == "off") {
        config.verbose = Verbose::off;
    } else if (value == "console") {
        config.verbose = Verbose::console;
    } else if (value == "com1") {
        config.verbose = Verbose::com1;
    } else {
        return "off, console or com1";
    }
    return {};
}

Taken take_timeout(Text value, Config& config) {
    constexpr Text expected = "a number of seconds, 0 to 3600";
    u32 seconds             = 0;
    if (value.empty()) {
        return expected;
    }
    for (u64 i = 0; i < value.size; ++i) {
        if (value[i] < '0' || value[i] > '9') {
            return expected;
        }
        seconds = seconds * 10 + static_cast<u32>(value[i] - '0');
        if (seconds > max_timeout) {
            return expected;
        }
    }
    config.timeout = seconds;
    return {};
}

struct Key {
    Text name;
    Taken (*take)(Text value, Config& config);
};

constexpr Key keys[] = {
    {"payload",  take_path<&Config::payload>},
    {"initrd",   take_path<&Config::initrd> },
    {"cmdline",  take_command_line          },
    {"protocol", take_protocol              },
    {"address",  take_address               },
    {"mode",     take_mode                  },
    {"verbose",  take_verbose               },
    {"timeout",  take_timeout               },
};
constexpr u64 key_count = sizeof(keys) / sizeof(keys[0]);

constexpr u64 index_of(Text name) {
    u64 i = 0;
    while (i < key_count && !(keys[i].name == name)) {
        ++i;
    }
    return i;
}

/// Reads the lines one after another and remembers where each key stood.
class Reader {
  public:
    explicit Reader(Config& config) : config_(config) {}

    Problem read_line(Text text) {
        ++line_;
        for (u64 i = 0; i < text.size; ++i) {
            if (const auto byte = static_cast<u8>(text[i]);
                (byte < ' ' && byte != '\t') || byte > '~') {
                return mistake(line_, "found byte ", Hex{byte}, ", expected ASCII text");
            }
        }
        text = trimmed(text);
        if (text.empty() || text[0] == '#') {
            return no_problem;
        }
        const u64 equals = find(text, '=');
        if (equals == text.size) {
            return mistake(line_, "found \"", text.first(text.size < 40 ? text.size : 40),
                           "\", expected key = value");
        }
        return read_entry(trimmed(text.first(equals)), trimmed(text.from(equals + 1)));
    }

    /// What no line alone shows.
    [[nodiscard]] Problem check() const {
        if (!config_.payload.empty()) {
            return no_problem;
        }
        constexpr Text payloads_own[] = {"initrd", "cmdline", "protocol", "address"};
        for (const Text name : payloads_own) {
            if (const u64 line = seen_[index_of(name)]; line != 0) {
                return mistake(line, name, " without a payload: the selftest takes none");
            }
        }
        return no_problem;
    }

  private:
    Problem read_entry(Text name, Text value) {
        const u64 key = index_of(name);
        if (key == key_count) {
            return mistake(line_, "unknown key \"", name.first(name.size < 40 ? name.size : 40),
                           "\"");
        }
        if (seen_[key] != 0) {
            return mistake(line_, name, " again, which line ", seen_[key], " has already");
        }
        seen_[key] = line_;
        if (const Taken expected = keys[key].take(value, config_); !expected.empty()) {
            return mistake(line_, name, ": found \"",
                           value.first(value.size < 40 ? value.size : 40), "\", expected ",
                           expected);
        }
        return no_problem;
    }

    Config& config_;
    u64 line_            = 0;
    u64 seen_[key_count] = {};
};

} // namespace

Problem read_config(Text file, Config& config) {
    constexpr Text byte_order_mark = "\xEF\xBB\xBF"; // which editors of EFI's home leave
    if (file.size >= byte_order_mark.size && file.first(byte_order_mark.size) == byte_order_mark) {
        file = file.from(byte_order_mark.size);
    }
    Reader reader(config);
    while (!file.empty()) {
        const u64 end = find(file, '\n');
        Text line     = file.first(end);
        file          = file.from(end == file.size ? end : end + 1);
        if (!line.empty() && line[line.size - 1] == '\r') {
            line = line.first(line.size - 1);
        }
        if (const Problem wrong = reader.read_line(line); wrong.is_there()) {
            return wrong;
        }
    }
    return reader.check();
}

} // namespace vestibule::efi
