// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/linux.h"

#include "kernel/zero_page.h"

namespace vestibule::efi {

Problem LinuxEntry::place(boot::PayloadHeader& header) {
    if (!memory_.allocate(page_size)) {
        return problem(Trouble::memory, "too little memory for a Linux kernel's zero page");
    }
    header.kind      = boot::PayloadKind::linux64;
    header.zero_page = memory_.base();
    return no_problem;
}

void LinuxEntry::describe(const kernel::LinuxKernel& kernel, const boot::PayloadHeader& header,
                          const Departure& departure, Extent stub) const {
    auto* const ranges = reinterpret_cast<MemoryRange*>(departure.behind_map());
    // What is reserved Linux maps as a device's, shared, where it looks at what the zero page
    // points to (arch/x86/kernel/ksysfs.c); memory of ACPI's it maps private. As in
    // igvm/image/guest_placement.cpp.
    const auto in_use =
        header.cpuid_page != 0 ? kernel::MemoryType::acpi : kernel::MemoryType::reserved;
    const u32 count = departure.convert(stub, memory_.extent(), in_use, ranges);
    auto& page      = *memory_.at<kernel::ZeroPage>();
    const kernel::LinuxTold told{
        .command_line = reinterpret_cast<u64>(&header.command_line[0]),
        .initrd       = header.initrd,
        .initrd_size  = header.initrd_size,
        .rsdp         = header.rsdp,
        .confidential = {.secrets_page = header.secrets_page, .cpuid_page = header.cpuid_page},
        .efi          = {.system_table       = header.efi_system_table,
                         .memory_map         = header.efi_memory_map,
                         .memory_map_size    = header.efi_memory_map_size,
                         .descriptor_size    = header.efi_descriptor_size,
                         .descriptor_version = header.efi_descriptor_version}
    };
    kernel::make_zero_page(kernel, header.zero_page, told, page);
    kernel::add_memory_map(ranges, count, page);
}

} // namespace vestibule::efi
