// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a file puts into a guest: directives by platform and in order, parameters as bytes, and what
// cannot be launched refused by name.
#include "tests/igvm/launch_fixture.h"

#include "igvm/format/file_content.h"

#include <functional>
#include <map>
#include <numeric>

namespace vestibule::igvm::test {

namespace {
const GuestMachine machine{.memory = u64{5} << 30, .vcpus = 3, .command_line = "quiet x=1"};

template <class T>
T at(std::span<const u8> bytes, u64 offset) {
    EXPECT_LE(offset + sizeof(T), bytes.size());
    return load<T>(bytes, offset);
}

std::string error_of(const Bytes& file, PlatformType platform, const GuestMachine& own = machine) {
    const auto parsed = parse(file);
    EXPECT_TRUE(parsed);
    const auto content = file_content(*parsed, platform, own);
    return content ? "" : content.error();
}

void add_area(Writer& writer, u32 index, u64 size = page_size) {
    writer.add(
        ParameterArea{.number_of_bytes = size, .parameter_area_index = index, .file_offset = 0});
}
} // namespace

TEST(IgvmContent, RamHasAHoleBelow4GiB) {
    const auto small = ram_of(u64{256} << 20);
    ASSERT_EQ(small.size(), 1U);
    EXPECT_EQ(small[0].size, u64{256} << 20);
    EXPECT_EQ(ram_of(u64{3} << 30).size(), 1U);
    const auto large = ram_of(u64{5} << 30);
    ASSERT_EQ(large.size(), 2U);
    EXPECT_EQ(large[0].size, u64{3} << 30);
    EXPECT_EQ(large[1].gpa, u64{4} << 30);
    EXPECT_EQ(large[1].size, u64{2} << 30);
}

TEST(IgvmContent, ParametersAsTheFormatHasThem) {
    EXPECT_EQ(parameter_bytes(HeaderType::vp_count_parameter, machine), (Bytes{3, 0, 0, 0}));
    EXPECT_EQ(parameter_bytes(HeaderType::environment_info_parameter, machine),
              (Bytes{1, 0, 0, 0}));
    const auto line = parameter_bytes(HeaderType::command_line, machine);
    EXPECT_EQ(std::string(line.begin(), line.end()), std::string("quiet x=1\0", 10));

    const auto map = parameter_bytes(HeaderType::memory_map, machine);
    ASSERT_EQ(map.size(), 72U); // two entries of RAM and the one that ends it
    EXPECT_EQ(at<u64>(map, 0), 0U);
    EXPECT_EQ(at<u64>(map, 8), 0xC'0000U);
    EXPECT_EQ(at<u64>(map, 24), 0x10'0000U);
    EXPECT_EQ(at<u64>(map, 32), 0x8'0000U);
    EXPECT_EQ(at<u16>(map, 40), 0U);
    EXPECT_EQ(Bytes(map.begin() + 48, map.end()), Bytes(24));
    for (const HeaderType type :
         {HeaderType::srat, HeaderType::slit, HeaderType::pptt, HeaderType::mmio_ranges}) {
        EXPECT_TRUE(parameter_bytes(type, machine).empty());
    }
}

TEST(IgvmContent, TheMadtIsATableOfAcpis) {
    const auto madt = parameter_bytes(HeaderType::madt, machine);
    EXPECT_EQ(std::string(madt.begin(), madt.begin() + 4), "APIC");
    EXPECT_EQ(at<u32>(madt, 4), madt.size());
    EXPECT_EQ(std::accumulate(madt.begin(), madt.end(), 0) & 0xFF, 0);
    EXPECT_EQ(at<u32>(madt, 36), 0xFEE0'0000U);
    unsigned processors = 0;
    unsigned io_apics   = 0;
    unsigned overrides  = 0;
    for (u64 entry = 44; entry < madt.size(); entry += madt[entry + 1]) {
        ASSERT_NE(madt[entry + 1], 0U);
        if (madt[entry] == 0) {
            EXPECT_EQ(madt[entry + 1], 8U);
            EXPECT_EQ(madt[entry + 3], processors++) << "the APIC's number";
            EXPECT_EQ(at<u32>(madt, entry + 4), 1U);
        } else if (madt[entry] == 1) {
            ++io_apics;
            EXPECT_EQ(at<u32>(madt, entry + 4), 0xFEC0'0000U);
        } else {
            ASSERT_EQ(madt[entry], 2U);
            ++overrides;
            EXPECT_EQ(at<u32>(madt, entry + 4), 2U);
        }
    }
    EXPECT_EQ(processors, 3U);
    EXPECT_EQ(io_apics, 1U);
    EXPECT_EQ(overrides, 1U);
}

TEST(IgvmContent, TheDevicetreeIsReadByItsSpecification) {
    const auto tree = parameter_bytes(HeaderType::device_tree, machine);
    const auto word = [&tree](u64 offset) { return __builtin_bswap32(at<u32>(tree, offset)); };
    EXPECT_EQ(word(0), 0xD00D'FEEDU);
    EXPECT_EQ(word(4), tree.size());
    EXPECT_EQ(word(20), 17U);
    EXPECT_EQ(at<u64>(tree, word(16)), 0U) << "no reserved memory";
    const u64 strings = word(12);
    std::string path;
    std::map<std::string, std::string> found;
    const auto text = [&tree](u64 offset) {
        return std::string(reinterpret_cast<const char*>(tree.data()) + offset); // NOLINT
    };
    for (u64 offset = word(8); word(offset) != 9;) {
        ASSERT_LT(offset, strings);
        const u32 token = word(offset);
        offset += 4;
        if (token == 1) {
            path += text(offset) + "/";
            offset += (text(offset).size() + 4) & ~u64{3};
        } else if (token == 2) {
            path.resize(path.find_last_of('/', path.size() - 2) + 1);
        } else {
            ASSERT_EQ(token, 3U);
            const u32 size                                 = word(offset);
            const auto* value                              = tree.data() + offset + 8;
            found[path + text(strings + word(offset + 4))] = std::string(value, value + size);
            offset += 8 + ((size + 3) & ~3U);
        }
    }
    EXPECT_EQ(found["/chosen/bootargs"], std::string("quiet x=1\0", 10));
    EXPECT_EQ(found["/memory@0/reg"], std::string("\0\0\0\0\0\0\0\0\0\0\0\0\xC0\0\0\0", 16));
    EXPECT_EQ(found["/memory@100000000/reg"],
              std::string("\0\0\0\1\0\0\0\0\0\0\0\0\x80\0\0\0", 16));
    EXPECT_EQ(found["/cpus/cpu@02/reg"], std::string("\0\0\0\2", 4));
    EXPECT_EQ(found["/#size-cells"], std::string("\0\0\0\2", 4));
}

TEST(IgvmContent, DirectivesInOrderForOnePlatform) {
    Writer writer;
    const u32 native = writer.add_platform(PlatformType::native);
    const u32 snp    = writer.add_platform(PlatformType::sev_snp);
    writer.add(GuestPolicy{.policy = 0x7'0000, .compatibility_mask = snp, .reserved = 0});
    const Bytes initial(page_size, 0x11);
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 4, .file_offset = 0},
        initial);
    writer.add(ParameterUsage{.parameter_area_index = 4, .byte_offset = 8},
               HeaderType::vp_count_parameter);
    writer.add_page(page_data(native, 0x9000), hlt_page());
    writer.add_page(page_data(snp, 0x1000), hlt_page());
    writer.add(ParameterInsert{
        .gpa = 0x2000, .compatibility_mask = snp | native, .parameter_area_index = 4});
    writer.add_page(page_data(snp, 0x3000, PageDataType::normal, PageData::unmeasured), {});
    writer.add_page(page_data(snp, 0x4000, PageDataType::normal, PageData::shared), hlt_page());
    writer.add_page(page_data(snp, 0x20'0000, PageDataType::normal, PageData::is_2mb_page), {});
    writer.add(RequiredMemory{.gpa                = 0x10'0000,
                              .compatibility_mask = snp,
                              .number_of_bytes    = 0x3000,
                              .flags              = 0,
                              .reserved           = 0});
    add_vmsa(writer, snp, qemu_vmsa(1), 2);
    const Bytes file   = must_finish(writer);
    const auto parsed  = *parse(file);
    const auto content = file_content(parsed, PlatformType::sev_snp, machine);
    ASSERT_TRUE(content) << content.error();
    ASSERT_EQ(content->pieces.size(), 5U);
    const auto& pieces = content->pieces;
    EXPECT_EQ(pieces[0].range.gpa, 0x1000U);
    EXPECT_EQ(pieces[0].type, PageType::normal);
    EXPECT_EQ(pieces[1].range.gpa, 0x2000U);
    EXPECT_EQ(pieces[1].type, PageType::unmeasured);
    EXPECT_EQ(pieces[1].data[7], 0x11U) << "the area's initial content";
    EXPECT_EQ(pieces[1].data[8], 3U);
    EXPECT_EQ(pieces[2].type, PageType::unmeasured);
    EXPECT_TRUE(pieces[2].data.empty());
    EXPECT_TRUE(pieces[3].shared);
    EXPECT_EQ(pieces[4].range.size, u64{2} << 20);
    EXPECT_EQ(content->policy, 0x7'0000U);
    ASSERT_EQ(content->required.size(), 1U);
    EXPECT_EQ(content->required[0].size, 0x3000U);
    EXPECT_EQ(content->contexts.size(), 1U);
    EXPECT_TRUE(content->contexts.contains(2));
    const auto other = file_content(parsed, PlatformType::native, machine);
    ASSERT_TRUE(other);
    EXPECT_EQ(other->pieces.size(), 2U);
    EXPECT_FALSE(other->policy);
}

TEST(IgvmContent, WhatCannotBeLaunchedIsNamed) {
    struct Row {
        std::function<void(Writer&, u32)> add;
        PlatformType platform;
        std::string_view found;
        std::string_view expected;
    };

    const auto usage = [](HeaderType type, u32 offset, u64 size = page_size) {
        return [=](Writer& writer, u32) {
            add_area(writer, 0, size);
            writer.add(ParameterUsage{.parameter_area_index = 0, .byte_offset = offset}, type);
        };
    };
    const auto context = [](u16 vp) {
        return [=](Writer& writer, u32 mask) { add_vmsa(writer, mask, qemu_vmsa(1), vp); };
    };
    const auto page = [](PageDataType type) {
        return
            [=](Writer& writer, u32 mask) { writer.add_page(page_data(mask, 0x1000, type), {}); };
    };
    const Row rows[] = {
        {usage(HeaderType::srat, 0), PlatformType::native, "found SRAT",
         "a parameter that QEMU 11.1"},
        {usage(HeaderType::mmio_ranges, 0), PlatformType::native, "found MMIO_RANGES",
         "COMMAND_LINE"},
        {usage(HeaderType::vp_count_parameter, 4093), PlatformType::sev_es,
         "found VP_COUNT_PARAMETER", "room for 4 bytes at offset 0xffd of the parameter area"},
        {usage(HeaderType::memory_map, 4096 - 71), PlatformType::sev_es, "found MEMORY_MAP",
         "room for 72"},
        {usage(HeaderType::madt, 0, u64{1} << 40), PlatformType::native, "found PARAMETER_AREA",
         "64 MiB"},
        {context(3), PlatformType::sev_snp, "found VP_CONTEXT", "a VP below 3, or more --vcpus"},
        {page(PageDataType::secrets), PlatformType::sev_es, "found PAGE_DATA", "SEV-SNP only"},
        {page(PageDataType::cpuid_data), PlatformType::native, "found PAGE_DATA", "SEV-SNP only"},
        {[](Writer& writer, u32 mask) {
             writer.add(
                 ErrorRange{.gpa = 0x1000, .compatibility_mask = mask, .size_bytes = 0x1000});
         }, PlatformType::sev_snp, "found ERROR_RANGE", "a directive that QEMU 11.1 accepts"},
        {[](Writer& writer, u32 mask) {
             SnpIdBlock block{};
             block.compatibility_mask = mask;
             writer.add(block);
             writer.add(block);
         }, PlatformType::sev_snp, "found SNP_ID_BLOCK", "one SNP_ID_BLOCK at the most"},
        {[](Writer& writer, u32 mask) {
             writer.add(
                 CorimData{
                     .compatibility_mask = mask, .file_offset = 0, .size_bytes = 8, .reserved = 0},
                 Bytes(8, 1), HeaderType::corim_document);
         }, PlatformType::native, "found CORIM_DOCUMENT", "no initialization header but GUEST_POLICY"},
    };
    for (const Row& row : rows) {
        Writer writer;
        const u32 mask = writer.add_platform(row.platform);
        row.add(writer, mask);
        const std::string error = error_of(must_finish(writer), row.platform);
        EXPECT_NE(error.find(row.found), std::string::npos) << error;
        EXPECT_NE(error.find(row.expected), std::string::npos) << error;
        EXPECT_EQ(error.find("offset 0x"), 0U) << error;
    }
}

} // namespace vestibule::igvm::test
