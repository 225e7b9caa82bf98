// SPDX-License-Identifier: BSD-2-Clause-Patent
// Files as others build them: COCONUT-SVSM's builder gives its pages a compatibility mask of every
// platform that it knows, and declares those that it was asked for. The igvm crate reads them.
#include "tests/igvm/launch_fixture.h"

#include "igvm/format/rewrite.h"
#include "igvm/vmm/check.h"

namespace vestibule::igvm::test {

namespace {
constexpr u32 every_platform = 0xF; // of which bits 0 and 1 are declared

/// Parameters first, pages of each kind, a VMSA last, for SNP and natively.
Bytes coconut_like(u32 mask_of_pages) {
    Writer writer;
    const u32 snp    = writer.add_platform(PlatformType::sev_snp);
    const u32 native = writer.add_platform(PlatformType::native);
    EXPECT_EQ(snp | native, 3u);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = snp, .reserved = 0});
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 0, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = 0, .byte_offset = 0}, HeaderType::memory_map);
    writer.add(ParameterInsert{
        .gpa = 0x80'0000, .compatibility_mask = mask_of_pages, .parameter_area_index = 0});
    writer.add(RequiredMemory{.gpa                = 0x90'0000,
                              .compatibility_mask = mask_of_pages,
                              .number_of_bytes    = 0x10'0000,
                              .flags              = 0,
                              .reserved           = 0});
    writer.add_page(page_data(mask_of_pages, 0x1000), hlt_page());
    writer.add_page(page_data(mask_of_pages, 0x2000), {});
    writer.add_page(page_data(snp, 0x3000, PageDataType::secrets), {});
    writer.add_page(page_data(snp, 0x4000, PageDataType::cpuid_data), {});
    writer.add(
        VpContext{
            .gpa = 0, .compatibility_mask = native, .file_offset = 0, .vp_index = 0, .reserved = 0},
        page_with(native_context()));
    add_vmsa(writer, snp, qemu_vmsa(1));
    return must_finish(writer);
}
} // namespace

TEST(IgvmForeign, MasksOfUndeclaredPlatformsAreRead) {
    const Bytes file = coconut_like(every_platform);
    const Bytes own  = coconut_like(3);
    for (const Vmm vmm : {Vmm::igvm, Vmm::qemu, Vmm::cloud_hypervisor, Vmm::openvmm}) {
        const LaunchOptions options = options_for(PlatformType::sev_snp, vmm);
        EXPECT_EQ(digest_of(file, options), digest_of(own, options));
    }
}

TEST(IgvmForeign, CheckSaysOfEachWhere) {
    const Bytes file  = coconut_like(every_platform);
    const auto parsed = parse(file);
    ASSERT_TRUE(parsed);
    unsigned found = 0;
    for (const Finding& finding : check_for(*parsed, profile_of(Vmm::qemu_11_1)).findings) {
        if (finding.rule != VmmRule::format) {
            continue;
        }
        ++found;
        EXPECT_EQ(finding.verdict, Verdict::ignores);
        EXPECT_EQ(finding.found, every_platform);
        EXPECT_EQ(load<u32>(file, finding.offset), every_platform);
        EXPECT_NE(finding.detail.find("mask_declared"), std::string::npos);
        EXPECT_FALSE(finding.header.empty());
    }
    EXPECT_EQ(found, 4u); // parameters, required memory and two pages
    const Bytes own = coconut_like(3);
    for (const Finding& finding : check_for(*parse(own), profile_of(Vmm::qemu_11_1)).findings) {
        EXPECT_NE(finding.rule, VmmRule::format);
    }
}

TEST(IgvmForeign, CopiesKeepTheirMasks) {
    const Bytes file = coconut_like(every_platform);
    const auto copy  = rewrite(*parse(file));
    ASSERT_TRUE(copy);
    EXPECT_EQ(*copy, file);
}

/// A page for no platform is in the file, and in no launch.
TEST(IgvmForeign, APageForNobody) {
    Writer writer;
    const u32 snp = writer.add_platform(PlatformType::sev_snp);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = snp, .reserved = 0});
    writer.add_page(page_data(snp, 0x1000), hlt_page());
    const Bytes without = must_finish(writer);
    writer.add_page(page_data(0, 0x2000), hlt_page());
    const Bytes with            = must_finish(writer);
    const LaunchOptions options = options_for(PlatformType::sev_snp, Vmm::qemu);
    EXPECT_EQ(digest_of(with, options), digest_of(without, options));
    unsigned pages = 0;
    for (const Header header : parse(with)->directives()) {
        pages += header.as<PageData>() ? 1 : 0;
    }
    EXPECT_EQ(pages, 2u);
}

/// A large page's data are 4096 bytes, and the rest of it zeros.
TEST(IgvmForeign, ALargePageWithData) {
    const LaunchOptions options = options_for(PlatformType::sev_snp, Vmm::qemu);
    const auto digest           = [&](bool as_one) {
        Writer writer;
        const u32 snp = writer.add_platform(PlatformType::sev_snp);
        writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = snp, .reserved = 0});
        if (as_one) {
            writer.add_page(page_data(snp, 0x40'0000, PageDataType::normal, PageData::is_2mb_page),
                                      hlt_page());
        }
        for (u64 page = 0; page < 512 && !as_one; ++page) {
            writer.add_page(page_data(snp, 0x40'0000 + page * page_size),
                            page == 0 ? hlt_page() : Bytes{});
        }
        return digest_of(must_finish(writer), options);
    };
    EXPECT_EQ(digest(true), digest(false));
}

} // namespace vestibule::igvm::test
