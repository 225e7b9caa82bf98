// Every QEMU rule broken once: a row takes a file that QEMU loads as it is meant, changes one thing
// that the format allows, and names the one rule that this breaks.
#include "igvm_fixture.h"

#include "igvm/qemu_rules.h"

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
    if (plan.platform == PlatformType::native) {
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
    plan.mask                    = plan.writer.add_platform(plan.platform);
    plan.page.compatibility_mask = plan.mask;
    call(plan.before_pages, plan);
    if (plan.initial.empty()) {
        plan.writer.add(plan.area);
    } else {
        plan.writer.add(plan.area, plan.initial);
    }
    plan.writer.add(plan.usage, plan.usage_type);
    plan.writer.add(
        ParameterInsert{.gpa = 0x9000, .compatibility_mask = plan.mask, .parameter_area_index = 0});
    PageData plain  = plan.page;
    plain.flags     = 0;
    plain.data_type = PageDataType::normal;
    plain.gpa       = 0x20'0000;
    plan.writer.add_page(plain, Bytes(page_size, 1));
    call(plan.between_pages, plan);
    plan.page.gpa = 0x20'1000;
    plan.writer.add_page(plan.page, {});
    add_vp_context(plan);
    call(plan.at_end, plan);
    return must_finish(plan.writer);
}

std::set<QemuRule> broken(const Bytes& file, QemuVersion version = QemuVersion::v11_1) {
    const auto parsed = parse(file);
    EXPECT_TRUE(parsed);
    std::set<QemuRule> rules;
    for (const QemuViolation& violation : check_for_qemu(*parsed, version)) {
        rules.insert(violation.rule);
        EXPECT_LT(violation.offset, file.size());
    }
    return rules;
}

std::string ids(const std::set<QemuRule>& rules) {
    std::string text;
    for (const QemuRule rule : rules) {
        text += std::string(qemu_rules()[static_cast<unsigned>(rule)].id) + " ";
    }
    return text;
}

struct Case {
    Case(QemuRule broken_rule, PlatformType on, std::function<void(Plan&)> what)
        : rule(broken_rule), platform(on), change(std::move(what)) {}

    QemuRule rule;
    PlatformType platform;
    std::function<void(Plan&)> change;
};

Case vmsa_case(QemuRule rule, const std::function<void(x86::Vmsa&)>& change) {
    return {rule, PlatformType::sev_es, [=](Plan& plan) { plan.vmsa_change = change; }};
}

Case native_case(QemuRule rule, const std::function<void(NativeVpContext&)>& change) {
    return {rule, PlatformType::native, [=](Plan& plan) { plan.native_change = change; }};
}

void add_id_block(Plan& plan) {
    SnpIdBlock block{};
    block.compatibility_mask = plan.mask;
    plan.writer.add(block);
}

const std::vector<Case>& cases() {
    using enum QemuRule;
    constexpr auto es                  = PlatformType::sev_es;
    constexpr auto snp                 = PlatformType::sev_snp;
    constexpr auto native              = PlatformType::native;
    static const std::vector<Case> all = {
        {directive_type, es, [](Plan& plan) { plan.usage_type = HeaderType::command_line; }},
        {directive_type, native,
         [](Plan& plan) {
             plan.at_end = [](Plan& end) {
                 end.writer.add(
                     ErrorRange{.gpa = 0, .compatibility_mask = end.mask, .size_bytes = 0x1000});
             };
         }},
        {initialization_type, snp,
         [](Plan& plan) {
             plan.before_pages = [](Plan& before) {
                 before.writer.add(PageTableRelocationRegion{.compatibility_mask = before.mask,
                                                             .vp_index           = 0,
                                                             .vtl                = 0,
                                                             .reserved           = 0,
                                                             .gpa                = 0x40'0000,
                                                             .size               = 0x1000,
                                                             .used_size          = 0x1000});
             };
         }},
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
        {area_without_initial_data, es, [](Plan& plan) { plan.initial = Bytes(page_size, 1); }},
        {usage_offset_honoured, es,
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
        {es_page_type, es, [](Plan& plan) { plan.page.data_type = PageDataType::secrets; }},
        {es_page_measured, es, [](Plan& plan) { plan.page.flags = PageData::unmeasured; }},
        {es_page_measured, es, [](Plan& plan) { plan.page.flags = PageData::shared; }},
        {vmsa_once, es, [](Plan& plan) { plan.at_end = add_vp_context; }},
        {vmsa_gpa, es, [](Plan& plan) { plan.context.gpa = 0x1000; }},
        vmsa_case(vmsa_zero, [](x86::Vmsa& vmsa) { vmsa.cr2 = 1; }
        ),
        vmsa_case(vmsa_zero, [](x86::Vmsa& vmsa) { vmsa.cpl = 3; }
        ),
        vmsa_case(vmsa_zero, [](x86::Vmsa& vmsa) { vmsa.star = 1; }
        ),
        vmsa_case(vmsa_zero, [](x86::Vmsa& vmsa) { vmsa.x87_fsw = 1; }
        ),
        vmsa_case(vmsa_zero, [](x86::Vmsa& vmsa) { vmsa.reserved9[2103] = 1; }
        ),
        vmsa_case(vmsa_features, [](x86::Vmsa& vmsa) { vmsa.sev_features = 1; }
        ),
        vmsa_case(vmsa_features, [](x86::Vmsa& vmsa) { vmsa.sev_features = 0x20; }
        ),
        {vmsa_features, snp,
         [](Plan& plan) { plan.vmsa_change = [](x86::Vmsa& vmsa) { vmsa.sev_features = 0; }; }},
        vmsa_case(vmsa_fixed_point, [](x86::Vmsa& vmsa) { vmsa.efer = 0xD00; }
        ),
        vmsa_case(vmsa_fixed_point, [](x86::Vmsa& vmsa) { vmsa.cr4 = 0x20; }
        ),
        vmsa_case(vmsa_fixed_point, [](x86::Vmsa& vmsa) { vmsa.cr0 = 0x8001'0021; }
        ),
        vmsa_case(vmsa_fixed_point, [](x86::Vmsa& vmsa) { vmsa.cr0 = 0xE001'0031; }
        ),
        vmsa_case(vmsa_fixed_point, [](x86::Vmsa& vmsa) { vmsa.dr7 = 0x401; }
        ),
        vmsa_case(vmsa_segment_form, [](x86::Vmsa& vmsa) { vmsa.cs.attributes = 0xA09B; }
        ),
        vmsa_case(vmsa_segment_form, [](x86::Vmsa& vmsa) { vmsa.gdtr.attributes = 0x82; }
        ),
        vmsa_case(vmsa_segment_form, [](x86::Vmsa& vmsa) { vmsa.idtr.selector = 8; }
        ),
        vmsa_case(vmsa_tr_base, [](x86::Vmsa& vmsa) { vmsa.tr.base = 0x1000; }
        ),
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

TEST(IgvmQemuRules, UnchangedFilesKeepThemAll) {
    for (const PlatformType platform :
         {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp}) {
        Plan plan;
        plan.platform = platform;
        EXPECT_EQ(ids(broken(write(plan))), "") << static_cast<unsigned>(platform);
    }
}

TEST(IgvmQemuRules, EachIsBrokenAlone) {
    for (const Case& test : cases()) {
        SCOPED_TRACE(ids({test.rule}));
        Plan plan;
        plan.platform = test.platform;
        test.change(plan);
        EXPECT_EQ(ids(broken(write(plan))), ids({test.rule}));
    }
}

TEST(IgvmQemuRules, OtherPlatformsOnly) {
    Writer writer;
    writer.add_platform(PlatformType::tdx);
    EXPECT_EQ(ids(broken(must_finish(writer))), "platform ");
}

/// A header for another platform than the one that QEMU picks also ends the load.
TEST(IgvmQemuRules, TypeCountsForEveryPlatform) {
    Writer writer;
    writer.add_platform(PlatformType::native);
    const u32 tdx = writer.add_platform(PlatformType::tdx);
    writer.add(ErrorRange{.gpa = 0, .compatibility_mask = tdx, .size_bytes = 0x1000});
    EXPECT_EQ(ids(broken(must_finish(writer))), "directive-type ");
}

TEST(IgvmQemuRules, NewerVersionKnowsMore) {
    for (const HeaderType type : {HeaderType::madt, HeaderType::device_tree}) {
        Plan plan;
        plan.usage_type  = type;
        const Bytes file = write(plan);
        EXPECT_EQ(ids(broken(file, QemuVersion::v11_1)), "");
        EXPECT_EQ(ids(broken(file, QemuVersion::v10_2)), "directive-type ");
    }
}

TEST(IgvmQemuRules, NoneIsLeftUntested) {
    std::set<QemuRule> tested = {QemuRule::platform};
    for (const Case& test : cases()) {
        tested.insert(test.rule);
    }
    EXPECT_EQ(tested.size(), qemu_rules().size());
}

} // namespace vestibule::igvm::test
