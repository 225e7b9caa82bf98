// SPDX-License-Identifier: BSD-2-Clause-Patent
// A valid IGVM file with something of everything that one for x64 may hold.
#pragma once

#include "tests/igvm/fixture.h"

namespace vestibule::igvm::test {

inline Writer rich_writer(u32 version) {
    Writer writer(version);
    const u32 native = writer.add_platform(PlatformType::native);
    const u32 snp    = writer.add_platform(PlatformType::sev_snp, u64{1} << 46);
    const u32 vsm    = writer.add_platform(PlatformType::vsm_isolation);
    writer.add_platform(PlatformType::tdx, u64{1} << 47);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = snp, .reserved = 0});
    RelocatableRegion region{.compatibility_mask     = vsm,
                             .vp_index               = 0,
                             .vtl                    = 2,
                             .flags                  = 6,
                             .relocation_alignment   = 0x20'0000,
                             .relocation_region_gpa  = 0x40'0000,
                             .relocation_region_size = 0x20'0000,
                             .minimum_relocation_gpa = 0,
                             .maximum_relocation_gpa = 0x8000'0000};
    writer.add(region);
    region.relocation_region_gpa = 0x60'0000;
    writer.add(region);
    const PageTableRelocationRegion tables{.compatibility_mask = vsm,
                                           .vp_index           = 0,
                                           .vtl                = 2,
                                           .reserved           = 0,
                                           .gpa                = 0x80'0000,
                                           .size               = 0x4000,
                                           .used_size          = 0x2000};
    writer.add(tables);
    const Bytes document(24, 0x5A);
    writer.add(
        CorimData{.compatibility_mask = snp, .file_offset = 0, .size_bytes = 24, .reserved = 0},
        document, HeaderType::corim_document);
    writer.add(
        CorimData{.compatibility_mask = snp, .file_offset = 0, .size_bytes = 24, .reserved = 0},
        document, HeaderType::corim_signature);
    const Bytes initial(page_size, 0x11);
    writer.add(
        ParameterArea{.number_of_bytes = page_size, .parameter_area_index = 7, .file_offset = 0},
        initial);
    writer.add(ParameterArea{
        .number_of_bytes = 2 * page_size, .parameter_area_index = 8, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = 7, .byte_offset = 0}, HeaderType::memory_map);
    writer.add(ParameterUsage{.parameter_area_index = 8, .byte_offset = 8},
               HeaderType::vp_count_parameter);
    writer.add(ParameterInsert{
        .gpa = 0x7000, .compatibility_mask = native | vsm, .parameter_area_index = 7});
    writer.add(ParameterInsert{
        .gpa = 0x8000, .compatibility_mask = native | vsm, .parameter_area_index = 8});
    writer.add(RequiredMemory{.gpa                = 0x10'0000,
                              .compatibility_mask = native,
                              .number_of_bytes    = 0x2000,
                              .flags              = 0,
                              .reserved           = 0});
    writer.add(ErrorRange{.gpa = 0x20'0000, .compatibility_mask = vsm, .size_bytes = 0x1000});
    SnpIdBlock id{};
    id.compatibility_mask = snp;
    writer.add(id);
    VbsMeasurement measurement{};
    measurement.compatibility_mask = vsm;
    writer.add(measurement);
    PageData page{.gpa                = 0x20'0000,
                  .compatibility_mask = native | snp,
                  .file_offset        = 0,
                  .flags              = 0,
                  .data_type          = PageDataType::normal,
                  .reserved           = 0};
    writer.add_page(page, Bytes(page_size, 0x22));
    page.gpa   = 0x40'0000;
    page.flags = PageData::is_2mb_page;
    writer.add_page(page, {});
    VpContext context{
        .gpa = 0, .compatibility_mask = native, .file_offset = 0, .vp_index = 0, .reserved = 0};
    writer.add(context, page_with(native_context()));
    context.compatibility_mask = vsm;
    VbsRegister list[]         = {
        {.vtl = 2, .register_name = 0x2'0010, .reserved = {}, .value = {0x33}}, // RIP
        {.vtl = 2, .register_name = 0x6'0001, .reserved = {}, .value = {0x44}}, // CS
    };
    Bytes registers(sizeof(u32) + sizeof(list));
    store(registers, 0, u32{2});
    store(registers, sizeof(u32), list);
    writer.add(context, registers);
    context.compatibility_mask = snp;
    context.gpa                = x86::vmsa_gpa;
    writer.add(context, bytes_of(vmsa(1)));
    return writer;
}

} // namespace vestibule::igvm::test
