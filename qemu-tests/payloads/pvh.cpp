// SPDX-License-Identifier: BSD-2-Clause-Patent
// A PVH kernel that says what it was handed, once it has come to 64-bit mode (pvh.asm). In an
// SEV-ES guest it links the library, as a kernel does that has no #VC handler of its own.
#include "kernel/pvh.h"
#include "include/vestibule/calls.h"
#include "include/vestibule/vestibule.h"
#include "qemu-tests/payloads/say.h"
#include "x86/page_table.h"
#include "x86/registers.h"

using namespace vestibule;
using namespace vestibule::payloads;
using kernel::MemoryRange;
using kernel::MemoryType;
using kernel::Module;
using kernel::StartInfo;

namespace {

/// As pvh.asm lays it out.
struct Handed {
    u32 start_info;
    u32 cr0;
    u32 cr4;
    u32 eflags;
    u32 c_bit_high;
    u16 cs;
    u16 ds;
    u16 es;
    u16 ss;
    u16 tr;
    u16 gdt_limit;
    u32 gdt_base;
};

constexpr u16 code     = 8;
constexpr u16 task     = 24;
constexpr u8 vc_ist    = 1;
constexpr u64 four_gib = u64{1} << 32;

constinit vestibule_cpu cpu{};
constinit x86::TaskState task_state{};
alignas(16) constinit x86::InterruptGate idt[x86::exception::count]{};

} // namespace

extern "C" {
extern const Handed handed;
extern x86::SegmentDescriptor gdt[5];
extern u8 ghcb[page_size];
void fault();

[[noreturn]] void pvh_main();
}

namespace {

void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

/// From here on #VC is served by the kernel's own handler.
void start_library(u64 c_bit) {
    for (u8 vector = 0; vector < x86::exception::count; ++vector) {
        vestibule_set_gate(idt, vector, fault, code, 0);
    }
    vestibule_set_gate(idt, x86::exception::vmm_communication, vestibule_early_entry, code, 0);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = reinterpret_cast<u64>(&idt[0])});
    vestibule_platform platform{};
    must(vestibule_identify(&platform));
    if (platform.c_bit != c_bit) {
        vestibule_terminate(0x204); // C_BIT_MISMATCH
    }

    const auto base = reinterpret_cast<u64>(&task_state);
    gdt[task / 8]   = {(sizeof(task_state) - 1) | (base & 0xFF'FFFF) << 16 | u64{0x89} << 40
                       | (base >> 24 & 0xFF) << 56};
    asm volatile("ltr %0" : : "r"(task));

    for (u64 at = 0; at < page_size; at += 64) {
        x86::Cpu::flush_cache_line(ghcb + at);
    }
    const auto gpa = reinterpret_cast<u64>(&ghcb[0]);
    const vestibule_setup setup{.ghcb =
                                    reinterpret_cast<void*>(four_gib + gpa % x86::large_page_size),
                                .ghcb_gpa          = gpa,
                                .c_bit             = c_bit,
                                .direct_map        = 0,
                                .tss               = &task_state,
                                .vc_ist            = vc_ist,
                                .nmi_ist           = 0,
                                .physical_bits     = 0,
                                .uses_xss          = 0,
                                .kernel_code       = code,
                                .protocol_version  = platform.protocol_version,
                                .vmmcall_registers = 0,
                                .guard_pages       = 0,
                                .mc_ist            = 0,
                                .fixes_up          = 0,
                                .reserved          = 0,
                                .user_may          = nullptr,
                                .nmi               = nullptr,
                                .mc                = nullptr,
                                .opaque            = nullptr,
                                .cpuid_table       = nullptr,
                                .svsm              = nullptr};
    must(vestibule_cpu_start(&cpu, &setup));
    vestibule_set_gate(idt, x86::exception::vmm_communication, vestibule_vc_entry, code, vc_ist);
}

void check(bool holds, const char* what) {
    write(holds ? "pvh: " : "pvh: NO ");
    write(what);
    write('\n');
}

/// The descriptor that a segment register was loaded from.
x86::SegmentDescriptor descriptor_of(u16 selector) {
    if (selector == 0 || selector > handed.gdt_limit) {
        return {0};
    }
    return *reinterpret_cast<const x86::SegmentDescriptor*>(u64{handed.gdt_base}
                                                            + (selector & ~7u));
}

bool is_flat(x86::SegmentDescriptor segment) {
    return segment.is_present() && segment.base() == 0 && segment.limit() == 0xFFFF'FFFF
           && segment.is_default_32() && !segment.is_long() && segment.dpl() == 0;
}

bool is_flat_data(u16 selector) {
    const x86::SegmentDescriptor segment = descriptor_of(selector);
    return is_flat(segment) && segment.is_writable() && !segment.is_expand_down();
}

void tell_state() {
    const x86::SegmentDescriptor cs = descriptor_of(handed.cs);
    const x86::SegmentDescriptor tr = descriptor_of(handed.tr);
    check(handed.cr0 == (x86::cr0::pe | x86::cr0::et), "CR0.PE alone");
    check(handed.cr4 == 0, "CR4 zero");
    constexpr u64 vm = bit(17);
    check((handed.eflags & (vm | x86::rflags::interrupt | x86::rflags::tf)) == 0, "EFLAGS quiet");
    check(is_flat(cs) && cs.is_code() && cs.is_readable(), "CS flat");
    check(is_flat_data(handed.ds) && is_flat_data(handed.es) && is_flat_data(handed.ss),
          "DS, ES and SS flat");
    constexpr u64 busy_task = 0x8B;
    check(tr.base() == 0 && tr.limit() == 0x67 && (tr.value >> 40 & 0xFF) == busy_task, "TR busy");
}

MemoryType type_of(const StartInfo& info, u64 address) {
    const auto* ranges = reinterpret_cast<const MemoryRange*>(info.memory_map);
    for (u32 i = 0; i < info.memory_map_count; ++i) {
        if (address >= ranges[i].base && address - ranges[i].base < ranges[i].size) {
            return ranges[i].type;
        }
    }
    return MemoryType::unusable;
}

void tell_memory(const StartInfo& info) {
    const auto* ranges = reinterpret_cast<const MemoryRange*>(info.memory_map);
    u64 usable         = 0;
    bool apart         = true;
    for (u32 i = 0; i < info.memory_map_count; ++i) {
        usable += ranges[i].type == MemoryType::ram ? ranges[i].size : 0;
        if (i != 0) {
            const u64 end = ranges[i - 1].base + ranges[i - 1].size;
            apart         = apart
                    && (ranges[i].base > end
                        || (ranges[i].base == end && ranges[i].type != ranges[i - 1].type));
        }
    }
    tell("pvh: usable MiB ", usable >> 20);
    check(apart, "ranges apart");
    const auto is = [&info](u64 address, MemoryType type) {
        return type_of(info, address) == type;
    };
    check(is(reinterpret_cast<u64>(&ghcb[0]), MemoryType::ram)
              && (info.module_count == 0
                  || is(reinterpret_cast<const Module*>(info.modules)->base, MemoryType::ram)),
          "kernel and initrd in RAM");
    check(is(handed.start_info, MemoryType::reserved) && is(handed.gdt_base, MemoryType::reserved)
              && is(info.command_line, MemoryType::reserved)
              && is(info.memory_map, MemoryType::reserved),
          "what was handed over is not in RAM");
    check(is(0xFFFF'F000, MemoryType::reserved) || is(0xFFFF'F000, MemoryType::unusable),
          "no RAM at the reset vector");
}

/// The local APICs that ACPI's MADT calls enabled (ACPI specification 6.5, section 5.2.12).
u32 count_processors(u64 rsdp) {
    const auto word = []<class T>(u64 at, T) { return *reinterpret_cast<const T*>(at); };
    const u64 xsdt  = word(rsdp + 24, u64{});
    u32 count       = 0;
    for (u64 at = xsdt + 36; at + 8 <= xsdt + word(xsdt + 4, u32{}); at += 8) {
        const u64 table = u64{word(at, u32{})} | u64{word(at + 4, u32{})} << 32;
        if (!begins_with(table, "APIC")) {
            continue;
        }
        const u64 end = table + word(table + 4, u32{});
        for (u64 entry = table + 44; entry + 2 <= end; entry += word(entry + 1, u8{})) {
            count += word(entry, u8{}) == 0 && (word(entry + 4, u32{}) & 1) != 0 ? 1 : 0;
        }
    }
    return count;
}

/// Each other processor, by the AP jump table that the hypervisor knows the address of (GHCB
/// specification, section 4.3), in real mode.
void start_processors(u32 count) {
    constexpr u64 apic     = 0xFEE0'0000;
    constexpr u64 icr_low  = apic + 0x300;
    constexpr u64 icr_high = apic + 0x310;
    constexpr u32 orders[] = {0x4500, 0x4600}; // INIT, STARTUP
    constexpr u64 page     = 0x8000;
    constexpr u64 arrived  = page + 0x10;
    constexpr u8 real[]    = {0xF0, 0x2E, 0xFF, 0x06, 0x10, 0x00, // LOCK INC WORD [CS:0x10]
                              0xF4, 0xEB, 0xFD};                  // HLT, and again
    u64 table              = 0;
    must(vestibule_ap_jump_table(&cpu, &table));
    check(table != 0 && table < four_gib, "an AP jump table");
    if (table == 0 || table >= four_gib) {
        return;
    }
    for (u64 n = 0; n < sizeof(real); ++n) {
        reinterpret_cast<volatile u8*>(page)[n] = real[n];
    }
    auto& number                            = *reinterpret_cast<volatile u16*>(arrived);
    number                                  = 0;
    *reinterpret_cast<volatile u32*>(table) = static_cast<u32>(page >> 4) << 16; // CS:IP
    for (u32 id = 1; id < count; ++id) {
        for (const u32 order : orders) {
            vestibule_mmio_write(&cpu, icr_high, 4, id << 24);
            vestibule_mmio_write(&cpu, icr_low, 4, order);
        }
        for (u64 patience = 50'000'000; patience != 0 && number != id; --patience) {
            x86::Cpu::pause();
        }
        check(number == id, "a processor has started");
    }
}

} // namespace

void pvh_main() {
    const u64 c_bit = u64{handed.c_bit_high} << 32;
    if (c_bit != 0) {
        start_library(c_bit);
    }
    write("pvh: hello\n");
    tell("pvh: C-bit ", c_bit == 0 ? 0 : static_cast<u64>(__builtin_ctzll(c_bit)));
    tell_state();
    const auto& info = *reinterpret_cast<const StartInfo*>(u64{handed.start_info});
    check(info.magic == StartInfo::magic_value && info.version == 1 && info.flags == 0,
          "start info of version 1");
    write("pvh: command line [");
    write(reinterpret_cast<const char*>(info.command_line));
    write("]\n");
    tell("pvh: modules ", info.module_count);
    if (info.module_count != 0) {
        const auto& initrd = *reinterpret_cast<const Module*>(info.modules);
        tell("pvh: initrd of ", initrd.size);
        tell("pvh: initrd sum ", sum_of(initrd.base, initrd.size));
    }
    if (info.rsdp == 0) {
        write("pvh: nobody knows an RSDP\n");
    } else {
        check(begins_with(info.rsdp, "RSD PTR "), "RSDP");
        const u32 processors = count_processors(info.rsdp);
        tell("pvh: processors ", processors);
        if (processors > 1 && c_bit != 0) {
            start_processors(processors);
        }
    }
    tell_memory(info);
    end_run();
}
