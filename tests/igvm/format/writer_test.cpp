// SPDX-License-Identifier: BSD-2-Clause-Patent
// The writer: what it writes reads back the same, costs no more than it must, and never breaks a
// rule of the reader.
#include "tests/igvm/fixture.h"

#include <algorithm>

namespace vestibule::igvm::test {

static PageData page_at(u64 gpa, u32 mask) {
    return {.gpa                = gpa,
            .compatibility_mask = mask,
            .file_offset        = 0,
            .flags              = 0,
            .data_type          = PageDataType::normal,
            .reserved           = 0};
}

/// Every header as (type, content) must come back in order, in both versions of the format.
class IgvmWriter : public testing::TestWithParam<u32> {};

INSTANTIATE_TEST_SUITE_P(Version, IgvmWriter, testing::Values(1, 2));

TEST_P(IgvmWriter, ReadsBackEqual) {
    Writer writer(GetParam());
    const u32 native = writer.add_platform(PlatformType::native);
    const u32 es     = writer.add_platform(PlatformType::sev_es);
    ASSERT_EQ(native | es, 3u);
    writer.add(GuestPolicy{.policy = 7, .compatibility_mask = es, .reserved = 0});
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 5, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = 5, .byte_offset = 16},
               HeaderType::memory_map);
    writer.add(ParameterInsert{
        .gpa = 0x9000, .compatibility_mask = native | es, .parameter_area_index = 5});
    writer.add(RequiredMemory{.gpa                = 0x1000,
                              .compatibility_mask = native,
                              .number_of_bytes    = 0x2000,
                              .flags              = 0,
                              .reserved           = 0});
    const Bytes content(page_size, 0xAB);
    writer.add_page(page_at(0x1000, native | es), content);
    writer.add(
        VpContext{
            .gpa = 0, .compatibility_mask = native, .file_offset = 0, .vp_index = 0, .reserved = 0},
        page_with(native_context()));
    const Bytes file  = must_finish(writer);
    const auto parsed = parse(file);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->fixed_header().common.format_version, GetParam());
    EXPECT_EQ(parsed->fixed_header().common.variable_header_offset,
              GetParam() == 1 ? sizeof(FixedHeader) : sizeof(FixedHeaderV2));

    std::vector<HeaderType> types;
    std::vector<u32> indexes;
    for (const auto& section :
         {parsed->platforms(), parsed->initialization(), parsed->directives()}) {
        for (const Header header : section) {
            types.push_back(header.type);
            indexes.push_back(header.index);
        }
    }
    using enum HeaderType;
    EXPECT_EQ(types,
              (std::vector{supported_platform, supported_platform, guest_policy, parameter_area,
                           memory_map, parameter_insert, required_memory, page_data, vp_context}));
    EXPECT_EQ(indexes, (std::vector<u32>{0, 1, 2, 3, 4, 5, 6, 7, 8}));

    const auto page = load<PageData>(file, content_of<PageData>(file));
    EXPECT_TRUE(std::ranges::equal(parsed->data(page), content));
    const auto context = load<VpContext>(file, content_of<VpContext>(file));
    EXPECT_TRUE(std::ranges::equal(parsed->data(context.file_offset, page_size),
                                   page_with(native_context())));
    const auto usage = load<ParameterUsage>(file, content_of<ParameterUsage>(file));
    EXPECT_EQ(usage.byte_offset, 16u);

    EXPECT_EQ(must_finish(writer), file) << "not reproducible";
}

TEST_P(IgvmWriter, DirectivesOfOnePlatform) {
    Writer writer(GetParam());
    const u32 native = writer.add_platform(PlatformType::native);
    const u32 es     = writer.add_platform(PlatformType::sev_es);
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 0, .file_offset = 0});
    writer.add_page(page_at(0x1000, es), {});
    writer.add_page(page_at(0x2000, native), {});
    writer.add_page(page_at(0x3000, native | es), {});
    const Bytes file  = must_finish(writer);
    const auto parsed = parse(file);
    ASSERT_TRUE(parsed);
    std::vector<u32> indexes;
    for (const Header header : parsed->directives(native)) {
        indexes.push_back(header.index);
    }
    // A parameter area has no mask and so belongs to all.
    EXPECT_EQ(indexes, (std::vector<u32>{2, 4, 5}));
}

TEST(IgvmWriterData, IdenticalPagesAreStoredOnce) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::native);
    const Bytes first(page_size, 1);
    const Bytes second(page_size, 2);
    writer.add_page(page_at(0x1000, mask), first);
    writer.add_page(page_at(0x2000, mask), second);
    writer.add_page(page_at(0x3000, mask), first);
    const Bytes file   = must_finish(writer);
    const auto headers = load<FixedHeader>(file);
    EXPECT_EQ(file.size(),
              headers.variable_header_offset + headers.variable_header_size + 2 * page_size);
    EXPECT_EQ(load<PageData>(file, content_of<PageData>(file, 0)).file_offset,
              load<PageData>(file, content_of<PageData>(file, 2)).file_offset);
}

TEST(IgvmWriterData, ZeroPagesTakeOneByteInAll) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::native);
    writer.add_page(page_at(0x1000, mask), Bytes(page_size));
    const Bytes file   = must_finish(writer);
    const auto headers = load<FixedHeader>(file);
    EXPECT_EQ(file.size(), headers.variable_header_offset + headers.variable_header_size + 1);
    EXPECT_EQ(load<PageData>(file, content_of<PageData>(file)).file_offset, 0u);
}

TEST(IgvmWriterData, RefusesWhatTheReaderRefuses) {
    const Writer nothing;
    ASSERT_FALSE(nothing.finish());
    EXPECT_EQ(nothing.finish().error().rule, Rule::some_platform);

    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::native);
    writer.add_page(page_at(0x1001, mask), {});
    ASSERT_FALSE(writer.finish());
    EXPECT_EQ(writer.finish().error().rule, Rule::gpa_page_aligned);
}

} // namespace vestibule::igvm::test
