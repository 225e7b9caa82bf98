// SPDX-License-Identifier: BSD-2-Clause-Patent
// Every rule of every monitor broken once: a row takes a file that the monitor launches as it
// stands, changes one thing that the format allows, and names the one rule that this breaks.
#include "tests/igvm/fixture.h"

#include "igvm/vmm/check.h"
#include "igvm/vmm/kernel_profile.h"
#include "igvm/vmm/monitor_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <fstream>
#include <functional>
#include <set>

namespace vestibule::igvm::test {

namespace {
/// What a test may change before the file is written.
struct Plan {
    PlatformType platform = PlatformType::sev_es;
    Writer writer;
    u32 mask = 0;
    std::function<void(Plan&)> before_pages;
    std::function<void(Plan&)> between_pages;
    std::function<void(Plan&)> at_end;
    std::function<void(x86::Vmsa&)> vmsa_change;
    std::function<void(NativeVpContext&)> native_change;
    VpContext context{};
    PageData page{};
    ParameterArea area{.number_of_bytes = page_size, .parameter_area_index = 0, .file_offset = 0};
    Bytes initial;
    std::optional<PlatformType> extra_platform; // beside the one under test
    Bytes page_content = Bytes(page_size, 2);
    u64 boundary       = 0;
    u64 policy         = 0x3'0000;
    bool has_policy    = true;
    bool has_context   = true;
    u64 insert_gpa     = 0x9000;
    ParameterUsage usage{.parameter_area_index = 0, .byte_offset = 0};
    HeaderType usage_type = HeaderType::vp_count_parameter;
};

void call(const std::function<void(Plan&)>& step, Plan& plan) {
    if (step) {
        step(plan);
    }
}

void add_vp_context(Plan& plan) {
    plan.context.compatibility_mask = plan.mask;
    const bool is_native =
        plan.platform == PlatformType::native || plan.platform == PlatformType::sev;
    const bool is_vmsa =
        plan.platform == PlatformType::sev_es || plan.platform == PlatformType::sev_snp;
    if (!plan.has_context || (!is_native && !is_vmsa)) {
        return; // or the architecture says how it starts
    }
    if (is_native) {
        NativeVpContext native = native_context();
        if (plan.native_change) {
            plan.native_change(native);
        }
        plan.writer.add(plan.context, page_with(native));
        return;
    }
    x86::Vmsa registers = vmsa(plan.platform == PlatformType::sev_snp ? 1 : 0);
    if (plan.vmsa_change) {
        plan.vmsa_change(registers);
    }
    if (plan.context.gpa == 0) {
        plan.context.gpa = x86::vmsa_gpa;
    }
    plan.writer.add(plan.context, bytes_of(registers));
}

Bytes write(Plan& plan) {
    plan.mask                    = plan.writer.add_platform(plan.platform, plan.boundary);
    plan.page.compatibility_mask = plan.mask;
    if (plan.extra_platform) {
        plan.writer.add_platform(*plan.extra_platform);
    }
    if (plan.platform == PlatformType::sev_snp && plan.has_policy) {
        plan.writer.add(
            GuestPolicy{.policy = plan.policy, .compatibility_mask = plan.mask, .reserved = 0});
    }
    call(plan.before_pages, plan);
    if (plan.initial.empty()) {
        plan.writer.add(plan.area);
    } else {
        plan.writer.add(plan.area, plan.initial);
    }
    plan.writer.add(plan.usage, plan.usage_type);
    plan.writer.add(ParameterInsert{
        .gpa = plan.insert_gpa, .compatibility_mask = plan.mask, .parameter_area_index = 0});
    PageData plain  = plan.page;
    plain.flags     = 0;
    plain.data_type = PageDataType::normal;
    plain.gpa       = 0x20'0000;
    plan.writer.add_page(plain, Bytes(page_size, 1));
    call(plan.between_pages, plan);
    plan.page.gpa = 0x20'1000;
    plan.writer.add_page(plan.page, plan.page_content);
    add_vp_context(plan);
    call(plan.at_end, plan);
    return must_finish(plan.writer);
}

std::vector<Finding> findings(const Bytes& file, Vmm vmm) {
    const auto parsed = parse(file, OptionalHeaders::kept);
    EXPECT_TRUE(parsed);
    const CheckResult result = check_for(*parsed, profile_of(vmm));
    for (const Finding& finding : result.findings) {
        EXPECT_LT(finding.offset, file.size());
        EXPECT_FALSE(finding.text.empty());
        EXPECT_FALSE(finding.source.empty());
        EXPECT_TRUE(finding.vmms.has(vmm));
    }
    return result.findings;
}

std::set<VmmRule> broken(const Bytes& file, Vmm vmm) {
    std::set<VmmRule> rules;
    for (const Finding& finding : findings(file, vmm)) {
        rules.insert(finding.rule);
    }
    return rules;
}

std::string ids(const std::set<VmmRule>& rules) {
    std::string text;
    for (const VmmRule rule : rules) {
        text += std::string(row_of(rule).id) + " ";
    }
    return text;
}

struct Case {
    Case(VmmRule broken_rule, PlatformType on, std::function<void(Plan&)> what, Vmm by = Vmm::qemu)
        : rule(broken_rule), platform(on), change(std::move(what)), vmm(by) {}

    VmmRule rule;
    PlatformType platform;
    std::function<void(Plan&)> change;
    Vmm vmm;
};

Case vmsa_case(VmmRule rule, Vmm vmm, PlatformType platform,
               const std::function<void(x86::Vmsa&)>& change) {
    return {rule, platform, [=](Plan& plan) { plan.vmsa_change = change; }, vmm};
}

Case native_case(VmmRule rule, const std::function<void(NativeVpContext&)>& change) {
    return {rule, PlatformType::native, [=](Plan& plan) { plan.native_change = change; }};
}

void add_id_block(Plan& plan) {
    SnpIdBlock block{};
    block.version            = 1;
    block.compatibility_mask = plan.mask;
    plan.writer.add(block);
}

void policy_again(Plan& plan) {
    plan.before_pages = [](Plan& before) {
        before.writer.add(
            GuestPolicy{.policy = 0x3'0000, .compatibility_mask = before.mask, .reserved = 0});
    };
}

/// A region that is relocated for VSM, beside what is launched.
void relocate(Plan& plan) {
    plan.extra_platform = PlatformType::vsm_isolation;
    plan.before_pages   = [](Plan& before) {
        before.writer.add(PageTableRelocationRegion{.compatibility_mask = before.mask << 1,
                                                      .vp_index           = 0,
                                                      .vtl                = 0,
                                                      .reserved           = 0,
                                                      .gpa                = 0x40'0000,
                                                      .size               = 0x1000,
                                                      .used_size          = 0x1000});
    };
    plan.at_end = [](Plan& end) {
        const VbsRegister rip{.vtl = 0, .register_name = 0x2'0010, .reserved = {}, .value = {}};
        Bytes list(sizeof(u32) + sizeof(rip));
        store(list, 0, u32{1});
        store(list, sizeof(u32), rip);
        end.writer.add(VpContext{.gpa                = 0,
                                 .compatibility_mask = end.mask << 1,
                                 .file_offset        = 0,
                                 .vp_index           = 0,
                                 .reserved           = 0},
                       list);
    };
}

/// The first page once more.
void page_again(Plan& plan) {
    PageData again = plan.page;
    again.gpa      = 0x20'0000;
    plan.writer.add_page(again, Bytes(page_size, 3));
}

const std::vector<Case>& cases() {
    using enum VmmRule;
    constexpr auto es     = PlatformType::sev_es;
    constexpr auto snp    = PlatformType::sev_snp;
    constexpr auto native = PlatformType::native;
    static const std::vector<Case> all = {
        {directive_type, es, [](Plan& plan) { plan.usage_type = HeaderType::command_line; }},
        {directive_type, native,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.writer.add(
                     ErrorRange{.gpa = 0, .compatibility_mask = end.mask, .size_bytes = 0x1000});
             };
         }},
        {initialization_type, snp, relocate},
        {format, es, [](Plan& plan) { plan.page.flags = 8; }},
        {format, snp,
         [](Plan& plan) {
             plan.before_pages = [](Plan& before) { before.page.compatibility_mask |= 0x80; };
         }, Vmm::cloud_hypervisor},
        {placement_before_pages, native,
         [](Plan& plan) {
             plan.between_pages = [](Plan& between) {
                 between.writer.add(RequiredMemory{.gpa                = 0x20'0000,
                                                   .compatibility_mask = between.mask,
                                                   .number_of_bytes    = 0x1000,
                                                   .flags              = 0,
                                                   .reserved           = 0});
             };
         }},
        {placement_before_pages, snp,
         [](Plan& plan) {
             plan.between_pages = [](Plan& between) {
                 between.writer.add(ParameterArea{
                     .number_of_bytes = page_size, .parameter_area_index = 1, .file_offset = 0});
                 between.writer.add(ParameterInsert{
                     .gpa = 0xA000, .compatibility_mask = between.mask, .parameter_area_index = 1});
             };
         }},
        {pages_before_vmsas, es,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.page.gpa = 0x30'0000;
                 end.writer.add_page(end.page, {});
             };
         }},
        {area_initial_data, es, [](Plan& plan) { plan.initial = Bytes(page_size, 1); }},
        {usage_offset, es,
         [](Plan& plan) {
             plan.usage_type        = HeaderType::memory_map;
             plan.usage.byte_offset = 24;
         }},
        {usage_inside_area, native, [](Plan& plan) { plan.usage.byte_offset = 4093; }},
        {id_block_once, snp,
         [](Plan& plan) {
             plan.between_pages = [](Plan& between) {
                 add_id_block(between);
                 add_id_block(between);
             };
         }},
        {page_type_needs_snp, es, [](Plan& plan) { plan.page.data_type = PageDataType::secrets; }},
        {unmeasured_needs_snp, es, [](Plan& plan) { plan.page.flags = PageData::unmeasured; }},
        {shared_flag, es, [](Plan& plan) { plan.page.flags = PageData::shared; }},
        {vmsa_once, es, [](Plan& plan) { plan.at_end = add_vp_context; }},
        {vmsa_gpa, es, [](Plan& plan) { plan.context.gpa = 0x1000; }},
        {vmsa_gpa, snp, [](Plan& plan) { plan.context.gpa = 0x1000; }, Vmm::openvmm},
        {vmsa_gpa_moved, snp, [](Plan& plan) { plan.context.gpa = 0x1000; }, Vmm::kvm_6_12},
        vmsa_case(vmsa_snp_bit, Vmm::qemu, es, [](x86::Vmsa& vmsa) { vmsa.sev_features = 1; }
        ),
        vmsa_case(vmsa_init2_features, Vmm::kvm_6_12, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x201; }
        ),
        vmsa_case(vmsa_init2_features, Vmm::kvm_7_1, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x401; }
        ),
        // Restricted injection, SecureAVIC
        vmsa_case(vmsa_init2_features, Vmm::qemu_11_1, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x9; }
        ),
        vmsa_case(vmsa_init2_features, Vmm::openvmm, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x9; }
        ),
        vmsa_case(vmsa_init2_features, Vmm::cloud_hypervisor, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x1'0001; }
        ),
        vmsa_case(vmsa_init2_features, Vmm::kvm_7_2, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x1'0001; }
        ),
        // SecureTSC is SNP's
        vmsa_case(vmsa_init2_features, Vmm::kvm_6_18, es,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x200; }
        ),
        vmsa_case(vmsa_features_by_kernel, Vmm::qemu, snp,
                  [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x201; }
        ),
        vmsa_case(bsp_in_64_bit_mode, Vmm::openvmm, snp,
                  [](x86::Vmsa& vmsa) { vmsa.cr0 = 0x11; }
        ),
        vmsa_case(bsp_in_64_bit_mode, Vmm::openvmm, snp,
                  [](x86::Vmsa& vmsa) { vmsa.cr3 = 0; }
        ),
        vmsa_case(bsp_in_64_bit_mode, Vmm::openvmm, snp,
                  [](x86::Vmsa& vmsa) { vmsa.cr4 = 0x40; }
        ),
        vmsa_case(bsp_in_64_bit_mode, Vmm::openvmm, snp,
                  [](x86::Vmsa& vmsa) { vmsa.efer = 0x1500; }
        ),
        vmsa_case(bsp_in_64_bit_mode, Vmm::openvmm, snp,
                  [](x86::Vmsa& vmsa) { vmsa.cs.attributes = 0xC9B; }
        ),
        vmsa_case(bsp_in_64_bit_mode, Vmm::openvmm, snp, [](x86::Vmsa& vmsa) { vmsa.rip = 0; }
        ),
        {only_first_vp, snp,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.context.vp_index = 1;
                 add_vp_context(end);
             };
         }, Vmm::cloud_hypervisor_mshv},
        {single_vp, snp,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.context.vp_index = 1;
                 add_vp_context(end);
             };
         }, Vmm::openvmm},
        {igvm_loader, snp, [](Plan&) {}, Vmm::ec2},
        {igvm_loader, es, [](Plan&) {}, Vmm::qemu_9_1},
        {platform, PlatformType::tdx, [](Plan&) {}},
        {platform, native, [](Plan&) {}, Vmm::cloud_hypervisor},
        {platform, PlatformType::tdx, [](Plan&) {}, Vmm::kvm_7_1},
        {platform, PlatformType::tdx, [](Plan&) {}, Vmm::kvm_6_1},
        {platform, PlatformType::tdx, [](Plan&) {}, Vmm::cloud_hypervisor_mshv},
        {platform, PlatformType::vsm_isolation, [](Plan&) {}, Vmm::kvm_6_12},
        {platform, PlatformType::vsm_isolation, [](Plan&) {}, Vmm::openvmm},
        {platform, PlatformType::sev, [](Plan&) {}, Vmm::kvm_6_12},
        {single_vp, snp, [](Plan& plan) { plan.has_context = false; }, Vmm::openvmm},
        {snp_host, snp, [](Plan& plan) { plan.extra_platform = PlatformType::native; },
         Vmm::kvm_6_8},
        {optional_header, es,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.writer.append(HeaderType{0x8000'0400}, Bytes(8, 1));
             };
         }},
        {directive_type_panics, snp, [](Plan& plan) { plan.usage_type = HeaderType::mmio_ranges; },
         Vmm::cloud_hypervisor},
        {no_relocation, snp, relocate, Vmm::openvmm},
        {single_vtl, snp, [](Plan& plan) { plan.boundary = u64{1} << 46; }, Vmm::openvmm},
        {platform_fields, snp, [](Plan& plan) { plan.boundary = u64{1} << 46; }},
        {guest_policy_unused, es,
         [](Plan& plan) {
             plan.before_pages = [](Plan& before) {
                 before.writer.add(
                     GuestPolicy{.policy = 5, .compatibility_mask = before.mask, .reserved = 0});
             };
         }},
        {snp_policy_reserved_one, snp, [](Plan& plan) { plan.policy = 0x1'0000; }, Vmm::kvm_6_12},
        {snp_policy_reserved_one, snp, [](Plan& plan) { plan.policy = 0; },
         Vmm::cloud_hypervisor},
        {snp_policy_no_migration, snp, [](Plan& plan) { plan.policy |= bit(18); }, Vmm::kvm_6_12},
        {snp_policy_no_migration, snp, [](Plan& plan) { plan.policy |= bit(18); }, Vmm::openvmm},
        {snp_policy_kernel, snp, [](Plan& plan) { plan.policy |= bit(24); }, Vmm::kvm_6_12},
        {snp_policy_kernel, snp, [](Plan& plan) { plan.policy |= bit(21); }, Vmm::kvm_6_18},
        {snp_policy_by_kernel, snp, [](Plan& plan) { plan.policy |= bit(25); },
         Vmm::cloud_hypervisor},
        {policy_of_object, snp, [](Plan& plan) { plan.policy = 0xB'0000; }},
        {policy_of_object, snp, [](Plan& plan) { plan.policy = 0x2'0000; }, Vmm::qemu_10_2},
        {policy_of_object_signed, snp,
         [](Plan& plan) {
             plan.policy        = 0xB'0000;
             plan.between_pages = add_id_block;
         }},
        {policy_last_counts, snp, policy_again},
        {policy_first_counts, snp, policy_again, Vmm::cloud_hypervisor},
        {policy_first_counts, snp, policy_again, Vmm::openvmm},
        {policy_first_counts, snp, policy_again, Vmm::kvm_7_2},
        {policy_demanded, snp, [](Plan& plan) { plan.has_policy = false; }, Vmm::openvmm},
        {page_twice, snp, [](Plan& plan) { plan.between_pages = page_again; }},
        {page_twice, snp, [](Plan& plan) { plan.between_pages = page_again; },
         Vmm::cloud_hypervisor},
        {page_twice, snp, [](Plan& plan) { plan.insert_gpa = 0x20'0000; }, Vmm::openvmm},
        {page_twice, snp,
         [](Plan& plan) {
             plan.area.number_of_bytes = 0x2'0000;
             plan.insert_gpa           = 0x1F'0000;
         }, Vmm::kvm_7_2},
        {page_twice, snp,
         [](Plan& plan) {
             plan.between_pages = [](Plan& between) {
                 PageData large = between.page;
                 large.gpa      = 0x20'0000;
                 large.flags    = PageData::is_2mb_page;
                 between.writer.add_page(large, {});
             };
         }, Vmm::kvm_7_1},
        {page_twice_in_place, es, [](Plan& plan) { plan.between_pages = page_again; }},
        {unknown_to_crate, snp,
         [](Plan& plan) {
             plan.before_pages = [](Plan& before) {
                 before.writer.add(CorimData{.compatibility_mask = before.mask,
                                             .file_offset        = 0,
                                             .size_bytes         = 8,
                                             .reserved           = 0},
                                   Bytes(8, 1), HeaderType::corim_document);
             };
         }, Vmm::cloud_hypervisor},
        {id_block_ignored, snp, [](Plan& plan) { plan.between_pages = add_id_block; },
         Vmm::openvmm},
        {snp_policy_known_bits, snp, [](Plan& plan) { plan.policy |= bit(26); }, Vmm::kvm_6_12},
        {snp_policy_no_migration, snp, [](Plan& plan) { plan.policy |= bit(18); }, Vmm::kvm_7_1},
        {pages_before_vmsas, snp,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.page.gpa = 0x30'0000;
                 end.writer.add_page(end.page, Bytes(1, 1));
             };
         }, Vmm::kvm_7_1},
        {device_tree_machine, native, [](Plan& plan) { plan.usage_type = HeaderType::device_tree; },
         Vmm::qemu_11_1},
        {id_block_version, snp,
         [](Plan& plan) {
             plan.between_pages = [](Plan& between) {
                 SnpIdBlock block{};
                 block.compatibility_mask = between.mask;
                 block.version            = 2;
                 between.writer.add(block);
             };
         }},
        {cpuid_xf, snp, [](Plan& plan) { plan.page.data_type = PageDataType::cpuid_xf; },
         Vmm::cloud_hypervisor},
        {cpuid_xf, snp, [](Plan& plan) { plan.page.data_type = PageDataType::cpuid_xf; },
         Vmm::openvmm},
        {shared_flag, snp, [](Plan& plan) { plan.page.flags = PageData::shared; },
         Vmm::cloud_hypervisor},
        {cpuid_content, snp, [](Plan& plan) { plan.page.data_type = PageDataType::cpuid_data; }},
        {empty_page_type, snp, [](Plan& plan) { plan.page_content.clear(); },
         Vmm::cloud_hypervisor},
        {native_context, native, [](Plan&) {}, Vmm::qemu_10_1},
        {native_vp_index, native, [](Plan& plan) { plan.context.vp_index = 1; }},
        native_case(native_segments, [](NativeVpContext& c) { c.code.attributes = 0xA01B; }
        ),
        native_case(native_segments, [](NativeVpContext& c) { c.code.attributes = 0xC093; }
        ),
        native_case(native_segments, [](NativeVpContext& c) { c.data.attributes = 0xA09B; }
        ),
        native_case(native_segments, [](NativeVpContext& c) { c.data.attributes = 0; }
        ),
        native_case(native_pae, [](NativeVpContext& c) { c.cr4 = 0x40; }
        ),
        native_case(native_gs_base, [](NativeVpContext& c) { c.gs_base = 0x1000; }
        ),
    };
    return all;
}
} // namespace

TEST(IgvmVmmCheck, UnchangedFilesAreLaunchedAsTheyStand) {
    for (const VmmProfile& vmm : vmm_profiles) {
        if (!vmm.loads_igvm) {
            continue;
        }
        for (const PlatformType platform :
             {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp}) {
            // A native VP context is unknown to QEMU 10.1; vmsa_effects takes the FPU from SEV-ES
            // guests of the old kind.
            const bool old_fpu =
                platform == PlatformType::sev_es && (legacy_qemu | legacy_kvm).has(vmm.vmm);
            const bool no_context = platform == PlatformType::native && vmm.vmm == Vmm::qemu_10_1;
            if (!launches(vmm, platform) || old_fpu || no_context) {
                continue;
            }
            Plan plan;
            plan.platform = platform;
            EXPECT_EQ(ids(broken(write(plan), vmm.vmm)), "")
                << vmm.name << " " << static_cast<unsigned>(platform);
        }
    }
}

TEST(IgvmVmmCheck, EachIsBrokenAlone) {
    for (const Case& test : cases()) {
        SCOPED_TRACE(ids({test.rule}) + std::string(profile_of(test.vmm).name));
        Plan plan;
        plan.platform = test.platform;
        test.change(plan);
        EXPECT_EQ(ids(broken(write(plan), test.vmm)), ids({test.rule}));
    }
}

TEST(IgvmVmmCheck, NoneIsLeftUntested) {
    std::set<VmmRule> tested = {VmmRule::vmsa_field};
    for (const Case& test : cases()) {
        tested.insert(test.rule);
    }
    EXPECT_EQ(tested.size(), std::size(vmm_rules));
}

/// docs/monitors.md is the tables' own words.
TEST(IgvmVmmCheck, DocumentationIsUpToDate) {
    std::ifstream file(MONITORS_MD);
    const std::string page(std::istreambuf_iterator<char>(file), {});
    EXPECT_EQ(page, monitors_in_markdown())
        << "igvmtool check --markdown > docs/monitors.md makes it anew";
}

/// A kernel below a monitor settles what depends on it.
TEST(IgvmVmmCheck, KernelBelowAMonitor) {
    Plan plan;
    plan.platform = PlatformType::sev_snp;
    plan.policy |= bit(24);
    plan.vmsa_change = [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x201; };
    const Bytes file = write(plan);
    const auto under = [&](Vmm vmm, const char* kernel) {
        std::set<VmmRule> rules;
        const auto below = kernel_named(kernel);
        EXPECT_TRUE(below);
        for (const Finding& finding :
             check_for(*parse(file), profile_of(vmm), &below->profile).findings) {
            rules.insert(finding.rule);
        }
        return ids(rules);
    };
    EXPECT_EQ(ids(broken(file, Vmm::cloud_hypervisor)),
              "snp-policy-by-kernel vmsa-features-by-kernel ");
    EXPECT_EQ(under(Vmm::cloud_hypervisor, "6.12"), "snp-policy-kernel vmsa-init2-features ");
    EXPECT_EQ(under(Vmm::cloud_hypervisor, "6.18.15"), "snp-policy-kernel ");
    EXPECT_EQ(under(Vmm::cloud_hypervisor, "7.1"), "");
    EXPECT_EQ(under(Vmm::cloud_hypervisor, "kvm-7.2"), "");
    EXPECT_EQ(under(Vmm::cloud_hypervisor, "6.8"), "platform snp-host ");
    EXPECT_FALSE(kernel_named("7"));
    EXPECT_FALSE(kernel_named("qemu"));
}

/// A page given twice names the other directive, a policy the option that has to be given.
TEST(IgvmVmmCheck, SaysWhatGoesWithIt) {
    Plan twice;
    twice.platform      = PlatformType::sev_snp;
    twice.between_pages = page_again;
    const Bytes file    = write(twice);
    const auto found    = findings(file, Vmm::kvm_6_12);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].found, 0x20'0000u);
    const u64 first = content_of<PageData>(file);
    EXPECT_NE(found[0].detail.find(fmt::format("PAGE_DATA at offset {:#x}", first)),
              std::string::npos)
        << found[0].detail;
    EXPECT_EQ(found[0].offset, content_of<PageData>(file, 1));

    Plan policy;
    policy.platform = PlatformType::sev_snp;
    policy.policy   = 0x2'0000;
    const auto one  = findings(write(policy), Vmm::qemu);
    ASSERT_EQ(one.size(), 1u);
    EXPECT_EQ(one[0].becomes, 0x3'0000u);
    EXPECT_NE(one[0].detail.find("policy=0x20000"), std::string::npos);
}

/// Each row of vmsa_effects must be found in a VMSA that it changes, with what comes of it.
TEST(IgvmVmmCheck, EveryEffectOnAVmsa) {
    for (const VmsaEffect& effect : vmsa_effects) {
        for (const VmmProfile& vmm : vmm_profiles) {
            if (!effect.vmms.has(vmm.vmm) || !vmm.loads_igvm) {
                continue;
            }
            Plan plan;
            plan.platform =
                effect.sev_snp && vmm.has_snp ? PlatformType::sev_snp : PlatformType::sev_es;
            const bool launched = launches(vmm, plan.platform);
            const bool applies =
                plan.platform == PlatformType::sev_snp ? effect.sev_snp : effect.sev_es;
            if (!launched || !applies) {
                continue;
            }
            plan.vmsa_change = [&](x86::Vmsa& vmsa) {
                Bytes bytes(bytes_of(vmsa).begin(), bytes_of(vmsa).end());
                u8& first = bytes[effect.offset];
                switch (effect.effect) {
                case Effect::set_bits:
                    for (u64 i = 0; i < effect.size; ++i) {
                        bytes[effect.offset + i] &= static_cast<u8>(~(effect.value >> (8 * i)));
                    }
                    break;
                case Effect::clear_bits:
                case Effect::refuse_bits:
                    for (u64 i = 0; i < effect.size; ++i) {
                        bytes[effect.offset + i] |= static_cast<u8>(effect.value >> (8 * i));
                    }
                    break;
                default: first ^= 0x40;
                }
                vmsa = load<x86::Vmsa>(bytes);
            };
            bool found = false;
            for (const Finding& finding : findings(write(plan), vmm.vmm)) {
                found = found || (finding.text == effect.who && !finding.field.empty());
                EXPECT_NE(finding.becomes, finding.found);
            }
            EXPECT_TRUE(found) << vmm.name << ": " << effect.field << ": " << effect.who;
        }
    }
}

TEST(IgvmVmmCheck, FieldsByNameWithBothValues) {
    Plan plan;
    plan.vmsa_change = [](x86::Vmsa& vmsa) {
        vmsa.cr4     = 0x20;
        vmsa.dr7     = 0x401;
        vmsa.cr2     = 1;
        vmsa.tr.base = 0x5000;
    };
    const auto all = findings(write(plan), Vmm::qemu);
    ASSERT_EQ(all.size(), 4u);
    const auto find = [&](std::string_view field) {
        return *std::ranges::find(all, field, &Finding::field);
    };
    EXPECT_EQ(find("cr4").verdict, Verdict::alters);
    EXPECT_EQ(find("cr4").becomes, 0x60u);
    EXPECT_EQ(find("dr7").verdict, Verdict::rejects);
    EXPECT_EQ(find("dr7").becomes, std::nullopt);
    EXPECT_EQ(find("cr2").verdict, Verdict::rejects);
    EXPECT_EQ(find("tr.base").becomes, 0u);
    EXPECT_EQ(find("tr.base").platform, PlatformType::sev_es);
}

/// A header for another platform than the one that QEMU picks also ends the load.
TEST(IgvmVmmCheck, TypeCountsForEveryPlatform) {
    Writer writer;
    writer.add_platform(PlatformType::native);
    const u32 tdx = writer.add_platform(PlatformType::tdx);
    writer.add(ErrorRange{.gpa = 0, .compatibility_mask = tdx, .size_bytes = 0x1000});
    const Bytes file = must_finish(writer);
    EXPECT_EQ(ids(broken(file, Vmm::qemu)), "directive-type ");
    const CheckResult result = check_for(*parse(file), profile_of(Vmm::qemu));
    EXPECT_EQ(result.launched, (std::vector{PlatformType::native}));
    EXPECT_EQ(result.others, (std::vector{PlatformType::tdx}));
}

TEST(IgvmVmmCheck, NewerVersionKnowsMore) {
    Plan plan;
    plan.usage_type  = HeaderType::madt;
    const Bytes file = write(plan);
    EXPECT_EQ(ids(broken(file, Vmm::qemu)), "");
    EXPECT_EQ(ids(broken(file, Vmm::qemu_10_2)), "directive-type vmsa-field ");
}

/// A file that is wrong all over costs no more than it has to.
TEST(IgvmVmmCheck, ListIsBounded) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_es);
    for (u16 vp = 0; vp < 200; ++vp) {
        writer.add(VpContext{.gpa                = 0x1000,
                             .compatibility_mask = mask,
                             .file_offset        = 0,
                             .vp_index           = vp,
                             .reserved           = 0},
                   Bytes(page_size, 0xFF));
    }
    const Bytes file         = must_finish(writer);
    const CheckResult result = check_for(*parse(file), profile_of(Vmm::qemu));
    EXPECT_EQ(result.findings.size(), 1000u);
    EXPECT_GT(result.unlisted, 1000u);
}

} // namespace vestibule::igvm::test
