// SPDX-License-Identifier: BSD-2-Clause-Patent
// One thing changed, one difference found, named as people name it.
#include "tests/igvm/seed_files.h"

#include "igvm/format/rewrite.h"
#include "igvm/show/diff.h"

#include <functional>

namespace vestibule::igvm::test {

namespace {
struct Plan {
    u64 policy                             = 0x3'0000;
    u64 boundary                           = 0;
    u8 page_byte                           = 1;
    u64 pages                              = 4;
    bool swap_pages                        = false;
    bool area                              = true;
    bool native                            = true;
    std::function<void(x86::Vmsa&)> change = {};
};

Bytes file_of(const Plan& plan) {
    Writer writer;
    const u32 snp    = writer.add_platform(PlatformType::sev_snp, plan.boundary);
    const u32 native = plan.native ? writer.add_platform(PlatformType::native) : 0;
    writer.add(GuestPolicy{.policy = plan.policy, .compatibility_mask = snp, .reserved = 0});
    if (plan.area) {
        writer.add(ParameterArea{
            .number_of_bytes = page_size, .parameter_area_index = 3, .file_offset = 0});
    }
    PageData page{.gpa                = 0,
                  .compatibility_mask = snp | native,
                  .file_offset        = 0,
                  .flags              = 0,
                  .data_type          = PageDataType::normal,
                  .reserved           = 0};
    for (u64 i = 0; i < plan.pages; ++i) {
        const u64 number = plan.swap_pages && i < 2 ? 1 - i : i;
        page.gpa         = 0x1000 * (number + 1);
        Bytes data(page_size, static_cast<u8>(number + 1));
        data[17] = plan.page_byte;
        writer.add_page(page, data);
    }
    x86::Vmsa registers = vmsa(1);
    if (plan.change) {
        plan.change(registers);
    }
    writer.add(VpContext{.gpa                = x86::vmsa_gpa,
                         .compatibility_mask = snp,
                         .file_offset        = 0,
                         .vp_index           = 0,
                         .reserved           = 0},
               bytes_of(registers));
    return must_finish(writer);
}

std::vector<std::string> differences(const Bytes& left, const Bytes& right) {
    const auto one   = parse(left, OptionalHeaders::kept);
    const auto other = parse(right, OptionalHeaders::kept);
    EXPECT_TRUE(one && other);
    std::vector<std::string> lines;
    for (const Difference& difference : diff(*one, *other).differences) {
        std::string line(difference.kind);
        line += " " + std::to_string(difference.platforms.size());
        line += " " + difference.where + ": " + difference.left + " | " + difference.right;
        lines.push_back(line);
    }
    return lines;
}

using Lines = std::vector<std::string>;

Lines against_plain(const Plan& plan) { return differences(file_of({}), file_of(plan)); }
} // namespace

TEST(IgvmDiff, TheSame) {
    EXPECT_EQ(against_plain({}), Lines{});
    const Bytes rich = must_finish(rich_writer(1));
    EXPECT_EQ(differences(rich, rich), Lines{});
}

TEST(IgvmDiff, OneThingChanged) {
    EXPECT_EQ(against_plain({.policy = 0x7'0000}),
              (Lines{"header 1 GUEST_POLICY: policy: 0x30000 | 0x70000"}));
    EXPECT_EQ(against_plain({.boundary = 0x8000}),
              (Lines{"header 1 SUPPORTED_PLATFORM: shared_gpa_boundary: 0x0 | 0x8000"}));
    EXPECT_EQ(against_plain({.area = false}), (Lines{"header 0 PARAMETER_AREA 3: present | "}));
    EXPECT_EQ(against_plain({.page_byte = 9}),
              (Lines{"pages 2 0x1000..0x5000: normal | 4 bytes differ, the first at 0x1011"}));
    EXPECT_EQ(against_plain({.pages = 2}), (Lines{"pages 2 0x3000..0x5000: normal | "}));
    EXPECT_EQ(against_plain({.swap_pages = true}),
              (Lines{"order 2 behind PARAMETER_AREA 3: PAGE_DATA 0x1000 | PAGE_DATA 0x2000"}));
    EXPECT_EQ(against_plain({.native = false}), (Lines{"platform 1 platform: supported | "}));
}

TEST(IgvmDiff, RegistersByName) {
    Plan plan;
    plan.change = [](x86::Vmsa& vmsa) {
        vmsa.cr4                                   = 0x20;
        vmsa.cs.attributes                         = 0xC9B;
        vmsa.sev_features                          = 0x21;
        vmsa.reserved9[8]                          = 1;
        vmsa.reserved9[sizeof(vmsa.reserved9) - 1] = 1; // the page's last byte
    };
    EXPECT_EQ(against_plain(plan),
              (Lines{"register 1 VP 0 cs.attributes: 0xa9b | 0xc9b",
                     "register 1 VP 0 cr4: 0x60 | 0x20", "register 1 VP 0 sev_features: 0x1 | 0x21",
                     "register 1 VP 0 reserved9+0x8: 0x0 | 0x1",
                     "register 1 VP 0 reserved9+0x830: 0x0 | 0x100000000000000"}));
}

/// Platforms declared the other way round have other masks; the files say the same of each.
TEST(IgvmDiff, MasksAreNoDifference) {
    Bytes files[2];
    for (const bool turned : {false, true}) {
        Writer writer;
        u32 native = 0;
        u32 es     = 0;
        if (turned) {
            es     = writer.add_platform(PlatformType::sev_es);
            native = writer.add_platform(PlatformType::native);
        } else {
            native = writer.add_platform(PlatformType::native);
            es     = writer.add_platform(PlatformType::sev_es);
        }
        for (const u32 mask : {native, es}) {
            writer.add_page({.gpa                = 0x1000,
                             .compatibility_mask = mask,
                             .file_offset        = 0,
                             .flags              = 0,
                             .data_type          = PageDataType::normal,
                             .reserved           = 0},
                            Bytes(1, static_cast<u8>(mask == es ? 1 : 2)));
        }
        files[turned ? 1 : 0] = must_finish(writer);
    }
    EXPECT_NE(files[0], files[1]);
    EXPECT_EQ(differences(files[0], files[1]), Lines{});
}

TEST(IgvmDiff, ZerosWithAndWithoutData) {
    Bytes files[2];
    for (const bool data : {false, true}) {
        Writer writer;
        PageData page{.gpa                = 0x1000,
                      .compatibility_mask = writer.add_platform(PlatformType::sev_es),
                      .file_offset        = 0,
                      .flags              = 0,
                      .data_type          = PageDataType::normal,
                      .reserved           = 0};
        data ? writer.add(page, Bytes(page_size)) : writer.add(page);
        files[data ? 1 : 0] = must_finish(writer);
    }
    EXPECT_EQ(differences(files[0], files[1]),
              (Lines{"pages 1 0x1000..0x2000: normal, zero without data | normal, zeros as data"}));
}

/// Registers of lists, and of Arm's realms.
TEST(IgvmDiff, RegistersOfOtherPlatformsByName) {
    const auto vbs = [](std::vector<VbsRegister> list) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::vsm_isolation);
        Bytes data(sizeof(u32) + list.size() * sizeof(VbsRegister));
        store(data, 0, static_cast<u32>(list.size()));
        for (u64 i = 0; i < list.size(); ++i) {
            store(data, sizeof(u32) + i * sizeof(VbsRegister), list[i]);
        }
        writer.add(VpContext{.gpa                = 0,
                             .compatibility_mask = mask,
                             .file_offset        = 0,
                             .vp_index           = 0,
                             .reserved           = 0},
                   data);
        return must_finish(writer);
    };
    const VbsRegister rip{.vtl = 0, .register_name = 0x2'0010, .reserved = {}, .value = {0x10}};
    VbsRegister other = rip;
    other.value[0]    = 0x20;
    const VbsRegister efer{.vtl = 0, .register_name = 0x8'0001, .reserved = {}, .value = {1}};
    EXPECT_EQ(differences(vbs({rip, efer}), vbs({other})),
              (Lines{"register 1 VP 0 efer: 0x1 | ", "register 1 VP 0 rip: 0x10 | 0x20"}));

    Bytes arm    = cca_file();
    const u64 at = load<VpContext>(arm, content_of<VpContext>(arm)).file_offset;
    store(arm, at + offsetof(CcaVpContext, pc), u64{0x1000});
    EXPECT_EQ(differences(cca_file(), arm), (Lines{"register 1 VP 0 pc: 0x80000000 | 0x1000"}));
}

TEST(IgvmDiff, ListIsBounded) {
    Bytes files[2];
    for (const bool other : {false, true}) {
        Writer writer;
        const u32 mask = writer.add_platform(PlatformType::sev_es);
        for (u64 i = 0; i < 15'000; ++i) {
            writer.add_page({.gpa                = 0x2000 * i + (other ? 0x1000 : 0),
                             .compatibility_mask = mask,
                             .file_offset        = 0,
                             .flags              = 0,
                             .data_type          = PageDataType::normal,
                             .reserved           = 0},
                            {});
        }
        files[other ? 1 : 0] = must_finish(writer);
    }
    // Every second address is in one file, the others in the other: nothing to join.
    const DiffResult result = diff(*parse(files[0]), *parse(files[1]));
    EXPECT_EQ(result.differences.size(), 10'000u);
    EXPECT_EQ(result.unlisted, 20'000u);
}

} // namespace vestibule::igvm::test
