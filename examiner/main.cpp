// SPDX-License-Identifier: BSD-2-Clause-Patent
// The examiner: a payload of the stub's (boot/boot_info.h) that holds the hypervisor below it to
// the GHCB specification, case by case, and says on the first serial port what it saw
// (docs/examiner.md).
#include "examiner/console.h"
#include "examiner/conversation.h"
#include "examiner/finish.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "examiner/parameters.h"
#include "examiner/plan.h"
#include "examiner/report.h"

using namespace vestibule;
using namespace vestibule::examiner;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void examiner_start(const vestibule_boot_info& told);
#pragma GCC visibility pop

namespace {

Machine machine_of(const BootInfo& told) {
    return {.is_snp          = told.platform == boot::Platform::sev_snp,
            .version         = told.ghcb_version,
            .has_second_vcpu = has_second_vcpu(),
            .is_at_vmpl0     = told.vmpl == 0,
            .has_secrets     = told.secrets_page != 0};
}

const char* name_of_platform(boot::Platform platform) {
    switch (platform) {
    case boot::Platform::native: return "native";
    case boot::Platform::sev_es: return "sev-es";
    case boot::Platform::sev_snp: return "sev-snp";
    }
    return "unknown";
}

constexpr Case platform_case{"guest.platform", "2.1", "the guest is what it was started as",
                             Level::must};

Verdict is_platform(const Parameters& wanted, const char* platform) {
    return holds("the platform is the wanted one",
                 wanted.platform.is_empty() || wanted.platform.is(platform));
}

/// There is nobody to be examined; who says that there should be is told.
[[noreturn]] void end_natively(const Parameters& parameters) {
    if (parameters.platform.is_empty() || parameters.platform.is("native")) {
        write("TAP version 14\n1..0 # SKIP no SEV-ES guest: there is no GHCB protocol\n");
        finish(true);
    }
    Report report{1};
    report.result(platform_case, is_platform(parameters, "native"), nullptr);
    report.summary("native", 0);
    finish(false);
}

Host host_of(const Parameters& parameters) {
    if (parameters.expect.is_empty()) {
        return Host::none;
    }
    for (const HostName& row : host_names) {
        if (parameters.expect.is(row.name)) {
            return row.host;
        }
    }
    give_up("expect= names no host that is known");
}

void run_all(const Plan& plan, Host host, Report& report, Turn turn) {
    for (const Group* group : groups) {
        group->for_each([&](const Case& about, auto ask) {
            if (!plan.has(about) || turn_of(about) != turn) {
                return;
            }
            Deviation known{};
            const bool is_known = find_deviation(host, about.id, known);
            if (is_known && known.effect == Effect::ends_guest) {
                report.result(about, Verdict::skipped("it ends the guest there"), &known);
                return;
            }
            if (const char* lack = plan.lack_of(about)) {
                report.result(about, Verdict::skipped(lack), nullptr);
                return;
            }
            if (turn == Turn::risky) {
                report.announce(about);
            }
            report.result(about, ask(), is_known ? &known : nullptr);
        });
    }
}

} // namespace

void examiner_start(const vestibule_boot_info& told) {
    set_info(told);
    const Parameters parameters =
        read_parameters(reinterpret_cast<const char*>(told.command_line), told.command_line_size);
    if (told.platform != boot::Platform::native) {
        use_page(reinterpret_cast<volatile ghcb::Page*>(told.ghcb_gpa), told.ghcb_gpa);
        set_version(told.ghcb_version);
        install_idt();
    }
    if (!parameters.unknown.is_empty()) {
        give_up("the command line has a word that is none of expect=, platform=, only=, end=");
    }
    if (told.platform == boot::Platform::native) {
        end_natively(parameters);
    }
    const char* const platform = name_of_platform(told.platform);
    const Host host            = host_of(parameters);
    const Plan plan{parameters, machine_of(told)};
    Report report{plan.count() + 1};
    report.result(platform_case, is_platform(parameters, platform), nullptr);
    constexpr Turn turns[] = {Turn::first, Turn::risky, Turn::last};
    for (const Turn turn : turns) {
        run_all(plan, host, report, turn);
    }
    report.summary(platform, told.ghcb_version);
    finish(report.passed());
}
