// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/profile_table.h"

#include "sevsim/report.h"

#include <algorithm>
#include <fmt/format.h>
#include <iterator>
#include <map>

namespace vestibule::sevsim {

namespace {

using Member = u64 ProfileSample::*;

/// Least, median and most of one member. Of an even number the median is the lower of the two in
/// the middle, so that it is a number that occurred.
std::string spread(const std::vector<ProfileSample>& samples, Member member) {
    std::map<u64, u64> counts;
    u64 all = 0;
    for (const ProfileSample& sample : samples) {
        counts[sample.*member] += sample.count;
        all += sample.count;
    }
    u64 seen          = 0;
    const auto median = std::ranges::find_if(counts, [&](const auto& value) {
        seen += value.second;
        return seen > (all - 1) / 2;
    });
    return fmt::format("{}/{}/{}", counts.begin()->first, median->first, counts.rbegin()->first);
}

} // namespace

std::string profile_table(const RunRecords& records) {
    std::string text;
    const auto out = std::back_inserter(text);
    if (!records.profile.empty()) {
        fmt::format_to(out, "\nGuest instructions per #VC, VMGEXITs and the handler's IRET not "
                            "counted (least/median/most)\n");
        constexpr const char* row = "  {:<12}{:<14}{:>8}{:>24}{:>24}{:>18}{:>10}\n";
        fmt::format_to(out, row, "code", "exit", "#VC", "to the first VMGEXIT",
                       "from the last to IRET", "total", "VMGEXITs");
        std::map<std::pair<u64, std::string>, std::vector<ProfileSample>> kinds;
        for (const ProfileSample& sample : records.profile) {
            kinds[{sample.code, sample.name}].push_back(sample);
        }
        for (const auto& [kind, samples] : kinds) {
            u64 count = 0;
            for (const ProfileSample& sample : samples) {
                count += sample.count;
            }
            fmt::format_to(
                out, row, fmt::format("{:#x}", kind.first), printable(kind.second), count,
                spread(samples, &ProfileSample::before), spread(samples, &ProfileSample::after),
                spread(samples, &ProfileSample::total), spread(samples, &ProfileSample::vmgexits));
        }
    }
    if (records.unprofiled.value_or(0) != 0) {
        fmt::format_to(out,
                       "{}#VCs whose handler was not seen to return: {}; the one that ends the "
                       "guest is among them\n",
                       text.empty() ? "\n" : "  ", *records.unprofiled);
    }
    if (records.instructions) {
        fmt::format_to(out, "{}Guest instructions: {}", text.empty() ? "\n" : "  ",
                       *records.instructions);
        if (records.to_port) {
            fmt::format_to(out, ", of which {} before the first IN or OUT that raised #VC",
                           *records.to_port);
        }
        text += '\n';
    }
    return text;
}

} // namespace vestibule::sevsim
