// SPDX-License-Identifier: BSD-2-Clause-Patent
// See causes.h.
#include "igvm/explain/causes.h"

#include "igvm/explain/vmsa_causes.h"
#include "igvm/measure/cpu_types.h"
#include "x86/sev.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
using Steps = std::vector<Step>;

Cause plan_cause(std::string name, std::string group, std::string who,
                 std::function<void(Plan&)> plan, std::function<std::string(const Plan&)> value) {
    return {.name  = std::move(name),
            .who   = std::move(who),
            .group = std::move(group),
            .plan  = std::move(plan),
            .value = std::move(value),
            .steps = {},
            .vmsa  = {}};
}

Cause step_cause(std::string name, std::string group, std::string who,
                 std::function<void(Steps&)> steps) {
    return {.name  = std::move(name),
            .who   = std::move(who),
            .group = std::move(group),
            .plan  = {},
            .value = {},
            .steps = std::move(steps),
            .vmsa  = {}};
}

bool is_vmsa(const Step& step) { return step.type == PageType::vmsa; }

bool is_zero(const Step& step) {
    return step.type == PageType::zero || (step.type == PageType::normal && step.data.empty());
}

void retype(Steps& steps, PageType from, PageType to) {
    for (Step& step : steps) {
        if (step.type == from) {
            step.type = to;
        }
    }
}

/// By address, and VMSAs last; where it is the same, as before.
void sort_by_address(Steps& steps) {
    std::vector<std::pair<u64, u64>> places;
    places.reserve(steps.size());
    for (u64 at = 0; at < steps.size(); ++at) {
        places.emplace_back(is_vmsa(steps[at]) ? ~u64{0} : steps[at].gpa, at);
    }
    if (std::ranges::is_sorted(places)) { // often it is
        return;
    }
    std::ranges::sort(places);
    Steps sorted;
    sorted.reserve(steps.size());
    for (const auto& place : places) {
        sorted.push_back(steps[place.second]);
    }
    steps = std::move(sorted);
}

/// VMSAs before all else, or behind it.
void part_vmsas(Steps& steps, bool first) {
    Steps parted;
    parted.reserve(steps.size());
    for (const bool vmsas : {first, !first}) {
        std::ranges::copy_if(steps, std::back_inserter(parted),
                             [vmsas](const Step& step) { return is_vmsa(step) == vmsas; });
    }
    steps = std::move(parted);
}

std::string yes_no(bool value) { return value ? "yes" : "no"; }

// The end of the pages

/// Behind the last page that is not a VMSA.
Steps::iterator end_of_pages(Steps& steps) {
    return std::ranges::find_if_not(steps.rbegin(), steps.rend(), is_vmsa).base();
}

void drop_pages(Steps& steps, u64 count) {
    while (count > 0) {
        const auto end = end_of_pages(steps);
        if (end == steps.begin()) {
            return;
        }
        Step& last    = *(end - 1);
        const u64 now = std::min(count, last.pages);
        last.pages -= now;
        count -= now;
        if (last.pages == 0) {
            steps.erase(end - 1);
        }
    }
}

void append_pages(Steps& steps, u64 count, PageType type) {
    const auto end = end_of_pages(steps);
    if (end == steps.begin()) {
        return;
    }
    const Step& last = *(end - 1);
    steps.insert(end, {.type  = type,
                       .gpa   = last.gpa + last.pages * page_size,
                       .pages = count,
                       .what  = "one more page"});
}

void add_tail_causes(std::vector<Cause>& causes, bool snp) {
    constexpr u64 most = 8;
    for (u64 count = 1; count <= most; ++count) {
        const auto pages = fmt::format("{} page{}", count, count == 1 ? "" : "s");
        causes.push_back(step_cause("last " + pages + " missing", "tail",
                                    "a shorter image, or one cut at its last non-zero page",
                                    [=](Steps& steps) { drop_pages(steps, count); }));
        causes.push_back(step_cause(
            pages + " of zeros more (NORMAL)", "tail", "an image padded to a larger size",
            [=](Steps& steps) { append_pages(steps, count, PageType::normal); }));
        if (snp) {
            causes.push_back(step_cause(
                pages + " of zeros more (ZERO)", "tail", "an image padded to a larger size",
                [=](Steps& steps) { append_pages(steps, count, PageType::zero); }));
        }
    }
}

// What is measured as what, and in which order

void add_monitor_causes(std::vector<Cause>& causes, const Plan& plan) {
    const auto name = [](const Plan& p) { return std::string(p.options.vmm.name); };
    for (const VmmProfile& vmm : vmm_profiles) {
        if (vmm.vmm != plan.options.vmm.vmm) {
            causes.push_back(plan_cause(
                fmt::format("monitor {}", vmm.name), "monitor", std::string(vmm.title),
                [&vmm](Plan& p) { p.options.vmm = vmm; }, name));
        }
    }
    causes.push_back(plan_cause(
        "monitor ec2 before its change", "monitor", "Amazon EC2 once had RDX 0 in every vCPU",
        [](Plan& p) {
            p.options.vmm       = profile_of(Vmm::ec2);
            p.options.vmm.reset = &former_ec2_reset;
        },
        name));
}

/// Another build: a stub of another version, for another C-bit, or what else may have been
/// launched.
void add_other_files(std::vector<Cause>& causes, const Alternatives& alternatives) {
    const auto& files = alternatives.other_files;
    for (u32 n = 0; n < files.size(); ++n) {
        causes.push_back(plan_cause(
            files[n].cause, "file", files[n].who, [n](Plan& p) { p.other_file = n; },
            [n, there = files[n].value](const Plan& p) {
                return p.other_file == n ? there : std::string("the file");
            }));
    }
}

void add_order_causes(std::vector<Cause>& causes) {
    causes.push_back(plan_cause(
        "inserts before open page runs", "order", "QEMU's IGVM loader writes page runs late",
        [](Plan& p) { p.options.vmm.order = Order::inserts_before_open_run; },
        [](const Plan& p) {
            return p.options.vmm.order == Order::file ? "in file order" : "inserts first";
        }));
    causes.push_back(plan_cause(
        "directives in file order", "order", "a loader without QEMU's order trap, or igvmmeasure",
        [](Plan& p) { p.options.vmm.order = Order::file; },
        [](const Plan& p) {
            return p.options.vmm.order == Order::file ? "in file order" : "inserts first";
        }));
    causes.push_back(step_cause("pages sorted by address", "order",
                                "igvmbuilder --sort, or a loader that walks memory",
                                sort_by_address));
    causes.push_back(step_cause("VMSAs before the pages", "order", "a loader that starts with them",
                                [](Steps& steps) { part_vmsas(steps, true); }));
    causes.push_back(step_cause("VMSAs behind the pages", "order",
                                "KVM measures them at launch finish",
                                [](Steps& steps) { part_vmsas(steps, false); }));
    causes.push_back(step_cause("VMSAs at 0xfffffffff000", "vmsa address",
                                "KVM measures them there, wherever the file has them",
                                [](Steps& steps) {
                                    for (Step& step : steps) {
                                        step.gpa = is_vmsa(step) ? x86::vmsa_gpa : step.gpa;
                                    }
                                }));
    causes.push_back(plan_cause(
        "CPUID pages last", "cpuid", "EC2", [](Plan& p) { p.options.vmm.cpuid_pages_last = true; },
        [](const Plan& p) { return yes_no(p.options.vmm.cpuid_pages_last); }));
}

void add_type_causes(std::vector<Cause>& causes, bool snp) {
    if (snp) {
        causes.push_back(step_cause("zero pages as ZERO", "zero",
                                    "cloud-hypervisor on KVM, igvmmeasure --native-zero",
                                    [](Steps& steps) {
                                        for (Step& step : steps) {
                                            step.type = is_zero(step) ? PageType::zero : step.type;
                                        }
                                    }));
        causes.push_back(
            step_cause("zero pages as NORMAL", "zero", "QEMU, the igvm crate, igvmmeasure",
                       [](Steps& steps) { retype(steps, PageType::zero, PageType::normal); }));
        causes.push_back(
            step_cause("zero pages as UNMEASURED", "zero", "GCE, for the firmware's memory",
                       [](Steps& steps) { retype(steps, PageType::zero, PageType::unmeasured); }));
        causes.push_back(step_cause(
            "no secrets page", "secrets", "a platform or loader without one", [](Steps& steps) {
                std::erase_if(steps, [](const Step& s) { return s.type == PageType::secrets; });
            }));
        causes.push_back(step_cause(
            "no CPUID page", "cpuid", "a platform or loader without one", [](Steps& steps) {
                std::erase_if(steps, [](const Step& s) { return s.type == PageType::cpuid; });
            }));
    }
    causes.push_back(step_cause("zero pages not measured", "zero",
                                snp ? "a loader that skips them"
                                    : "igvmmeasure hashes nothing for them on SEV-ES",
                                [](Steps& steps) { std::erase_if(steps, is_zero); }));
    causes.push_back(step_cause("unmeasured pages measured", "unmeasured",
                                "a loader that ignores the flag; igvmmeasure", [](Steps& steps) {
                                    for (Step& step : steps) {
                                        const bool page = step.type == PageType::unmeasured
                                                          && step.what != "parameters";
                                        step.type = page ? PageType::normal : step.type;
                                    }
                                }));
    causes.push_back(step_cause("unmeasured pages left out", "unmeasured",
                                "a loader or verifier that skips them", [](Steps& steps) {
                                    std::erase_if(steps, [](const Step& step) {
                                        return step.type == PageType::unmeasured
                                               && step.what != "parameters";
                                    });
                                }));
    causes.push_back(step_cause("parameter areas left out", "parameters",
                                "a verifier that skips PARAMETER_INSERT", [](Steps& steps) {
                                    std::erase_if(steps, [](const Step& step) {
                                        return step.what == "parameters";
                                    });
                                }));
    causes.push_back(step_cause("parameter areas one page long", "parameters",
                                "igvmmeasure counts their first page alone", [](Steps& steps) {
                                    for (Step& step : steps) {
                                        step.pages = step.what == "parameters" ? 1 : step.pages;
                                    }
                                }));
    const auto shared = [](const Plan& p) { return yes_no(p.options.vmm.measures_shared); };
    causes.push_back(plan_cause(
        "shared pages measured", "shared", "QEMU takes no notice of the flag",
        [](Plan& p) { p.options.vmm.measures_shared = true; }, shared));
    causes.push_back(plan_cause(
        "shared pages not measured", "shared", "a loader that honours the flag; the igvm crate",
        [](Plan& p) { p.options.vmm.measures_shared = false; }, shared));
}

std::string line_of(const Plan& plan) {
    if (!plan.boot) {
        return "no kernel";
    }
    return fmt::format("\"{}\"{}", plan.boot->command_line,
                       plan.boot->hashes_terminator ? "" : " without its zero");
}

void add_line_causes(std::vector<Cause>& causes, const Alternatives& alternatives) {
    const auto add = [&](std::string name, std::string who, const auto& edit) {
        causes.push_back(plan_cause(
            std::move(name), "command line", std::move(who),
            [edit](Plan& p) {
                if (p.boot) {
                    edit(*p.boot);
                }
            },
            line_of));
    };
    causes.push_back(plan_cause(
        "no kernel hashes", "command line", "kernel-hashes=off, or a kernel that was not passed",
        [](Plan& p) { p.boot.reset(); }, line_of));
    for (const std::string& line : alternatives.command_lines) {
        add(fmt::format("command line \"{}\"", line), "another -append",
            [line](DirectBoot& boot) { boot.command_line = line; });
    }
    add("empty command line", "no -append", [](DirectBoot& boot) { boot.command_line.clear(); });
    add("command line with a line feed", "a file that was read with its last line feed",
        [](DirectBoot& boot) { boot.command_line += '\n'; });
    add("command line with a space", "a line put together by a script",
        [](DirectBoot& boot) { boot.command_line += ' '; });
    add("command line trimmed", "a tool that trims what it passes on", [](DirectBoot& boot) {
        boot.command_line.erase(boot.command_line.find_last_not_of(" \t\r\n") + 1);
    });
    add("command line without its zero",
        "a verifier that hashes the text alone; QEMU hashes its C string",
        [](DirectBoot& boot) { boot.hashes_terminator = false; });
}

void add_file_causes(std::vector<Cause>& causes, const std::string& what,
                     Digest256 DirectBoot::* hash, std::string_view option,
                     const std::vector<Alternatives::File>& others) {
    const Digest256 none = sha256({});
    const auto value     = [hash, none](const Plan& p) {
        if (!p.boot) {
            return std::string("no kernel");
        }
        const Digest256& now = (*p.boot).*hash;
        return now == none ? std::string("no bytes") : "SHA-256 " + to_hex(now);
    };
    const auto add = [&](std::string name, std::string who, const Digest256& now) {
        causes.push_back(plan_cause(
            std::move(name), what, std::move(who),
            [hash, now](Plan& p) {
                if (p.boot) {
                    (*p.boot).*hash = now;
                }
            },
            value));
    };
    for (const Alternatives::File& other : others) {
        add(fmt::format("{} {}", what, other.name), fmt::format("another {}", option), other.hash);
    }
    add(fmt::format("no {}", what), fmt::format("no {}, or an empty file", option), none);
}

void add_boot_causes(std::vector<Cause>& causes, const Plan& plan,
                     const Alternatives& alternatives) {
    if (plan.boot) {
        add_line_causes(causes, alternatives);
        add_file_causes(causes, "initrd", &DirectBoot::initrd, "-initrd", alternatives.initrds);
        add_file_causes(causes, "kernel", &DirectBoot::kernel, "-kernel", alternatives.kernels);
    }
}

void add_vcpu_causes(std::vector<Cause>& causes) {
    const auto add_signature = [&](std::string name, std::string who, u32 signature) {
        causes.push_back(plan_cause(
            std::move(name), "signature", std::move(who),
            [signature](Plan& p) { p.options.cpu_signature = signature; },
            [](const Plan& p) { return fmt::format("{:#x}", p.options.cpu_signature); }));
    };
    for (const CpuType& type : cpu_types) {
        if (type.name != "EPYC-IBPB") { // has EPYC's signature
            add_signature(fmt::format("CPU signature of {}", type.name),
                          "QEMU's -cpu decides what RDX holds at reset", type.signature);
        }
    }
    for (const CpuType& host : host_cpus) {
        add_signature(fmt::format("CPU signature of the host, {}", host.name),
                      "QEMU's -cpu host gives the guest the processor's own", host.signature);
    }
    causes.push_back(step_cause("VMSA of the first vCPU alone", "vcpus",
                                "kernels patched for an SVSM measure no other", [](Steps& steps) {
                                    const auto first = std::ranges::find_if(steps, is_vmsa);
                                    if (first != steps.end()) {
                                        steps.erase(std::remove_if(first + 1, steps.end(), is_vmsa),
                                                    steps.end());
                                    }
                                }));
    causes.push_back(step_cause("no VMSA", "vcpus", "a verifier that leaves them out",
                                [](Steps& steps) { std::erase_if(steps, is_vmsa); }));
    constexpr u32 counts[] = {1,  2,  3,  4,  5,  6,   7,   8,   9,   10,  11,
                              12, 13, 14, 15, 16, 18,  20,  24,  28,  32,  40,
                              48, 56, 64, 80, 96, 128, 160, 192, 224, 255, 256};
    for (const u32 count : counts) {
        causes.push_back(plan_cause(
            fmt::format("{} vCPU{}", count, count == 1 ? "" : "s"), "vcpus",
            "KVM measures a VMSA for each vCPU", [count](Plan& p) { p.options.vcpus = count; },
            [](const Plan& p) {
                return p.options.vcpus ? fmt::format("{}", *p.options.vcpus)
                                       : "as many as the file brings";
            }));
        causes.back().vcpus = count;
    }
}
} // namespace

std::vector<Cause> causes_for(const Plan& plan, const Alternatives& alternatives) {
    const bool snp = plan.options.platform == PlatformType::sev_snp;
    std::vector<Cause> causes;
    add_monitor_causes(causes, plan);
    add_order_causes(causes);
    add_type_causes(causes, snp);
    add_boot_causes(causes, plan, alternatives);
    std::ranges::copy(alternatives.of_file, std::back_inserter(causes));
    add_other_files(causes, alternatives); // behind what says more exactly what is another
    add_tail_causes(causes, snp);
    if (plan.options.platform != PlatformType::sev) {
        add_vcpu_causes(causes);
        std::ranges::move(vmsa_causes(), std::back_inserter(causes));
    }
    return causes;
}

} // namespace vestibule::igvm
