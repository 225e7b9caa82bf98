// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where everything lies in the guest's memory, and what is in it: the stub's image, the payload,
// its initrd, and the pages that a loader or the security processor fills in. One 2 MiB region is
// the stub's; what igvmtool makes for it stands there behind the image.
#pragma once

#include "igvm/image/build_options.h"
#include "igvm/image/payload.h"
#include "igvm/image/stub_image.h"
#include "kernel/memory_range.h"

namespace vestibule::igvm {

/// Beside the stub; needs an image with a payload header.
struct GuestContents {
    const Payload* payload = nullptr;
    std::span<const u8> initrd; // only with a payload, as is:
    std::string_view command_line;
    // NOLINTBEGIN(readability-redundant-member-init): may go unnamed
    std::span<const u8> enter_pvh   = {}; // what enters a PVH kernel (boot/pvh)
    std::span<const u8> jump_table  = {}; // what enters one, or Linux, with vCPUs (boot/jump_table)
    const StubImage* service        = nullptr; // what runs at VMPL 0, where the guest does not
    std::span<const u8> flash_reset = {};      // what a flash image ends in (boot/flash)

    // NOLINTEND(readability-redundant-member-init)

    [[nodiscard]] const kernel::LinuxKernel* linux() const {
        return payload != nullptr && payload->linux ? &*payload->linux : nullptr;
    }

    [[nodiscard]] bool is_pvh() const {
        return payload != nullptr && payload->protocol == PayloadProtocol::pvh;
    }

    /// Whether the payload is told what is RAM by its own boot protocol.
    [[nodiscard]] bool has_memory_map() const { return linux() != nullptr || is_pvh(); }
};

enum class Part : u8 {
    page_tables,
    stub,
    hand_over,
    payload,
    initrd,
    zero_page,
    pvh_entry,
    jump_table,
    cpuid_page,
    secrets_page,
    acpi_tables,
    efi_tables,
    kernel_hashes,
    service,
    ap_way,
};

std::string_view name_of(Part part);

/// Where an IGVM guest that boots the monitor's kernel finds the hashes of it: where
/// cloud-hypervisor writes them before it launches the page (vmm/src/sev.rs,
/// SEV_HASH_BLOCK_ADDRESS), which is where edk2's AmdSev firmware has them.
inline constexpr u64 igvm_kernel_hashes = 0x1'0C00;

constexpr u64 whole_pages(u64 size) { return (size + page_size - 1) & ~(page_size - 1); }

/// Pages of the file. Without a platform they are for all.
struct Placed {
    Part part;
    u64 gpa;
    Content content; // filled up with zeros to whole pages
    std::optional<PlatformType> platform;
    PageDataType type = PageDataType::normal;
};

/// Memory that a loader fills in.
struct ParameterPage {
    HeaderType parameter;
    u64 gpa;
};

/// Where parts lie; 0 where there is no such part.
struct Placement {
    u64 base         = 0; // of the image
    u64 image_size   = 0; // with what stands behind it
    u64 zero_page    = 0;
    u64 cpuid_page   = 0;
    u64 secrets_page = 0;
    std::vector<ParameterPage> parameters; // a page each
    boot::MemoryRange pvh_entry{};
    u64 jump_table  = 0; // of a Linux or PVH kernel under SEV-ES with further vCPUs
    u64 acpi_tables = 0; // of such a kernel in an encrypted guest, which nobody else tells
    u64 efi_tables  = 0; // of a Linux kernel that accepts memory itself
    boot::MemoryRange initrd{};
    boot::MemoryRange service{}; // at VMPL 0, with what stands behind its image
    u64 service_launch = 0;      // a boot::ServiceLaunch
    u64 guest_vmsa     = 0;      // which the service makes one
    u64 kernel_hashes  = 0;      // where a launch puts the table (boot/fw_cfg/hash_table.h)
    u64 ap_way         = 0;      // of a flash image with further vCPUs (boot/flash/record.h)
    /// RAM as a payload is told of it, in ascending order, apart: without the service's.
    std::vector<boot::MemoryRange> ram;

    [[nodiscard]] u64 ram_end() const { return ram.back().base + ram.back().size; }

    /// What stays in use behind the payload's back, ascending.
    [[nodiscard]] std::vector<kernel::MemoryRange> in_use(PlatformType platform) const;
};

/// Refers to the bytes of image and contents, which must outlive it.
struct Layout {
    Placement at;
    std::vector<Placed> pages;               // ascending; of an address, one for each platform
    std::vector<boot::MemoryRange> required; // memory that has to be there
};

/// Where everything goes (guest_placement.cpp), or in words why it goes nowhere.
std::expected<Placement, std::string> place(const StubImage& image, const BuildOptions& options,
                                            const GuestContents& contents);

/// The layout, or in words why there is none.
std::expected<Layout, std::string> lay_out(const StubImage& image, const BuildOptions& options,
                                           const GuestContents& contents);

} // namespace vestibule::igvm
