// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool check: what a monitor would ignore, alter or reject in a file.
#include "igvm/vmm/check.h"
#include "cli/json.h"
#include "igvm/show/describe.h"
#include "igvm/tool/verbs.h"
#include "igvm/vmm/kernel_profile.h"
#include "igvm/vmm/monitor_table.h"

#include <fmt/format.h>

#include <memory>

namespace vestibule::igvm {

namespace {
using cli::Json;

struct Arguments {
    std::string file;
    std::string vmm;
    std::string kernel;
    bool json     = false;
    bool list     = false;
    bool markdown = false;
};

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
    case Verdict::rejects: return "rejects";
    case Verdict::alters: return "alters";
    case Verdict::ignores: return "ignores";
    case Verdict::depends: return "depends";
    }
    return "unknown";
}

/// The monitors that a finding holds for, but for those that load no IGVM files and so never get
/// there. None where it is a matter of the monitor's profile.
std::vector<std::string_view> names_of(VmmSet vmms) {
    std::vector<std::string_view> names;
    for (const VmmProfile& profile : vmm_profiles) {
        if (vmms.bits != by_profile.bits && vmms.has(profile.vmm) && profile.loads_igvm) {
            names.push_back(profile.name);
        }
    }
    return names;
}

void list() {
    for (const VmmProfile& profile : vmm_profiles) {
        fmt::print("{:<17} {}\n{:<17}   {}\n", profile.name, profile.title, "", profile.source);
    }
}

std::string joined(const std::vector<std::string_view>& names) {
    std::string text;
    for (const std::string_view name : names) {
        text += text.empty() ? "" : ", ";
        text += name;
    }
    return text;
}

void print_text(const Arguments& arguments, const VmmProfile& vmm, const CheckResult& result) {
    const auto platforms = [](const std::vector<PlatformType>& all) {
        std::vector<std::string_view> names;
        for (const PlatformType platform : all) {
            names.push_back(igvm::name_of(platform));
        }
        return names.empty() ? "none" : joined(names);
    };
    fmt::print("{} in {}: launches {}; takes no notice of {}\n", arguments.file, vmm.title,
               platforms(result.launched), platforms(result.others));
    for (const Finding& finding : result.findings) {
        fmt::print("{}{}{}, offset {:#x}", name_of(finding.verdict), finding.platform ? " on " : "",
                   finding.platform ? igvm::name_of(*finding.platform) : "", finding.offset);
        if (finding.header_index != Error::no_header) {
            fmt::print(" (header {}, {})", finding.header_index, finding.header);
        }
        if (!finding.field.empty()) {
            fmt::print(", {}", finding.field);
        }
        const std::string names = joined(names_of(finding.vmms));
        fmt::print(": {}\n    {}\n    [{}; holds for {}; {}]\n", values_of(finding),
                   reason_of(finding), row_of(finding.rule).id, names.empty() ? vmm.name : names,
                   finding.source);
        if (!finding.detail.empty()) {
            fmt::print("    {}\n", finding.detail);
        }
    }
    if (result.unlisted != 0) {
        fmt::print("and {} more\n", result.unlisted);
    }
    if (result.findings.empty()) {
        fmt::print("launched as it stands\n");
    }
}

void print_json(const Arguments& arguments, const VmmProfile& vmm,
                const std::optional<KernelProfile>& kernel, const CheckResult& result) {
    const auto platforms = [](const std::vector<PlatformType>& all) {
        Json names = Json::array();
        for (const PlatformType platform : all) {
            names.push_back(igvm::name_of(platform));
        }
        return names;
    };
    Json findings = Json::array();
    for (const Finding& finding : result.findings) {
        Json one{
            {"verdict", name_of(finding.verdict)},
            {"rule", row_of(finding.rule).id},
            {"offset", fmt::format("{:#x}", finding.offset)},
            {"found", fmt::format("{:#x}", finding.found)},
        };
        if (finding.platform) {
            one["platform"] = igvm::name_of(*finding.platform);
        }
        if (finding.header_index != Error::no_header) {
            one["header"] = finding.header_index;
            one["type"]   = finding.header;
        }
        if (!finding.field.empty()) {
            one["field"] = finding.field;
        }
        if (finding.becomes) {
            one["becomes"] = fmt::format("{:#x}", *finding.becomes);
        }
        if (!finding.detail.empty()) {
            one["detail"] = finding.detail;
        }
        const auto names = names_of(finding.vmms);
        one["words"]     = finding.text;
        one["holds_for"] = names.empty() ? std::vector{vmm.name} : names;
        one["source"]    = finding.source;
        findings.push_back(std::move(one));
    }
    Json object      = cli::json_output("check");
    object["file"]   = arguments.file;
    object["vmm"]    = vmm.name;
    object["source"] = vmm.source;
    if (kernel) {
        object["kernel_release"]  = arguments.kernel;
        object["kernel_profile"]  = kernel->profile.name;
        object["kernel_verified"] = kernel->verified;
    }
    object["launches"] = platforms(result.launched);
    object["others"]   = platforms(result.others);
    object["unlisted"] = result.unlisted;
    object["findings"] = findings;
    fmt::print("{}", cli::json_text(object));
}

void check(const Arguments& arguments) {
    if (arguments.markdown) {
        print_out(monitors_in_markdown());
        return;
    }
    if (arguments.list) {
        list();
        return;
    }
    if (arguments.file.empty() || arguments.vmm.empty()) {
        throw CLI::RequiredError("FILE and --vmm, or --list,");
    }
    const VmmProfile* vmm = find_profile(arguments.vmm);
    if (vmm == nullptr) {
        throw CLI::ValidationError(
            "--vmm",
            fmt::format("found {}, expected one of `igvmtool check --list`", arguments.vmm));
    }
    const auto kernel = kernel_named(arguments.kernel);
    if (!arguments.kernel.empty()) {
        if (!kernel || !any_kvm.has(vmm->vmm)) {
            throw CLI::ValidationError(
                "--kernel", fmt::format("found {} below {}, expected a release such as 6.12.38 "
                                        "below a monitor on KVM",
                                        arguments.kernel, vmm->name));
        }
    }
    const OpenFile opened(arguments.file);
    const CheckResult result = check_for(opened.file(), *vmm, kernel ? &kernel->profile : nullptr);
    if (arguments.json) {
        print_json(arguments, *vmm, kernel, result);
    } else {
        if (kernel) {
            fmt::print("kernel {}, taken as {}\n", arguments.kernel, kernel->words());
        }
        print_text(arguments, *vmm, result);
    }
    if (!result.findings.empty()) {
        throw Finished(1);
    }
}
} // namespace

void add_check(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb =
        app.add_subcommand("check", "Say what a monitor would ignore, alter or reject in a file");
    verb->add_option("file", arguments->file, "An IGVM file")->type_name(cli::input_file);
    verb->add_option("--vmm", arguments->vmm, "The monitor, one of those that --list names");
    verb->add_option("--kernel", arguments->kernel,
                     "The release of the Linux below a monitor, 6.12.38, for what goes by it");
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->add_flag("--list", arguments->list, "Name the monitors, and where they are known from");
    verb->add_flag("--markdown", arguments->markdown,
                   "What sets the monitors apart, as the table of docs/monitors.md");
    verb->footer("Examples:\n"
                 "  igvmtool check guest.igvm --vmm qemu\n"
                 "  igvmtool check --list\n"
                 "Exit status: 0 launched as it stands, 1 not so or the work failed, 2 wrong use.");
    verb->callback([arguments] { check(*arguments); });
}

} // namespace vestibule::igvm
