// SPDX-License-Identifier: BSD-2-Clause-Patent
// The worked minimal file of the format, byte for byte: writer, checksum and reader against numbers
// that were made without them.
#include "tests/igvm/fixture.h"

#include <openssl/sha.h>
#include <zlib.h>

namespace vestibule::igvm::test {

static std::string hex(std::span<const u8> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const u8 byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

/// The VMSA that QEMU gives a CPU at the reset vector, of model EPYC, with SNP active.
static x86::Vmsa reset_vmsa() {
    const x86::Segment data{.selector = 0, .attributes = 0x93, .limit = 0xFFFF, .base = 0};
    x86::Vmsa vmsa{};
    vmsa.es = vmsa.ss = vmsa.ds = vmsa.fs = vmsa.gs = data;
    vmsa.cs   = {.selector = 0xF000, .attributes = 0x9B, .limit = 0xFFFF, .base = 0xFFFF'0000};
    vmsa.gdtr = vmsa.idtr = {.selector = 0, .attributes = 0, .limit = 0xFFFF, .base = 0};
    vmsa.ldtr             = {.selector = 0, .attributes = 0x82, .limit = 0xFFFF, .base = 0};
    vmsa.tr               = {.selector = 0, .attributes = 0x8B, .limit = 0xFFFF, .base = 0};
    vmsa.efer             = 0x1000;
    vmsa.cr4              = 0x40;
    vmsa.cr0              = 0x10;
    vmsa.dr7              = 0x400;
    vmsa.dr6              = 0xFFFF'0FF0;
    vmsa.rflags           = 2;
    vmsa.rip              = 0xFFF0;
    vmsa.g_pat            = 0x0007'0406'0007'0406;
    vmsa.rdx              = 0x80'0F12;
    vmsa.sev_features     = 1;
    vmsa.xcr0             = 1;
    vmsa.mxcsr            = 0x1F80;
    vmsa.x87_fcw          = 0x37F;
    return vmsa;
}

static Bytes worked_file() {
    Writer writer;
    const u32 snp = writer.add_platform(PlatformType::sev_snp);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = snp, .reserved = 0});
    PageData page{.gpa                = 0x1000,
                  .compatibility_mask = snp,
                  .file_offset        = 0,
                  .flags              = 0,
                  .data_type          = PageDataType::normal,
                  .reserved           = 0};
    constexpr u8 halt[] = {0xF4};
    writer.add_page(page, halt);
    page.gpa = 0x2000;
    writer.add_page(page, {});
    page.gpa       = 0x3000;
    page.data_type = PageDataType::secrets;
    writer.add_page(page, {});
    page.gpa       = 0x4000;
    page.data_type = PageDataType::cpuid_data;
    writer.add_page(page, {});
    writer.add(VpContext{.gpa                = x86::vmsa_gpa,
                         .compatibility_mask = snp,
                         .file_offset        = 0,
                         .vp_index           = 0,
                         .reserved           = 0},
               bytes_of(reset_vmsa()));
    return must_finish(writer);
}

TEST(IgvmFormat, WorkedFileByteForByte) {
    const Bytes file = worked_file();
    ASSERT_EQ(file.size(), 8424u);
    EXPECT_EQ(hex(std::span(file).first(232)), "4947564d0100000018000000d0000000e8200000aa3888fe"
                                               "0100000010000000"
                                               "01000000000201000000000000000000"
                                               "0101000010000000"
                                               "00000300000000000100000000000000"
                                               "0203000018000000"
                                               "001000000000000001000000e80000000000000000000000"
                                               "0203000018000000"
                                               "002000000000000001000000000000000000000000000000"
                                               "0203000018000000"
                                               "003000000000000001000000000000000000000001000000"
                                               "0203000018000000"
                                               "004000000000000001000000000000000000000002000000"
                                               "0403000014000000"
                                               "00f0ffffffff000001000000e81000000000000000000000");

    u8 digest[SHA256_DIGEST_LENGTH];
    SHA256(file.data(), file.size(), digest);
    EXPECT_EQ(hex(digest), "c4841248f749bb1d0a9fbdff6bcf14c3eedd8f059c0f6c19d5c466e945fa09cb");
}

TEST(IgvmFormat, WorkedFileReadsBack) {
    const Bytes file  = worked_file();
    const auto parsed = parse(file);
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->mask_of(PlatformType::sev_snp), 1u);
    EXPECT_EQ(parsed->mask_of(PlatformType::sev_es), 0u);
    EXPECT_EQ(parsed->fixed_header().page_size, 4096u);

    std::vector<u64> gpas;
    for (const Header header : parsed->directives()) {
        if (const auto page = header.as<PageData>()) {
            gpas.push_back(page->gpa);
            EXPECT_EQ(parsed->data(*page).size(), page->gpa == 0x1000 ? page_size : 0);
        }
    }
    EXPECT_EQ(gpas, (std::vector<u64>{0x1000, 0x2000, 0x3000, 0x4000}));
}

TEST(IgvmFormat, ChecksumIsZlibs) {
    Bytes bytes;
    for (unsigned i = 0; i < 300; ++i) {
        Crc32 crc;
        crc.add(bytes);
        EXPECT_EQ(crc.value(), crc32(0, bytes.data(), static_cast<uInt>(bytes.size()))) << i;
        bytes.push_back(static_cast<u8>(i * 37 + (i >> 3)));
    }
}

} // namespace vestibule::igvm::test
