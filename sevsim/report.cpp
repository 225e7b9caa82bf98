// SPDX-License-Identifier: BSD-2-Clause-Patent
// The report's parts, in the order in which they are printed.
#include "sevsim/report.h"

#include "ghcb/last_words_text.h"
#include "ghcb/termination.h"
#include "sevsim/profile_table.h"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <fmt/format.h>
#include <iterator>

namespace vestibule::sevsim {

namespace {

using Text = std::back_insert_iterator<std::string>;

constexpr std::string_view disclaimer =
    "sevsim: this was an emulation written from the specifications; it says nothing of silicon.\n";

std::string count_cell(u64 count) { return count == 0 ? "-" : fmt::format("{}", count); }

void print_machine(const RunResult& result, Text out) {
    const RunRecords& records = result.records;
    if (records.start) {
        fmt::format_to(out, "Platform {}, C-bit {}, {} MiB of memory",
                       printable(records.start->platform), records.start->c_bit,
                       records.start->memory >> 20);
        if (records.start->vcpus != 1) {
            fmt::format_to(out, ", {} vCPUs", records.start->vcpus);
        }
        if (records.outcome) {
            const Outcome& outcome = *records.outcome;
            const char* separator  = "; ";
            const auto count       = [&](const char* what, const std::optional<u64>& number) {
                if (number) {
                    fmt::format_to(out, "{}{} {}", separator, what, *number);
                    separator = ", ";
                }
            };
            count("VMRUN", outcome.vmruns);
            count("#VC", outcome.vc);
            count("VMGEXIT", outcome.vmgexits);
            count("PVALIDATE", outcome.pvalidates);
            count("shared pages", outcome.shared_pages);
        }
        fmt::format_to(out, ".\n");
    }
    if (!result.launch_digest.empty()) {
        fmt::format_to(out, "Launch digest {}.\n", result.launch_digest);
    }
}

void print_exits(std::vector<ExitCount> exits, bool complete, Text out) {
    if (exits.empty()) {
        return;
    }
    // The MSR protocol's own request codes are another numbering: they come last.
    const auto order = [](const ExitCount& e) {
        return std::tuple{e.vc == 0 && e.ghcb == 0, e.code, e.name};
    };
    std::ranges::sort(exits, {}, order);
    ExitCount total{.name = "total"};
    std::size_t name_width = total.name.size();
    for (const ExitCount& exit : exits) {
        total.vc += exit.vc;
        total.ghcb += exit.ghcb;
        total.msr_protocol += exit.msr_protocol;
        name_width = std::max(name_width, exit.name.size());
    }
    constexpr std::string_view columns[] = {"#VC", "GHCB", "MSR protocol"};
    constexpr std::size_t code_width     = 12;
    const auto row = [&](std::string_view code, std::string_view name, std::string_view vc,
                         std::string_view ghcb, std::string_view msr) {
        fmt::format_to(out, "  {:<{}}{:<{}}{:>12}{:>12}{:>16}\n", code, code_width, printable(name),
                       name_width, vc, ghcb, msr);
    };
    fmt::format_to(out, "\nExits served{}\n",
                   complete ? "" : ", at least: they are told at every power of two");
    row("code", "exit", columns[0], columns[1], columns[2]);
    for (const ExitCount& exit : exits) {
        row(fmt::format("{:#x}", exit.code), exit.name, count_cell(exit.vc), count_cell(exit.ghcb),
            count_cell(exit.msr_protocol));
    }
    row("", total.name, count_cell(total.vc), count_cell(total.ghcb),
        count_cell(total.msr_protocol));
}

void print_violations(const RunResult& result, Text out) {
    const RunRecords& records = result.records;
    if (records.violations.empty()) {
        // Only a monitor that got as far as an outcome has looked at everything.
        if (records.outcome) {
            fmt::format_to(out, "\nViolations: none\n");
        }
        return;
    }
    std::size_t width = 0;
    for (const Violation& violation : records.violations) {
        width = std::max(width, violation.rule.size());
    }
    // Each is told at once and then at every power of two: a monitor that has not come to its end
    // has told at least half.
    fmt::format_to(
        out, "\nViolations{}\n",
        records.outcome ? "" : ", at least: each is told at once, then at every power of two");
    for (const Violation& violation : records.violations) {
        fmt::format_to(out, "  {:<{}}{:>8}{}", printable(violation.rule), width, violation.count,
                       is_allowed(result, violation) ? "  (allowed)" : "");
        if (!violation.first_rip.empty()) {
            fmt::format_to(out, "  first at rip {}", printable(violation.first_rip));
        }
        if (!violation.first_detail.empty()) {
            fmt::format_to(out, ": {}", printable(violation.first_detail));
        }
        fmt::format_to(out, "\n");
    }
}

void print_lies(const RunResult& result, Text out) {
    if (result.hostility.empty() || !result.records.outcome || !result.records.outcome->lies) {
        return;
    }
    const u64 told = *result.records.outcome->lies;
    fmt::format_to(out, "\nThe hypervisor's {}, {}: {}\n",
                   result.hostility.contains(' ') ? "lies" : "lie", result.hostility,
                   told == 0 ? "how the machine is, or its moment has not come"
                             : fmt::format("told {} times", told));
}

void print_last_exits(const RunRecords& records, Text out) {
    if (records.last_exits.empty()) {
        return;
    }
    fmt::format_to(out, "\nThe last exits, counted where alike in a row, or two in turn\n");
    for (const LastExit& exit : records.last_exits) {
        fmt::format_to(out, "  {:<14}{:<12}{:<22}rip {:<20}{:>8}\n", printable(exit.kind),
                       fmt::format("{:#x}", exit.code), printable(exit.name), printable(exit.rip),
                       exit.count);
    }
}

void print_state(const RunRecords& records, const Outcome& outcome, Text out) {
    if (!outcome.registers.empty()) {
        fmt::format_to(out, "\nRegisters");
        if (records.start && records.start->vcpus != 1 && outcome.vcpu) {
            fmt::format_to(out, " of vCPU {}", *outcome.vcpu);
        }
        fmt::format_to(out, "\n");
    }
    constexpr std::size_t in_a_line = 4;
    for (std::size_t i = 0; i < outcome.registers.size(); ++i) {
        const auto& [name, value] = outcome.registers[i];
        const bool last = i % in_a_line == in_a_line - 1 || i + 1 == outcome.registers.size();
        if (last) {
            fmt::format_to(out, "  {:<6} {}\n", printable(name), printable(value));
        } else {
            fmt::format_to(out, "  {:<6} {:<18}", printable(name), printable(value));
        }
    }
    if (!outcome.code.empty()) {
        fmt::format_to(out, "Code at rip: {}\n", printable(outcome.code));
    }
}

std::string termination(const std::optional<ReasonCodes>& reason, std::string_view words) {
    if (!reason) {
        return "the guest asked for its termination";
    }
    const ghcb::TerminationReason* known = ghcb::find_termination(reason->set, reason->code);
    if (known == nullptr) {
        return fmt::format("the guest asked for its termination: unknown (set {}, code {:#x})",
                           reason->set, reason->code);
    }
    const std::span<const u8> told{reinterpret_cast<const u8*>(words.data()), words.size()};
    return fmt::format("the guest asked for its termination: {} (set {}, code {:#x}){}: {}",
                       known->name, reason->set, reason->code,
                       ghcb::last_words_text(told, reason->set, reason->code), known->meaning);
}

std::string outcome_in_words(const Outcome& outcome) {
    switch (outcome.kind) {
    case OutcomeKind::exit: return fmt::format("the guest exited with code {}", outcome.value);
    case OutcomeKind::power_off: return "the guest powered off";
    case OutcomeKind::reset: return "the guest reset the machine";
    case OutcomeKind::terminate: return termination(outcome.reason, outcome.last_words);
    case OutcomeKind::unsupported_event:
        return fmt::format("the guest gave up on an exit that it does not support ({:#x})",
                           outcome.value);
    case OutcomeKind::shutdown: return "the guest shut down (triple fault)";
    case OutcomeKind::halt:
        return outcome.reason ? termination(outcome.reason, {}) + ". It halted for good"
                              : "the guest halted for good";
    case OutcomeKind::stop: return "the machine stopped the guest";
    case OutcomeKind::host: return "the host wanted an end";
    case OutcomeKind::limit: return "the guest was entered as often as it may be (--limit)";
    case OutcomeKind::monitor_error: return "the monitor failed, which is not the guest's fault";
    }
    std::unreachable();
}

std::string signal_name(int number) {
    const char* name = sigabbrev_np(number);
    return name != nullptr ? fmt::format("SIG{}", name) : fmt::format("signal {}", number);
}

/// The guest has said that it is done. Where it says no exit code, its value is 0.
bool is_end_of_choice(OutcomeKind kind) {
    return kind == OutcomeKind::exit || kind == OutcomeKind::power_off
           || kind == OutcomeKind::reset;
}

/// Page tables with a C-bit that is none, to begin with, are a fault at the first instruction.
/// One VMRUN may have gone into showing the page that its page tables begin in.
bool is_at_first_instruction(const Start& start, const Outcome& outcome) {
    return start.platform != "native" && outcome.vmruns <= 2
           && (outcome.kind == OutcomeKind::shutdown || outcome.kind == OutcomeKind::stop);
}

/// Not by the guest: nobody knows what it was going to do.
bool is_cut_short(const RunResult& result) {
    return !result.records.outcome || result.records.outcome->kind == OutcomeKind::host;
}

/// Why there is no outcome.
std::string end_in_words(const RunResult& result) {
    const char* const monitor =
        result.records.start ? "" : "; the monitor had not said that it started";
    switch (result.qemu.how) {
    case Ending::timed_out:
        return fmt::format("no end within {:g} s, so it was stopped (--timeout){}",
                           static_cast<double>(result.timeout.count()) / 1000, monitor);
    case Ending::interrupted:
        return fmt::format("interrupted by {}", signal_name(result.qemu.value));
    case Ending::unread: return "stopped, since its output could not be written";
    case Ending::killed:
        return fmt::format("QEMU was killed by {}{}", signal_name(result.qemu.value), monitor);
    case Ending::exited:
        return fmt::format("QEMU ended with status {} before the guest did{}", result.qemu.value,
                           monitor);
    }
    std::unreachable();
}

} // namespace

std::string printable(std::string_view text) {
    std::string clean{text};
    std::ranges::replace_if(
        clean, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, '?');
    return clean;
}

std::string_view end_name(const RunResult& result) {
    if (!is_cut_short(result)) {
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): or it is cut short
        return name_of(result.records.outcome->kind);
    }
    switch (result.qemu.how) {
    case Ending::timed_out: return "timeout";
    case Ending::interrupted: return "interrupted";
    case Ending::unread: return "unread";
    case Ending::killed: return "qemu-killed";
    case Ending::exited: return "qemu-exited";
    }
    std::unreachable();
}

std::string outcome_line(const RunResult& result) {
    if (is_cut_short(result)) {
        return end_in_words(result);
    }
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): or it is cut short
    const Outcome& outcome = *result.records.outcome;
    std::string line       = fmt::format("{}{}{}", outcome_in_words(outcome),
                                   outcome.detail.empty() ? "" : ": ", printable(outcome.detail));
    if (outcome.page) {
        line += fmt::format(": {:#x}", *outcome.page);
    }
    const std::optional<Start>& start = result.records.start;
    if (start && is_at_first_instruction(*start, outcome)) {
        line += fmt::format(
            ". At its first instruction: is it built for another C-bit than {} (--cbit)?",
            start->c_bit);
    }
    return line;
}

std::string report(const RunResult& result) {
    const RunRecords& records = result.records;
    std::string text{disclaimer};
    const Text out{text};
    print_machine(result, out);
    print_exits(records.exits, records.outcome.has_value(), out);
    text += profile_table(records);
    print_violations(result, out);
    print_lies(result, out);
    if (records.malformed != 0) {
        fmt::format_to(out, "\nRecords of the monitor that could not be read: {}\n",
                       records.malformed);
    }
    if (!records.outcome) {
        print_last_exits(records, out);
    } else if (!is_end_of_choice(records.outcome->kind)) {
        print_last_exits(records, out);
        print_state(records, *records.outcome, out);
    }
    fmt::format_to(out, "\nOutcome: {}\n", outcome_line(result));
    return text;
}

bool is_allowed(const RunResult& result, const Violation& violation) {
    return std::ranges::any_of(result.allowed, [&](const std::string& rule) {
        return rule == violation.rule || rule == all_rules;
    });
}

bool ends_well(const RunResult& result) {
    const auto& outcome = result.records.outcome;
    return outcome && is_end_of_choice(outcome->kind) && outcome->value == 0;
}

int exit_status(const RunResult& result) {
    const RunRecords& records = result.records;
    if (result.qemu.how == Ending::interrupted) {
        constexpr int by_signal = 128; // as a shell has it
        return by_signal + result.qemu.value;
    }
    // A line that could not be read may have been a violation.
    const bool good = ends_well(result)
                      && std::ranges::all_of(
                          records.violations,
                          [&](const Violation& violation) { return is_allowed(result, violation); })
                      && records.malformed == 0 && result.unwritten.empty();
    return good ? 0 : 1;
}

} // namespace vestibule::sevsim
