// SPDX-License-Identifier: BSD-2-Clause-Patent
// See monitor_table.h.
#include "igvm/vmm/monitor_table.h"

#include "igvm/vmm/kernel_rules.h"
#include "igvm/vmm/rules.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
std::string_view name_of(Order order) {
    switch (order) {
    case Order::file: return "the file's";
    case Order::inserts_before_open_run: return "parameters before open runs";
    case Order::by_address: return "by address";
    }
    return "";
}

std::string_view name_of(Verdict verdict) {
    constexpr std::string_view names[] = {"rejects", "alters", "ignores", "depends"};
    return names[static_cast<unsigned>(verdict)];
}

std::string names_of(VmmSet vmms) {
    if (vmms.bits == by_profile.bits) {
        return "by the table above";
    }
    std::string names;
    for (const VmmProfile& profile : vmm_profiles) {
        if (vmms.has(profile.vmm) && profile.loads_igvm) {
            names += fmt::format("{}{}", names.empty() ? "" : ", ", profile.name);
        }
    }
    return names;
}

std::string launches_of(const VmmProfile& vmm) {
    std::string text = vmm.has_snp ? "SNP" : "";
    if (vmm.has_sev_es) {
        text += text.empty() ? "SEV-ES" : ", SEV-ES";
    }
    return text;
}

std::string_view effect_in_words(Effect effect) {
    switch (effect) {
    case Effect::set_bits: return "sets";
    case Effect::clear_bits: return "clears";
    case Effect::drop: return "drops";
    case Effect::replace: return "replaces by";
    case Effect::refuse: return "refuses all but";
    case Effect::refuse_bits: return "refuses";
    case Effect::copy: return "copies from the field at";
    case Effect::ss_dpl: return "takes the DPL of SS";
    }
    return "";
}

bool has_value(Effect effect) { return effect != Effect::drop && effect != Effect::ss_dpl; }
} // namespace

std::string monitors_in_markdown() {
    std::string out =
        "# What monitors make of a launch\n\n"
        "Made by `igvmtool check --markdown` from the tables in `igvm/vmm/`; edit those.\n"
        "Nobody here ran them on SEV hardware: each row names its source.\n\n"
        "| `--vmm` | what it is | IGVM | firmware | launches | order of pages | a page "
        "without data | a shared page | VMSAs | source |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n";
    const auto yes = [](bool value) { return value ? "yes" : "-"; };
    for (const VmmProfile& vmm : vmm_profiles) {
        out +=
            fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {}{} | {} |\n", vmm.name,
                        vmm.title, yes(vmm.loads_igvm), yes(vmm.loads_firmware), launches_of(vmm),
                        name_of(vmm.order), vmm.empty_page == PageType::zero ? "ZERO" : "NORMAL",
                        vmm.measures_shared ? "measured" : "left out",
                        vmm.contexts == Contexts::every_vcpu ? "of every vCPU, last"
                                                             : "where the file has them",
                        vmm.only_first_vp ? ", VP 0's registers alone" : "", vmm.source);
    }
    out +=
        "\nNot in it: QEMU 11.2, of which no source was found (`qemu-11.1` is the nearest); "
        "OpenVMM on "
        "Microsoft's hypervisor, which has loaded IGVM files for SNP since September 2026 and was "
        "not "
        "read; and Google's Vanadium, whose source nobody outside has. Of that one COCONUT-SVSM's "
        "igvmbuilder says which registers a file must bring for its digest to be right (pull "
        "request "
        "507, by a Vanadium developer): G_PAT 0x70106, DR6 0xffff0ff0, DR7 0x400, the VMSA at "
        "0xfffffffff000, which are those of `gce` here.\n";
    out += "\n## By kernel\n\n| kernel | SEV_FEATURES, SEV-ES | SEV_FEATURES, SNP | SNP policy |\n"
           "|---|---|---|---|\n";
    for (const KernelRow& row : kernel_rows) {
        out += fmt::format("| {} | {:#x} | {:#x} | {:#x} |\n", profile_of(row.kernel).name,
                           row.sev_es_features, row.snp_features | 1, row.snp_policy);
    }
    out +=
        "\n## What `check` knows\n\n| rule | verdict | what holds of a file that is loaded as it "
        "stands | holds for | source |\n|---|---|---|---|---|\n";
    for (const VmmRuleRow& row : vmm_rules) {
        out += fmt::format("| {} | {} | {} | {} | {} |\n", row.id, name_of(row.verdict), row.text,
                           names_of(row.vmms), row.source);
    }
    out +=
        "\n## What becomes of a VMSA's fields\n\n| field | platforms | what | why | holds for |\n"
        "|---|---|---|---|---|\n";
    for (const VmsaEffect& effect : vmsa_effects) {
        const std::string value =
            has_value(effect.effect) ? fmt::format(" {:#x}", effect.value) : "";
        out += fmt::format(
            "| {} | {}{} | {}{} | {} | {} |\n", effect.field, effect.sev_es ? "SEV-ES" : "",
            effect.sev_snp ? (effect.sev_es ? ", SNP" : "SNP") : "", effect_in_words(effect.effect),
            value, effect.who, names_of(effect.vmms));
    }
    return out;
}

} // namespace vestibule::igvm
