// SPDX-License-Identifier: BSD-2-Clause-Patent
// See explain.h. Levels go by the number of causes; within one, arrangements are shared out between
// threads, neighbours together, since they have most of their chains in common.
#include "igvm/explain/explain.h"

#include "igvm/explain/search.h"
#include "igvm/format/context_fields.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

namespace vestibule::igvm {

namespace {
std::string_view whose(const Cause& cause) {
    return !cause.others ? "of vCPU 0" : !cause.first_vcpu ? "of vCPUs from 1 on" : "of each vCPU";
}

/// Every field of a VMSA that differs.
std::vector<Change> vmsa_changes(const Cause& cause, const std::vector<Step>& steps) {
    for (const Step& step : steps) {
        if (step.type != PageType::vmsa || !(step.vcpu == 0 ? cause.first_vcpu : cause.others)) {
            continue;
        }
        x86::Vmsa vmsa;
        std::memcpy(&vmsa, step.data.data(), sizeof(vmsa));
        cause.vmsa(vmsa);
        std::array<u8, sizeof(vmsa)> after;
        std::memcpy(after.data(), &vmsa, sizeof(vmsa));
        const auto here  = context_values(ContextKind::vmsa, step.data);
        const auto there = context_values(ContextKind::vmsa, after);
        std::vector<Change> changes;
        for (u64 i = 0; i < here.size(); ++i) {
            const u64 at = here[i].offset;
            if (here[i].value != there[i].value) {
                changes.push_back({.field    = context_field_at(ContextKind::vmsa, at),
                                   .offset   = at,
                                   .found    = fmt::format("{:#x}", here[i].value),
                                   .expected = fmt::format("{:#x}", there[i].value)});
            }
        }
        if (!changes.empty()) {
            return changes;
        }
    }
    return {};
}

/// "mxcsr at 0x408: 0x1f80 here, 0x0 there"
std::string vmsa_words(const Cause& cause, const std::vector<Change>& changes) {
    std::string words;
    for (const Change& change : changes) {
        words +=
            fmt::format("{}{} at {:#x}: {} here, {} there", words.empty() ? "" : ", ", change.field,
                        change.offset.value_or(0), change.found, change.expected);
    }
    return words.empty() ? std::string(cause.field)
                         : fmt::format("VMSA {}, {}", whose(cause), words);
}

std::string step_in_words(const std::vector<Step>& steps, u64 at) {
    if (at >= steps.size()) {
        return "nothing";
    }
    const Step& step = steps[at];
    return fmt::format("{} page{} of type {} at {:#x} ({})", step.pages, step.pages == 1 ? "" : "s",
                       static_cast<int>(step.type), step.gpa, step.what);
}

class Explainer {
  public:
    Explainer(const Question& question, std::span<const Cause> causes)
        : question_(question), causes_(causes) {
        for (const Cause& cause : causes) {
            const auto number = static_cast<u16>(&cause - causes.data());
            (cause.is_of_vmsa() ? variations_ : arrangements_).push_back(number);
            if (cause.is_of_vmsa() && !cause.rare) {
                common_.push_back(number);
            }
        }
    }

    /// Explanations of exactly so many causes.
    std::vector<Explanation> level(unsigned count) {
        for (unsigned varied = count + 1; varied-- > 0;) {
            part(count - varied, varied);
        }
        return std::exchange(found_, {});
    }

    [[nodiscard]] u64 tried() const { return tried_; }

  private:
    void part(unsigned arranged, unsigned varied) {
        const auto arrangements = combinations(causes_, arrangements_, arranged);
        constexpr unsigned most = 2; // of which rare ones are tried
        const auto variations =
            combinations(causes_, arranged + varied <= most ? variations_ : common_, varied);
        // Arrangements are shared out, and where there are too few of them, their variations.
        const bool split      = arrangements.size() < question_.threads;
        constexpr u64 piece   = 1024;
        const u64 pieces      = split ? (variations.size() + piece - 1) / piece : 1;
        const bool unvaried   = !split && varied == 0;
        const u64 neighbours  = split ? 1 : unvaried ? 384 : 48; // all counts of vCPUs at once
        const u64 count       = arrangements.size() * pieces;
        std::atomic<u64> next = 0;
        const auto work       = [&](bool reports) {
            Search search(question_, causes_, known_);
            search.forget_numbers(variations.size());
            while (!enough()) {
                const u64 first = next.fetch_add(neighbours);
                if (first >= count) {
                    return;
                }
                const u64 end = std::min<u64>(first + neighbours, count);
                u64 foreseen  = first;
                for (u64 at = first; at < end && !enough(); ++at) {
                    if (unvaried && at == foreseen) {
                        foreseen += search.foresee(std::span(arrangements).subspan(at, end - at));
                    }
                    const u64 from = split ? at % pieces * piece : 0;
                    const u64 to =
                        split ? std::min<u64>(from + piece, variations.size()) : variations.size();
                    try_arrangement(search, arrangements[at / pieces], variations, from, to);
                    if (reports && question_.progress) {
                        question_.progress(tried_);
                    }
                }
            }
        };
        std::vector<std::jthread> helpers;
        for (unsigned i = 1; i < std::min<u64>(question_.threads, count); ++i) {
            helpers.emplace_back([&] { work(false); });
        }
        work(true);
    }

    /// With the variations of these numbers.
    void try_arrangement(Search& search, const Combination& arrangement,
                         std::span<const Combination> variations, u64 from, u64 to) {
        if (!search.arrange(arrangement)) {
            return;
        }
        constexpr u64 often = 512;
        for (u64 number = from; number < to; ++number) {
            if ((number - from) % often == 0) {
                if (number != from && enough()) {
                    return;
                }
                search.draw_ahead(variations, number, std::min(number + often, to));
            }
            const auto matches = search.matches(variations[number], number);
            tried_ += matches ? 1 : 0;
            if (matches && *matches) {
                add(search, arrangement, variations[number]);
            }
        }
    }

    void add(const Search& search, const Combination& arrangement, const Combination& variation) {
        Explanation explanation;
        for (const u16 number : arrangement.span()) {
            const Cause& cause  = causes_[number];
            const Change change = arrangement_change(cause);
            explanation.causes.push_back(&cause);
            explanation.words.push_back(
                fmt::format("{}: {}{} here, {} there; {}", cause.name,
                            change.field.starts_with("step ") ? change.field + " is " : "",
                            change.found, change.expected, cause.who));
            explanation.changes.push_back({change});
        }
        for (const u16 number : variation.span()) {
            const Cause& cause = causes_[number];
            explanation.causes.push_back(&cause);
            explanation.changes.push_back(vmsa_changes(cause, search.steps()));
            explanation.words.push_back(fmt::format("{}: {}; {}", cause.name,
                                                    vmsa_words(cause, explanation.changes.back()),
                                                    cause.who));
        }
        const std::scoped_lock lock(mutex_);
        found_.push_back(std::move(explanation));
        found_count_ = found_.size();
    }

    [[nodiscard]] Change arrangement_change(const Cause& cause) const {
        if (!cause.here.empty()) {
            return {.field    = cause.group,
                    .offset   = std::nullopt,
                    .found    = cause.here,
                    .expected = cause.there};
        }
        if (cause.plan) {
            Plan altered = question_.plan;
            cause.plan(altered);
            return {.field    = cause.group,
                    .offset   = std::nullopt,
                    .found    = cause.value(question_.plan),
                    .expected = cause.value(altered)};
        }
        const auto launch = question_.launch(question_.plan); // succeeded when the search began
        if (!launch) {
            return {};
        }
        std::vector<Step> steps = launch->steps;
        cause.steps(steps);
        const auto first = std::ranges::mismatch(launch->steps, steps).in1;
        const auto at    = static_cast<u64>(first - launch->steps.begin());
        return {.field    = fmt::format("step {}", at),
                .offset   = std::nullopt,
                .found    = step_in_words(launch->steps, at),
                .expected = step_in_words(steps, at)};
    }

    [[nodiscard]] bool enough() const {
        constexpr u64 most = 64;
        return found_count_ >= most;
    }

    const Question& question_;
    std::span<const Cause> causes_;
    std::vector<u16> arrangements_;
    std::vector<u16> variations_;
    std::vector<u16> common_; // of them
    std::atomic<u64> tried_       = 0;
    std::atomic<u64> found_count_ = 0;
    KnownLaunches known_;
    std::mutex mutex_; // of the rest
    std::vector<Explanation> found_;
};
} // namespace

std::vector<std::string> lines_of(std::span<const Explanation> explanations,
                                  std::string_view first) {
    std::vector<std::string> lines;
    for (const Explanation& explanation : explanations) {
        lines.emplace_back(lines.empty() ? first : "or, to the same effect:");
        for (const std::string& cause : explanation.words) {
            lines.push_back("  - " + cause);
        }
    }
    return lines;
}

std::expected<Answer, std::string> explain(const Question& question) {
    if (auto launch = question.launch(question.plan); !launch) {
        return std::unexpected(launch.error());
    }
    Answer answer{.causes = causes_for(question.plan, question.alternatives), .explanations = {}};
    Explainer explainer(question, answer.causes);
    for (unsigned count = 0; count <= question.most_causes && answer.explanations.empty();
         ++count) {
        answer.explanations = explainer.level(count);
    }
    answer.tried = explainer.tried();
    return answer;
}

} // namespace vestibule::igvm
