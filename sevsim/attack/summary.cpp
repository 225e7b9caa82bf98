// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/summary.h"

#include "sevsim/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <tuple>

namespace vestibule::sevsim::attack {

namespace {

/// A campaign's shards are one campaign.
Campaign whole(Campaign campaign) {
    campaign.shard = campaign.shards = 1;
    return campaign;
}

std::string kind_of(const std::string& lie) { return lie.substr(0, lie.find_first_of(":@")); }

void add_run(Summary& summary, const RunLine& run) {
    const auto verdict = static_cast<unsigned>(run.verdict);
    ++summary.runs;
    ++summary.sums[verdict];
    summary.seconds += run.seconds;
    std::set<std::string> kinds;
    for (const std::string& lie : run.plan) {
        kinds.insert(kind_of(lie));
    }
    for (const std::string& kind : kinds) {
        ++summary.by_kind[kind][verdict];
    }
}

auto size_of(const Finding& finding) {
    std::size_t letters = 0;
    for (const std::string& lie : finding.plan) {
        letters += lie.size();
    }
    return std::tuple{finding.plan.size(), letters, finding.number};
}

void add_finding(Summary& summary, const std::string& guest, const Finding& finding,
                 std::map<std::pair<std::string, std::string>, std::size_t>& known) {
    const auto [found, is_new] = known.try_emplace({guest, finding.cause}, summary.findings.size());
    if (is_new) {
        summary.findings.push_back(finding);
        summary.times.push_back(1);
        return;
    }
    ++summary.times[found->second];
    Finding& smallest = summary.findings[found->second];
    if (size_of(finding) < size_of(smallest)) {
        smallest = finding;
    }
}

std::string cell(u64 count) { return count == 0 ? "-" : fmt::format("{}", count); }

} // namespace

Summary summary_of(const std::vector<Results>& all) {
    Summary summary;
    std::set<std::pair<std::size_t, u64>> counted; // campaign and number
    std::map<std::pair<std::string, std::string>, std::size_t> known;
    std::set<std::tuple<std::size_t, u64, std::string>> findings;
    for (const Results& results : all) {
        const Campaign campaign = whole(results.campaign);
        const auto found        = std::ranges::find(summary.campaigns, campaign);
        const auto index        = static_cast<std::size_t>(found - summary.campaigns.begin());
        if (found == summary.campaigns.end()) {
            summary.campaigns.push_back(campaign);
        }
        for (const auto& [number, run] : results.runs) {
            if (counted.insert({index, number}).second) {
                add_run(summary, run);
            }
        }
        for (const Finding& finding : results.findings) {
            if (findings.insert({index, finding.number, finding.cause}).second) {
                const std::string& guest = finding.guest < campaign.guests.size()
                                               ? campaign.guests[finding.guest].digest
                                               : finding.replay;
                add_finding(summary, guest, finding, known);
            }
        }
        summary.places.insert(results.places.begin(), results.places.end());
    }
    return summary;
}

std::string report_of(const Summary& summary) {
    std::string text;
    const auto out = std::back_inserter(text);
    for (const Campaign& campaign : summary.campaigns) {
        for (const Campaign::Guest& guest : campaign.guests) {
            fmt::format_to(out, "Guest {}, seed {}\n", printable(guest.file), campaign.seed);
        }
    }
    fmt::format_to(out,
                   "{} runs in {:.0f} s of runs, {} places of guest code that honest runs do not "
                   "come to\n\n",
                   summary.runs, summary.seconds, summary.places.size());
    // Only verdicts that there were: most campaigns have four.
    std::vector<unsigned> columns;
    for (unsigned n = 0; n < verdict_count; ++n) {
        if (summary.sums[n] != 0) {
            columns.push_back(n);
        }
    }
    constexpr int name_width = 22;
    fmt::format_to(out, "{:<{}}", "lie", name_width);
    for (const unsigned n : columns) {
        fmt::format_to(out, "{:>18}", name_of(static_cast<Verdict>(n)));
    }
    const auto row = [&](const std::string& name, const std::array<u64, verdict_count>& counts) {
        fmt::format_to(out, "\n{:<{}}", printable(name), name_width);
        for (const unsigned n : columns) {
            fmt::format_to(out, "{:>18}", cell(counts[n]));
        }
    };
    for (const auto& [name, counts] : summary.by_kind) {
        row(name, counts);
    }
    row("runs", summary.sums);
    fmt::format_to(out, "\n\nFindings: {}\n",
                   summary.findings.empty() ? "none" : fmt::format("{}", summary.findings.size()));
    for (std::size_t n = 0; n < summary.findings.size(); ++n) {
        const Finding& finding = summary.findings[n];
        fmt::format_to(out, "\n{}. {}: {}\n", n + 1, name_of(finding.verdict),
                       printable(finding.why));
        fmt::format_to(out, "   plan {}, found {} times, replayed {} times:", finding.number,
                       summary.times[n], finding.replayed);
        for (const std::string& lie : finding.plan) {
            fmt::format_to(out, " {}", printable(lie));
        }
        fmt::format_to(out, "\n   {}\n", printable(finding.replay));
    }
    return text;
}

} // namespace vestibule::sevsim::attack
