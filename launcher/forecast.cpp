// SPDX-License-Identifier: BSD-2-Clause-Patent
// See forecast.h.
#include "launcher/forecast.h"

#include "igvm/explain/explain.h"
#include "igvm/show/describe.h"
#include "igvm/vmm/check.h"

#include <fmt/format.h>

namespace vestibule::launcher {

static std::string text_of(const igvm::Finding& finding) {
    constexpr const char* verdicts[] = {"rejected", "altered", "ignored", "depends"};
    return fmt::format("{}, offset {:#x}, {}: {}: {}{}{}",
                       verdicts[static_cast<u8>(finding.verdict)], finding.offset,
                       finding.field.empty() ? finding.header : std::string_view(finding.field),
                       igvm::values_of(finding), igvm::reason_of(finding),
                       finding.detail.empty() ? "" : "; ", finding.detail);
}

Forecast forecast(const igvm::File& file, const Plan& plan, const igvm::VmmProfile& kernel) {
    Forecast result;
    for (const igvm::Finding& finding : igvm::check_for(file, kernel).findings) {
        if (finding.platform == plan.platform) {
            result.findings.push_back(text_of(finding));
            result.is_rejected = result.is_rejected || finding.verdict == igvm::Verdict::rejects;
        }
    }
    result.options.platform = plan.platform;
    result.options.vmm      = kernel;
    result.options.vcpus    = plan.machine.vcpus;
    if (igvm::is_measured(plan.platform)) {
        const auto launch = value_of(igvm::launch_of(file, result.options));
        result.digest     = igvm::measure(launch, igvm::all_threads());
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
        .threads      = igvm::all_threads(),
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
    return igvm::lines_of(answer->explanations, "the digest is that of this launch with:");
}

} // namespace vestibule::launcher
