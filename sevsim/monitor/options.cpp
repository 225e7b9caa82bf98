// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/options.h"

#include "x86/sev.h"

namespace vestibule::sevsim {

namespace {

struct Text {
    const char* begin;
    size_t length;

    bool operator==(const char* other) const {
        size_t n = 0;
        while (n < length && other[n] != '\0' && other[n] == begin[n]) {
            ++n;
        }
        return n == length && other[n] == '\0';
    }
};

bool parse_number(Text text, u64& value) {
    value = 0;
    for (size_t n = 0; n < text.length; ++n) {
        if (text.begin[n] < '0' || text.begin[n] > '9' || n == 18) {
            return false;
        }
        value = value * 10 + static_cast<u64>(text.begin[n] - '0');
    }
    return text.length != 0;
}

bool parse_switch(Text text, bool& value) {
    value = text == "1";
    return value || text == "0";
}

/// One of `names`, which stand in the order of the enumeration.
template <class Kind, size_t count>
bool parse_name(Text text, const char* const (&names)[count], Kind& kind) {
    for (size_t n = 0; n < count; ++n) {
        if (text == names[n]) {
            kind = static_cast<Kind>(n);
            return true;
        }
    }
    return false;
}

constexpr const char* guest_names[] = {"igvm", "kernel", "firmware"}; // by GuestKind

bool apply(Text key, Text value, Options& options) {
    u64 number = 0;
    if (key == "memory") {
        return parse_number(value, options.memory);
    }
    if (key == "platform") {
        const bool understood = parse_name(value, platform_names, options.platform);
        options.sev_features  = options.is_snp() ? x86::SevFeatures::snp_active : 0;
        return understood;
    }
    if (key == "guest") {
        return parse_name(value, guest_names, options.guest);
    }
    if (key == "cbit") {
        const bool understood  = parse_number(value, number) && (number == 47 || number == 51);
        options.c_bit_position = static_cast<unsigned>(number);
        return understood;
    }
    if (key == "la57") {
        return parse_switch(value, options.la57);
    }
    if (key == "ap-start") {
        return parse_number(value, options.ap_start) && high_half(options.ap_start) == 0;
    }
    if (key == "no-flash") {
        return parse_switch(value, options.no_flash);
    }
    if (key == "secure-tsc") {
        bool wanted           = false;
        const bool understood = parse_switch(value, wanted);
        options.sev_features |= wanted ? x86::SevFeatures::secure_tsc : 0;
        return understood;
    }
    if (key == "secret") {
        return parse_switch(value, options.secret);
    }
    if (key == "x2apic") {
        return parse_switch(value, options.x2apic);
    }
    if (key == "smp") {
        const bool understood = parse_number(value, number) && number >= 1 && number <= most_vcpus;
        options.vcpus         = static_cast<unsigned>(number);
        return understood;
    }
    if (key == "counted-time") {
        return parse_switch(value, options.counted_time);
    }
    if (key == "trace") {
        return parse_switch(value, options.trace);
    }
    if (key == "handlers") {
        return parse_switch(value, options.handlers);
    }
    if (key == "gdb") {
        return parse_switch(value, options.gdb);
    }
    if (key == "profile") {
        return parse_switch(value, options.profile);
    }
    if (key == "dump") {
        return parse_switch(value, options.dump);
    }
    if (key == "rmp") {
        return parse_switch(value, options.rmp);
    }
    if (key == "batch") {
        return parse_switch(value, options.batch);
    }
    if (key == "code") {
        CodeRange range{};
        return read_code_range(value.begin, value.length, range) && options.code.add(range);
    }
    if (key == "canary") {
        return parse_number(value, options.canary);
    }
    if (key == "limit") {
        return parse_number(value, options.limit);
    }
    if (key == "from") {
        return read_from(value.begin, value.length, options.from);
    }
    if (key == "timeline") {
        return parse_switch(value, options.timeline);
    }
    if (key == "hostile") {
        Hostility one; // several of these words are a plan
        return read_hostility(value.begin, value.length, one) == nullptr
               && options.hostile.add(one) == nullptr;
    }
    return false;
}

} // namespace

bool parse_options(const char* command_line, Options& options) {
    const char* position = command_line;
    while (*position != '\0') {
        const char* begin  = position;
        const char* equals = nullptr;
        for (; *position != '\0' && *position != ' '; ++position) {
            if (*position == '=' && equals == nullptr) {
                equals = position;
            }
        }
        if (equals != nullptr) { // QEMU puts its kernel's name first: a word without '='
            const Text key{begin, static_cast<size_t>(equals - begin)};
            const Text value{equals + 1, static_cast<size_t>(position - equals - 1)};
            if (!apply(key, value, options)) {
                return false;
            }
        }
        while (*position == ' ') {
            ++position;
        }
    }
    return options.memory != 0 && options.memory % (u64{2} << 20) == 0;
}

} // namespace vestibule::sevsim
