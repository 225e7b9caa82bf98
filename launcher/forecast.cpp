// See forecast.h.
#include "launcher/forecast.h"

#include "igvm/describe.h"
#include "igvm/explain.h"
#include "igvm/vmm_check.h"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>
#include <thread>

namespace vestibule::launcher {

static unsigned threads() { return std::max(1u, std::thread::hardware_concurrency()); }

const igvm::VmmProfile& profile_of_kernel(const std::string& release, u64 vm_types) {
    struct Row {
        bool init2; // which Linux 6.10 has brought, and KVM_CAP_VM_TYPES with it
        unsigned major, minor;
        igvm::Vmm vmm;
    };

    constexpr Row rows[] = {
        {true,  7, 1,  igvm::Vmm::kvm_7_1 },
        {true,  6, 12, igvm::Vmm::kvm_6_12},
        {true,  0, 0,  igvm::Vmm::kvm_6_11},
        {false, 6, 8,  igvm::Vmm::kvm_6_8 },
        {false, 0, 0,  igvm::Vmm::kvm_6_1 },
    };
    unsigned major = 0;
    unsigned minor = 0;
    // Zeros where it is no version, and so the oldest of its kind.
    static_cast<void>(
        std::sscanf(release.c_str(), "%4u.%4u", &major, &minor)); // NOLINT(cert-err34-c)
    const auto* row = std::ranges::find_if(rows, [&](const Row& own) {
        return own.init2 == (vm_types != 0)
               && std::pair(major, minor) >= std::pair(own.major, own.minor);
    });
    return igvm::profile_of(row->vmm);
}

static std::string text_of(const igvm::Finding& finding) {
    constexpr const char* verdicts[] = {"rejected", "altered", "ignored"};
    std::string text =
        fmt::format("{}, offset {:#x}", verdicts[static_cast<u8>(finding.verdict)], finding.offset);
    text += finding.field.empty() ? fmt::format(", {}", finding.header)
                                  : fmt::format(", {}", finding.field);
    text += fmt::format(": found {:#x}", finding.found);
    if (finding.becomes) {
        text += fmt::format(", becomes {:#x}", *finding.becomes);
    }
    return text
           + fmt::format(": {}{}", finding.rule == igvm::VmmRule::vmsa_field ? "" : "expected: ",
                         finding.text);
}

Forecast forecast(const igvm::File& file, const Plan& plan, const igvm::VmmProfile& kernel) {
    Forecast result;
    for (const igvm::Finding& finding : igvm::check_for(file, kernel).findings) {
        if (finding.platform == plan.platform) {
            result.findings.push_back(text_of(finding));
        }
    }
    result.options.platform = plan.platform;
    result.options.vmm      = kernel;
    result.options.vcpus    = plan.machine.vcpus;
    if (igvm::is_measured(plan.platform)) {
        const auto launch = igvm::launch_of(file, result.options);
        if (!launch) {
            throw LaunchError(launch.error());
        }
        result.digest = igvm::measure(*launch, threads());
    }
    return result;
}

bool confirms(const Session& session, const Measured& measured, std::span<const u8> digest) {
    return igvm::launch_measure({.tik       = session.tik,
                                 .mnonce    = measured.mnonce,
                                 .api_major = measured.firmware.api_major,
                                 .api_minor = measured.firmware.api_minor,
                                 .build     = measured.firmware.build,
                                 .policy    = measured.policy},
                                digest)
           == measured.measure;
}

std::vector<std::string> explain_digest(const igvm::File& file, const Forecast& forecast,
                                        const std::function<bool(const igvm::Chain&)>& matches) {
    const auto answer = igvm::explain({
        .plan         = {.options = forecast.options, .boot = std::nullopt},
        .alternatives = {},
        .launch       = [&](const igvm::Plan& plan) { return igvm::launch_of(file, plan.options); },
        .file         = file.bytes(),
        .matches      = matches,
        .most_causes  = 3,
        .threads      = threads(),
        .progress     = {}
    });
    if (!answer) {
        return {answer.error()};
    }
    if (answer->explanations.empty()) {
        return {fmt::format("no explanation found among {} hypotheses: neither a known difference "
                            "between monitors nor the number of vCPUs; is it the same file?",
                            answer->tried)};
    }
    std::vector<std::string> lines;
    for (const igvm::Explanation& explanation : answer->explanations) {
        lines.emplace_back(lines.empty() ? "the digest is that of this launch with:"
                                         : "or, to the same effect:");
        for (const std::string& cause : explanation.words) {
            lines.push_back("  - " + cause);
        }
    }
    return lines;
}

} // namespace vestibule::launcher
