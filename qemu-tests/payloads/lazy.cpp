// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that accepts memory when it needs it (`igvmtool build --accept payload`): it goes on
// with the library, on the stub's page tables and GHCB page, takes RAM 8 MiB at a time, and uses
// each page. At any VMPL. Exit code: how many promises were not kept.
#include "boot/boot_info.h"
#include "include/vestibule/snp.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/page_table.h"
#include "x86/registers.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

constexpr u64 step     = u64{8} << 20;
constexpr u16 code     = 0x08; // the stub's GDT
constexpr u32 most     = 64;
constexpr u64 low_size = u64{1} << 20;

alignas(VESTIBULE_CPU_SIZE) constinit u8 cpu_memory[VESTIBULE_CPU_SIZE]{};
constinit vestibule_cpuid_table table{};
constinit vestibule_svsm svsm{};
constinit vestibule_snp_range ranges[most]{};
constinit x86::InterruptGate idt[32]{};

vestibule_cpu* cpu() { return reinterpret_cast<vestibule_cpu*>(cpu_memory); }

void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

void start_library(const vestibule_boot_info& info) {
    must(vestibule_snp_open_cpuid_page(&table, reinterpret_cast<const void*>(info.cpuid_page),
                                       info.c_bit));
    must(vestibule_svsm_find(&svsm, reinterpret_cast<const void*>(info.secrets_page)));
    svsm.area = svsm.area_gpa;
    vestibule_setup setup{};
    setup.ghcb             = reinterpret_cast<void*>(info.ghcb_gpa);
    setup.ghcb_gpa         = info.ghcb_gpa;
    setup.c_bit            = info.c_bit;
    setup.kernel_code      = code;
    setup.protocol_version = info.ghcb_version;
    setup.cpuid_table      = &table;
    setup.svsm             = svsm.vmpl != 0 ? &svsm : nullptr;
    must(vestibule_cpu_start(cpu(), &setup));
    vestibule_boot_entry_serves(cpu());
    vestibule_set_gate(idt, x86::exception::vmm_communication, vestibule_boot_entry, code, 0);
    x86::Cpu::lidt({.limit = sizeof idt - 1, .base = reinterpret_cast<u64>(&idt[0])});
}

volatile u64& word(u64 at) { return *reinterpret_cast<volatile u64*>(at); }

u64 mark_of(u64 at) { return at * 0x9E37'79B9'7F4A'7C15; }

/// What was there before is other than free memory, and so are the stub's 2 MiB, on whose page
/// tables this runs.
bool was_there(const vestibule_boot_info& info, u64 at) {
    if ((at & ~u64{x86::large_page_size - 1}) == info.image_base) {
        return true;
    }
    const auto* validated = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    for (u64 n = 0; n < info.validated_count; ++n) {
        if (at >= validated[n].base && at < validated[n].base + validated[n].size) {
            return true;
        }
    }
    return false;
}

/// In pages.
u64 use(const vestibule_boot_info& info, u64 base, u64 end) {
    u64 lost = 0;
    for (u64 at = base; at < end; at += page_size) {
        if (!was_there(info, at)) {
            word(at)                           = mark_of(at);
            word(at + page_size - sizeof(u64)) = ~mark_of(at);
        }
    }
    for (u64 at = base; at < end; at += page_size) {
        if (!was_there(info, at)) {
            const bool kept =
                word(at) == mark_of(at) && word(at + page_size - sizeof(u64)) == ~mark_of(at);
            lost += kept ? 0 : 1;
        }
    }
    return lost;
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    start_library(info);
    tell("lazy: VMPL ", info.vmpl);
    vestibule_snp_record record{.ranges = ranges, .most = most, .count = 0};
    const auto* validated = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    u64 before            = 0;
    for (u64 n = 0; n < info.validated_count; ++n) {
        must(vestibule_snp_has_accepted(&record, validated[n].base,
                                        validated[n].base + validated[n].size));
        before += validated[n].size;
    }
    tell("lazy: KiB validated at first ", before >> 10);
    const auto* ram = reinterpret_cast<const vestibule_memory_range*>(info.ram);
    u64 lost        = 0;
    u64 taken       = 0;
    for (u64 n = 0; n < info.ram_count; ++n) {
        const u64 end = ram[n].base + ram[n].size;
        for (u64 at = ram[n].base; at < end && ram[n].base >= low_size;) {
            u64 next = (at + step) & ~(step - 1);
            next     = next < end ? next : end;
            must(vestibule_snp_accept(cpu(), &record, at, at, next - at));
            lost += use(info, at, next);
            taken += next - at;
            at = next;
        }
    }
    tell("lazy: MiB taken in steps ", taken >> 20);
    tell("lazy: pages lost ", lost);
    x86::Cpu::out8(0xF4, lost == 0 ? 0 : 1); // by #VC, which the library serves
    x86::Cpu::halt();
}
