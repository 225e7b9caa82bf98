// SPDX-License-Identifier: BSD-2-Clause-Patent
// A launch on the model of KVM, as sevlaunch's main() goes about it.
#pragma once

#include "tests/igvm/launch_fixture.h"
#include "tests/launcher/model.h"

#include "igvm/vmm/kernel_profile.h"
#include "launcher/forecast.h"
#include "launcher/platform.h"

namespace vestibule::launcher::test {

using igvm::PlatformType;
using igvm::test::Bytes;

/// A file with one SEV-ES or SNP platform: two runs of pages, a page of zeros, an unmeasured page,
/// parameters, on SNP secrets and CPUID, and the VMSAs. On demand also memory that is required,
/// with a shared page in it.
inline Bytes launch_file(PlatformType platform, const std::vector<x86::Vmsa>& vmsas,
                         bool required = false) {
    using namespace igvm;
    Writer writer;
    const u32 mask = writer.add_platform(platform);
    const bool snp = platform == PlatformType::sev_snp;
    writer.add(ParameterArea{
        .number_of_bytes = 2 * page_size, .parameter_area_index = 0, .file_offset = 0});
    writer.add(ParameterUsage{.parameter_area_index = 0, .byte_offset = 0}, HeaderType::memory_map);
    writer.add(
        ParameterInsert{.gpa = 0x8000, .compatibility_mask = mask, .parameter_area_index = 0});
    Bytes page = igvm::test::hlt_page();
    for (const u64 gpa : {u64{0x1000}, u64{0x2000}, u64{0x3000}, u64{0x10'0000}}) {
        page[1] = static_cast<u8>(gpa >> 12);
        writer.add_page(igvm::test::page_data(mask, gpa), page);
    }
    writer.add_page(igvm::test::page_data(mask, 0x10'1000), {});
    writer.add_page(
        igvm::test::page_data(mask, 0x10'2000, PageDataType::normal, PageData::unmeasured), {});
    page[1] = 0x55;
    writer.add_page(igvm::test::page_data(mask, 0x6000, PageDataType::normal, PageData::unmeasured),
                    page);
    if (required) {
        writer.add(RequiredMemory{.gpa                = 0x2'0000,
                                  .compatibility_mask = mask,
                                  .number_of_bytes    = 0x4000,
                                  .flags              = 0,
                                  .reserved           = 0});
        page[1] = 0x66;
        writer.add_page(
            igvm::test::page_data(mask, 0x2'1000, PageDataType::normal, PageData::shared), page);
    }
    if (snp) {
        writer.add_page(igvm::test::page_data(mask, 0x4000, PageDataType::secrets), {});
        writer.add_page(igvm::test::page_data(mask, 0x5000, PageDataType::cpuid_data), {});
    }
    for (u64 n = 0; n < vmsas.size(); ++n) {
        igvm::test::add_vmsa(writer, mask, vmsas[n], static_cast<u16>(n));
    }
    return igvm::test::must_finish(writer);
}

/// One whose every register goes through KVM, of a 64-bit guest.
inline x86::Vmsa plain_vmsa(PlatformType platform) {
    x86::Vmsa vmsa = igvm::test::qemu_vmsa(platform == PlatformType::sev_snp ? 1 : 0);
    vmsa.cs        = {.selector = 8, .attributes = 0xA9B, .limit = ~0u, .base = 0};
    vmsa.efer      = 0x1D00;
    vmsa.cr0       = 0x8000'0011;
    vmsa.cr4       = 0x60;
    vmsa.cr3       = 0x1000;
    vmsa.rip       = 0x1000;
    vmsa.rax       = 0x1111;
    return vmsa;
}

/// What main() makes of a file, up to a guest that is ready to run.
struct Launching {
    explicit Launching(Bytes own, ModelHost of = {})
        : bytes(std::move(own)), file(*igvm::parse(bytes)), model(std::move(of)) {}

    /// LaunchError where main() would report one.
    void launch(PlatformType platform, u32 vcpus = 1, Kernel* instead = nullptr) {
        calls.emplace(instead != nullptr ? *instead : model);
        host               = kvm::open_host(*calls);
        plan.platform      = choose_platform(calls->kernel, host, file, platform).platform;
        plan.machine.vcpus = vcpus;
        auto content       = igvm::file_content(file, platform, plan.machine);
        if (!content) {
            throw LaunchError(content.error());
        }
        plan.content = std::move(*content);
        expected =
            forecast(file, plan, igvm::profile_of_kernel(host.release, host.vm_types != 0).profile);
        guest = std::make_unique<Guest>(*calls, host, plan);
    }

    Bytes bytes;
    igvm::File file;
    Model model;
    std::optional<Calls> calls;
    kvm::Host host{};
    Plan plan;
    Forecast expected;
    std::unique_ptr<Guest> guest;
};

} // namespace vestibule::launcher::test
