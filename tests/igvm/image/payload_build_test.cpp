// SPDX-License-Identifier: BSD-2-Clause-Patent
// What build() makes of a payload: where everything lies, what the hand-over is told, what a Linux
// kernel finds in its zero page, and that every monitor can load the file.
#include "tests/igvm/payload_fixture.h"

#include "boot/attest/record.h"
#include "boot/hand_over/snp_launch.h"
#include "igvm/image/build.h"
#include "igvm/vmm/check.h"
#include "x86/vmsa.h"

#include <map>

namespace vestibule::igvm::test {

using boot::PayloadHeader;

constexpr u64 header_at = 0xA000; // of the payload header, in the image

/// The good image, with a payload header and a place for further vCPUs.
static Bytes hand_over_elf() {
    Elf elf = good_elf();
    elf.add_symbol("payload_header", header_at);
    elf.add_symbol("entry_ap", 0x1234);
    store(elf.contents[2], offsetof(PayloadHeader, version), PayloadHeader::current_version);
    return elf.finish();
}

struct Built {
    BuiltFile built;
    std::string error;
    std::vector<std::pair<PageData, Bytes>> pages;

    [[nodiscard]] File file() const { return *parse(built.bytes); }

    /// The page that one platform gets at an address; empty where it gets none.
    [[nodiscard]] Bytes page(PlatformType platform, u64 gpa) const {
        const File whole = file();
        Bytes found;
        for (const Header header : whole.directives(whole.mask_of(platform))) {
            if (const auto page = header.as<PageData>(); page && page->gpa == gpa) {
                EXPECT_TRUE(found.empty()) << "twice: " << gpa;
                const auto data = whole.data(*page);
                found.assign(data.begin(), data.end());
                found.resize(page_size);
            }
        }
        return found;
    }

    [[nodiscard]] PayloadHeader header(PlatformType platform) const {
        return load<PayloadHeader>(page(platform, built.layout.at.base + header_at));
    }
};

/// Stands for the code that enters a PVH kernel.
static const Bytes enter_pvh(0x9B1, 0xE9);
/// And for the page of the AP jump table.
static const Bytes jump_table(0x200, 0x0F);

static Built run_build(const Bytes& payload_file, const BuildOptions& options,
                       std::string_view command_line = {}, const Bytes& initrd = {},
                       std::optional<u64> address = {}) {
    const Bytes elf    = hand_over_elf();
    const auto image   = read_stub_image(elf);
    const auto payload = read_payload(payload_file, address);
    EXPECT_TRUE(image);
    EXPECT_TRUE(payload);
    auto built = build(*image, options,
                       {.payload      = &*payload,
                        .initrd       = initrd,
                        .command_line = command_line,
                        .enter_pvh    = enter_pvh,
                        .jump_table   = jump_table});
    return built ? Built{.built = std::move(*built), .error = {}, .pages = {}}
                 : Built{.built = {}, .error = built.error(), .pages = {}};
}

static void expect_clean(const Built& result, Vmm vmm) {
    const File file = result.file();
    for (const Finding& finding : check_for(file, profile_of(vmm)).findings) {
        ADD_FAILURE() << row_of(finding.rule).id << " at " << finding.offset;
    }
}

TEST(IgvmPayloadBuild, TellsTheHandOver) {
    const Bytes initrd(0x1234, 0x1D);
    const Built result = run_build(executable().finish(), {}, "quiet x=1", initrd);
    ASSERT_EQ(result.error, "");
    const PayloadHeader header = result.header(PlatformType::sev_es);
    EXPECT_EQ(header.version, PayloadHeader::current_version);
    EXPECT_EQ(header.kind, boot::PayloadKind::boot_info);
    EXPECT_EQ(header.entry, 0x100'0010u);
    EXPECT_EQ(header.payload_base, 0x100'0000u);
    EXPECT_EQ(header.payload_size, 0x6000u);
    EXPECT_EQ(header.initrd, 0x10'0000u) << "the lowest that is free";
    EXPECT_EQ(header.initrd_size, 0x1234u);
    EXPECT_EQ(header.cleared[0].base, 0x100'3000u);
    EXPECT_EQ(header.cleared[0].size, 0x3000u);
    EXPECT_EQ(header.cleared[1].size, 0u);
    EXPECT_EQ(header.command_line_size, 9u);
    EXPECT_STREQ(&header.command_line[0], "quiet x=1");
    EXPECT_EQ(header.zero_page, 0u);
    EXPECT_EQ(header.cpuid_page, 0u);
    EXPECT_EQ(header.memory_map, 0u);

    EXPECT_EQ(result.page(PlatformType::native, 0x10'1000)[0x233], 0x1D);
    EXPECT_EQ(result.page(PlatformType::native, 0x10'1000)[0x234], 0);
    EXPECT_EQ(result.page(PlatformType::sev_es, 0x100'1000)[0x900], 0xDA);
    EXPECT_EQ(result.page(PlatformType::sev_es, 0x100'3000).size(), 0u) << "for the hand-over";
    const Bytes behind = result.page(PlatformType::sev_es, 0x20'0000 + header_at);
    EXPECT_EQ(behind[sizeof(PayloadHeader)], 0x9A) << "the record and nothing else was written";

    for (const PageCount& count : result.built.pages) {
        EXPECT_EQ(count.stub, 5u);
        EXPECT_EQ(count.payload, 2u + 3);
        EXPECT_EQ(count.initrd, 2u);
        EXPECT_EQ(count.snp, 0u);
    }
    expect_clean(result, Vmm::qemu);
}

TEST(IgvmPayloadBuild, StubMakesWay) {
    const auto at = [](u64 address, u64 size, std::optional<u64> base = {}) {
        return run_build(Bytes(size, 0x90), {.base = base}, {}, {}, address);
    };
    EXPECT_EQ(at(0x10'0000, 0x10'0000).built.layout.at.base, 0x20'0000u);
    EXPECT_EQ(at(0x10'0000, 0x10'0001).built.layout.at.base, 0x40'0000u);
    EXPECT_EQ(at(0x20'0000, 0x40'0000).built.layout.at.base, 0x60'0000u);
    EXPECT_EQ(at(0x3F'F000, 0x1000, 0x40'0000).error, "");
    const Built refused = at(0x3F'F000, 0x1001, 0x40'0000);
    EXPECT_NE(refused.error.find("overlaps the stub's 2 MiB at 0x400000"), std::string::npos)
        << refused.error;
}

TEST(IgvmPayloadBuild, InitrdMakesWay) {
    const auto where = [](u64 payload, u64 initrd_size) {
        return run_build(Bytes(0x1000, 0x90), {}, {}, Bytes(initrd_size, 1), payload)
            .built.layout.at.initrd.base;
    };
    EXPECT_EQ(where(0x100'0000, 0x10'0000), 0x10'0000u) << "fills the room below the stub";
    EXPECT_EQ(where(0x100'0000, 0x10'0001), 0x40'0000u);
    EXPECT_EQ(where(0x10'0000, 0x1000), 0x10'1000u);
    EXPECT_EQ(where(0x40'0000, 0x10'0001), 0x40'1000u) << "behind both";
}

TEST(IgvmPayloadBuild, CommandLines) {
    const std::string longest(sizeof(PayloadHeader::command_line) - 1, 'x');
    const Bytes payload = executable().finish();
    const Built built   = run_build(payload, {}, longest);
    EXPECT_EQ(built.header(PlatformType::native).command_line_size, longest.size());
    EXPECT_NE(run_build(payload, {}, longest + "x").error.find("expected at most"),
              std::string::npos);
    EXPECT_NE(run_build(payload, {}, std::string_view("a\0b", 3)).error.find("a zero byte"),
              std::string::npos);
    EXPECT_EQ(run_build(bzimage(), {}, std::string(255, 'x')).error, "");
    EXPECT_NE(run_build(bzimage(), {}, std::string(256, 'x')).error.find("at most 255"),
              std::string::npos);
}

TEST(IgvmPayloadBuild, SnpPagesAndPolicy) {
    const Built result = run_build(
        executable().finish(),
        {
            .platforms    = {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp},
            .vcpus        = 3,
            .sev_features = 0x21,
            .snp_policy   = 0xB'0000
    });
    ASSERT_EQ(result.error, "");
    const File file   = result.file();
    const u32 snp     = file.mask_of(PlatformType::sev_snp);
    unsigned policies = 0;
    for (const Header header : file.initialization()) {
        const auto policy = header.as<GuestPolicy>();
        ASSERT_TRUE(policy);
        EXPECT_EQ(policy->policy, 0xB'0000u);
        EXPECT_EQ(policy->compatibility_mask, snp);
        ++policies;
    }
    EXPECT_EQ(policies, 1u);

    std::map<PageDataType, u64> special;
    std::map<u32, unsigned> contexts;
    for (const Header header : file.directives()) {
        if (const auto page = header.as<PageData>();
            page && page->data_type != PageDataType::normal) {
            EXPECT_EQ(page->compatibility_mask, snp);
            EXPECT_EQ(page->file_offset, 0u);
            special[page->data_type] = page->gpa;
        }
        if (const auto context = header.as<VpContext>()) {
            const u32 mask = context->compatibility_mask;
            EXPECT_EQ(context->vp_index, contexts[mask]++);
            if (mask == file.mask_of(PlatformType::native)) {
                continue;
            }
            const auto vmsa = load<x86::Vmsa>(file.data(context->file_offset, page_size));
            EXPECT_EQ(vmsa.sev_features, mask == snp ? 0x21u : 0u);
            EXPECT_EQ(vmsa.rip, 0x20'0000u + (context->vp_index == 0 ? 0x1010 : 0x1234));
        }
    }
    EXPECT_EQ(contexts[file.mask_of(PlatformType::native)], 1u);
    EXPECT_EQ(contexts[file.mask_of(PlatformType::sev_es)], 3u);
    EXPECT_EQ(contexts[snp], 3u);

    const PayloadHeader told = result.header(PlatformType::sev_snp);
    EXPECT_EQ(told.cpuid_page, special.at(PageDataType::cpuid_data));
    EXPECT_EQ(told.secrets_page, special.at(PageDataType::secrets));
    EXPECT_EQ(told.cpuid_page, 0x20'C000u) << "behind the image";
    EXPECT_EQ(told.secrets_page, 0x20'D000u);
    EXPECT_EQ(result.header(PlatformType::sev_es).cpuid_page, 0u);
    EXPECT_EQ(result.header(PlatformType::sev_es).entry, told.entry);
    for (const PageCount& count : result.built.pages) {
        EXPECT_EQ(count.snp, count.platform == PlatformType::sev_snp ? 2u : 0u);
        EXPECT_EQ(count.vmsa, count.platform == PlatformType::native ? 0u : 3u);
    }
    // QEMU takes the policy from its own object, which has to be told the same.
    const auto findings = check_for(file, profile_of(Vmm::qemu)).findings;
    ASSERT_EQ(findings.size(), 1u);
    EXPECT_EQ(row_of(findings[0].rule).id, "policy-of-object");
}

TEST(IgvmPayloadBuild, ParametersStandBeforeThePages) {
    const Built result =
        run_build(executable().finish(), {.memory_map = true, .vp_count = true}, "x");
    ASSERT_EQ(result.error, "");
    std::vector<HeaderType> order;
    const File file = result.file();
    for (const Header header : file.directives()) {
        if (order.empty() || order.back() != header.type) {
            order.push_back(header.type);
        }
    }
    using enum HeaderType;
    EXPECT_EQ(order, (std::vector{parameter_area, memory_map, parameter_insert, parameter_area,
                                  vp_count_parameter, parameter_insert, required_memory, page_data,
                                  vp_context}));
    const PayloadHeader told = result.header(PlatformType::sev_es);
    EXPECT_EQ(told.memory_map, 0x20'C000u);
    EXPECT_EQ(told.memory_map_size, page_size);
    EXPECT_EQ(told.vp_count, 0x20'D000u);
    std::vector<u64> inserted;
    for (const Header header : file.directives()) {
        if (const auto insert = header.as<ParameterInsert>()) {
            inserted.push_back(insert->gpa);
            EXPECT_EQ(insert->compatibility_mask, 3u);
        }
        if (const auto required = header.as<RequiredMemory>();
            required && required->gpa == 0x20'0000) {
            EXPECT_EQ(required->number_of_bytes, 0xE000u);
        }
    }
    EXPECT_EQ(inserted, (std::vector{told.memory_map, told.vp_count}));
    expect_clean(result, Vmm::qemu);
    expect_clean(run_build(executable().finish(), {.memory_map = true, .vp_count = true}),
                 Vmm::qemu);
}

struct E820 {
    u64 address;
    u64 size;
    u32 type;

    bool operator==(const E820&) const = default;
};

static std::vector<E820> memory_map_of(const Bytes& zero_page) {
    std::vector<E820> map;
    for (u64 i = 0; i < zero_page[0x1E8]; ++i) {
        const u64 at = 0x2D0 + i * 20;
        map.push_back({load<u64>(zero_page, at), load<u64>(zero_page, at + 8),
                       load<u32>(zero_page, at + 16)});
    }
    return map;
}

TEST(IgvmPayloadBuild, LinuxFindsItsZeroPage) {
    const Bytes initrd(0x20'0001, 0x1D);
    const Built result = run_build(
        bzimage(),
        {
            .platforms = {PlatformType::sev_es, PlatformType::sev_snp},
              .memory = u64{64}
              << 20
    },
        "console=ttyS0", initrd);
    ASSERT_EQ(result.error, "");
    const PayloadHeader told = result.header(PlatformType::sev_es);
    EXPECT_EQ(told.kind, boot::PayloadKind::linux64);
    EXPECT_EQ(told.entry, 0x100'0200u);
    EXPECT_EQ(told.zero_page, 0x20'F000u) << "behind what an SEV-SNP guest has there";
    EXPECT_STREQ(&told.command_line[0], "console=ttyS0");

    const Bytes zero_page = result.page(PlatformType::sev_es, told.zero_page);
    const Bytes file      = bzimage();
    EXPECT_EQ(load<u32>(zero_page, 0x202), 0x5372'6448u);
    EXPECT_EQ(load<u16>(zero_page, 0x206), load<u16>(file, 0x206));
    EXPECT_EQ(load<u64>(zero_page, 0x258), 0x100'0000u);
    EXPECT_EQ(zero_page[0x1EF], 0) << "the sentinel";
    EXPECT_EQ(zero_page[0x210], 0xFF) << "type_of_loader";
    EXPECT_EQ(load<u32>(zero_page, 0x218), 0x40'0000u) << "ramdisk_image";
    EXPECT_EQ(load<u32>(zero_page, 0x21C), initrd.size()) << "ramdisk_size";
    EXPECT_EQ(load<u32>(zero_page, 0x228),
              0x20'0000u + header_at + offsetof(PayloadHeader, command_line));
    EXPECT_EQ(load<u64>(zero_page, 0x250), 0u) << "setup_data";
    EXPECT_EQ(load<u64>(zero_page, 0x70), 0x20'E000u) << "acpi_rsdp_addr";
    EXPECT_EQ(load<u64>(result.page(PlatformType::sev_es, 0x20'E000), 0), 0x2052'5450'2044'5352u)
        << "RSD PTR";
    EXPECT_EQ(memory_map_of(zero_page), (std::vector<E820>{
                                            {0,         0xA'0000,               1},
                                            {0x10'0000, 0x10'0000,              1},
                                            {0x20'0000, 0xE000,                 2},
                                            {0x20'E000, 0x1000,                 3},
                                            {0x20'F000, 0x1000,                 2},
                                            {0x21'0000, 0x400'0000 - 0x21'0000, 1}
    }));

    // SNP's has a confidential computing blob, by both roads to it.
    const Bytes snp = result.page(PlatformType::sev_snp, told.zero_page);
    const u64 data  = load<u64>(snp, 0x250);
    const u64 blob  = load<u32>(snp, 0x13C);
    ASSERT_EQ(data & ~(page_size - 1), told.zero_page);
    const u64 at = data - told.zero_page;
    EXPECT_EQ(load<u64>(snp, at), 0u);
    EXPECT_EQ(load<u32>(snp, at + 8), 7u) << "SETUP_CC_BLOB";
    EXPECT_EQ(load<u32>(snp, at + 16), blob);
    const u64 in = blob - told.zero_page;
    EXPECT_EQ(load<u32>(snp, in), 0x4544'4D41u);
    EXPECT_EQ(load<u64>(snp, in + 8), result.header(PlatformType::sev_snp).secrets_page);
    EXPECT_EQ(load<u32>(snp, in + 16), page_size);
    EXPECT_EQ(load<u64>(snp, in + 24), result.header(PlatformType::sev_snp).cpuid_page);
    EXPECT_EQ(load<u32>(snp, in + 32), page_size);

    // And is told of no memory but what is loaded or accepted, and of tables in the stub's.
    EXPECT_EQ(load<u64>(snp, 0x70), 0x20'E000u) << "acpi_rsdp_addr";
    EXPECT_EQ(std::memcmp(result.page(PlatformType::sev_snp, 0x20'E000).data(), "RSD PTR ", 8), 0);
    const std::vector<E820> map = memory_map_of(snp);
    ASSERT_GE(map.size(), 7U);
    EXPECT_EQ(map[0], (E820{0, 0x4'0000, 1}));
    EXPECT_EQ(map[1], (E820{0x8'0000, 0x2'0000, 1}));
    EXPECT_EQ(map[2], (E820{0x20'0000, 0xE000, 3})) << "the stub";
    EXPECT_EQ(map[3], (E820{0x20'E000, 0x1000, 3})) << "its ACPI tables";
    EXPECT_EQ(map[4], (E820{0x20'F000, 0x1000, 3})) << "more of the stub";
    EXPECT_EQ(map[5], (E820{0x40'0000, 0x20'1000, 1})) << "the initrd";
    EXPECT_EQ(map[6].address, 0x80'0000U) << "the rest of its last block is nobody's";
    EXPECT_EQ(map.back().address + map.back().size, 0x400'0000U);

    for (const Header header : result.file().directives()) {
        if (const auto required = header.as<RequiredMemory>()) {
            EXPECT_EQ(required->gpa, 0x10'0000u);
            EXPECT_EQ(required->number_of_bytes, 63u << 20);
        }
    }
    expect_clean(result, Vmm::qemu);
}

/// Under SEV-ES the first vCPU comes to the kernel by the page of the AP jump table. Natively,
/// under SNP and alone there is none.
TEST(IgvmPayloadBuild, LinuxFindsFurtherVcpus) {
    BuildOptions options{
        .platforms = {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp},
        .vcpus     = 2,
        .memory    = u64{64}
          << 20
    };
    const Built result = run_build(bzimage(), options);
    ASSERT_EQ(result.error, "");
    const PayloadHeader told = result.header(PlatformType::sev_es);
    EXPECT_EQ(told.kind, boot::PayloadKind::boot_info);
    EXPECT_EQ(told.entry, 0x9'F010u);
    EXPECT_EQ(told.vcpus, 2u);
    const Bytes page = result.page(PlatformType::sev_es, 0x9'F000);
    EXPECT_EQ(load<u32>(page, 0), 0u) << "IP and CS are the kernel's to fill in";
    EXPECT_EQ(load<u32>(page, 8), 0x100'0200u);
    EXPECT_EQ(load<u32>(page, 12), told.zero_page);
    EXPECT_EQ(page[16], 0x0F);
    EXPECT_EQ(memory_map_of(result.page(PlatformType::sev_es, told.zero_page))[1],
              (E820{0x9'F000, 0x1000, 2}));
    for (const auto platform : {PlatformType::native, PlatformType::sev_snp}) {
        EXPECT_EQ(result.header(platform).kind, boot::PayloadKind::linux64);
        EXPECT_EQ(result.header(platform).entry, 0x100'0200u);
        EXPECT_TRUE(result.page(platform, 0x9'F000).empty());
    }
    expect_clean(result, Vmm::qemu);
    options.vcpus     = 1;
    const Built alone = run_build(bzimage(), options);
    EXPECT_EQ(alone.header(PlatformType::sev_es).kind, boot::PayloadKind::linux64);
    EXPECT_TRUE(alone.page(PlatformType::sev_es, 0x9'F000).empty());
}

/// The kernel's way in stands between it and the stub, with all that it is told, and is kept out of
/// what is free.
TEST(IgvmPayloadBuild, PvhFindsItsStartInfo) {
    const Bytes initrd(0x2001, 0x1D);
    const Built result =
        run_build(pvh_executable().finish(), {.memory = u64{64} << 20}, "quiet", initrd);
    ASSERT_EQ(result.error, "");
    const PayloadHeader told = result.header(PlatformType::sev_es);
    EXPECT_EQ(told.kind, boot::PayloadKind::boot_info);
    EXPECT_EQ(told.entry, 0x10'0000u) << "the first free page";
    const Bytes page = result.page(PlatformType::sev_es, told.entry);
    EXPECT_EQ(page[0], 0xE9);
    EXPECT_EQ(load<u32>(page, 8), 0x100'0040u) << "the kernel's entry point";
    const u64 at = load<u32>(page, 12) - told.entry;
    ASSERT_GE(at, enter_pvh.size());
    EXPECT_EQ(load<u32>(page, at), 0x336E'C578u);
    EXPECT_EQ(load<u32>(page, at + 4), 1u);
    EXPECT_EQ(load<u32>(page, at + 12), 1u) << "one module";
    const u64 module = load<u64>(page, at + 16) - told.entry;
    EXPECT_EQ(load<u64>(page, module), told.initrd);
    EXPECT_EQ(load<u64>(page, module + 8), initrd.size());
    EXPECT_EQ(load<u64>(page, at + 24),
              result.built.layout.at.base + header_at + offsetof(PayloadHeader, command_line));
    EXPECT_EQ(load<u64>(page, at + 32), 0u) << "no RSDP";
    const u64 map = load<u64>(page, at + 40) - told.entry;
    std::vector<E820> ranges;
    ranges.reserve(load<u32>(page, at + 48));
    for (u64 i = 0; i < load<u32>(page, at + 48); ++i) {
        ranges.push_back({load<u64>(page, map + i * 24), load<u64>(page, map + i * 24 + 8),
                          load<u32>(page, map + i * 24 + 16)});
    }
    EXPECT_EQ(ranges, (std::vector<E820>{
                          {0,         0xA'0000,               1},
                          {0x10'0000, 0x1000,                 2},
                          {0x10'1000, 0xF'F000,               1},
                          {0x20'0000, 0xC000,                 2},
                          {0x20'C000, 0x400'0000 - 0x20'C000, 1}
    }));
    EXPECT_GE(told.initrd, told.entry + page_size);
    expect_clean(result, Vmm::qemu);
    EXPECT_NE(run_build(pvh_executable().finish(), {.memory = u64{16} << 20})
                  .error.find("more --memory is needed"),
              std::string::npos);
}

/// The same page stands in front of the kernel's way in, and ACPI's tables say how many there are.
TEST(IgvmPayloadBuild, PvhFindsFurtherVcpus) {
    BuildOptions options{
        .platforms = {PlatformType::native, PlatformType::sev_es, PlatformType::sev_snp},
        .vcpus     = 3,
        .memory    = u64{64}
          << 20
    };
    const Built result = run_build(pvh_executable().finish(), options);
    ASSERT_EQ(result.error, "");
    const u64 way_in = result.header(PlatformType::native).entry;
    EXPECT_EQ(result.header(PlatformType::sev_es).entry, 0x9'F010u);
    EXPECT_EQ(result.header(PlatformType::sev_snp).entry, way_in);
    const Bytes table = result.page(PlatformType::sev_es, 0x9'F000);
    EXPECT_EQ(load<u32>(table, 0), 0u) << "IP and CS are the kernel's to fill in";
    EXPECT_EQ(load<u32>(table, 8), way_in);
    const auto rsdp = [&](const Built& built, PlatformType platform) {
        const Bytes page = built.page(platform, way_in);
        return load<u64>(page, load<u32>(page, 12) - way_in + 32);
    };
    EXPECT_EQ(rsdp(result, PlatformType::native), 0u);
    for (const auto platform : {PlatformType::sev_es, PlatformType::sev_snp}) {
        EXPECT_EQ(rsdp(result, platform), result.built.layout.at.acpi_tables);
        EXPECT_EQ(load<u64>(result.page(platform, rsdp(result, platform)), 0),
                  0x2052'5450'2044'5352u)
            << "\"RSD PTR \"";
    }
    expect_clean(result, Vmm::qemu);
    options.vcpus     = 1;
    const Built alone = run_build(pvh_executable().finish(), options);
    EXPECT_EQ(alone.header(PlatformType::sev_es).entry, way_in);
    EXPECT_EQ(rsdp(alone, PlatformType::sev_es), 0u);
    EXPECT_TRUE(alone.page(PlatformType::sev_es, 0x9'F000).empty());
}

/// With what only an SEV-SNP guest has: a page of code with the record of its launch.
static Bytes snp_elf() {
    Elf elf = good_elf();
    elf.add_symbol("payload_header", header_at);
    store(elf.contents[2], offsetof(PayloadHeader, version), PayloadHeader::current_version);
    Bytes page(page_size, 0x5A);
    store(page, 0x10 + offsetof(boot::SnpLaunch, version), boot::SnpLaunch::current_version);
    elf.add_segment(PF_R | PF_X | StubSegment::payload_flag | StubSegment::snp_flag, 0xC000,
                    std::move(page), page_size);
    elf.add_symbol("snp_launch", 0xC010);
    elf.add_symbol("entry64_snp", 0xC000);
    return elf.finish();
}

/// The same, with pages that are for a report.
static Bytes attest_elf() {
    Elf elf = good_elf();
    elf.add_symbol("payload_header", header_at);
    store(elf.contents[2], offsetof(PayloadHeader, version), PayloadHeader::current_version);
    Bytes page(page_size, 0x5A);
    store(page, 0x10 + offsetof(boot::AttestRecord, version), boot::AttestRecord::current_version);
    elf.add_segment(PF_R | PF_X | StubSegment::payload_flag | StubSegment::snp_flag, 0xC000,
                    std::move(page), page_size);
    elf.add_segment(PF_R | PF_X | StubSegment::payload_flag | StubSegment::snp_flag
                        | StubSegment::attest_flag,
                    0xD000, Bytes(page_size, 0xA7), page_size);
    elf.add_symbol("attest_record", 0xC010);
    elf.add_symbol("entry64_snp", 0xC000);
    return elf.finish();
}

TEST(IgvmPayloadBuild, WhatAsksForAReportIsLoadedWhereOneIsWanted) {
    const Bytes elf     = attest_elf();
    const auto image    = read_stub_image(elf);
    const Bytes file    = executable().finish();
    const auto payload  = read_payload(file, {});
    BuildOptions wanted = {
        .platforms = {PlatformType::sev_es, PlatformType::sev_snp}
    };
    const auto built_as = [&](const BuildOptions& options, const Payload* with) {
        const auto built =
            build(*image, options, {.payload = with, .initrd = {}, .command_line = {}});
        EXPECT_TRUE(built) << built.error();
        return Built{.built = *built, .error = {}, .pages = {}};
    };
    const auto record_of = [](const Built& built) {
        return load<boot::AttestRecord>(built.page(PlatformType::sev_snp, 0x20'C000), 0x10);
    };
    ASSERT_TRUE(image);
    const Built without = built_as(wanted, &*payload);
    EXPECT_TRUE(without.page(PlatformType::sev_snp, 0x20'D000).empty());
    EXPECT_EQ(record_of(without).wanted, 0U);
    const Built selftest = built_as(wanted, nullptr);
    EXPECT_FALSE(selftest.page(PlatformType::sev_snp, 0x20'D000).empty());
    EXPECT_EQ(record_of(selftest).wanted, 1U);

    wanted.report_data.emplace().fill(0x77);
    const Built with = built_as(wanted, &*payload);
    EXPECT_EQ(with.page(PlatformType::sev_snp, 0x20'D000), Bytes(page_size, 0xA7));
    EXPECT_TRUE(with.page(PlatformType::sev_es, 0x20'D000).empty());
    EXPECT_EQ(record_of(with).wanted, 1U);
    EXPECT_TRUE(std::ranges::equal(record_of(with).report_data, *wanted.report_data));

    // Nobody would be told: a kernel by another protocol, an image that makes none, no SEV-SNP.
    const Bytes kernel = bzimage();
    const auto linux   = read_payload(kernel, {});
    ASSERT_TRUE(linux);
    const auto refused =
        build(*image, wanted, {.payload = &*linux, .initrd = {}, .command_line = {}});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("handed over by boot info"), std::string::npos)
        << refused.error();
    const Bytes other      = snp_elf();
    const auto other_image = read_stub_image(other);
    const auto other_refused =
        build(*other_image, wanted, {.payload = &*payload, .initrd = {}, .command_line = {}});
    ASSERT_FALSE(other_refused);
    EXPECT_NE(other_refused.error().find("attest_record"), std::string::npos);
    wanted.platforms = {PlatformType::sev_es};
    EXPECT_NE(wrong_option(wanted).value_or("").find("SEV-SNP guest's"), std::string::npos);
}

/// The same, entered in each mode below VMPL 0 too, with a page that is loaded there alone and
/// memory that the stub clears.
static Bytes below_vmpl0_elf() {
    Elf elf = good_elf();
    elf.add_symbol("payload_header", header_at);
    store(elf.contents[2], offsetof(PayloadHeader, version), PayloadHeader::current_version);
    elf.add_segment(PF_R | PF_X | StubSegment::snp_flag, 0xC000, Bytes(page_size, 0x5A), page_size);
    elf.add_segment(PF_R | PF_X | StubSegment::snp_flag | StubSegment::svsm_flag, 0xD000,
                    Bytes(page_size, 0x57), page_size);
    elf.add_symbol("entry64_snp", 0xC000);
    elf.add_symbol("entry64_snp_validated", 0xC018);
    elf.add_symbol("entry_compat_snp", 0xC100);
    elf.add_symbol("entry32_snp", 0xC200);
    elf.add_symbol("entry32", 0x1300);
    return elf.finish();
}

/// The service makes what the guest's vCPU begins with out of a measured page.
TEST(IgvmPayloadBuild, BelowVmpl0TheGuestIsEnteredBehindWhatValidatesItsMemory) {
    const Bytes elf          = below_vmpl0_elf();
    const auto image         = read_stub_image(elf);
    const Bytes service_elf  = hand_over_elf();
    const auto service       = read_stub_image(service_elf);
    const Bytes file         = executable().finish();
    const auto payload       = read_payload(file, {});
    const GuestContents with = {
        .payload = &*payload, .initrd = {}, .command_line = {}, .service = &*service};
    ASSERT_TRUE(image && service && payload);

    struct Row {
        boot::Entry entry;
        u64 rip;
        u64 rdi;
    };

    for (const Row& row : {
             Row{boot::Entry::long64,   0x20'C018, 0   },
             Row{boot::Entry::compat,   0x20'C100, 0x18},
             Row{boot::Entry::legacy32, 0x20'1300, 0   }
    }) {
        BuildOptions options{.platforms = {PlatformType::sev_snp}, .entry = row.entry};
        options.vmpl     = 2;
        const auto built = build(*image, options, with);
        ASSERT_TRUE(built) << built.error();
        const Built result{.built = *built, .error = {}, .pages = {}};
        const auto vmsa =
            load<x86::Vmsa>(result.page(PlatformType::sev_snp, built->layout.at.guest_vmsa));
        EXPECT_EQ(vmsa.rip, row.rip);
        EXPECT_EQ(vmsa.rdi, row.rdi);
        EXPECT_EQ(vmsa.vmpl, 2);
        EXPECT_EQ(vmsa.rbx, row.entry == boot::Entry::long64 ? 0U : 0x20'0000U);
        EXPECT_FALSE(result.page(PlatformType::sev_snp, 0x20'0000).empty())
            << "the page for its page tables";
        EXPECT_EQ(result.page(PlatformType::sev_snp, 0x20'D000), Bytes(page_size, 0x57));
        options.vmpl = 0;
        const auto above =
            build(*image, options, {.payload = &*payload, .initrd = {}, .command_line = {}});
        ASSERT_TRUE(above) << above.error();
        const Built without{.built = *above, .error = {}, .pages = {}};
        EXPECT_TRUE(without.page(PlatformType::sev_snp, 0x20'D000).empty());
    }
}

TEST(IgvmPayloadBuild, BelowVmpl0WhatCannotBeIsSaid) {
    const Bytes elf         = below_vmpl0_elf();
    const auto image        = read_stub_image(elf);
    const Bytes service_elf = good_elf().finish();
    const auto service      = read_stub_image(service_elf);
    const Bytes pvh         = pvh_executable().finish();
    const auto pvh_kernel   = read_payload(pvh, {});
    const Bytes file        = executable().finish();
    const auto payload      = read_payload(file, {});
    ASSERT_TRUE(image && service && pvh_kernel && payload);
    BuildOptions options{.platforms = {PlatformType::sev_snp}, .entry = boot::Entry::long64};
    options.vmpl       = 1;
    const auto refusal = [&](const StubImage& stub, const GuestContents& contents) {
        const auto built = build(stub, options, contents);
        return built ? std::string{} : built.error();
    };
    EXPECT_NE(refusal(*image, {.payload      = &*pvh_kernel,
                               .initrd       = {},
                               .command_line = {},
                               .enter_pvh    = enter_pvh,
                               .service      = &*service})
                  .find("found a PVH kernel"),
              std::string::npos);
    const GuestContents with{
        .payload = &*payload, .initrd = {}, .command_line = {}, .service = &*service};
    for (const auto& [entry, symbol, lacking] : {
             std::tuple{boot::Entry::long64,   "entry64_snp_validated",
                        &StubImage::entry64_snp_validated                                           },
             {boot::Entry::compat,   "entry_compat_snp",      &StubImage::entry_compat_snp},
             {boot::Entry::legacy32, "entry32",               &StubImage::entry32         }
    }) {
        StubImage other = *image;
        options.entry   = entry;
        EXPECT_EQ(refusal(other, with), "");
        other.*lacking = std::nullopt;
        EXPECT_NE(refusal(other, with).find(symbol), std::string::npos) << symbol;
    }
    options.vcpus = 2;
    EXPECT_NE(refusal(*image, with).find("the service has no entry point for further vCPUs"),
              std::string::npos);
    options.vmpl = 4;
    EXPECT_NE(wrong_option(options).value_or("").find("expected 0 to 3"), std::string::npos);
    options.vmpl      = 1;
    options.platforms = {PlatformType::sev_es, PlatformType::sev_snp};
    EXPECT_NE(wrong_option(options).value_or("").find("sev-snp alone"), std::string::npos);
}

TEST(IgvmPayloadBuild, AnSnpGuestIsToldWhatIsLoadedAndWhatToAccept) {
    const Bytes elf     = snp_elf();
    const auto image    = read_stub_image(elf);
    const auto payload  = read_payload(executable().finish(), {});
    const auto built_as = [&](std::vector<PlatformType> platforms) {
        const auto built = build(
            *image,
            {.platforms = std::move(platforms), .memory = u64{64} << 20, .tells_memory = true},
            {.payload = &*payload, .initrd = {}, .command_line = {}});
        EXPECT_TRUE(built) << built.error();
        return Built{.built = *built, .error = {}, .pages = {}};
    };
    ASSERT_TRUE(image);
    const Built result = built_as({PlatformType::sev_es, PlatformType::sev_snp});
    EXPECT_TRUE(result.page(PlatformType::sev_es, 0x20'C000).empty());
    const Bytes page  = result.page(PlatformType::sev_snp, 0x20'C000);
    const auto record = load<boot::SnpLaunch>(page, 0x10);
    EXPECT_EQ(record.version, boot::SnpLaunch::current_version);
    EXPECT_EQ(record.image_pages * page_size, result.built.layout.at.image_size);
    ASSERT_EQ(record.loaded_count, 1U);
    EXPECT_EQ(record.loaded[0].base, 0x100'0000U);
    EXPECT_EQ(record.loaded[0].size, 0x3000U);
    // Whole blocks but for the stub's and the payload's, and of that what the payload spans.
    ASSERT_EQ(record.accepted_count, 2U);
    EXPECT_EQ(record.accepted[0].base, 0x40'0000U);
    EXPECT_EQ(record.accepted[0].base + record.accepted[0].size, 0x100'0000U + 0x6000U);
    EXPECT_EQ(record.accepted[1].base, 0x120'0000U);
    EXPECT_EQ(record.accepted[1].base + record.accepted[1].size, 0x400'0000U);

    for (const Header header : result.file().directives()) {
        if (const auto context = header.as<VpContext>()) {
            const auto vmsa = load<x86::Vmsa>(result.file().data(context->file_offset, page_size));
            const bool snp  = vmsa.sev_features != 0;
            EXPECT_EQ(vmsa.rip, snp ? 0x20'C000U : 0x20'1010U);
        }
    }
    // A payload that accepts memory itself finds no more than it spans, and the loader assigns no
    // more.
    const BuildOptions lazily{.platforms       = {PlatformType::sev_snp},
                              .memory          = u64{64} << 20,
                              .tells_memory    = true,
                              .accepts_payload = true};
    const auto lazy =
        build(*image, lazily, {.payload = &*payload, .initrd = {}, .command_line = {}});
    ASSERT_TRUE(lazy) << lazy.error();
    const Built less{.built = *lazy, .error = {}, .pages = {}};
    const auto own = load<boot::SnpLaunch>(less.page(PlatformType::sev_snp, 0x20'C000), 0x10);
    ASSERT_EQ(own.accepted_count, 1U);
    EXPECT_EQ(own.accepted[0].base, 0x100'0000U);
    EXPECT_EQ(own.accepted[0].size, 0x6000U);
    EXPECT_EQ(less.header(PlatformType::sev_snp).ram_count, 2U) << "it is told of all of it";
    for (const Header header : less.file().directives()) {
        if (const auto required = header.as<RequiredMemory>()) {
            EXPECT_LT(required->number_of_bytes, 0x10'0000U);
        }
    }
    // A Linux kernel is told of all RAM, and by a page of EFI what of it is not accepted.
    const Bytes linux_file = bzimage();
    const auto linux       = read_payload(linux_file, {});
    ASSERT_TRUE(linux);
    const auto told = build(*image, lazily, {.payload = &*linux, .initrd = {}, .command_line = {}});
    ASSERT_TRUE(told) << told.error();
    const Built by_efi{.built = *told, .error = {}, .pages = {}};
    const Bytes zero_page = by_efi.page(PlatformType::sev_snp, told->layout.at.zero_page);
    EXPECT_EQ(load<u32>(zero_page, 0x1C0), 0x3436'4C45U) << "\"EL64\"";
    const u64 system_table = load<u32>(zero_page, 0x1C4);
    EXPECT_EQ(system_table, told->layout.at.efi_tables);
    EXPECT_EQ(load<u64>(by_efi.page(PlatformType::sev_snp, system_table), 0),
              0x5453'5953'2049'4249U);
    const auto rest = load<boot::SnpLaunch>(by_efi.page(PlatformType::sev_snp, 0x20'C000), 0x10);
    for (u32 n = 0; n < rest.accepted_count; ++n) {
        EXPECT_LT(rest.accepted[n].base + rest.accepted[n].size, 0x300'0000U) << n;
    }
    const E820 last = memory_map_of(zero_page).back();
    EXPECT_EQ(last.address + last.size, 0x400'0000U) << "RAM to its end";

    const Bytes kernel = pvh_executable().finish();
    const auto pvh     = read_payload(kernel, {});
    ASSERT_TRUE(pvh);
    const auto refused =
        build(*image, lazily,
              {.payload = &*pvh, .initrd = {}, .command_line = {}, .enter_pvh = enter_pvh});
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().find("only Linux and a payload of boot info"), std::string::npos);

    // What other platforms get is the same with and without it.
    const Built alone = built_as({PlatformType::sev_es});
    for (u64 gpa = 0x20'0000; gpa < 0x20'D000; gpa += page_size) {
        if (gpa != 0x20'A000) { // the record of the payload
            EXPECT_EQ(alone.page(PlatformType::sev_es, gpa),
                      result.page(PlatformType::sev_es, gpa));
        }
    }
}

namespace {

constexpr u64 gib = u64{1} << 30;

using Ranges = std::vector<std::pair<u64, u64>>; // each up to before its end

/// Of RAM alone.
Ranges ram_in(const std::vector<E820>& map) {
    Ranges ram;
    for (const E820& range : map) {
        if (range.type == 1) {
            ram.emplace_back(range.address, range.address + range.size);
        }
    }
    return ram;
}

Ranges required_by(const Built& built) {
    Ranges required;
    const File file = built.file();
    for (const Header header : file.directives()) {
        if (const auto range = header.as<RequiredMemory>()) {
            required.emplace_back(range->gpa, range->gpa + range->number_of_bytes);
        }
    }
    return required;
}

} // namespace

/// The same RAM in every protocol's words, and all of it has to be there.
TEST(IgvmPayloadBuild, MemoryFromFourGibOn) {
    for (const u64 memory : {7 * gib / 2, 6 * gib, 16 * gib, 1024 * gib}) {
        SCOPED_TRACE(memory >> 20);
        const u64 end = memory + gib;
        BuildOptions options{
            .platforms    = {PlatformType::native, PlatformType::sev_es},
            .memory       = memory,
            .tells_memory = true
        };
        const Built told = run_build(executable().finish(), options);
        ASSERT_EQ(told.error, "");
        for (const PlatformType platform : options.platforms) {
            const PayloadHeader header = told.header(platform);
            Ranges ram;
            for (u32 n = 0; n < header.ram_count; ++n) {
                ram.emplace_back(header.ram[n].base, header.ram[n].base + header.ram[n].size);
            }
            EXPECT_EQ(ram, (Ranges{
                               {0,         0xA'0000},
                               {0x10'0000, 3 * gib },
                               {4 * gib,   end     }
            }));
        }
        // In pieces, since the format has 32 bits for a size.
        const Ranges required = required_by(told);
        EXPECT_EQ(required.front(), std::pair(u64{0x10'0000}, 3 * gib));
        EXPECT_EQ(required.at(1).first, 4 * gib);
        for (u64 n = 2; n < required.size(); ++n) {
            EXPECT_EQ(required[n].first, required[n - 1].second) << n;
        }
        EXPECT_EQ(required.back().second, end);

        const Built linux = run_build(bzimage(), options, {}, Bytes(0x1000, 1));
        ASSERT_EQ(linux.error, "");
        EXPECT_EQ(required_by(linux), required);
        const Ranges e820 = ram_in(memory_map_of(
            linux.page(PlatformType::sev_es, linux.header(PlatformType::sev_es).zero_page)));
        EXPECT_EQ(e820.back(), std::pair(4 * gib, end));
        EXPECT_EQ(e820.at(e820.size() - 2).second, 3 * gib);
        EXPECT_LT(linux.header(PlatformType::sev_es).initrd, 3 * gib);

        const Built pvh = run_build(pvh_executable().finish(), options);
        ASSERT_EQ(pvh.error, "");
        const u64 way_in = pvh.header(PlatformType::sev_es).entry;
        const Bytes page = pvh.page(PlatformType::sev_es, way_in);
        const u64 start  = load<u32>(page, 12) - way_in;
        const u64 map    = load<u64>(page, start + 40) - way_in;
        const u64 last   = map + (load<u32>(page, start + 48) - u64{1}) * 24;
        EXPECT_EQ(load<u64>(page, last), 4 * gib);
        EXPECT_EQ(load<u64>(page, last + 8), memory - 3 * gib);
        EXPECT_EQ(load<u64>(page, last - 24) + load<u64>(page, last - 16), 3 * gib);
        for (const Built* const built : {&told, &linux, &pvh}) {
            expect_clean(*built, Vmm::qemu);
        }
    }
    // Where the devices begin is said, and nothing may lie among them.
    BuildOptions options{.memory = 8 * gib, .memory_below_4g = 2 * gib, .tells_memory = true};
    const Built less = run_build(executable().finish(), options);
    ASSERT_EQ(less.error, "");
    EXPECT_EQ(less.header(PlatformType::sev_es).ram[1].size, 2 * gib - 0x10'0000);
    EXPECT_EQ(less.header(PlatformType::sev_es).ram[2].size, 6 * gib);
    const auto refusal = [&](u64 address) {
        return run_build(Bytes(0x2000, 0x90), options, {}, {}, address).error;
    };
    EXPECT_EQ(refusal(2 * gib - 0x2000), "");
    for (const u64 address : {2 * gib - 0x1000, 2 * gib, 4 * gib - 0x2000}) {
        const std::string error = refusal(address);
        EXPECT_NE(error.find("of which 2048 lie below 4 GiB"), std::string::npos) << error;
        EXPECT_NE(error.find("more --memory-below-4g is needed"), std::string::npos) << error;
    }
    options.base = 3 * gib + 0x20'0000;
    EXPECT_NE(refusal(0x100'0000).find("more --memory-below-4g"), std::string::npos);
    options.base = std::nullopt;
    // A kernel's initrd has to end below them.
    options.memory_below_4g = 0x121'0000;
    EXPECT_EQ(run_build(bzimage(), options, {}, Bytes(0x20'0000, 1)).error, "");
    EXPECT_NE(run_build(bzimage(), options, {}, Bytes(0xD0'0000, 1))
                  .error.find("expected it to end below 0x1210000"),
              std::string::npos);
}

/// What is accepted before, and what is left to the payload.
TEST(IgvmPayloadBuild, AnSnpGuestAcceptsMemoryFromFourGibOn) {
    const Bytes elf        = snp_elf();
    const auto image       = read_stub_image(elf);
    const Bytes file       = executable().finish();
    const auto payload     = read_payload(file, {});
    const Bytes linux_file = bzimage();
    const auto linux       = read_payload(linux_file, {});
    ASSERT_TRUE(image && payload && linux);
    for (const u64 memory : {6 * gib, 16 * gib + 0x1000, 70 * gib}) {
        SCOPED_TRACE(memory >> 20);
        const u64 end = (memory + gib) & ~u64{0x1F'FFFF}; // in whole blocks
        for (const Payload* const with : {&*payload, &*linux}) {
            BuildOptions options{
                .platforms = {PlatformType::sev_snp}, .memory = memory, .tells_memory = true};
            const GuestContents contents{.payload = with, .initrd = {}, .command_line = {}};
            const auto built_as = [&] {
                auto built = build(*image, options, contents);
                EXPECT_TRUE(built) << built.error();
                return Built{.built = std::move(*built), .error = {}, .pages = {}};
            };
            const auto record_of = [](const Built& built) {
                return load<boot::SnpLaunch>(built.page(PlatformType::sev_snp, 0x20'C000), 0x10);
            };
            const Built all   = built_as();
            const auto record = record_of(all);
            ASSERT_GE(record.accepted_count, 2U);
            const boot::MemoryRange high = record.accepted[record.accepted_count - 1];
            const boot::MemoryRange low  = record.accepted[record.accepted_count - 2];
            EXPECT_EQ(high.base, 4 * gib);
            EXPECT_EQ(high.base + high.size, end);
            EXPECT_EQ(low.base + low.size, 3 * gib);

            options.accepts_payload = true;
            const Built lazy        = built_as();
            const auto least        = record_of(lazy);
            for (u32 n = 0; n < least.accepted_count; ++n) {
                EXPECT_LT(least.accepted[n].base + least.accepted[n].size, 3 * gib) << n;
            }
            for (const auto& [base, last] : required_by(lazy)) {
                EXPECT_LT(last, 3 * gib);
            }
            if (with->linux) {
                for (const Built* const built : {&all, &lazy}) {
                    const Ranges ram = ram_in(memory_map_of(built->page(
                        PlatformType::sev_snp, built->header(PlatformType::sev_snp).zero_page)));
                    EXPECT_EQ(ram.back(), std::pair(4 * gib, end));
                    EXPECT_EQ(ram.at(ram.size() - 2).second, 3 * gib);
                }
                const u64 tables = lazy.built.layout.at.efi_tables;
                const u64 table  = load<u64>(
                    lazy.page(PlatformType::sev_snp, tables),
                    load<u64>(lazy.page(PlatformType::sev_snp, tables), 0x70) - tables + 16);
                EXPECT_EQ(table, tables + page_size);
                const u64 bits = load<u64>(lazy.page(PlatformType::sev_snp, table), 16) * 8;
                EXPECT_GE(bits * 0x20'0000, end);
                EXPECT_EQ(lazy.page(PlatformType::sev_snp, table)[24 + 255], 0) << "below 4 GiB";
                EXPECT_EQ(lazy.page(PlatformType::sev_snp, table)[24 + 256], 0xFF)
                    << "from there on";
            } else {
                EXPECT_EQ(lazy.header(PlatformType::sev_snp).ram_count, 3U);
            }
        }
    }
}

/// Behind RAM is no memory then; it has the last 2 MiB below the devices, and nobody else has them.
TEST(IgvmPayloadBuild, AServiceBelowTheDevices) {
    const Bytes elf         = below_vmpl0_elf();
    const auto image        = read_stub_image(elf);
    const Bytes service_elf = hand_over_elf();
    const auto service      = read_stub_image(service_elf);
    ASSERT_TRUE(image && service);
    const auto built_as = [&](u64 address, u64 memory, std::optional<u64> below) {
        const Bytes file   = Bytes(0x2000, 0x90);
        const auto payload = read_payload(file, address);
        BuildOptions options{.platforms       = {PlatformType::sev_snp},
                             .memory          = memory,
                             .memory_below_4g = below,
                             .tells_memory    = true};
        options.vmpl = 1;
        auto built =
            build(*image, options,
                  {.payload = &*payload, .initrd = {}, .command_line = {}, .service = &*service});
        return built ? Built{.built = std::move(*built), .error = {}, .pages = {}}
                     : Built{.built = {}, .error = built.error(), .pages = {}};
    };
    for (const u64 below : {2 * gib, 3 * gib, 2 * gib + 0x1000}) {
        const u64 place   = (below & ~u64{0x1F'FFFF}) - 0x20'0000;
        const Built built = built_as(0x100'0000, 6 * gib, below);
        ASSERT_EQ(built.error, "");
        EXPECT_EQ(built.built.layout.at.service.base, place);
        const PayloadHeader header = built.header(PlatformType::sev_snp);
        ASSERT_EQ(header.ram_count, 3U);
        EXPECT_EQ(header.ram[1].base + header.ram[1].size, place);
        EXPECT_EQ(header.ram[2].size, 6 * gib - below);
        u64 end = 0;
        for (const auto& [base, last] : required_by(built)) { // apart
            EXPECT_GE(base, end);
            end = last;
        }
        EXPECT_NE(built_as(place, 6 * gib, below).error.find("no room for the service's 2 MiB"),
                  std::string::npos);
    }
    // Where there is room behind RAM it lies there, as ever; at two places that are near no stub
    // may lie.
    EXPECT_EQ(built_as(0x100'0000, gib, {}).built.layout.at.service.base, gib + 0x40'0000);
    EXPECT_EQ(built_as(0x100'0000, gib - 0x1000, {}).built.layout.at.service.base, gib + 0x40'0000);
}

TEST(IgvmPayloadBuild, LinuxNeedsMemory) {
    const auto error = [](u64 memory, const Bytes& initrd) {
        return run_build(bzimage(), {.memory = memory}, {}, initrd).error;
    };
    EXPECT_EQ(error(0x101'0000, {}), "");
    EXPECT_NE(error(0x100'F000, {}).find("more --memory is needed"), std::string::npos);
    EXPECT_EQ(error(0x121'0000, Bytes(0x20'0000, 1)), "");
    EXPECT_NE(error(0x121'0000, Bytes(0xD0'0000, 1)).find("expected it to end below 0x1210000"),
              std::string::npos);
    Bytes low = bzimage();
    store(low, 0x22C, u32{0x4F'FFFF});
    EXPECT_EQ(run_build(low, {}, {}, Bytes(0x10'0000, 1)).error, "");
    EXPECT_NE(run_build(low, {}, {}, Bytes(0x20'0000, 1)).error.find("below 0x500000"),
              std::string::npos);
}

TEST(IgvmPayloadBuild, SaysWhatAnImageLacks) {
    const Bytes elf    = good_elf().finish();
    const auto image   = read_stub_image(elf);
    const Bytes file   = executable().finish();
    const auto payload = read_payload(file, {});
    ASSERT_TRUE(payload);
    const auto no_header =
        build(*image, {}, {.payload = &*payload, .initrd = {}, .command_line = {}});
    ASSERT_FALSE(no_header);
    EXPECT_NE(no_header.error().find("the symbol payload_header"), std::string::npos);
    const auto no_ap = build(*image, {.vcpus = 2});
    ASSERT_FALSE(no_ap);
    EXPECT_NE(no_ap.error().find("the symbol entry_ap"), std::string::npos);
}

TEST(IgvmPayloadBuild, PayloadHeadersOfImages) {
    const auto refusal = [](Elf& elf) {
        const Bytes file = elf.finish();
        const auto image = read_stub_image(file);
        return image ? "" : std::string(image.error().expected);
    };
    Elf outside = good_elf();
    outside.add_symbol("payload_header", 0xB800);
    EXPECT_EQ(refusal(outside), "a payload header in the file's part of a segment");
    Elf version = good_elf();
    version.add_symbol("payload_header", header_at);
    EXPECT_EQ(refusal(version), "a payload header of version 3");
    Elf entry = good_elf();
    entry.add_symbol("entry_ap", 0x4000);
    EXPECT_EQ(refusal(entry), "an entry point in the file's part of an executable segment");
}

TEST(IgvmPayloadBuild, SameInputsSameBytes) {
    const BuildOptions options{
        .platforms = {PlatformType::sev_snp, PlatformType::native},
          .vcpus = 2, .memory_map = true
    };
    EXPECT_EQ(run_build(bzimage(), options, "a", Bytes(9, 1)).built.bytes,
              run_build(bzimage(), options, "a", Bytes(9, 1)).built.bytes);
}

} // namespace vestibule::igvm::test
