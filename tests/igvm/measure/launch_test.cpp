// SPDX-License-Identifier: BSD-2-Clause-Patent
// What is launched of an IGVM file, in which order and as what, by each monitor.
#include "tests/igvm/launch_fixture.h"

#include <algorithm>

namespace vestibule::igvm::test {

namespace {
using Pages = std::vector<std::tuple<PageType, u64, u64>>;

Pages pages_of(const Bytes& file, const LaunchOptions& options) {
    const auto parsed = parse(file);
    EXPECT_TRUE(parsed);
    const auto launch = launch_of(*parsed, options);
    EXPECT_TRUE(launch) << launch.error();
    Pages pages;
    for (const Step& step : launch->steps) {
        pages.emplace_back(step.type, step.gpa, step.pages);
    }
    return pages;
}

std::expected<Launch, std::string> launch_in(const Bytes& file, const LaunchOptions& options) {
    // A Launch refers to the file and not to its parsed form.
    return launch_of(*parse(file), options);
}

LaunchOptions snp(Vmm vmm) { return options_for(PlatformType::sev_snp, vmm); }

void add_area(Writer& writer, u32 index, u64 pages) {
    writer.add(ParameterArea{
        .number_of_bytes = pages * page_size, .parameter_area_index = index, .file_offset = 0});
}

void insert(Writer& writer, u32 mask, u32 index, u64 gpa) {
    writer.add(
        ParameterInsert{.gpa = gpa, .compatibility_mask = mask, .parameter_area_index = index});
}

constexpr PageType normal     = PageType::normal;
constexpr PageType unmeasured = PageType::unmeasured;
constexpr PageType vcpu       = PageType::vmsa;
constexpr u64 at_finish       = x86::vmsa_gpa;
} // namespace

TEST(IgvmLaunch, InsertsOvertakeOpenRunsInQemu) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    for (u32 area = 0; area < 3; ++area) {
        add_area(writer, area, area + 1);
    }
    writer.add_page(page_data(mask, 0x1000), {});
    writer.add_page(page_data(mask, 0x2000), {});
    insert(writer, mask, 0, 0x10000);
    writer.add_page(page_data(mask, 0x3000), {}); // goes on in memory, but behind another directive
    insert(writer, mask, 1, 0x20000);
    writer.add_page(page_data(mask, 0x5000), {});
    insert(writer, mask, 2, 0x30000);
    add_vmsa(writer, mask, qemu_vmsa(1));
    const Bytes file = must_finish(writer);

    EXPECT_EQ(pages_of(file, snp(Vmm::kvm_6_12)), (Pages{
                                                      {normal,     0x1000,    1},
                                                      {normal,     0x2000,    1},
                                                      {unmeasured, 0x10000,   1},
                                                      {normal,     0x3000,    1},
                                                      {unmeasured, 0x20000,   2},
                                                      {normal,     0x5000,    1},
                                                      {unmeasured, 0x30000,   3},
                                                      {vcpu,       at_finish, 1}
    }));
    EXPECT_EQ(pages_of(file, snp(Vmm::qemu_11_1)), (Pages{
                                                       {unmeasured, 0x10000,   1},
                                                       {normal,     0x1000,    1},
                                                       {normal,     0x2000,    1},
                                                       {unmeasured, 0x20000,   2},
                                                       {normal,     0x3000,    1},
                                                       {unmeasured, 0x30000,   3},
                                                       {normal,     0x5000,    1},
                                                       {vcpu,       at_finish, 1}
    }));
}

TEST(IgvmLaunch, RunsEndWhereAttributesChange) {
    Writer writer;
    const u32 mask   = writer.add_platform(PlatformType::sev_snp);
    const u32 native = writer.add_platform(PlatformType::native);
    add_area(writer, 0, 1);
    writer.add_page(page_data(mask, 0x1000), hlt_page());
    writer.add_page(page_data(mask, 0x2000), {}); // no data: another run
    insert(writer, mask, 0, 0x10000);
    writer.add_page(page_data(mask | native, 0x3000), {});
    const Bytes file = must_finish(writer);
    EXPECT_EQ(pages_of(file, snp(Vmm::qemu)), (Pages{
                                                  {normal,     0x1000,    1},
                                                  {unmeasured, 0x10000,   1},
                                                  {normal,     0x2000,    1},
                                                  {normal,     0x3000,    1},
                                                  {vcpu,       at_finish, 1}
    }));
}

/// One after another in memory and in the file, each pair with one attribute that differs: an
/// insert overtakes the second alone.
TEST(IgvmLaunch, EachAttributeEndsARun) {
    const auto second_alone = [](const PageData& first, const PageData& second, bool with_data) {
        Writer writer;
        writer.add_platform(PlatformType::sev_snp);
        writer.add_platform(PlatformType::native);
        add_area(writer, 0, 1);
        for (const PageData& page : {first, second}) {
            writer.add_page(page, with_data ? hlt_page() : Bytes{});
        }
        insert(writer, 1, 0, 0x10000);
        const auto pages = pages_of(must_finish(writer), snp(Vmm::qemu));
        EXPECT_EQ(pages.size(), 4u);
        return std::get<1>(pages[0]) == first.gpa && std::get<1>(pages[1]) == 0x10000
               && std::get<1>(pages[2]) == second.gpa;
    };
    const PageData first = page_data(1, 0x1000);
    EXPECT_FALSE(second_alone(first, page_data(1, 0x2000), true)) << "one run";
    EXPECT_TRUE(second_alone(first, page_data(1, 0x3000), true)) << "address";
    EXPECT_TRUE(
        second_alone(first, page_data(1, 0x2000, PageDataType::normal, PageData::unmeasured), true))
        << "flags";
    EXPECT_TRUE(second_alone(first, page_data(3, 0x2000), true)) << "mask";
    EXPECT_TRUE(second_alone(page_data(1, 0x1000, PageDataType::secrets),
                             page_data(1, 0x2000, PageDataType::cpuid_data), false))
        << "type";
}

TEST(IgvmLaunch, TypesOfPages) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    writer.add_page(page_data(mask, 0x1000, PageDataType::normal, PageData::unmeasured),
                    hlt_page());
    writer.add_page(page_data(mask, 0x2000, PageDataType::normal, PageData::shared), {});
    writer.add_page(page_data(mask, 0x3000, PageDataType::secrets), {});
    writer.add_page(page_data(mask, 0x4000, PageDataType::cpuid_xf), {});
    writer.add_page(page_data(mask, 0x20'0000, PageDataType::normal, PageData::is_2mb_page), {});
    add_vmsa(writer, mask, qemu_vmsa(1));
    const Bytes file = must_finish(writer);
    EXPECT_EQ(pages_of(file, snp(Vmm::igvm)), (Pages{
                                                  {unmeasured,        0x1000,    1  },
                                                  {PageType::secrets, 0x3000,    1  },
                                                  {PageType::cpuid,   0x4000,    1  },
                                                  {normal,            0x20'0000, 512},
                                                  {vcpu,              at_finish, 1  }
    }));
    EXPECT_EQ(pages_of(file, snp(Vmm::qemu))[1], (Pages::value_type{normal, 0x2000, 1}));
    EXPECT_EQ(pages_of(file, snp(Vmm::cloud_hypervisor))[4],
              (Pages::value_type{PageType::zero, 0x20'0000, 512}));
}

TEST(IgvmLaunch, ContextsWhereTheyStandOrAtTheEnd) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    writer.add(VpContext{.gpa                = 0x9000,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .vp_index           = 1,
                         .reserved           = 0},
               bytes_of(qemu_vmsa(1)));
    writer.add_page(page_data(mask, 0x1000), {});
    const Bytes file = must_finish(writer);
    EXPECT_EQ(pages_of(file, snp(Vmm::igvm)), (Pages{
                                                  {vcpu,   0x9000, 1},
                                                  {normal, 0x1000, 1}
    }));
    EXPECT_EQ(pages_of(file, snp(Vmm::kvm_7_1)),
              (Pages{
                  {normal, 0x1000,    1},
                  {vcpu,   at_finish, 1},
                  {vcpu,   at_finish, 1}
    }));
    auto options  = snp(Vmm::igvm);
    options.vcpus = 2;
    EXPECT_FALSE(launch_in(file, options));
    options.vcpus = 1;
    EXPECT_TRUE(launch_in(file, options));
}

TEST(IgvmLaunch, EveryVcpuHasAVmsa) {
    const Bytes file = worked_file();
    auto options     = snp(Vmm::qemu);
    options.vcpus    = 3;
    const auto qemu  = launch_in(file, options);
    ASSERT_TRUE(qemu);
    ASSERT_EQ(qemu->steps.size(), 7u);
    const auto reset = load<x86::Vmsa>(qemu->steps[5].data);
    EXPECT_EQ(reset.rip, 0xFFF0u);
    EXPECT_EQ(reset.rdx, epyc);
    EXPECT_EQ(reset.sev_features, 1u);
    EXPECT_EQ(reset.tr.attributes, 0x8Bu);

    options.vmm      = profile_of(Vmm::kvm_7_1);
    const auto plain = launch_in(file, options);
    ASSERT_TRUE(plain);
    const auto bare = load<x86::Vmsa>(plain->steps[6].data);
    EXPECT_EQ(bare.rdx, 0x600u);
    EXPECT_EQ(bare.tr.attributes, 0x83u);
    EXPECT_EQ(bare.ss.attributes, 0x92u);

    options.vcpus = max_vcpus + 1;
    EXPECT_FALSE(launch_in(file, options));
}

/// KVM_SEV_INIT2 takes SEV_FEATURES once, before there is a vCPU: VP 0's, or the user's.
TEST(IgvmLaunch, SevFeaturesAreOneForAll) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    writer.add_page(page_data(mask, 0x1000), hlt_page());
    add_vmsa(writer, mask, qemu_vmsa(0x21), 0);
    add_vmsa(writer, mask, qemu_vmsa(1), 1);
    const Bytes file        = must_finish(writer);
    const auto features_for = [&](Vmm vmm, std::optional<u64> asked, std::optional<u32> vcpus) {
        auto options         = snp(vmm);
        options.sev_features = asked;
        options.vcpus        = vcpus;
        const auto launch    = launch_in(file, options);
        EXPECT_TRUE(launch);
        std::vector<u64> features;
        for (const Step& step : launch->steps) {
            if (step.type == PageType::vmsa) {
                features.push_back(load<x86::Vmsa>(step.data).sev_features);
            }
        }
        return features;
    };
    using Features = std::vector<u64>;
    EXPECT_EQ(features_for(Vmm::kvm_6_12, {}, 3), (Features{0x21, 0x21, 0x21}));
    EXPECT_EQ(features_for(Vmm::kvm_6_12, 0x201, 3), (Features{0x201, 0x201, 0x201}));
    EXPECT_EQ(features_for(Vmm::igvm, {}, {}), (Features{0x21, 1}));
    EXPECT_EQ(features_for(Vmm::igvm, 0x201, {}), (Features{0x201, 0x201}));
}

TEST(IgvmLaunch, WhatKvmAndQemuDoToAVmsa) {
    x86::Vmsa given      = qemu_vmsa(1);
    given.efer           = 0xD00;
    given.cr0            = 0x6000'0021;
    given.cr4            = 0x20;
    given.tr.base        = 0x5000;
    given.cs.attributes  = 0xFA9B;
    given.gdtr.selector  = 3;
    given.ss.attributes  = 0x93 | (3 << 5);
    given.dr[0]          = 7;
    given.sev_features   = 1;
    const x86::Vmsa file = given;

    x86::Vmsa kvm = file;
    EXPECT_EQ(pass_through(kvm, Vmm::kvm_6_12, PlatformType::sev_snp).size(), 7u);
    EXPECT_EQ(kvm.efer, 0x1D00u);
    EXPECT_EQ(kvm.cr0, 0x21u);
    EXPECT_EQ(kvm.cr4, 0x60u);
    EXPECT_EQ(kvm.tr.base, 0x5000u);
    EXPECT_EQ(kvm.cs.attributes, 0xA9Bu);
    EXPECT_EQ(kvm.gdtr.selector, 0u);
    EXPECT_EQ(kvm.cpl, 3u);
    EXPECT_EQ(kvm.dr[0], 0u);

    x86::Vmsa qemu     = file;
    const auto changes = pass_through(qemu, Vmm::qemu_10_2, PlatformType::sev_snp);
    EXPECT_EQ(qemu.cr0, 0x31u);
    EXPECT_EQ(qemu.tr.base, 0u);
    EXPECT_EQ(qemu.dr[0], 7u) << "refused, not altered";
    EXPECT_TRUE(std::ranges::any_of(changes, [](const VmsaChange& change) {
        return change.effect->effect == Effect::refuse && change.offset == offsetof(x86::Vmsa, dr)
               && change.before == 7;
    }));

    x86::Vmsa untouched = file;
    EXPECT_TRUE(pass_through(untouched, Vmm::igvm, PlatformType::sev_snp).empty());
}

/// By SREGS and general registers alone, every VP's; what is not among them stays as at reset.
TEST(IgvmLaunch, CloudHypervisorOnKvm) {
    x86::Vmsa given      = qemu_vmsa(1);
    given.efer           = 0x1D00;
    given.rax            = 7;
    given.g_pat          = 0x0606'0606'0606'0606;
    given.xcr0           = 7;
    given.xss            = 0x800;
    given.star           = 1;
    given.lstar          = 2;
    given.kernel_gs_base = 3;
    given.sysenter_eip   = 4;
    given.dr6            = 0xFFFF'4FF0;
    given.mxcsr          = 0x1FA0;
    given.x87_fcw        = 0x40;
    given.x87_ftw        = 1;
    given.pkru           = 5;
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    writer.add_page(page_data(mask, 0x1000, PageDataType::normal, PageData::shared), hlt_page());
    add_vmsa(writer, mask, given, 0);
    add_vmsa(writer, mask, given, 1);
    const Bytes file  = must_finish(writer);
    const auto launch = launch_in(file, snp(Vmm::cloud_hypervisor));
    ASSERT_TRUE(launch);
    ASSERT_EQ(launch->steps.size(), 3u) << "the shared page, and both contexts";
    EXPECT_EQ(launch->steps[0].type, PageType::normal);
    x86::Vmsa expected = qemu_vmsa(1);
    expected.efer      = 0x1D00;
    expected.rax       = 7;
    for (const u64 vp : {1u, 2u}) {
        EXPECT_EQ(to_hex(launch->steps[vp].data), to_hex(bytes_of(expected))) << vp;
    }
}

/// The hashes of a kernel that fw_cfg brings, into a page of the file.
TEST(IgvmLaunch, CloudHypervisorWritesKernelHashes) {
    const Bytes table(176, 0x77);
    const auto page_at = [&](u64 gpa, Vmm vmm) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_snp);
        writer.add_page(page_data(mask, gpa), {});
        add_vmsa(writer, mask, qemu_vmsa(1));
        const Bytes file = must_finish(writer);
        const auto found = launch_of(*parse(file), snp(vmm), table);
        return found ? Bytes(found->steps[0].data.begin(), found->steps[0].data.end()) : Bytes{};
    };
    Bytes expected(page_size);
    std::ranges::copy(table, expected.begin() + 0xC00);
    EXPECT_EQ(page_at(0x1'0000, Vmm::cloud_hypervisor), expected);
    EXPECT_TRUE(page_at(0x2'0000, Vmm::cloud_hypervisor).empty()) << "no page for them";
    EXPECT_TRUE(page_at(0x1'0000, Vmm::qemu).empty()) << "QEMU writes none";
}

/// On MSHV pages go by address, VMSAs among them, and of a parameter area the first.
TEST(IgvmLaunch, CloudHypervisorOnMshv) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    add_area(writer, 0, 3);
    add_vmsa(writer, mask, qemu_vmsa(1), 0, 0x4000);
    add_vmsa(writer, mask, qemu_vmsa(1), 1, 0x5000);
    writer.add_page(page_data(mask, 0x9000), hlt_page());
    writer.add_page(page_data(mask, 0x1000), {});
    insert(writer, mask, 0, 0x6000);
    const Bytes file = must_finish(writer);
    EXPECT_EQ(pages_of(file, snp(Vmm::cloud_hypervisor_mshv)), (Pages{
                                                                   {normal,     0x1000, 1},
                                                                   {vcpu,       0x4000, 1},
                                                                   {vcpu,       0x5000, 1},
                                                                   {unmeasured, 0x6000, 1},
                                                                   {normal,     0x9000, 1}
    }));
    const auto launch = launch_in(file, snp(Vmm::cloud_hypervisor_mshv));
    EXPECT_EQ(to_hex(launch->steps[1].data), to_hex(bytes_of(qemu_vmsa(1))));
    EXPECT_EQ(to_hex(launch->steps[2].data), to_hex(Bytes(page_size))) << "VP 1: zeros";
}

TEST(IgvmLaunch, SevEs) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_es);
    writer.add_page(page_data(mask, 0x1000), hlt_page());
    writer.add_page(page_data(mask, 0x2000), {});
    add_vmsa(writer, mask, qemu_vmsa(0));
    const Bytes file = must_finish(writer);
    EXPECT_EQ(digest_of(file, options_for(PlatformType::sev_es, Vmm::qemu)),
              "55dece3fb95741a0a038f06d9cb71e298d18f390df9b1aeef30d6b88953488cc");
    Bytes all = hlt_page();
    all.resize(2 * page_size);
    x86::Vmsa legacy = qemu_vmsa(0);
    legacy.mxcsr     = 0;
    legacy.x87_fcw   = 0;
    const auto last  = bytes_of(legacy);
    all.insert(all.end(), last.begin(), last.end());
    for (const Vmm vmm : {Vmm::qemu_11_1, Vmm::kvm_6_1, Vmm::kvm_6_8}) {
        EXPECT_EQ(digest_of(file, options_for(PlatformType::sev_es, vmm)), to_hex(sha256(all)));
    }
}

TEST(IgvmLaunch, Refused) {
    const Bytes file = worked_file();
    EXPECT_FALSE(launch_in(file, options_for(PlatformType::sev_es, Vmm::qemu)));
    EXPECT_FALSE(launch_in(file, options_for(PlatformType::native, Vmm::qemu)));
    EXPECT_FALSE(launch_in(file, snp(Vmm::kvm_6_8)));
    EXPECT_FALSE(launch_in(file, snp(Vmm::ec2)));
    EXPECT_FALSE(launch_in(file, snp(Vmm::qemu_9_1)));
}

TEST(IgvmLaunch, MorePagesThanAnyoneCanMeasure) {
    for (const u64 pages : {max_measured_pages + 1, u64{1} << 51}) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_snp);
        add_area(writer, 0, pages);
        add_area(writer, 1, pages);
        insert(writer, mask, 0, 0);
        insert(writer, mask, 1, 0);
        const Bytes file  = must_finish(writer);
        const auto launch = launch_in(file, snp(Vmm::igvm));
        ASSERT_FALSE(launch);
        EXPECT_NE(launch.error().find("64 GiB"), std::string::npos);
    }
}

} // namespace vestibule::igvm::test
