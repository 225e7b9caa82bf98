// SPDX-License-Identifier: BSD-2-Clause-Patent
// The payload that enters another one: it zeroes the memory that nobody loaded, completes the boot
// info and jumps to where igvmtool's record says.
#include "boot/attest/attest.h"
#include "boot/gdt.h"
#include "boot/hand_over/accept_memory.h"
#include "boot/hand_over/create_aps.h"
#include "boot/hand_over/device_memory.h"
#include "boot/hand_over/header.h"
#include "x86/cpu.h"
#include "x86/registers.h"

using namespace vestibule;

#pragma GCC visibility push(hidden) // no address of these through a table that needs relocating
extern "C" {
extern const boot::PayloadHeader payload_header;

// Assembly.
[[noreturn]] void enter_linux(u64 entry, u64 zero_page);
void enable_sse();
void open_aps(u64 cr3);

extern vestibule_ap_mailbox ap_mailbox; // boot/hand_over/ap.asm looks at it
}
#pragma GCC visibility pop

constinit vestibule_ap_mailbox ap_mailbox{};

namespace {

/// Where #VC leads now.
u64 vc_handler() {
    const auto* gate = reinterpret_cast<const u64*>(x86::Cpu::sidt().base)
                       + u64{2} * x86::exception::vmm_communication;
    return x86::InterruptGate::from(gate[0], gate[1]).offset();
}

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
    // The stub's own, in memory that can be written.
    auto& told = const_cast<boot::BootInfo&>(info);
    if (info.platform == boot::Platform::sev_snp) {
        boot::accept_memory(told, header);
    }
    for (const boot::MemoryRange& range : header.cleared) {
        clear(range);
    }
    if (header.kind == boot::PayloadKind::linux64) {
        enter_linux(header.entry, header.zero_page);
    }

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
    told.vcpus                  = header.vcpus;
    if (header.ram_count != 0) {
        told.ram       = reinterpret_cast<u64>(&header.ram[0]);
        told.ram_count = header.ram_count;
    }
    if (info.platform != boot::Platform::native) {
        boot::share_device_memory<x86::Cpu>(told);
        told.vc_handler  = vc_handler();
        told.vc_selector = boot::code64_selector;
        if (header.vcpus > 1) {
            told.ap_mailbox = reinterpret_cast<u64>(&ap_mailbox);
            open_aps(x86::Cpu::cr3());
            if (info.platform == boot::Platform::sev_snp) {
                boot::create_aps(told, header);
            }
        }
    }
    if (info.platform == boot::Platform::sev_snp && attest_record.wanted != 0) {
        boot::attest(told);
    }
    enable_sse();
    reinterpret_cast<void (*)(const boot::BootInfo&)>(header.entry)(told);
    __builtin_trap(); // a payload that returns ends the guest as any #UD does
}
