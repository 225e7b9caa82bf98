// SPDX-License-Identifier: BSD-2-Clause-Patent
// Small launches and files for the tests of digests: the page, VMSA and file of the worked
// examples.
#pragma once

#include "tests/igvm/fixture.h"

#include "igvm/measure/igvm_launch.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/measure/vcpu_state.h"

namespace vestibule::igvm::test {

inline constexpr u32 epyc = 0x80'0F12;

/// A page of HLT, then zeros.
inline Bytes hlt_page() {
    Bytes page(page_size);
    page[0] = 0xF4;
    return page;
}

inline x86::Vmsa qemu_vmsa(u64 features, u32 start = reset_vector) {
    return reset_vmsa(qemu_reset,
                      {.start_address = start, .cpu_signature = epyc, .sev_features = features});
}

inline PageData page_data(u32 mask, u64 gpa, PageDataType type = PageDataType::normal,
                          u32 flags = 0) {
    return {.gpa                = gpa,
            .compatibility_mask = mask,
            .file_offset        = 0,
            .flags              = flags,
            .data_type          = type,
            .reserved           = 0};
}

inline void add_vmsa(Writer& writer, u32 mask, const x86::Vmsa& vmsa, u16 vp_index = 0,
                     u64 gpa = x86::vmsa_gpa) {
    writer.add(VpContext{.gpa                = gpa,
                         .compatibility_mask = mask,
                         .file_offset        = 0,
                         .vp_index           = vp_index,
                         .reserved           = 0},
               bytes_of(vmsa));
}

/// The worked file of the IGVM notes: code, zeros, secrets, CPUID, one VMSA.
inline Bytes worked_file() {
    Writer writer;
    const u32 mask = writer.add_platform(PlatformType::sev_snp);
    writer.add(GuestPolicy{.policy = 0x3'0000, .compatibility_mask = mask, .reserved = 0});
    writer.add_page(page_data(mask, 0x1000), hlt_page());
    writer.add_page(page_data(mask, 0x2000), {});
    writer.add_page(page_data(mask, 0x3000, PageDataType::secrets), {});
    writer.add_page(page_data(mask, 0x4000, PageDataType::cpuid_data), {});
    add_vmsa(writer, mask, qemu_vmsa(1));
    return must_finish(writer);
}

inline std::string digest_of(const Bytes& file, const LaunchOptions& options) {
    const auto parsed = parse(file);
    EXPECT_TRUE(parsed);
    const auto launch = launch_of(*parsed, options);
    EXPECT_TRUE(launch) << launch.error();
    return launch ? to_hex(measure(*launch, 2)) : "";
}

inline LaunchOptions options_for(PlatformType platform, Vmm vmm) {
    return {.platform      = platform,
            .vmm           = profile_of(vmm),
            .vcpus         = {},
            .cpu_signature = epyc,
            .sev_features  = {}};
}

} // namespace vestibule::igvm::test
