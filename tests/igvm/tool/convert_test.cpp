// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool convert as its users meet it: the flash image of an IGVM file of igvmtool's own is the
// one that build makes, and whatever is no such file is refused, with the reasons in words.
// Payloads of every kind: qemu-tests/flash_convert.
#include "tests/igvm/tool/fixture.h"

#include "tests/igvm/launch_fixture.h"
#include "tests/igvm/payload_fixture.h"
#include "tests/igvm/rich_file.h"
#include "tests/key_file.h"

#include <fmt/format.h>

namespace vestibule::igvm::test {

class IgvmConvert : public IgvmTool {
  protected:
    void SetUp() override {
        IgvmTool::SetUp();
        write("kernel.elf", executable().finish());
        write("initrd", Bytes(3 * page_size, 0)); // nothing but zeros is an initrd too
    }

    void build(const std::string& arguments) const {
        const auto outcome = run("build " + arguments);
        ASSERT_EQ(outcome.status, 0) << arguments << ": " << outcome.errors;
    }

    /// What convert says of guest.igvm, which it refuses without leaving a file.
    [[nodiscard]] std::string refused() const {
        const auto outcome = run("convert guest.igvm --out guest.fd");
        EXPECT_EQ(outcome.status, 1) << outcome.out;
        EXPECT_EQ(read("guest.fd"), "");
        return outcome.errors;
    }

    /// Changes one byte of a page with data of guest.igvm.
    void alter(PlatformType platform, const auto& is_wanted) const {
        const std::string text = read("guest.igvm");
        Bytes bytes(text.begin(), text.end());
        const auto file = parse(bytes);
        ASSERT_TRUE(file);
        for (const Header header : file->directives(file->mask_of(platform))) {
            const auto page = header.as<PageData>();
            if (page && page->file_offset != 0 && is_wanted(*page)) {
                bytes[page->file_offset + 0x123] ^= 1;
                write("guest.igvm", bytes);
                return;
            }
        }
        FAIL() << "no such page";
    }
};

TEST_F(IgvmConvert, IsWhatBuildMakes) {
    const std::string guest =
        "--platform native,sev-es,sev-snp --vcpus 2 --payload kernel.elf --initrd initrd "
        "--cmdline 'a  b'";
    build("--out guest.igvm " + guest);
    build("--flash built.fd " + guest);
    const auto converted = run("convert guest.igvm --out guest.fd");
    EXPECT_EQ(converted.status, 0) << converted.errors;
    EXPECT_TRUE(contains(converted.out, "guest.fd: 65536 bytes")) << converted.out;
    EXPECT_TRUE(contains(converted.out, "3 of SEV metadata + 2 VMSA")) << converted.out;
    EXPECT_EQ(read("guest.fd"), read("built.fd"));
    EXPECT_TRUE(contains(converted.errors, "note: the SEV-SNP guest's policy, 0x30000"))
        << converted.errors;
    // From a pipe, and without a word.
    const auto piped = shell("cat guest.igvm | " IGVMTOOL " convert - --out piped.fd --quiet");
    EXPECT_EQ(piped.status, 0) << piped.errors;
    EXPECT_EQ(piped.out, "");
    EXPECT_EQ(read("piped.fd"), read("built.fd"));
}

TEST_F(IgvmConvert, WhatTheMonitorHasToBeTold) {
    const KeyFile key;
    build("--out snp.igvm --platform sev-snp --policy 0xb0000 --sev-features 0x21");
    ASSERT_EQ(run("sign snp.igvm --out guest.igvm --id-key " + key.path()).status, 0);
    const auto outcome = run("convert guest.igvm --out guest.fd");
    EXPECT_EQ(outcome.status, 0) << outcome.errors;
    for (const char* words : {"policy, 0xb0000", "SEV_FEATURES 0x21", "ID block"}) {
        EXPECT_TRUE(contains(outcome.errors, words)) << outcome.errors;
    }
}

TEST_F(IgvmConvert, WhatAFlashImageCannotHave) {
    build("--out guest.igvm --payload kernel.elf --parameters memory-map,vp-count");
    const std::string words = refused();
    EXPECT_TRUE(contains(words, "the parameter MEMORY_MAP: nobody fills one in")) << words;
    EXPECT_TRUE(contains(words, "the parameter VP_COUNT_PARAMETER")) << words;

    write("large", Bytes((u64{20} << 20), 0xAB));
    build("--out guest.igvm --payload kernel.elf --initrd large");
    EXPECT_TRUE(contains(refused(), "a flash image has at most 16777216"));
    write("flat.bin", Bytes(100, 0x90));
    build("--out guest.igvm --payload flat.bin --payload-address 0xb0000");
    EXPECT_TRUE(contains(refused(), "pages from 0xa0000 to 0xfffff (1): "));
}

/// Another guest than the file's comes of none of them.
TEST_F(IgvmConvert, OfAnotherGuest) {
    build("--out guest.igvm --platform sev-es --payload kernel.elf");
    const auto whole = [](const PageData&) { return true; };
    alter(PlatformType::sev_es, [](const PageData& page) { return page.gpa == 0x20'1000; });
    EXPECT_TRUE(contains(refused(), "its page at 0x201000 for sev-es is another"));
    // The selftest's pages are the guest.
    for (const char* entry : {"32", "64"}) {
        build(fmt::format("--out guest.igvm --platform sev-es --entry {}", entry));
        alter(PlatformType::sev_es, whole);
        EXPECT_TRUE(contains(refused(), "for sev-es is another")) << entry;
    }
    // A payload is whatever it is.
    build("--out guest.igvm --platform sev-es --payload kernel.elf");
    alter(PlatformType::sev_es, [](const PageData& page) { return page.gpa >= 0x40'0000; });
    EXPECT_EQ(run("convert guest.igvm --out guest.fd").status, 0);
}

TEST_F(IgvmConvert, OfAForeignFile) {
    write("guest.igvm", worked_file());
    std::string words = refused();
    EXPECT_TRUE(contains(words, "not a guest of igvmtool's")) << words;
    EXPECT_TRUE(contains(words, "\n  - a start for sev-snp at 0xfffffff0 in ")) << words;

    write("guest.igvm", must_finish(rich_writer(2)));
    words = refused();
    for (const char* reason :
         {"the platform tdx: a flash image is for", "the platform vsm:", "RELOCATABLE_REGION",
          "the parameter MEMORY_MAP", "CORIM_DOCUMENT", "ERROR_RANGE", "VBS_MEASUREMENT"}) {
        EXPECT_TRUE(contains(words, reason)) << reason << "\n" << words;
    }

    Writer writer;
    const u32 mask       = writer.add_platform(PlatformType::sev_snp);
    PageData page        = page_data(mask, 0xB'0000);
    page.flags           = PageData::shared;
    const Bytes contents = hlt_page();
    writer.add(page, contents);
    page.gpa   = 0xFFFF'F000;
    page.flags = PageData::unmeasured;
    writer.add(page, contents);
    add_vmsa(writer, mask, qemu_vmsa(1));
    write("guest.igvm", must_finish(writer));
    words = refused();
    for (const char* reason :
         {"pages that are shared (1): ", "pages that are unmeasured (1): ",
          "pages from 4 GiB less 16 MiB on (1): ", "pages from 0xa0000 to 0xfffff (1): "}) {
        EXPECT_TRUE(contains(words, reason)) << reason << "\n" << words;
    }
}

TEST_F(IgvmConvert, WrongUse) {
    build("--out guest.igvm");
    EXPECT_EQ(run("convert guest.igvm").status, 2);
    EXPECT_EQ(run("convert --out guest.fd").status, 2);
    EXPECT_EQ(run("convert guest.igvm --out guest.igvm").status, 2);
    EXPECT_EQ(run("convert nothing.igvm --out guest.fd").status, 1);
    EXPECT_EQ(run("convert kernel.elf --out guest.fd").status, 1);
    EXPECT_EQ(run("convert guest.igvm --out no/where.fd").status, 1);
    write("guest.igvm", Bytes());
    EXPECT_TRUE(contains(refused(), "guest.igvm"));
}

} // namespace vestibule::igvm::test
