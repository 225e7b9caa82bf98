// The payload that enters another one: it zeroes the memory that nobody loaded, completes the boot
// info and jumps to where igvmtool's record says.
#include "boot/hand_over/header.h"

using namespace vestibule;

#pragma GCC visibility push(hidden) // no address of these through a table that needs relocating
extern "C" {
extern const boot::PayloadHeader payload_header;

// Assembly.
[[noreturn]] void enter_linux(u64 entry, u64 zero_page);
}
#pragma GCC visibility pop

namespace {

/// Noise before: memory that was not part of the launch. A measured page of zeros would do as well,
/// at a millisecond each.
void clear(const boot::MemoryRange& range) {
    for (u64 at = range.base; at != range.base + range.size; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    const boot::PayloadHeader& header = payload_header;
    for (const boot::MemoryRange& range : header.cleared) {
        clear(range);
    }
    if (header.kind == boot::PayloadKind::linux64) {
        enter_linux(header.entry, header.zero_page);
    }

    boot::BootInfo told         = info;
    told.payload_base           = header.payload_base;
    told.payload_size           = header.payload_size;
    told.command_line           = reinterpret_cast<u64>(&header.command_line[0]);
    told.command_line_size      = header.command_line_size;
    told.initrd                 = header.initrd;
    told.initrd_size            = header.initrd_size;
    told.cpuid_page             = header.cpuid_page;
    told.secrets_page           = header.secrets_page;
    told.memory_map             = header.memory_map;
    told.memory_map_size        = header.memory_map_size;
    told.vp_count               = header.vp_count;
    told.efi_system_table       = header.efi_system_table;
    told.efi_memory_map         = header.efi_memory_map;
    told.efi_memory_map_size    = header.efi_memory_map_size;
    told.efi_descriptor_size    = header.efi_descriptor_size;
    told.efi_descriptor_version = header.efi_descriptor_version;
    told.rsdp                   = header.rsdp;
    reinterpret_cast<void (*)(const boot::BootInfo&)>(header.entry)(told);
    __builtin_trap(); // a payload that returns ends the guest as any #UD does
}
