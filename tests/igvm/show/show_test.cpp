// SPDX-License-Identifier: BSD-2-Clause-Patent
// What show says of a file with something of everything: the listing for people, the JSON object,
// and the picture, which has to be well-formed and to have the right words in the right column.
#include "tests/igvm/seed_files.h"
#include "tests/json/expect_valid.h"

#include "igvm/show/show.h"
#include "tests/xml.h"

#include <nlohmann/json.hpp>

#include <chrono>

namespace vestibule::igvm::test {

namespace {
using Json = nlohmann::json;

std::string text_of(const Bytes& file) {
    std::string text;
    show_text(*parse(file, OptionalHeaders::kept), [&](std::string_view part) { text += part; });
    return text;
}

Json json_of(const Bytes& file, std::string_view name = "rich.igvm") {
    std::string text;
    show_json(*parse(file, OptionalHeaders::kept), name,
              [&](std::string_view part) { text += part; });
    json::expect_valid(text);
    return Json::parse(text);
}

std::string svg_of(const Bytes& file, std::string_view name = "rich.igvm") {
    return show_svg(*parse(file, OptionalHeaders::kept), name);
}

const Json* find(const Json& list, std::string_view type, u64 number = 0) {
    for (const Json& one : list) {
        if (one.at("type") == type && number-- == 0) {
            return &one;
        }
    }
    return nullptr;
}

PageData page_at(u32 mask, u64 gpa) {
    return {.gpa                = gpa,
            .compatibility_mask = mask,
            .file_offset        = 0,
            .flags              = 0,
            .data_type          = PageDataType::normal,
            .reserved           = 0};
}
} // namespace

TEST(IgvmShow, TextNamesEveryHeader) {
    Writer writer = rich_writer(1);
    writer.append(HeaderType{0x8000'0399}, Bytes(13, 0x77));
    const std::string text = text_of(must_finish(writer));
    for (const char* part : {"tdx: mask 0x8",
                             "shared GPA boundary 0x800000000000",
                             "GUEST_POLICY 0x30000 [sev-snp]",
                             "RELOCATABLE_REGION [vsm]",
                             "relocation_region_gpa    0x600000",
                             "PAGE_TABLE_RELOCATION_REGION [vsm]",
                             "used_size                0x2000",
                             "CORIM_DOCUMENT [sev-snp]",
                             "PARAMETER_AREA 7: 4096 bytes, with initial data",
                             "MEMORY_MAP in area 7 at offset 0x0",
                             "PARAMETER_INSERT of area 8 at 0x8000",
                             "ERROR_RANGE 0x200000..0x201000 [vsm]",
                             "SNP_ID_BLOCK [sev-snp]",
                             "guest_svn",
                             "VBS_MEASUREMENT [vsm]",
                             "512 bytes",
                             "1 x 2M zero",
                             "VP context of VP 0 [vsm], VTL 2",
                             "rip              0x33",
                             "cs.base          0x44",
                             "smt on: hosts with SMT",
                             "warning: smt on: ",
                             "unknown optional header 0x80000399, 13 bytes at"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    }
}

TEST(IgvmShow, JsonIsOneObject) {
    const Bytes file = must_finish(rich_writer(2));
    const Json shown = json_of(file);
    EXPECT_EQ(shown.at("file"), "rich.igvm");
    EXPECT_EQ(shown.at("format_version"), 2);
    EXPECT_EQ(shown.at("size"), file.size());
    EXPECT_EQ(shown.at("platforms").size(), 4u);
    EXPECT_EQ(shown.at("platforms")[1].at("shared_gpa_boundary"), "0x400000000000");
    EXPECT_EQ(find(shown.at("initialization"), "GUEST_POLICY")->at("policy"), "0x30000");

    const Json& directives = shown.at("directives");
    const Json* page       = find(directives, "PAGE_DATA");
    ASSERT_NE(page, nullptr);
    EXPECT_EQ(page->at("gpa"), "0x200000");
    EXPECT_EQ(page->at("end"), "0x201000");
    EXPECT_EQ(page->at("platforms"), (Json{"native", "sev-snp"}));
    EXPECT_EQ(page->at("measured"), true);
    EXPECT_EQ(page->at("zero"), false);
    EXPECT_EQ(find(directives, "PAGE_DATA", 1)->at("page_size"), 2 << 20);
    const Json* native = find(directives, "VP_CONTEXT");
    ASSERT_NE(native, nullptr);
    EXPECT_EQ(native->at("registers").at("code.attributes"), "0xa09b");
    const Json* snp = find(directives, "VP_CONTEXT", 2);
    ASSERT_NE(snp, nullptr);
    EXPECT_EQ(snp->at("registers").at("cs.attributes"), "0xa9b");
    EXPECT_EQ(snp->at("registers").at("sev_features"), "0x1");
    const Json& vbs = find(directives, "VP_CONTEXT", 1)->at("registers");
    EXPECT_EQ(vbs.at("rip"), "0x33");
    EXPECT_EQ(vbs.at("cs.base"), "0x44");
    const Json& meaning = find(shown.at("initialization"), "GUEST_POLICY")->at("meaning");
    ASSERT_EQ(meaning.size(), 1u);
    EXPECT_EQ(meaning[0].at("platform"), "sev-snp");
    EXPECT_EQ(meaning[0].at("bits"), (Json{"smt", "reserved-one"}));
    EXPECT_EQ(meaning[0].at("warnings").size(), 1u);
}

/// What Arm's realms bring, by name.
TEST(IgvmShow, RealmOfArm) {
    const std::string text = text_of(cca_file());
    for (const char* part :
         {"CCA_POLICY [cca]", "required_zeroes          0x1", "debug: must be off",
          "shared MEC: either way", "measured by SHA-512, live firmware activation disallowed",
          "VP context of VP 0 [cca], starts at 0x80000000", "x7               0x8"}) {
        EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
    }
    const Json shown = json_of(cca_file());
    EXPECT_EQ(find(shown.at("initialization"), "CCA_POLICY")->at("hash"), "SHA-512");
    EXPECT_EQ(find(shown.at("directives"), "VP_CONTEXT")->at("registers").at("pc"), "0x80000000");
}

TEST(IgvmShow, JsonOfOddNames) {
    const Bytes file = must_finish(rich_writer(1));
    EXPECT_EQ(json_of(file, "a \"b\"\n\\").at("file"), "a \"b\"\n\\");
    EXPECT_NO_THROW(json_of(file, "\xFF\xFE"));
}

TEST(IgvmShow, Picture) {
    const std::string svg = svg_of(must_finish(rich_writer(1)));
    expect_well_formed(svg);
    for (const char* part :
         {"rich.igvm", ">native</text>", ">sev-snp</text>", ">vsm</text>", ">tdx</text>",
          "VP 0 starts at 0x201000, nothing is measured", "parameters: MEMORY_MAP",
          ">1 x 4K data, measured</text>", ">1 x 4K data</text>", "1 x 2M zero, measured",
          "VMSA of VP 0, measured", "required memory", "error range", "relocatable", "page tables",
          ">0xfffffffff000</text>", "256 TiB free", "not measured"}) {
        EXPECT_NE(svg.find(part), std::string::npos) << part;
    }
    expect_well_formed(svg_of(must_finish(rich_writer(1)), "<&\">\x01\xFF"));
}

TEST(IgvmShow, PictureOfUnmeasuredPages) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    PageData page  = page_at(mask, 0x1000);
    page.flags     = PageData::unmeasured;
    writer.add_page(page, Bytes(1, 1));
    page.gpa       = 0x2000;
    page.flags     = 0;
    page.data_type = PageDataType::secrets;
    writer.add_page(page, {});
    const std::string svg = svg_of(must_finish(writer));
    expect_well_formed(svg);
    EXPECT_NE(svg.find("1 x 4K data, unmeasured"), std::string::npos);
    EXPECT_NE(svg.find("1 x 4K secrets, filled by the host"), std::string::npos);
    // The legend's and the page's.
    u64 hatched = 0;
    for (u64 at = 0; (at = svg.find("fill=\"url(#unmeasured)\"", at)) != std::string::npos; ++at) {
        ++hatched;
    }
    EXPECT_EQ(hatched, 2u);
}

/// Every other page has data, the last is the last of all addresses.
TEST(IgvmShow, PictureOfManyPiecesStaysSmall) {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_es);
    for (u64 i = 0; i < 20'000; ++i) {
        writer.add_page(page_at(mask, i * 3 * page_size), Bytes(i % 2, 1));
    }
    writer.add_page(page_at(mask, ~u64{0xFFF}), {});
    const std::string svg = svg_of(must_finish(writer));
    expect_well_formed(svg);
    EXPECT_LT(svg.size(), 100'000u);
    EXPECT_NE(svg.find("20000 parts of 59998 pages"), std::string::npos);
    EXPECT_NE(svg.find(">end</text>"), std::string::npos);
}

TEST(IgvmShow, PictureOfNothing) {
    Writer writer;
    writer.add_platform(PlatformType::native);
    expect_well_formed(svg_of(must_finish(writer)));
}

} // namespace vestibule::igvm::test
