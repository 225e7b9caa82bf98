// SPDX-License-Identifier: BSD-2-Clause-Patent
// Damaged files: cut at every length, every bit of the headers flipped, with the checksum as it was
// and made right again. The reader refuses, or reads something that it has fully checked; under the
// sanitizers this also shows that it never reads outside the file.
#include "tests/igvm/fixture.h"

namespace vestibule::igvm::test {

static Bytes small_file(u32 version) {
    Writer writer(version);
    const u32 native = writer.add_platform(PlatformType::native);
    const u32 snp    = writer.add_platform(PlatformType::sev_snp);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = snp, .reserved = 0});
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 0, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = 0, .byte_offset = 0}, HeaderType::memory_map);
    writer.add(ParameterInsert{
        .gpa = 0x7000, .compatibility_mask = native | snp, .parameter_area_index = 0});
    writer.add(RequiredMemory{.gpa                = 0x10'0000,
                              .compatibility_mask = native,
                              .number_of_bytes    = 0x2000,
                              .flags              = 0,
                              .reserved           = 0});
    writer.add_page({.gpa                = 0x20'0000,
                     .compatibility_mask = native | snp,
                     .file_offset        = 0,
                     .flags              = 0,
                     .data_type          = PageDataType::normal,
                     .reserved           = 0},
                    Bytes(page_size, 0x22));
    VpContext context{
        .gpa = 0, .compatibility_mask = native, .file_offset = 0, .vp_index = 0, .reserved = 0};
    writer.add(context, page_with(native_context()));
    context.compatibility_mask = snp;
    context.gpa                = x86::vmsa_gpa;
    writer.add(context, bytes_of(vmsa(1)));
    return must_finish(writer);
}

/// Goes everywhere a loader would go. The bytes are in a heap block of exactly their size, so that
/// AddressSanitizer sees a single byte too far.
static bool read_all(const Bytes& file) {
    const std::vector<u8> exact(file.begin(), file.end());
    const auto parsed = parse(exact);
    if (!parsed) {
        const Error& error = parsed.error();
        EXPECT_FALSE(error.expected().empty());
        EXPECT_FALSE(error.rule_name().empty());
        EXPECT_LE(error.offset, file.size() + sizeof(FixedHeaderV2));
        return false;
    }
    u64 sum = 0;
    for (const auto& section :
         {parsed->platforms(), parsed->initialization(), parsed->directives()}) {
        for (const Header header : section) {
            sum += header.compatibility_mask();
            if (const auto page = header.as<PageData>()) {
                for (const u8 byte : parsed->data(*page)) {
                    sum += byte;
                }
            }
            if (const auto context = header.as<VpContext>()) {
                sum += parsed->data(context->file_offset, 1)[0];
            }
        }
    }
    EXPECT_NE(sum, 0u);
    return true;
}

class IgvmDamage : public testing::TestWithParam<u32> {};

INSTANTIATE_TEST_SUITE_P(Version, IgvmDamage, testing::Values(1, 2));

TEST_P(IgvmDamage, EveryTruncation) {
    const Bytes whole = small_file(GetParam());
    ASSERT_TRUE(read_all(whole));
    for (u64 length = 0; length < whole.size(); ++length) {
        Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
        ASSERT_FALSE(read_all(cut)) << length;
        // The same with a fixed header that says so.
        if (length >= sizeof(FixedHeaderV2)) {
            store(cut, offsetof(FixedHeader, total_file_size), static_cast<u32>(length));
            reseal(cut);
            ASSERT_FALSE(read_all(cut)) << length;
        }
    }
}

TEST_P(IgvmDamage, EveryBitOfTheHeaders) {
    const Bytes whole  = small_file(GetParam());
    const auto headers = load<FixedHeader>(whole);
    const u64 end      = headers.variable_header_offset + headers.variable_header_size;
    unsigned accepted  = 0;
    for (u64 at = 0; at < end; ++at) {
        for (unsigned bit_number = 0; bit_number < 8; ++bit_number) {
            Bytes damaged = whole;
            damaged[at] ^= static_cast<u8>(1u << bit_number);
            ASSERT_FALSE(read_all(damaged)) << at << " bit " << bit_number;
            reseal(damaged);
            accepted += read_all(damaged) ? 1 : 0;
        }
    }
    // Some bits are free: a page may lie elsewhere, a policy say something else; others no loader
    // looks at.
    EXPECT_GT(accepted, 0u);
    EXPECT_LT(accepted, end * 8 / 2);
}

/// A file of random variable headers with a right checksum: the walk ends, whatever it meets.
TEST_P(IgvmDamage, NoiseBehindAValidChecksum) {
    const Bytes whole  = small_file(GetParam());
    const auto headers = load<FixedHeader>(whole);
    u64 state          = 0x9E37'79B9'7F4A'7C15;
    for (unsigned round = 0; round < 5000; ++round) {
        Bytes damaged = whole;
        for (unsigned i = 0; i < 1 + round % 8; ++i) {
            state = state * 6364136223846793005 + 1442695040888963407;
            damaged[headers.variable_header_offset + (state >> 33) % headers.variable_header_size] =
                static_cast<u8>(state >> 24);
        }
        reseal(damaged);
        read_all(damaged);
    }
}

} // namespace vestibule::igvm::test
