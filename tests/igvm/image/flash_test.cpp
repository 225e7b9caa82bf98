// SPDX-License-Identifier: BSD-2-Clause-Patent
// Flash images: the volume as a monitor reads it, and as the code in it does, which this executes a
// model of. What that puts into memory is what a loader would have put there from the IGVM file.
#include "tests/igvm/payload_fixture.h"

#include "igvm/image/flash.h"

#include "boot/flash/record.h"
#include "boot/hand_over/snp_launch.h"
#include "flash_reset.h"
#include "igvm/measure/firmware.h"
#include "igvm/measure/firmware_launch.h"

#include <map>

namespace vestibule::igvm::test {

using boot::PayloadHeader;
using boot::flash::Range;
using boot::flash::Record;

namespace {

constexpr u64 header_at  = 0xA000; // of the payload header, in the image
constexpr u64 volume_end = u64{1} << 32;

const std::vector all_platforms = {PlatformType::native, PlatformType::sev_es,
                                   PlatformType::sev_snp};

Bytes stub() {
    Elf elf = good_elf();
    elf.add_symbol("payload_header", header_at);
    elf.add_symbol("entry_ap", 0x1234);
    elf.add_symbol("entry32", 0x1040);
    elf.add_symbol("entry32_snp", 0x1080);
    store(elf.contents[2], offsetof(PayloadHeader, version), PayloadHeader::current_version);
    return elf.finish();
}

/// With a page for SEV-SNP alone, in which the record of the launch stands.
Bytes snp_stub() {
    Elf elf = good_elf();
    elf.add_symbol("entry32", 0x1040);
    Bytes page(page_size, 0x5A);
    store(page, 0x800, boot::SnpLaunch::current_version);
    elf.add_segment(PF_R | StubSegment::snp_flag, 0xC000, page, page_size);
    elf.add_symbol("snp_launch", 0xC800);
    elf.add_symbol("payload_header", header_at);
    store(elf.contents[2], offsetof(PayloadHeader, version), PayloadHeader::current_version);
    return elf.finish();
}

struct Volume {
    BuiltFile built;
    std::string error;

    [[nodiscard]] const Bytes& bytes() const { return built.bytes; }

    [[nodiscard]] u64 place(u64 address) const { return address - (volume_end - bytes().size()); }

    [[nodiscard]] Record record() const {
        return load<Record>(bytes(), bytes().size() - boot::flash::code_size);
    }

    /// Memory as boot/flash/main.cpp leaves it, page by page.
    [[nodiscard]] std::map<u64, Bytes> memory(boot::Platform platform) const {
        std::map<u64, Bytes> pages;
        const Record all = record();
        for (u32 n = 0; n < all.range_count; ++n) {
            const auto range = load<Range>(bytes(), place(all.ranges) + n * sizeof(Range));
            if (((range.platforms >> static_cast<u32>(platform)) & 1) == 0) {
                continue;
            }
            EXPECT_EQ(range.gpa % page_size, 0u);
            EXPECT_EQ(range.size % 4, 0u);
            EXPECT_EQ(range.from % 4, 0u);
            for (u64 at = 0; at < range.size; at += page_size) {
                const auto [page, is_new] = pages.emplace(range.gpa + at, Bytes(page_size));
                EXPECT_TRUE(is_new) << "validated twice: " << range.gpa + at;
                if (range.from != 0) {
                    const u64 size = std::min<u64>(page_size, range.size - at);
                    std::memcpy(page->second.data(), &bytes().at(place(range.from) + at), size);
                }
            }
        }
        return pages;
    }
};

/// What a loader puts into memory from the IGVM file, without what SEV-SNP fills in.
std::map<u64, Bytes> loaded(const BuiltFile& built, PlatformType platform) {
    std::map<u64, Bytes> pages;
    const auto file = parse(built.bytes);
    EXPECT_TRUE(file);
    for (const Header header : file->directives(file->mask_of(platform))) {
        if (const auto page = header.as<PageData>();
            page && page->data_type == PageDataType::normal) {
            const auto data = file->data(*page);
            Bytes content(data.begin(), data.end());
            content.resize(page_size);
            pages.emplace(page->gpa, content);
        }
    }
    return pages;
}

BuildOptions options(std::vector<PlatformType> platforms, u32 vcpus = 1) {
    return {.platforms = std::move(platforms),
            .base      = u64{0x20'0000},
            .entry     = boot::Entry::legacy32,
            .vcpus     = vcpus};
}

Volume make(const Bytes& elf, const BuildOptions& options, const GuestContents& contents = {}) {
    const auto image = read_stub_image(elf);
    EXPECT_TRUE(image);
    GuestContents with_code = contents;
    with_code.flash_reset   = embedded::flash_reset();
    auto built              = build_flash(*image, options, with_code);
    return built ? Volume{.built = std::move(*built), .error = {}}
                 : Volume{.built = {}, .error = built.error()};
}

Volume make_with_payload(const Bytes& file, std::optional<u64> address, const Bytes& initrd = {}) {
    const auto payload = read_payload(file, address);
    EXPECT_TRUE(payload);
    return make(stub(), options(all_platforms),
                {.payload = &*payload, .initrd = initrd, .command_line = {}});
}

} // namespace

TEST(IgvmFlash, IsAVolumeThatFirmwareToolsRead) {
    const Volume volume = make(stub(), options(all_platforms, 2));
    ASSERT_EQ(volume.error, "");
    EXPECT_EQ(volume.bytes().size() % 0x1'0000, 0u) << "QEMU's -bios takes whole 64 KiB";
    const auto firmware = parse_firmware(volume.bytes());
    ASSERT_TRUE(firmware) << firmware.error().expected;
    ASSERT_TRUE(firmware->reset_address);
    EXPECT_GE(*firmware->reset_address, volume_end - boot::flash::code_size + sizeof(Record));
    ASSERT_TRUE(firmware->hash_table);
    EXPECT_EQ(firmware->hash_table->gpa, 0u) << "as OVMF without direct boot: nowhere";
    ASSERT_TRUE(firmware->sections);
    const u32 behind               = 0x20'0000 + 0xC000; // of the image
    const FirmwareSection wanted[] = {
        {.gpa = 0x20'0000,       .size = page_size, .type = SectionType::sec_mem},
        {.gpa = behind + 0x1000, .size = page_size, .type = SectionType::secrets},
        {.gpa = behind,          .size = page_size, .type = SectionType::cpuid  },
    };
    ASSERT_EQ(firmware->sections->size(), std::size(wanted));
    for (u64 n = 0; n < std::size(wanted); ++n) {
        EXPECT_EQ((*firmware->sections)[n].gpa, wanted[n].gpa) << n;
        EXPECT_EQ((*firmware->sections)[n].size, wanted[n].size) << n;
        EXPECT_EQ((*firmware->sections)[n].type, wanted[n].type) << n;
    }
    // The reset vector: a near jump of 16-bit code, within the last 64 KiB.
    EXPECT_EQ(volume.bytes().at(volume.place(0xFFFF'FFF0)), 0xE9);
}

TEST(IgvmFlash, WithoutSnpHasNoMetadata) {
    const Volume volume = make(stub(), options({PlatformType::native, PlatformType::sev_es}));
    ASSERT_EQ(volume.error, "");
    const auto firmware = parse_firmware(volume.bytes());
    ASSERT_TRUE(firmware);
    EXPECT_TRUE(firmware->reset_address);
    EXPECT_FALSE(firmware->sections);
}

TEST(IgvmFlash, HasAPlaceForHashesOfAKernelThatItBoots) {
    const Bytes file    = executable().finish();
    const auto payload  = read_payload(file, {});
    BuildOptions direct = options(all_platforms);
    direct.direct_boot  = true;
    direct.tells_memory = true;
    const Volume volume =
        make(stub(), direct, {.payload = &*payload, .initrd = {}, .command_line = {}});
    ASSERT_EQ(volume.error, "");
    const auto firmware = parse_firmware(volume.bytes());
    ASSERT_TRUE(firmware && firmware->hash_table && firmware->sections);
    // Behind the image, CPUID page, secrets page and ACPI's tables.
    constexpr u32 page = 0x20'0000 + 0xF000;
    EXPECT_EQ(firmware->hash_table->gpa, page);
    EXPECT_GE(firmware->hash_table->size, hash_table_size);
    EXPECT_EQ(firmware->sections->back().gpa, page);
    EXPECT_EQ(firmware->sections->back().type, SectionType::kernel_hashes);
    const auto memory = volume.memory(boot::Platform::sev_snp);
    EXPECT_EQ(memory.count(page), 0u) << "the launch has validated it";
    const auto header = load<PayloadHeader>(memory.at(0x20'0000 + header_at));
    EXPECT_EQ(std::string_view(header.command_line), std::to_string(page));
    EXPECT_EQ(header.rsdp, page - page_size);
}

TEST(IgvmFlash, PutsIntoMemoryWhatALoaderWould) {
    const Bytes file   = executable().finish();
    const auto payload = read_payload(file, {});
    ASSERT_TRUE(payload);
    const Bytes initrd(3 * page_size + 5, 0x1D);
    const Bytes elf = stub();
    const GuestContents contents{.payload = &*payload, .initrd = initrd, .command_line = {}};
    const auto image = read_stub_image(elf);
    const auto igvm  = build(*image, options(all_platforms), contents);
    ASSERT_TRUE(igvm) << igvm.error();
    const Volume volume = make(elf, options(all_platforms), contents);
    ASSERT_EQ(volume.error, "");
    EXPECT_EQ(volume.memory(boot::Platform::native), loaded(*igvm, PlatformType::native));
    EXPECT_EQ(volume.memory(boot::Platform::sev_es), loaded(*igvm, PlatformType::sev_es));

    // An SEV-SNP guest has the memory besides that the stub clears, and none twice.
    auto snp      = volume.memory(boot::Platform::sev_snp);
    auto expected = loaded(*igvm, PlatformType::sev_snp);
    for (u64 page = 0x20'6000; page < 0x20'9000; page += page_size) {
        EXPECT_EQ(snp.count(page), 1u) << page;
        expected.emplace(page, Bytes(page_size));
    }
    EXPECT_EQ(snp, expected);
    for (const FirmwareSection& section : *parse_firmware(volume.bytes())->sections) {
        EXPECT_EQ(snp.count(section.gpa), 0u) << "the launch has validated it";
    }
}

TEST(IgvmFlash, TellsTheStubThatNothingIsAssigned) {
    const Bytes elf    = snp_stub();
    const Bytes file   = executable().finish();
    const auto payload = read_payload(file, {});
    const GuestContents contents{.payload = &*payload, .initrd = {}, .command_line = {}};
    const auto record_of = [&](const std::map<u64, Bytes>& pages) {
        return load<boot::SnpLaunch>(pages.at(0x20'C000), 0x800);
    };
    const auto igvm = build(*read_stub_image(elf), options(all_platforms), contents);
    ASSERT_TRUE(igvm);
    EXPECT_EQ(record_of(loaded(*igvm, PlatformType::sev_snp)).assigned_from, 0x10'0000u);
    const Volume volume = make(elf, options(all_platforms), contents);
    ASSERT_EQ(volume.error, "");
    const auto memory = volume.memory(boot::Platform::sev_snp);
    EXPECT_EQ(record_of(memory).assigned_from, ~u64{0});
    EXPECT_EQ(volume.memory(boot::Platform::sev_es).count(0x20'C000), 0u);

    // What it takes for loaded is what the code has validated, outside of the stub's 2 MiB.
    u64 validated = 0;
    for (const auto& [gpa, page] : memory) {
        validated += gpa >= 0x40'0000 ? 1 : 0;
    }
    u64 told = 0;
    for (u32 n = 0; n < record_of(memory).loaded_count; ++n) {
        told += record_of(memory).loaded[n].size / page_size;
    }
    EXPECT_EQ(validated, told);
    EXPECT_GT(told, 0u);
}

TEST(IgvmFlash, PlacesTheWayOfFurtherVcpusLast) {
    const Volume one = make(stub(), options(all_platforms));
    EXPECT_EQ(one.record().ap_page, 0u);
    const Volume volume = make(stub(), options(all_platforms, 2));
    ASSERT_EQ(volume.error, "");
    const Record record = volume.record();
    EXPECT_EQ(record.ap_page, 0x20'E000u); // behind the image, CPUID and secrets page
    EXPECT_EQ(record.ap_entry, 0x20'1234u);
    EXPECT_EQ(record.base, 0x20'0000u);
    EXPECT_EQ(record.entry, 0x20'1040u); // all of its memory is validated: not entry32_snp
    const auto last = load<Range>(volume.bytes(), volume.place(record.ranges)
                                                      + (record.range_count - 1) * sizeof(Range));
    EXPECT_EQ(last.gpa, record.ap_page);
    EXPECT_EQ(last.from, record.ap_way);
    EXPECT_EQ(last.platforms, 7u);
    const Bytes way = volume.memory(boot::Platform::sev_es).at(record.ap_page);
    EXPECT_NE(way, Bytes(page_size));
}

TEST(IgvmFlash, HoldsBytesOnceAndZerosNever) {
    const Volume volume = make_with_payload(executable().finish(), {}, Bytes(2 << 20));
    ASSERT_EQ(volume.error, "");
    EXPECT_EQ(volume.bytes().size(), 0x1'0000u) << "2 MiB of zeros in a volume of 64 KiB";
    const Bytes same(page_size, 0x77);
    Bytes twice = same;
    twice.resize(3 * page_size);
    twice.insert(twice.end(), same.begin(), same.end());
    const Volume both = make_with_payload(twice, 0x100'0000);
    ASSERT_EQ(both.error, "");
    const auto memory = both.memory(boot::Platform::native);
    EXPECT_EQ(memory.at(0x100'0000), same);
    EXPECT_EQ(memory.at(0x100'1000), Bytes(page_size));
    EXPECT_EQ(memory.at(0x100'3000), same);
}

TEST(IgvmFlash, RefusesWhatDoesNotFit) {
    Bytes large(17 << 20);
    for (u64 at = 0; at < large.size(); at += page_size) {
        store(large, at, static_cast<u32>(at + 1));
    }
    EXPECT_TRUE(
        make_with_payload(large, 0x100'0000)
            .error.ends_with("expected at most 16777216: what is larger needs an IGVM file"));
    const Bytes small(page_size, 0xF4);
    EXPECT_EQ(make_with_payload(small, 0xF'0000).error,
              "the guest has pages at 0xf0000 to 0xf1000: expected none at 0xa0000 to 0x100000, "
              "where a PC has video memory and the volume's last 128 KiB");
    EXPECT_EQ(make_with_payload(small, 0xFFFF'8000).error,
              "the guest has pages at 0xffff8000 to 0xffff9000: expected them below the volume, "
              "which begins at 0xffff0000");
    EXPECT_EQ(make_with_payload(small, 0x9'F000).error, "");
}

TEST(IgvmFlash, RefusesOtherEntriesParametersAndVmpls) {
    BuildOptions wrong = options(all_platforms);
    EXPECT_FALSE(wrong_flash_option(wrong));
    wrong.entry = boot::Entry::long64;
    EXPECT_EQ(wrong_flash_option(wrong),
              "a flash image enters the stub in 32-bit legacy mode: expected the entry 32");
    wrong          = options(all_platforms);
    wrong.vp_count = true;
    EXPECT_TRUE(wrong_flash_option(wrong)->starts_with("parameters are"));
    wrong      = options({PlatformType::sev_snp});
    wrong.vmpl = 1;
    EXPECT_TRUE(wrong_flash_option(wrong)->starts_with("VMPL: found 1"));
}

TEST(IgvmFlash, RefusesCodeThatIsNone) {
    const Bytes elf  = stub();
    const auto image = read_stub_image(elf);
    const Bytes zeros(boot::flash::code_size);
    const GuestContents code{
        .payload = nullptr, .initrd = {}, .command_line = {}, .flash_reset = zeros};
    const auto none = build_flash(*image, options(all_platforms), code);
    ASSERT_FALSE(none);
    EXPECT_TRUE(none.error().starts_with("the reset code: found 4096 bytes"));
    const auto no_way = build_flash(*image, options(all_platforms, 2), code);
    ASSERT_FALSE(no_way);
    EXPECT_EQ(no_way.error(), "the reset code of flash images has no way for further vCPUs");
}

} // namespace vestibule::igvm::test
