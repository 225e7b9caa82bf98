// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that holds its CPU and its boot info against what boot/boot_info.h promises: SSE, the
// gate of #VC in an IDT of its own, the local APIC by the stub's page tables, what is RAM, and
// further vCPUs, each of which it starts once. Exit code: how many promises were not kept.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/gates.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" {
[[noreturn]] void payload_start(const vestibule_boot_info& info);
[[noreturn]] void ap_start(u64 argument);
}
#pragma GCC visibility pop

namespace {

constexpr u64 apic         = 0xFEE0'0000;
constexpr u64 apic_id      = apic + 0x20;
constexpr u64 apic_version = apic + 0x30;
constexpr u64 icr_low      = apic + 0x300;
constexpr u64 icr_high     = apic + 0x310;
constexpr u32 init         = 0x0000'4500;
constexpr u32 startup      = 0x0000'4600;
constexpr u64 patience     = 20'000'000;
constexpr u32 most_aps     = 8;

constinit Gates gates;
alignas(16) constinit u8 stacks[most_aps][4096]{};
constinit volatile u64 started[most_aps]{};
constinit u8 wrong = 0;

volatile u32& device_register(u64 gpa) { return *reinterpret_cast<volatile u32*>(gpa); }

void check(bool holds, const char* what) {
    write(holds ? "state: " : "state: NO ");
    write(what);
    write('\n');
    wrong = static_cast<u8>(wrong + (holds ? 0 : 1));
}

/// What needs CR4.OSFXSR and CR0.EM clear.
bool sse_works() {
    u64 value = 0;
    asm volatile("movq %1, %%xmm5\n\tpaddq %%xmm5, %%xmm5\n\tmovq %%xmm5, %0"
                 : "=r"(value)
                 : "r"(u64{21}));
    return value == 42;
}

bool is_aligned_for_calls() {
    const auto rsp = reinterpret_cast<u64>(__builtin_frame_address(0));
    return rsp % 16 == 0;
}

void use_own_idt(const vestibule_boot_info& info) {
    gates.load(x86::InterruptGate::to(info.vc_handler, info.vc_selector));
    (void)x86::Cpu::cpuid(0);
}

void tell_ram(const vestibule_boot_info& info) {
    const auto* ram = reinterpret_cast<const vestibule_memory_range*>(info.ram);
    u64 size        = 0;
    bool holds      = false; // where the payload is
    for (u64 n = 0; n < info.ram_count; ++n) {
        size += ram[n].size;
        holds =
            holds
            || (info.payload_base >= ram[n].base && info.payload_base - ram[n].base < ram[n].size);
    }
    tell("state: RAM in KiB ", size >> 10);
    check(holds == (info.ram_count != 0), "the payload is in RAM");
}

bool reaches(u64 at, u64 base, u64 size) {
    return size != 0 && base < at + x86::large_page_size && base + size > at;
}

/// Whether the 2 MiB at an address hold anything that the payload was told of as memory.
bool holds_memory(const vestibule_boot_info& info, u64 at) {
    const auto* ram = reinterpret_cast<const vestibule_memory_range*>(info.ram);
    for (u64 n = 0; n < info.ram_count; ++n) {
        if (reaches(at, ram[n].base, ram[n].size)) {
            return true;
        }
    }
    // UEFI specification 2.10, section 7.2: type, base, pages; all but the two of devices.
    for (u64 offset = 0; offset < info.efi_memory_map_size; offset += info.efi_descriptor_size) {
        const u64* descriptor = reinterpret_cast<const u64*>(info.efi_memory_map + offset);
        const u32 type        = low_half(descriptor[0]);
        if (type != 11 && type != 12 && reaches(at, descriptor[1], descriptor[3] * page_size)) {
            return true;
        }
    }
    return reaches(at, info.payload_base, info.payload_size)
           || reaches(at, info.initrd, info.initrd_size)
           || reaches(at, info.image_base, x86::large_page_size);
}

/// Whether the stub's tables map all of 3 to 4 GiB shared but for what is memory.
bool device_memory_is_shared(const vestibule_boot_info& info) {
    constexpr u64 first = u64{3} << 30;
    constexpr u64 end   = u64{4} << 30;
    const u64 addresses = x86::PageTableEntry::address_mask & ~info.c_bit;
    u64 table           = x86::Cpu::cr3() & addresses;
    table = reinterpret_cast<const x86::PageTable*>(table)->entry[0].value & addresses;
    table = reinterpret_cast<const x86::PageTable*>(table)->entry[3].value & addresses;
    const auto& entries = reinterpret_cast<const x86::PageTable*>(table)->entry;
    for (u64 at = first; at < end; at += x86::large_page_size) {
        const bool is_private =
            (entries[(at - first) / x86::large_page_size].value & info.c_bit) != 0;
        if (is_private != holds_memory(info, at)) {
            return false;
        }
    }
    return true;
}

bool waits_for(const volatile u64& word, u64 wanted) {
    for (u64 n = 0; n < patience && word != wanted; ++n) {
        x86::Cpu::pause();
    }
    return word == wanted;
}

/// While the mailbox is empty: each comes to its reset hold, and stays there.
void wake_all_for_nothing() {
    constexpr u32 all_others = 0x000C'0000;
    device_register(icr_low) = all_others | init;
    device_register(icr_low) = all_others | startup;
    for (u64 n = 0; n < patience / 50; ++n) {
        x86::Cpu::pause();
    }
}

void start_ap(vestibule_ap_mailbox& box, u32 id) {
    const u64 taken                        = *const_cast<volatile u64*>(&box.taken);
    box.argument                           = id;
    box.stack                              = reinterpret_cast<u64>(stacks[id] + sizeof(stacks[id]));
    *const_cast<volatile u64*>(&box.entry) = reinterpret_cast<u64>(ap_start);
    device_register(icr_high)              = id << 24;
    device_register(icr_low)               = init;
    device_register(icr_high)              = id << 24;
    device_register(icr_low)               = startup;
    check(waits_for(box.taken, taken + 1) && waits_for(started[id], 1), "a vCPU has started");
}

} // namespace

/// Without an IDT: nothing here may raise #VC.
void ap_start(u64 argument) {
    started[argument] = sse_works() && is_aligned_for_calls() ? 1 : 2;
    x86::Cpu::halt();
}

void payload_start(const vestibule_boot_info& info) {
    check(info.size == sizeof(info) && info.version == 1, "boot info");
    check(sse_works(), "SSE");
    check(is_aligned_for_calls(), "stack aligned");
    if (info.platform != vestibule_boot_platform::native) {
        use_own_idt(info);
        check(true, "the gate of #VC in another IDT");
        check((device_register(apic_version) & 0xF0) == 0x10 && device_register(apic_id) == 0,
              "the local APIC");
        check(device_memory_is_shared(info), "3 to 4 GiB shared but for memory");
    }
    tell_ram(info);
    tell("state: vCPUs ", info.vcpus);
    check((info.ap_mailbox != 0) == (info.vcpus > 1), "a mailbox where there are others");
    if (info.ap_mailbox != 0) {
        auto& box = *reinterpret_cast<vestibule_ap_mailbox*>(info.ap_mailbox);
        wake_all_for_nothing();
        check(box.taken == 0 && started[1] == 0, "nobody leaves without an entry");
        for (u32 id = 1; id < info.vcpus && id < most_aps; ++id) {
            start_ap(box, id);
        }
        check(*const_cast<volatile u64*>(&box.entry) == 0, "the mailbox is empty");
    }
    x86::Cpu::out8(0xF4, wrong);
    x86::Cpu::halt();
}
