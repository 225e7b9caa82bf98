// SPDX-License-Identifier: BSD-2-Clause-Patent
// Prints what docs/examiner.md has of tables: known hosts, what they answer otherwise, and every
// case.
#include "examiner/groups.h"
#include "examiner/hosts.h"

#include <fmt/format.h>
#include <string>

using namespace vestibule::examiner;

namespace {

std::string hosts_of(const DeviationRow& row) {
    std::string names;
    for (const HostName& host : host_names) {
        if ((row.hosts & on(host.host)) != 0) {
            names += fmt::format("{}{}", names.empty() ? "" : ", ", host.name);
        }
    }
    return names;
}

const char* platform_of(const Case& about) {
    return (about.needs & need::snp) != 0      ? "SNP"
           : (about.needs & need::sev_es) != 0 ? "ES"
                                               : "both";
}

} // namespace

int main() {
    fmt::print("## Known hosts\n\n| `expect=` | read |\n|---|---|\n");
    for (const HostName& host : host_names) {
        fmt::print("| `{}` | {} |\n", host.name, host.source);
    }
    fmt::print("\n| case | on | it |\n|---|---|---|\n");
    for (const DeviationRow& row : deviations) {
        fmt::print("| `{}` | {} | {}{}{} |\n", row.ids, hosts_of(row), row.answer,
                   row.effect == Effect::ends_guest ? ": not asked there" : "",
                   row.is_sourced ? "" : " (unverified)");
    }
    fmt::print("\n## Cases\n\n`ES`: an SEV-ES guest alone, `SNP`: an SEV-SNP guest alone. "
               "Sections are those of the GHCB specification\n(56421), or of APM volume 2.\n");
    for (const Group* group : groups) {
        fmt::print(
            "\n### {}\n\n| case | section | level | guest | what holds |\n|---|---|---|---|---|\n",
            group->title);
        group->for_each([](const Case& about, auto) {
            fmt::print("| `{}` | {} | {} | {} | {} |\n", about.id, about.section,
                       name_of(about.level), platform_of(about), about.demand);
        });
    }
}
