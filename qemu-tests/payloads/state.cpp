// A payload that holds its CPU and its boot info against what boot/boot_info.h promises: SSE, the
// gate of #VC in an IDT of its own, the local APIC by the stub's page tables, what is RAM, and
// further vCPUs, each of which it starts once. Exit code: how many promises were not kept.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"

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
constexpr u64 patience     = 50'000'000;
constexpr u32 most_aps     = 8;

constinit x86::InterruptGate idt[32]{};
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
    idt[29] = x86::InterruptGate::to(info.vc_handler, info.vc_selector);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = reinterpret_cast<u64>(&idt[0])});
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
