// SPDX-License-Identifier: BSD-2-Clause-Patent
// Small valid IGVM files of every kind, to damage.
#pragma once

#include "tests/igvm/launch_fixture.h"
#include "tests/igvm/rich_file.h"

namespace vestibule::igvm::test {

inline Bytes cca_file() {
    Writer writer(2, Architecture::aarch64);
    const u32 cca = writer.add_platform(PlatformType::cca);
    CcaPolicy policy{};
    policy.compatibility_mask = cca;
    policy.required_zeroes    = CcaPolicy::debug;
    policy.hash_algorithm     = 1;
    writer.add(policy);
    writer.add(
        VpContext{
            .gpa = 0, .compatibility_mask = cca, .file_offset = 0, .vp_index = 0, .reserved = 0},
        page_with(CcaVpContext{.x0    = 1,
                               .x1    = 0,
                               .x2    = 0,
                               .x3    = 0,
                               .x4    = 0,
                               .x5    = 0,
                               .x6    = 0,
                               .x7    = 8,
                               .pc    = 0x8000'0000,
                               .flags = 0}));
    return must_finish(writer);
}

inline Writer with_optional_headers() {
    Writer writer = rich_writer(1);
    writer.append(HeaderType{0x8000'0399}, Bytes(13, 0x77));
    writer.append(HeaderType{0xFFFF'FFFF}, {});
    return writer;
}

/// Many headers on few bytes: most damage falls on headers.
inline Bytes headers_only() {
    Writer writer;
    const u32 native = writer.add_platform(PlatformType::native);
    const u32 es     = writer.add_platform(PlatformType::sev_es);
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 0, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = 0, .byte_offset = 0}, HeaderType::memory_map);
    writer.add(ParameterInsert{
        .gpa = 0x7000, .compatibility_mask = native | es, .parameter_area_index = 0});
    for (u64 i = 0; i < 6; ++i) {
        writer.add_page(page_data(i % 2 == 0 ? es : native | es, 0x1000 * i), {});
    }
    return must_finish(writer);
}

inline std::vector<Bytes> seed_files() {
    return {must_finish(rich_writer(1)),
            must_finish(rich_writer(2)),
            must_finish(with_optional_headers()),
            cca_file(),
            worked_file(),
            headers_only()};
}

} // namespace vestibule::igvm::test
