// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/snp_library/machine.h"

#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

using namespace vestibule;
using x86::Cpu;
using x86::PageTable;
using x86::PageTableEntry;

extern "C" {
[[gnu::visibility("hidden")]] extern const u8 exception_entries[]; // snp/entry.asm
void load_code_segment();
[[noreturn]] void unexpected_exception(u64 fault);
}

namespace vestibule::snp_kernel {

namespace {

constexpr u64 used = PageTableEntry::present | PageTableEntry::writable | PageTableEntry::accessed
                     | PageTableEntry::dirty;
constexpr u16 code_selector = 8;
constexpr u8 vc_ist         = 1;
constexpr u8 nmi_ist        = 2;
constexpr u16 com1          = 0x3F8;
constexpr u16 debug_exit    = 0xF4;
constexpr u16 dump_port     = 0x5EA;

constinit PageTable pml4{};
constinit PageTable pointers{};
constinit PageTable directory{};
constinit PageTable image_table{};
constinit PageTable small_tables[(small_memory_end - small_memory) / x86::large_page_size]{};
constinit vestibule_cpu cpus[most_cpus]{};
alignas(page_size) constinit u8 ghcbs[most_cpus][page_size]{};
constinit x86::TaskState tasks[most_cpus]{};
constinit u64 gdt[3 + 2 * most_cpus]{};
alignas(16) constinit x86::InterruptGate idt[32]{};
constinit vestibule_cpuid_table cpuid_table{};
constinit vestibule_platform platform{};
constinit vestibule_mapper own_mapper{};
constinit vestibule_svsm svsm{};
constinit void (*on_nmi)(const vestibule_frame*, void*) = nullptr;
alignas(page_size) constinit u8 svsm_area[page_size]{};
constinit unsigned wrong = 0;

u64 image_base() { return address_of(image_end) & ~(x86::large_page_size - 1); }

void fill(PageTable& table, u64 base) {
    for (u64 n = 0; n < 512; ++n) {
        table.entry[n].value = (base + n * page_size) | used | platform.c_bit;
    }
    directory.entry[x86::table_index(base, 2)].value = address_of(&table) | used | platform.c_bit;
}

void make_page_tables() {
    const u64 bits          = used | platform.c_bit;
    pml4.entry[0].value     = address_of(&pointers) | bits;
    pointers.entry[0].value = address_of(&directory) | bits;
    for (u64 at = small_memory_end; at < large_memory_end; at += x86::large_page_size) {
        directory.entry[x86::table_index(at, 2)].value = at | bits | PageTableEntry::large;
    }
    fill(image_table, image_base());
    for (u64 n = 0; n < sizeof small_tables / sizeof small_tables[0]; ++n) {
        fill(small_tables[n], small_memory + n * x86::large_page_size);
    }
    Cpu::set_cr3(address_of(&pml4) | platform.c_bit);
}

void make_segments() {
    gdt[1] = x86::code64_segment.value;
    gdt[2] = x86::data_segment.value;
    for (unsigned n = 0; n < most_cpus; ++n) {
        const u64 base = address_of(&tasks[n]);
        gdt[3 + 2 * n] = (sizeof(x86::TaskState) - 1) | (base & 0xFF'FFFF) << 16 | u64{0x89} << 40
                         | (base >> 24 & 0xFF) << 56;
        gdt[4 + 2 * n] = base >> 32;
    }
    Cpu::lgdt({sizeof gdt - 1, address_of(gdt)});
    load_code_segment();
    for (u64 n = 0; n < 32; ++n) {
        idt[n] = x86::InterruptGate::to(address_of(exception_entries) + n * 16, code_selector);
    }
    vestibule_set_gate(idt, x86::exception::vmm_communication, vestibule_early_entry, code_selector,
                       0);
    Cpu::lidt({sizeof idt - 1, address_of(idt)});
}

void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

int map_page(void*, u64 linear, u64 gpa, int is_shared) {
    entry_of(linear).value = gpa | used | (is_shared != 0 ? 0 : platform.c_bit);
    Cpu::set_cr3(Cpu::cr3());
    return 0;
}

/// A service at VMPL 0, if the secrets page tells of one: from its page to one of our own.
void find_svsm() {
    must(vestibule_svsm_find(&svsm, image_end + page_size));
    if (svsm.vmpl != 0) {
        svsm.area = svsm.area_gpa; // identity-mapped
        must(vestibule_svsm_remap(&svsm, address_of(svsm_area), address_of(svsm_area)));
    }
}

const vestibule_svsm* svsm_or_none() { return svsm.vmpl != 0 ? &svsm : nullptr; }

/// What the launch's table says, in the entry that points to itself.
u64 measured_c_bit() {
    return *reinterpret_cast<const volatile u64*>(image_base()) & ~(image_base() | 0xFFF);
}

} // namespace

u64 c_bit() { return platform.c_bit; }

u8 vmpl() { return static_cast<u8>(svsm.vmpl); }

const vestibule_svsm& own_svsm() { return svsm; }

u64 root() { return address_of(&pml4) | platform.c_bit; }

vestibule_cpu* cpu(unsigned n) { return &cpus[n]; }

const vestibule_mapper& mapper() { return own_mapper; }

PageTableEntry& entry_of(u64 linear) {
    const u64 block  = linear & ~(x86::large_page_size - 1);
    PageTable& table = block == image_base()
                           ? image_table
                           : small_tables[(block - small_memory) / x86::large_page_size];
    return table.entry[x86::table_index(linear, 1)];
}

void start(void (*nmi)(const vestibule_frame*, void*)) {
    on_nmi = nmi;
    make_segments();
    must(vestibule_snp_open_cpuid_page(&cpuid_table, image_end, measured_c_bit()));
    vestibule_early_entry_serves(&cpuid_table);
    must(vestibule_identify(&platform));
    must(platform.c_bit == measured_c_bit() ? 0 : of(ghcb::reason::c_bit_mismatch));
    make_page_tables();
    own_mapper = {.map = map_page, .opaque = nullptr};
    find_svsm();
    must(vestibule_snp_share_early(address_of(ghcbs[0]), address_of(ghcbs[0]), svsm_or_none()));
    map_page(nullptr, address_of(ghcbs[0]), address_of(ghcbs[0]), 1);
    start_cpu(0);
    vestibule_set_gate(idt, x86::exception::vmm_communication, vestibule_vc_entry, code_selector,
                       vc_ist);
    if (on_nmi != nullptr) {
        vestibule_set_gate(idt, x86::exception::nmi, vestibule_nmi_entry, code_selector, nmi_ist);
    }
}

void start_cpu(unsigned n) {
    gdt[3 + 2 * n] &= ~bit(41); // not busy, whoever had it before
    asm volatile("ltr %0" : : "r"(static_cast<u16>((3 + 2 * n) * 8)));
    vestibule_setup setup{};
    setup.ghcb             = ghcbs[n];
    setup.ghcb_gpa         = address_of(ghcbs[n]);
    setup.c_bit            = platform.c_bit;
    setup.tss              = &tasks[n];
    setup.vc_ist           = vc_ist;
    setup.kernel_code      = code_selector;
    setup.protocol_version = platform.protocol_version;
    setup.cpuid_table      = &cpuid_table;
    setup.svsm             = svsm_or_none();
    setup.nmi_ist          = on_nmi != nullptr ? nmi_ist : 0;
    setup.nmi              = on_nmi;
    must(vestibule_cpu_start(&cpus[n], &setup));
}

void share(void* first, u64 pages) {
    for (u64 n = 0; n < pages; ++n) {
        const u64 page = address_of(first) + n * page_size;
        must(vestibule_share(cpu(), page, page, page, &own_mapper));
    }
}

void share_ghcb_of(unsigned n) { share(ghcbs[n], 1); }

void say(const char* text) {
    size_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    vestibule_write(cpu(), com1, text, length);
    vestibule_putc(cpu(), com1, '\n');
}

void tell(vestibule_reason reason) {
    if (reason == 0) {
        say("done");
        return;
    }
    char text[] = "reason 000"; // a table of names would be pointers to relocate
    for (unsigned n = 0; n < 3; ++n) {
        const unsigned digit = reason >> (8 - 4 * n) & 15;
        text[7 + n]          = static_cast<char>(digit < 10 ? '0' + digit : 'A' + digit - 10);
    }
    say(text);
}

void check(bool holds, const char* what) {
    if (!holds) {
        say(what);
        wrong += wrong < 100 ? 1 : 0;
    }
}

void check_reason(vestibule_reason is, vestibule_reason wanted, const char* what) {
    check(is == wanted, what);
    if (is != wanted) {
        tell(is);
    }
}

void end_run() {
    vestibule_out(cpu(), debug_exit, 1, wrong);
    Cpu::halt();
}

void dump(const void* bytes, u64 size) {
    const auto* words = static_cast<const u32*>(bytes);
    for (u64 n = 0; n < size / sizeof(u32); ++n) {
        vestibule_out(cpu(), dump_port, 4, words[n]);
    }
}

} // namespace vestibule::snp_kernel

/// Told as a termination: reason set 5, the vector as its code. Weak: a service at VMPL 0 has its
/// own.
[[gnu::weak]] void unexpected_exception(u64 fault) {
    vestibule_terminate(static_cast<vestibule_reason>(0x500 | (fault >> 32 & 0xFF)));
}
