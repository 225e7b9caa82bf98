// SPDX-License-Identifier: BSD-2-Clause-Patent
// Lines to records, each member checked before it is used.
#include "sevsim/records.h"

#include "sevsim/memory_map.h"
#include "sevsim/options.h"
#include "sevsim/record_members.h"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

struct OutcomeName {
    const char* name;
    OutcomeKind kind;
};

constexpr OutcomeName outcome_names[] = {
    {"exit",              OutcomeKind::exit             },
    {"power-off",         OutcomeKind::power_off        },
    {"reset",             OutcomeKind::reset            },
    {"terminate",         OutcomeKind::terminate        },
    {"unsupported-event", OutcomeKind::unsupported_event},
    {"shutdown",          OutcomeKind::shutdown         },
    {"halt",              OutcomeKind::halt             },
    {"stop",              OutcomeKind::stop             },
    {"host",              OutcomeKind::host             },
    {"limit",             OutcomeKind::limit            },
    {"monitor-error",     OutcomeKind::monitor_error    },
};

void read_start(const Json&, Members& members, RunRecords& records) {
    Start start{.platform = members.text("platform"),
                .c_bit    = members.number("c_bit", 63),
                .memory   = members.number("memory"),
                .vcpus    = members.optional_number("vcpus").value_or(1),
                .tsc_hz   = members.optional_number("tsc_hz"),
                .time     = members.optional_number("time")};
    if (records.start) {
        members.complain("record", "one start");
    }
    if (members.wrong().empty()) {
        records.start = std::move(start);
    }
}

void add_mark(RunRecords& records, Mark mark) {
    constexpr std::size_t most = 20'000;
    if (records.marks.size() < most) {
        records.marks.push_back(std::move(mark));
    }
}

void read_lie(const Json&, Members& members, RunRecords& records) {
    Mark mark{Mark::Kind::lie, members.optional_number("time").value_or(0), members.text("name")};
    if (members.wrong().empty()) {
        add_mark(records, std::move(mark));
    }
}

void read_serial_line(const Json&, Members& members, RunRecords& records) {
    const u64 time = members.number("time");
    if (members.wrong().empty()) {
        add_mark(records, {Mark::Kind::serial_line, time, ""});
    }
}

void read_violation(const Json&, Members& members, RunRecords& records) {
    Violation violation{.rule         = members.text("rule"),
                        .count        = members.optional_number("count", u64{1} << 48).value_or(1),
                        .first_rip    = members.optional_text("rip"),
                        .first_detail = members.optional_text("detail")};
    const auto time = members.optional_number("time");
    if (!members.wrong().empty()) {
        return;
    }
    if (time) {
        add_mark(records, {Mark::Kind::violation, *time, violation.rule});
    }
    const auto same = std::ranges::find(records.violations, violation.rule, &Violation::rule);
    if (same != records.violations.end()) {
        same->count += violation.count;
    } else {
        records.violations.push_back(std::move(violation));
    }
}

/// What follows is all there is until now.
void read_so_far(const Json&, Members&, RunRecords& records) {
    records.exits.clear();
    records.last_exits.clear();
}

void read_count(const Json&, Members& members, RunRecords& records) {
    struct Column {
        const char* kind;
        u64 ExitCount::* member;
    };

    static constexpr Column columns[] = {
        {"#VC",          &ExitCount::vc          },
        {"GHCB",         &ExitCount::ghcb        },
        {"MSR protocol", &ExitCount::msr_protocol},
    };
    const std::string kind = members.text("kind");
    const u64 code         = members.hexadecimal("code");
    const std::string name = members.text("name");
    const u64 count        = members.number("count");
    const auto* column     = std::ranges::find(columns, kind, &Column::kind);
    if (column == std::end(columns)) {
        members.complain("kind", "#VC, GHCB or MSR protocol");
    }
    if (!members.wrong().empty()) {
        return;
    }
    auto row = std::ranges::find_if(
        records.exits, [&](const ExitCount& e) { return e.code == code && e.name == name; });
    if (row == records.exits.end()) {
        row = records.exits.insert(row, ExitCount{.code = code, .name = name});
    }
    (*row).*(column->member) += count;
}

void read_profile(const Json&, Members& members, RunRecords& records) {
    ProfileSample sample{.code     = members.hexadecimal("code"),
                         .name     = members.text("name"),
                         .before   = members.number("before"),
                         .after    = members.number("after"),
                         .total    = members.number("total"),
                         .vmgexits = members.number("vmgexits"),
                         .count    = members.number("count", u64{1} << 48)};
    if (sample.count == 0) {
        members.complain("count", "a number from 1");
    }
    if (members.wrong().empty()) {
        records.profile.push_back(std::move(sample));
    }
}

void read_profile_rest(const Json&, Members& members, RunRecords& records) {
    const u64 count = members.number("count");
    if (members.wrong().empty()) {
        records.unprofiled = count;
    }
}

void read_instructions(const Json&, Members& members, RunRecords& records) {
    const u64 all     = members.number("all");
    const u64 to_port = members.number("to_port");
    if (members.wrong().empty()) {
        records.instructions = all;
        if (to_port != 0) {
            records.to_port = to_port;
        }
    }
}

void read_slice(const Json&, Members& members, RunRecords& records) {
    constexpr u64 latest       = 86'400'000; // the longest --timeout
    constexpr std::size_t most = 4'000'000;
    Slice slice{.at    = members.number("at", latest),
                .kind  = members.text("kind"),
                .name  = members.text("name"),
                .count = members.number("count", u64{1} << 48)};
    if (members.wrong().empty() && records.slices.size() < most) {
        records.slices.push_back(std::move(slice));
    }
}

void read_page_states(const Json&, Members& members, RunRecords& records) {
    constexpr u64 most_pages   = memory_map(largest_guest).end() / page_size;
    constexpr std::size_t most = 1'000'000;
    PageRun run{.gpa   = members.hexadecimal("gpa"),
                .pages = members.number("pages", most_pages),
                .state = members.text("state")};
    if (run.gpa >= most_pages * page_size || run.gpa % page_size != 0 || run.pages == 0) {
        members.complain("gpa", "pages of guest memory");
    }
    if (members.wrong().empty() && records.pages.size() < most) {
        records.pages.push_back(std::move(run));
    }
}

void read_last_exit(const Json&, Members& members, RunRecords& records) {
    LastExit exit{.kind  = members.text("kind"),
                  .code  = members.hexadecimal("code"),
                  .name  = members.text("name"),
                  .rip   = members.text("rip"),
                  .count = members.number("count")};
    constexpr std::size_t most = 1000; // the monitor sends 20
    if (members.wrong().empty() && records.last_exits.size() < most) {
        records.last_exits.push_back(std::move(exit));
    }
}

/// "00 ff": two digits a byte, a space between bytes.
/// Bytes in hexadecimal, a space between two; complains of anything else.
std::string read_bytes(Members& members, const char* name, std::string text) {
    text += ' ';
    std::string bytes;
    constexpr std::size_t step = 3;
    for (std::size_t at = 0; at < text.size(); at += step) {
        const std::string digits = text.substr(at, step);
        const char* const end    = digits.data() + 2;
        unsigned value           = 0;
        if (digits.size() != step || *end != ' '
            || std::from_chars(digits.data(), end, value, 16)
                   != std::from_chars_result{end, std::errc{}}) {
            members.complain(name, "bytes in hexadecimal");
            return {};
        }
        bytes += static_cast<char>(value);
    }
    return bytes;
}

void read_dump(const Json&, Members& members, RunRecords& records) {
    records.dumped = read_bytes(members, "bytes", members.text("bytes"));
}

void read_serial(const Json&, Members& members, RunRecords& records) {
    constexpr std::size_t most = 1 << 20;
    const std::string bytes    = read_bytes(members, "bytes", members.text("bytes"));
    records.serial.append(bytes, 0, most - std::min(most, records.serial.size()));
}

void read_edges(const Json&, Members& members, RunRecords& records) {
    const std::string bytes = read_bytes(members, "numbers", members.text("numbers"));
    for (std::size_t n = 0; n + 1 < bytes.size(); n += 2) {
        records.edges.push_back(
            static_cast<u16>(static_cast<u8>(bytes[n]) | static_cast<u8>(bytes[n + 1]) << 8));
    }
    std::ranges::sort(records.edges);
}

/// The rules that were broken before are not what the run is about.
void read_from(const Json&, Members& members, RunRecords& records) {
    if (members.wrong().empty()) {
        records.violations.clear();
        records.marks.clear();
        records.from_here_on = true;
    }
}

void read_run(const Json&, Members& members, RunRecords& records) {
    records.index = members.number("index");
}

void read_outcome(const Json& object, Members& members, RunRecords& records) {
    Outcome outcome;
    const std::string kind = members.text("kind");
    const auto* named      = std::ranges::find(outcome_names, kind, &OutcomeName::name);
    if (named == std::end(outcome_names)) {
        members.complain("kind", "exit, power-off, reset, terminate, unsupported-event, shutdown, "
                                 "stop, "
                                 "halt, host, limit or monitor-error");
    } else {
        outcome.kind = named->kind;
    }
    // Where the value means something it must not be missing: of an exit, 0 is success.
    outcome.value =
        outcome.kind == OutcomeKind::exit || outcome.kind == OutcomeKind::unsupported_event
            ? members.number("value")
            : members.optional_number("value").value_or(0);
    outcome.detail = members.optional_text("detail");
    outcome.code   = members.optional_text("code");
    if (object.contains("page")) {
        outcome.page = members.hexadecimal("page");
    }
    outcome.idt_limit = members.optional_number("idt_limit");
    const auto set    = members.optional_number("reason_set", 0xF);
    const auto reason = members.optional_number("reason_code", 0xFF);
    if (set && reason) {
        outcome.reason = {static_cast<u8>(*set), static_cast<u8>(*reason)};
    }
    if (std::string words = members.optional_text("last_words"); !words.empty()) {
        outcome.last_words = read_bytes(members, "last_words", std::move(words));
    }
    outcome.vcpu         = members.optional_number("vcpu");
    outcome.vmruns       = members.optional_number("vmruns");
    outcome.vc           = members.optional_number("vc");
    outcome.vmgexits     = members.optional_number("vmgexits");
    outcome.pvalidates   = members.optional_number("pvalidates");
    outcome.shared_pages = members.optional_number("shared_pages");
    outcome.lies         = members.optional_number("lies");
    if (const auto registers = object.find("registers"); registers != object.end()) {
        if (!registers->is_object()) {
            members.complain("registers", "an object");
        }
        for (const auto& [name, value] : registers->items()) {
            if (!value.is_string()) {
                members.complain("registers", "strings");
                break;
            }
            outcome.registers.emplace_back(name, value.template get<std::string>());
        }
    }
    if (records.outcome) {
        members.complain("record", "one outcome");
    }
    if (members.wrong().empty()) {
        records.outcome = std::move(outcome);
    }
}

/// The kinds of record that are more than trace.
struct RecordKind {
    const char* name;
    void (*read)(const Json&, Members&, RunRecords&);
    bool traced; ///< is also part of the trace
};

constexpr RecordKind record_kinds[] = {
    {"start",        read_start,        true },
    {"violation",    read_violation,    true },
    {"lie",          read_lie,          true },
    {"serial-line",  read_serial_line,  false},
    {"from",         read_from,         true },
    {"so-far",       read_so_far,       false},
    {"count",        read_count,        false},
    {"dump",         read_dump,         false},
    {"edges",        read_edges,        false},
    {"run",          read_run,          false},
    {"serial",       read_serial,       false},
    {"last-exit",    read_last_exit,    false},
    {"profile",      read_profile,      false},
    {"profile-rest", read_profile_rest, false},
    {"instructions", read_instructions, false},
    {"slice",        read_slice,        false},
    {"page-states",  read_page_states,  false},
    {"outcome",      read_outcome,      true },
};

} // namespace

std::string_view name_of(OutcomeKind kind) {
    return std::ranges::find(outcome_names, kind, &OutcomeName::kind)->name;
}

void RecordReader::take(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto end              = bytes.find('\n');
        const std::string_view part = bytes.substr(0, end);
        if (!overlong_ && line_.size() + part.size() > longest_line) {
            malformed(line_, fmt::format("longer than {} bytes", longest_line));
            overlong_ = true;
            line_.clear();
        }
        if (!overlong_) {
            line_ += part;
        }
        if (end == std::string_view::npos) {
            return;
        }
        if (!overlong_) {
            take_line(line_);
        }
        overlong_ = false;
        line_.clear();
        bytes.remove_prefix(end + 1);
    }
}

void RecordReader::finish(End end) {
    if (!line_.empty() && end == End::by_itself) {
        malformed(line_, "cut off");
    }
    line_.clear();
}

void RecordReader::take_line(std::string_view line) {
    const Json object = Json::parse(line, nullptr, false);
    if (!object.is_object()) {
        malformed(line, "not a JSON object");
        return;
    }
    Members members{object};
    const std::string name = members.text("record");
    const auto* kind       = std::ranges::find(record_kinds, name, &RecordKind::name);
    if (kind != std::end(record_kinds)) {
        kind->read(object, members, records_);
    }
    if (!members.wrong().empty()) {
        malformed(line, members.wrong());
        return;
    }
    if (dump_ && !records_.dumped.empty()) {
        dump_(records_.dumped);
    }
    records_.dumped.clear();
    if (trace_ && (kind == std::end(record_kinds) || kind->traced)) {
        trace_(line);
    } else if (kind == std::end(record_kinds)) {
        complain_(fmt::format("unknown record \"{}\"", name));
    }
    if (take_run_ && records_.outcome) {
        take_run_(std::exchange(records_, {}));
    }
}

void RecordReader::malformed(std::string_view line, std::string_view why) {
    constexpr std::size_t shown = 120;
    ++records_.malformed;
    complain_(fmt::format("malformed record ({}): {}{}", why, line.substr(0, shown),
                          line.size() > shown ? "..." : ""));
}

} // namespace vestibule::sevsim
