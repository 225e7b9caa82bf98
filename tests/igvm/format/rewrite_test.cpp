// SPDX-License-Identifier: BSD-2-Clause-Patent
// Reading and writing lose nothing: the writer's own files come back byte for byte, any other valid
// file comes back saying the same, and never longer than it was.
#include "tests/igvm/seed_files.h"

#include "igvm/format/references.h"
#include "igvm/format/rewrite.h"

#include <algorithm>

namespace vestibule::igvm::test {

namespace {
Bytes must_rewrite(const Bytes& file) {
    const auto parsed = parse(file, OptionalHeaders::kept);
    EXPECT_TRUE(parsed);
    auto written = rewrite(*parsed);
    EXPECT_TRUE(written) << written.error().rule_name();
    return written ? *written : Bytes{};
}

void expect_same_content(const Bytes& one, const Bytes& other) {
    const auto first  = parse(one, OptionalHeaders::kept);
    const auto second = parse(other, OptionalHeaders::kept);
    ASSERT_TRUE(first && second);
    EXPECT_TRUE(same_content(*first, *second));
    EXPECT_TRUE(same_content(*second, *first));
}

/// Another layout of a file: a gap behind the fixed header, and every reference to data of its own
/// at an odd place.
Bytes scattered(const Bytes& file) {
    constexpr u64 gap    = 40;
    const auto parsed    = parse(file, OptionalHeaders::kept);
    const auto fixed     = parsed->fixed_header().common;
    const u64 fixed_size = fixed.variable_header_offset;
    Bytes result(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(fixed_size));
    result.resize(fixed_size + gap, 0xEE);
    result.insert(result.end(), file.begin() + static_cast<std::ptrdiff_t>(fixed_size),
                  file.begin()
                      + static_cast<std::ptrdiff_t>(fixed_size + fixed.variable_header_size));
    result.resize(result.size() + 3, 0xEE);
    for_each_header(*parsed, [&](const Header& header) {
        if (const auto reference = reference_of(*parsed, header)) {
            store(result, header.offset + gap + reference->field, static_cast<u32>(result.size()));
            const auto data = data_of(*parsed, *reference);
            result.insert(result.end(), data.begin(), data.end());
            result.resize(result.size() + 5, 0xEE);
        }
    });
    store(result, offsetof(FixedHeader, variable_header_offset),
          static_cast<u32>(fixed_size + gap));
    store(result, offsetof(FixedHeader, total_file_size), static_cast<u32>(result.size()));
    store(result, offsetof(FixedHeader, checksum), u32{0});
    Crc32 crc;
    crc.add(std::span(result).first(fixed_size));
    crc.add(std::span(result).subspan(fixed_size + gap, fixed.variable_header_size));
    store(result, offsetof(FixedHeader, checksum), crc.value());
    return result;
}
} // namespace

class IgvmRewrite : public testing::TestWithParam<u32> {};

INSTANTIATE_TEST_SUITE_P(Version, IgvmRewrite, testing::Values(1, 2));

TEST_P(IgvmRewrite, OwnFilesByteForByte) {
    const Bytes file = must_finish(rich_writer(GetParam()));
    EXPECT_EQ(must_rewrite(file), file);
}

TEST_P(IgvmRewrite, OtherLayoutsSayTheSame) {
    const Bytes file  = must_finish(rich_writer(GetParam()));
    const Bytes other = scattered(file);
    ASSERT_TRUE(parse(other)) << parse(other).error().rule_name();
    ASSERT_NE(other, file);
    const Bytes written = must_rewrite(other);
    expect_same_content(written, other);
    expect_same_content(written, file);
    EXPECT_LE(written.size(), other.size());
    EXPECT_EQ(must_rewrite(written), written);
}

TEST(IgvmRewriteKinds, Cca) {
    const Bytes file = cca_file();
    EXPECT_EQ(must_rewrite(file), file);
    expect_same_content(must_rewrite(scattered(file)), file);
}

TEST(IgvmRewriteKinds, OptionalHeadersAreKeptWhereAskedFor) {
    const Bytes file = must_finish(with_optional_headers());
    EXPECT_EQ(must_rewrite(file), file);
    ASSERT_FALSE(parse(file));
    EXPECT_EQ(parse(file).error().rule, Rule::optional_type);
    const auto kept = parse(file, OptionalHeaders::kept);
    ASSERT_TRUE(kept);
    unsigned found = 0;
    for (const Header header : kept->directives()) {
        if (is_optional(header.type)) {
            EXPECT_EQ(header.compatibility_mask(), all_platforms);
            EXPECT_EQ(header.content.size(), found == 0 ? 13u : 0u);
            ++found;
        }
    }
    EXPECT_EQ(found, 2u);
}

/// Behind the first platform and before another: platforms() stays a list of platforms.
TEST(IgvmRewriteKinds, NoOptionalHeaderAmongPlatforms) {
    Writer writer;
    writer.add_platform(PlatformType::native);
    writer.append(HeaderType{0x8000'0002}, Bytes(1, 1));
    const Bytes file  = must_finish(writer);
    const auto parsed = parse(file, OptionalHeaders::kept);
    ASSERT_TRUE(parsed);
    for (const Header header : parsed->platforms()) {
        EXPECT_EQ(header.type, HeaderType::supported_platform);
    }
    writer.add_platform(PlatformType::sev_es);
    ASSERT_FALSE(writer.finish());
    EXPECT_EQ(writer.finish().error().rule, Rule::section_order);
}

/// Pages that share bytes without being the same page: each must come back, in no more bytes.
TEST(IgvmRewriteKinds, OverlappingDataStaysOverlapping) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::native);
    PageData page{.gpa                = 0x1000,
                  .compatibility_mask = mask,
                  .file_offset        = 0,
                  .flags              = 0,
                  .data_type          = PageDataType::normal,
                  .reserved           = 0};
    Bytes data(page_size + 200);
    for (u64 i = 0; i < data.size(); ++i) {
        data[i] = static_cast<u8>(i * 7 + i / 256);
    }
    const u64 place = writer.append_data(data);
    for (const u64 shift : {0UL, 100UL, 200UL, 100UL}) {
        page.gpa += page_size;
        writer.append(HeaderType::page_data, bytes_of(page));
        writer.refer(offsetof(PageData, file_offset), place + shift);
    }
    const Bytes file = must_finish(writer);
    EXPECT_EQ(must_rewrite(file), file);
}

TEST(IgvmRewriteKinds, ZerosThatAreDataStayData) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::native);
    writer.add(PageData{.gpa                = 0x1000,
                        .compatibility_mask = mask,
                        .file_offset        = 0,
                        .flags              = 0,
                        .data_type          = PageDataType::normal,
                        .reserved           = 0},
               Bytes(page_size));
    const Bytes file = must_finish(writer);
    EXPECT_EQ(must_rewrite(file), file);
}

TEST(IgvmRewriteKinds, DifferenceIsSeen) {
    const Bytes file = must_finish(rich_writer(1));
    for (const u64 at : {content_of<PageData>(file), content_of<GuestPolicy>(file)}) {
        Bytes other = file;
        other[at + 1] ^= 0x10;
        reseal(other);
        ASSERT_TRUE(parse(other));
        EXPECT_FALSE(same_content(*parse(file), *parse(other)));
    }
    Bytes other = file;
    other.back() ^= 1;
    EXPECT_FALSE(same_content(*parse(file), *parse(other)));
    EXPECT_FALSE(same_content(*parse(file), *parse(must_finish(rich_writer(2)))));
}

} // namespace vestibule::igvm::test
