// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that says what it was given: its boot info, command line and initrd, and whether its
// memory is as its ELF64 describes it. Linked on its own, with nothing of the stub: what it needs
// it has from boot/boot_info.h. Every OUT is a #VC that the stub serves.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/say.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

// Large enough for whole pages that are in no file, and behind data on a page of its own.
constinit volatile u8 zeroed[5 * page_size]{};
constinit volatile u64 counter = 41;

// A pointer in data: right only where it was linked for, or relocated to.
constexpr char greeting[]                = "payload: hello\n";
constinit const char* volatile relocated = greeting;

bool is_zero() {
    u8 any = 0;
    for (const volatile u8& byte : zeroed) {
        any = any | byte;
    }
    return any == 0;
}

/// Of the types that are RAM to who has ended boot services (UEFI specification 2.10,
/// section 7.2.3).
u64 usable_mib(const vestibule_boot_info& info) {
    constexpr u32 first        = 1; // EfiLoaderCode
    constexpr u32 last         = 4; // EfiBootServicesData
    constexpr u32 conventional = 7;
    u64 pages                  = 0;
    for (u64 at = 0; at + 40 <= info.efi_memory_map_size; at += info.efi_descriptor_size) {
        const u64 entry   = info.efi_memory_map + at;
        const u32 type    = *reinterpret_cast<const u32*>(entry);
        const bool usable = (type >= first && type <= last) || type == conventional;
        pages += usable ? *reinterpret_cast<const u64*>(entry + 24) : 0;
    }
    return pages / 256;
}

/// What is said of the firmware, held against what lies there.
void tell_efi(const vestibule_boot_info& info) {
    if (info.efi_system_table == 0) {
        return;
    }
    write(begins_with(info.efi_system_table, "IBI SYST") ? "payload: EFI system table\n"
                                                         : "payload: NO EFI system table\n");
    write(begins_with(info.rsdp, "RSD PTR ") ? "payload: RSDP\n" : "payload: NO RSDP\n");
    tell("payload: descriptors of version ", info.efi_descriptor_version);
    tell("payload: usable MiB ", usable_mib(info));
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    write(relocated);
    counter = counter + 1;
    tell("payload: data ", counter);
    write(is_zero() ? "payload: bss zero\n" : "payload: bss NOISE\n");
    const bool known = info.magic == VESTIBULE_BOOT_INFO_MAGIC && info.version == 1
                       && info.size == sizeof(vestibule_boot_info);
    write(known ? "payload: boot info 1\n" : "payload: boot info UNKNOWN\n");
    tell("payload: platform ", static_cast<u64>(info.platform));
    const u64 own     = reinterpret_cast<u64>(&greeting[0]);
    const bool inside = own >= info.payload_base && own - info.payload_base < info.payload_size;
    write(inside ? "payload: in its place\n" : "payload: NOT in its place\n");

    write("payload: command line [");
    const auto* line = reinterpret_cast<const char*>(info.command_line);
    write(line);
    write("]\n");
    u64 length = 0;
    while (line[length] != '\0') {
        ++length;
    }
    tell("payload: command line off by ", length - info.command_line_size);

    tell("payload: initrd of ", info.initrd_size);
    tell("payload: initrd sum ", sum_of(info.initrd, info.initrd_size));
    tell_efi(info);

    end_run();
}
