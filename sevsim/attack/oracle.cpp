// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/oracle.h"

#include "ghcb/termination.h"
#include "sevsim/attack/draws.h"
#include "sevsim/halts.h"
#include "sevsim/report.h"
#include "x86/exit_code.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::sevsim::attack {

namespace {

constexpr const char* verdict_names[] = {
    "right result", "right exception",   "coded end",     "own data",
    "other end",    "uncoded end",       "broken rule",   "wrong result",
    "leak",         "control flow lost", "sevsim failed",
};
static_assert(std::size(verdict_names) == verdict_count);

/// Rules that keep what is private from the hypervisor.
constexpr std::string_view leak_rules[] = {
    "ghcb-extra-input", "ghcb-stale-bits", "ghcb-private", "msr-reserved-bits", "private-string-io",
    "ghcb-exit-info",   "leak-canary",     "leak-field",   "leak-register",
};

/// Rules that speak of what the hypervisor has done to a page, and not of what the guest did.
constexpr std::string_view rules_of_attacked_pages[] = {
    "rmp-not-validated",
    "rmp-not-assigned",
    "rmp-validated-twice",
    "rmp-rescinded-twice",
};

/// Of these, what the guest itself is told, and has to end over.
constexpr std::string_view rules_of_pvalidate[] = {"rmp-validated-twice", "rmp-rescinded-twice"};

template <std::size_t count>
bool is_one_of(std::string_view name, const std::string_view (&names)[count]) {
    return std::ranges::find(names, name) != std::end(names);
}

bool tells(const Lies& plan, Lie lie) {
    return std::ranges::find(plan, lie, &Hostility::lie) != plan.end();
}

bool is_end_of_choice(const Ended& run) {
    return run.kind == "exit" || run.kind == "power-off" || run.kind == "reset";
}

bool ends_alike(const Ended& honest, const Ended& run) {
    return honest.kind == run.kind && honest.value == run.value
           && honest.reason.has_value() == run.reason.has_value()
           && (!honest.reason
               || (honest.reason->set == run.reason->set
                   && honest.reason->code == run.reason->code));
}

/// A code that the guest's own table has, and that is not the selftest's word for a failure of
/// which it knows itself.
bool is_coded(const Ended& run) {
    if (run.kind == "unsupported-event") {
        return true; // by its own request, with the exit code
    }
    if (run.kind != "terminate" || !run.reason) {
        return false;
    }
    using ghcb::Reason;
    const Reason reason{run.reason->set, run.reason->code};
    return reason != ghcb::reason::selftest_failed && reason != ghcb::reason::selftest_passed
           && ghcb::find_termination(reason.set, reason.code) != nullptr;
}

constexpr std::string_view went_on = "exit-after-termination";

/// It has gone on asking for its termination, as the library does (library/end.h), until it was
/// heard; an NMI that came in between it has handled.
bool insists(const Ended& run, const Lies& plan) {
    return run.kind == "terminate" && tells(plan, Lie::termination_returns);
}

/// Ends that are the hypervisor's doing: it does not know a request of the MSR protocol, passes
/// over one for a termination or lets a guest go on that has asked for its termination and can do
/// no more than halt, or sends an INIT and no SIPI, so that nobody runs, or another vCPU waits for
/// one that never comes; or it holds a vCPU that has asked for something else.
bool is_hypervisors_end(const Ended& run, const Lies& plan) {
    return (run.kind == "stop" && tells(plan, Lie::no_information))
           || (run.kind == "halt"
               && (tells(plan, Lie::termination_returns) || tells(plan, Lie::answer_of_other)
                   || run.words.ends_with(halt_behind_termination)))
           || ((run.kind == "halt" || run.kind == "timeout" || run.kind == "limit")
               && (tells(plan, Lie::init) || tells(plan, Lie::init_storm)));
}

/// The hypervisor has taken the very page by which the guest would have ended itself: the stack,
/// the IDT, the code or the data of its #VC handler. The machine says which page that was, and it
/// has to be one that the plan takes.
bool has_lost_its_handler(const Ended& run, const Lies& plan) {
    constexpr Lie takers[] = {Lie::page_taken, Lie::page_replaced, Lie::page_swapped};
    return run.lost_page && std::ranges::any_of(plan, [&](const Hostility& lie) {
               const u64 first = lie.code & ~(page_size - 1);
               return std::ranges::find(takers, lie.lie) != std::end(takers)
                      && (run.lost_page == first
                          || (lie.lie == Lie::page_swapped && run.lost_page == first + page_size));
           });
}

/// An exception at each of so many entries fills any stack: the guest is out again before it has
/// asked for its end.
bool is_stormed(const Ended& run, const Lies& plan) {
    constexpr u64 many = 16;
    return run.kind == "shutdown" && std::ranges::any_of(plan, [](const Hostility& lie) {
               return lie.lie == Lie::storm && lie.within >= many;
           });
}

/// Each rule belongs to one of them.
enum class Breach : u8 { protocol, leak, control_flow };

Breach breach_of(std::string_view rule) {
    return rule == "rip-outside"         ? Breach::control_flow
           : is_one_of(rule, leak_rules) ? Breach::leak
                                         : Breach::protocol;
}

bool breaks(const Ended& run, const BrokenRule& rule) {
    return std::ranges::find(run.broken, rule.rule, &BrokenRule::rule) != run.broken.end();
}

const BrokenRule* newly_broken(const Ended& honest, const Ended& run, const Lies& plan,
                               Breach breach) {
    for (const BrokenRule& rule : run.broken) {
        if (rule.rule == went_on && insists(run, plan)) {
            continue;
        }
        if (!breaks(honest, rule) && breach_of(rule.rule) == breach
            && !is_one_of(rule.rule, rules_of_attacked_pages)) {
            return &rule;
        }
    }
    return nullptr;
}

const BrokenRule* told_by_pvalidate(const Ended& honest, const Ended& run) {
    const auto found = std::ranges::find_if(run.broken, [&](const BrokenRule& rule) {
        return is_one_of(rule.rule, rules_of_pvalidate) && !breaks(honest, rule);
    });
    return found == run.broken.end() ? nullptr : &*found;
}

/// An address far from any code that an honest run left the guest from. Images of ours lie within
/// 2 MiB; a kernel has more code than it leaves the guest from.
const u64* stray(const Ended& run, const Places& places, bool ours) {
    const u64 reach  = ours ? 0 : 16;
    const auto found = std::ranges::find_if(run.rips, [&](u64 rip) {
        const u64 block = block_of(rip);
        const auto near = places.blocks.lower_bound(block - std::min(block, reach));
        return near == places.blocks.end() || *near > block + reach;
    });
    return found == run.rips.end() ? nullptr : &*found;
}

std::string end_of(const Ended& run) {
    if (run.reason) {
        return fmt::format("{} {:#x}:{:#x}", run.kind, run.reason->set, run.reason->code);
    }
    return run.value ? fmt::format("{} {:#x}", run.kind, *run.value) : run.kind;
}

/// The first line that is not the honest run's; `whole` asks for all of that to have come.
std::optional<std::string> other_line(const Ended& honest, const Ended& run, const Oracle& oracle,
                                      bool whole) {
    const auto wanted = compared_lines(honest.output, oracle);
    auto seen         = compared_lines(run.output, oracle);
    if (!whole && !run.output.empty() && !run.output.ends_with('\n') && !seen.empty()) {
        seen.pop_back(); // it was in the middle of saying it
    }
    for (std::size_t n = 0; n < seen.size(); ++n) {
        if (n == wanted.size()) {
            return fmt::format("one more line, '{}'", printable(seen[n]));
        }
        if (seen[n] != wanted[n]) {
            return fmt::format("'{}' in the place of '{}'", printable(seen[n]),
                               printable(wanted[n]));
        }
    }
    if (whole && seen.size() != wanted.size()) {
        return fmt::format("without '{}'", printable(wanted[seen.size()]));
    }
    return std::nullopt;
}

bool tells(const Lies& plan, Data data) {
    return std::ranges::any_of(plan, [data](const Hostility& lie) { return data_of(lie) == data; });
}

} // namespace

const char* name_of(Verdict verdict) { return verdict_names[static_cast<unsigned>(verdict)]; }

std::optional<Verdict> verdict_of(std::string_view name) {
    for (unsigned n = 0; n < verdict_count; ++n) {
        if (name == verdict_names[n]) {
            return static_cast<Verdict>(n);
        }
    }
    return std::nullopt;
}

bool is_finding(Verdict verdict) { return verdict >= Verdict::uncoded_end; }

std::vector<std::string> compared_lines(std::string_view output, const Oracle& oracle) {
    std::vector<std::string> kept;
    for_each_line(output, [&](std::string_view line) {
        const std::string text{line};
        if ((!oracle.compared || std::regex_search(text, *oracle.compared))
            && (!oracle.ignored || !std::regex_search(text, *oracle.ignored))) {
            kept.push_back(text);
        }
    });
    return kept;
}

Judgement judge(const Ended& honest, const Places& places, const Ended& run, const Places& seen,
                const Lies& plan, const Oracle& oracle) {
    if (run.kind == "monitor-error" || run.kind == "qemu-killed" || run.kind == "qemu-exited"
        || run.kind == "unread" || run.kind == "host") {
        return {Verdict::failed, "sevsim: " + run.words, run.words};
    }
    if (const BrokenRule* rule = newly_broken(honest, run, plan, Breach::leak)) {
        return {Verdict::leak, fmt::format("leak {} at {}", rule->rule, rule->rip),
                fmt::format("{} at {}", rule->rule, rule->rip)};
    }
    for (const Forged& vc : seen.believed) {
        if (!raises(places, vc)) {
            return {Verdict::leak, fmt::format("believed #VC {:#x}", vc.code),
                    fmt::format("it believed a forged #VC {:#x} ({}) at {:#x}, and asked the "
                                "hypervisor",
                                vc.code, x86::exit_name(vc.code), vc.rip)};
        }
    }
    if (const BrokenRule* rule = newly_broken(honest, run, plan, Breach::control_flow)) {
        return {Verdict::control_flow, fmt::format("control flow at {}", rule->rip),
                fmt::format("it was at {}, where it has no code (--code)", rule->rip)};
    }
    const bool ends_as_honest = ends_alike(honest, run);
    if (const u64* rip = stray(run, places, oracle.ours); rip != nullptr && !ends_as_honest) {
        return {Verdict::control_flow, fmt::format("control flow at {:#x}", *rip),
                fmt::format("it left the guest at {:#x}, where an honest run has no code", *rip)};
    }
    // What it has said until a coded end counts as well: by then it had gone on with it.
    if (const auto other = other_line(honest, run, oracle, ends_as_honest);
        other && (oracle.ours || ends_as_honest)) {
        if (tells(plan, Data::hypervisors)) {
            return {Verdict::own_data, "", *other};
        }
        return {Verdict::wrong_result, fmt::format("wrong {}: {}", end_of(run), *other), *other};
    }
    // However it ends: a call that an NMI has spoilt is refused by an honest hypervisor, and ends
    // the guest with a code. Where memory is not encrypted a page is not what the guest has
    // written.
    if (oracle.ours && !kinds_of(plan).contains("cbit-no-effect")) {
        if (const BrokenRule* rule = newly_broken(honest, run, plan, Breach::protocol)) {
            return {Verdict::broken_rule, fmt::format("rule {} at {}", rule->rule, rule->rip),
                    fmt::format("{} at {}", rule->rule, rule->rip)};
        }
    }
    if (ends_as_honest) {
        // With one lie it is known that it was told; with several it may have been another.
        // Memory that is not encrypted is nothing that is told at a moment.
        const bool was_told = run.told != 0 || kinds_of(plan) == "cbit-no-effect";
        if (oracle.ours && plan.size() == 1 && was_told && tells(plan, Data::malformed)) {
            const std::string what = "unnoticed: " + kinds_of(plan);
            return {Verdict::wrong_result, what, what};
        }
        // By its carry flag PVALIDATE has told the guest.
        if (const BrokenRule* rule = oracle.ours ? told_by_pvalidate(honest, run) : nullptr) {
            const std::string what = fmt::format("unnoticed: {} at {}", rule->rule, rule->rip);
            return {Verdict::wrong_result, what, what};
        }
        return {Verdict::right_result, "", ""};
    }
    if (run.kind == "terminate" && run.reason && run.reason->set == ghcb::reason::set_exception) {
        return {Verdict::right_exception, "", run.words};
    }
    if (!oracle.ours) {
        return {run.kind == "terminate" || run.kind == "unsupported-event" ? Verdict::coded_end
                                                                           : Verdict::other_end,
                "", run.words};
    }
    if (is_coded(run) || is_hypervisors_end(run, plan)) {
        return {Verdict::coded_end, "", run.words};
    }
    if ((run.kind == "shutdown" && run.vmgexits == 0) || has_lost_its_handler(run, plan)
        || is_stormed(run, plan)) {
        // Before it has asked for anything a guest may have no IDT yet, which no code mends; and
        // none runs without its handler, or where it comes to no instruction.
        return {Verdict::other_end, "", run.words};
    }
    if (is_end_of_choice(run) && run.value != honest.value) {
        if (tells(plan, Data::hypervisors)) {
            return {Verdict::own_data, "", run.words};
        }
        return {Verdict::wrong_result, "wrong " + end_of(run), run.words};
    }
    const u64 rip = run.rips.empty() ? 0 : run.rips.back();
    return {Verdict::uncoded_end, fmt::format("uncoded {} at {:#x}", end_of(run), rip), run.words};
}

} // namespace vestibule::sevsim::attack
