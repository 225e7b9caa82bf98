// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/snp/machine.h"

#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

using namespace vestibule;

extern "C" {
extern const u8 exception_entries[]; // entry.asm
void load_code_segment();
[[noreturn]] void unexpected_exception(u64 fault);

void* memcpy(void* destination, const void* source, size_t count) {
    void* to = destination;
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(count) : : "memory");
    return destination;
}

/// From the end backwards where the beginning would be overwritten first.
void* memmove(void* destination, const void* source, size_t count) {
    auto* to         = static_cast<u8*>(destination);
    const auto* from = static_cast<const u8*>(source);
    if (to <= from || to >= from + count) {
        return memcpy(destination, source, count);
    }
    while (count-- != 0) {
        to[count] = from[count];
    }
    return destination;
}

void* memset(void* destination, int value, size_t count) {
    void* to = destination;
    asm volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(value) : "memory");
    return destination;
}

int memcmp(const void* left, const void* right, size_t count) {
    const auto* a = static_cast<const u8*>(left);
    const auto* b = static_cast<const u8*>(right);
    for (size_t n = 0; n < count; ++n) {
        if (a[n] != b[n]) {
            return a[n] < b[n] ? -1 : 1;
        }
    }
    return 0;
}
}

namespace vestibule::snp_guest {

using x86::Cpu;
using x86::Msr;
using x86::PageTable;
using x86::PageTableEntry;

namespace {

constexpr u64 table_flags = PageTableEntry::present | PageTableEntry::writable;

constinit PageTable root{};
constinit PageTable pointers{};
constinit PageTable directory{};
constinit PageTable image_table{};
constinit PageTable free_tables[free_blocks]{};
constinit PageTable far_directory{};
constinit PageTable far_table{};
alignas(page_size) constinit u8 ghcb_page[page_size]{};
constinit u64 gdt[3]{};
constinit x86::InterruptGate idt[32]{};
constinit u64 position_mask = 0;
constinit unsigned checks   = 0;
constinit unsigned failed   = 0;

/// The 2 MiB that the image lies in.
u64 image_block() { return address_of(ghcb_page) & ~(x86::large_page_size - 1); }

PageTableEntry& entry_of(u64 gpa) {
    const u64 block  = gpa & ~(x86::large_page_size - 1);
    PageTable& table = block == image_block()
                           ? image_table
                           : free_tables[(block - free_memory) / x86::large_page_size];
    return table.entry[x86::table_index(gpa, 1)];
}

void fill_table(PageTable& table, u64 block) {
    for (u64 n = 0; n < 512; ++n) {
        table.entry[n].value = (block + n * page_size) | table_flags | position_mask;
    }
    directory.entry[x86::table_index(block, 2)].value =
        address_of(&table) | table_flags | position_mask;
}

void catch_exceptions() {
    gdt[1] = x86::code64_segment.value;
    gdt[2] = x86::data_segment.value;
    x86::TableRegister table{sizeof gdt - 1, address_of(gdt)};
    Cpu::lgdt(table);
    load_code_segment();
    for (u64 n = 0; n < 32; ++n) {
        idt[n] = x86::InterruptGate::to(address_of(exception_entries) + n * 16, 8);
    }
    table = {sizeof idt - 1, address_of(idt)};
    Cpu::lidt(table);
}

void make_tables() {
    root.entry[0].value     = address_of(&pointers) | table_flags | position_mask;
    pointers.entry[0].value = address_of(&directory) | table_flags | position_mask;
    fill_table(image_table, image_block());
    for (u64 n = 0; n < free_blocks; ++n) {
        fill_table(free_tables[n], free_memory + n * x86::large_page_size);
    }
    Cpu::set_cr3(address_of(&root) | position_mask);
}

} // namespace

u64 c_bit() { return position_mask; }

void start_without_ghcb() {
    catch_exceptions();
    // As it was measured, in the tables that igvmtool has made. SEV information, which the MSR
    // holds at reset, has the position in [31:24].
    const auto& measured = *reinterpret_cast<const PageTable*>(image_block());
    position_mask        = measured.entry[x86::table_index(image_block(), 2)].value
                    & PageTableEntry::address_mask & ~image_block();
    require(position_mask == bit((Cpu::rdmsr(Msr::ghcb) >> 24) & 0x3F),
            ghcb::reason::c_bit_mismatch);
    make_tables();
}

void map_page(u64 gpa, bool is_private) {
    entry_of(gpa).value = gpa | table_flags | (is_private ? position_mask : 0);
    Cpu::set_cr3(Cpu::cr3());
}

void map_far_page(u64 gpa, bool is_private) {
    const auto lead = [](PageTable& from, unsigned index, const PageTable& to) {
        const u64 wanted = address_of(&to) | table_flags | position_mask;
        if (from.entry[index].value != wanted) {
            from.entry[index].value = wanted;
            return true;
        }
        return false;
    };
    if (lead(pointers, x86::table_index(gpa, 3), far_directory)) {
        far_directory = {};
    }
    if (lead(far_directory, x86::table_index(gpa, 2), far_table)) {
        far_table = {};
    }
    far_table.entry[x86::table_index(gpa, 1)].value =
        gpa | table_flags | (is_private ? position_mask : 0);
    Cpu::set_cr3(Cpu::cr3());
}

void map_all() {
    for (u64 n = 0; n < 512; ++n) {
        if (directory.entry[n].value == 0) {
            directory.entry[n].value =
                n * x86::large_page_size | table_flags | PageTableEntry::large | position_mask;
        }
    }
    Cpu::set_cr3(Cpu::cr3());
}

void map_above() {
    for (u64 n = 4; n < 512; ++n) {
        pointers.entry[n].value = n << 30 | table_flags | PageTableEntry::large | position_mask;
    }
    Cpu::set_cr3(Cpu::cr3());
}

u64 msr_request(u64 request) {
    Cpu::wrmsr(Msr::ghcb, request);
    Cpu::vmgexit();
    return Cpu::rdmsr(Msr::ghcb);
}

u64 change_state(u64 gpa, u64 operation) {
    return msr_request(gpa | operation << 52 | 0x014) >> 32;
}

void share(u8* page) {
    const u64 gpa = address_of(page);
    require(pvalidate(gpa, 0, 0) == 0, ghcb::reason::snp_pvalidate);
    require(msr_request(gpa | to_shared << 52 | 0x014) == 0x015, ghcb::reason::snp_page_state);
    map_page(gpa, false);
    memset(page, 0, page_size);
}

void share_ghcb() { share(ghcb_page); }

void register_ghcb() {
    require(msr_request(ghcb_gpa() | 0x012) == (ghcb_gpa() | 0x013),
            ghcb::reason::snp_registration);
}

void start() {
    start_without_ghcb();
    share_ghcb();
    register_ghcb();
}

u64 ghcb_gpa() { return address_of(ghcb_page); }

u64 get(u64 offset) { return at(ghcb_gpa() + offset); }

void put(u64 offset, u64 value) {
    at(ghcb_gpa() + offset) = value;
    volatile u8& valid      = at<u8>(ghcb_gpa() + field::bitmap + offset / 64);
    valid                   = static_cast<u8>(valid | 1u << (offset / 8 % 8));
}

Answer call(u64 exit_code, u64 info_1, u64 info_2) {
    put(field::exit_code, exit_code);
    put(field::exit_info_1, info_1);
    put(field::exit_info_2, info_2);
    at<u16>(ghcb_gpa() + 0xFFA) = 2; // PROTOCOL_VERSION
    at<u32>(ghcb_gpa() + 0xFFC) = 0; // GHCB_USAGE
    Cpu::wrmsr(Msr::ghcb, ghcb_gpa());
    Cpu::vmgexit();
    const Answer answer{low_half(get(field::exit_info_1)), get(field::exit_info_2)};
    at(ghcb_gpa() + field::bitmap)     = 0;
    at(ghcb_gpa() + field::bitmap + 8) = 0;
    return answer;
}

u64 list_entry(u64 gpa, u64 operation, bool is_large) {
    return gpa | operation << 52 | (is_large ? bit(56) : 0);
}

void put_list(u16 current, u16 last) {
    const u64 list    = ghcb_gpa() + field::buffer;
    at<u16>(list)     = current;
    at<u16>(list + 2) = last;
    at<u32>(list + 4) = 0;
    put(field::scratch, list);
}

void put_entry(unsigned index, u64 entry) {
    at(ghcb_gpa() + field::buffer + 8 + u64{index} * 8) = entry;
}

u16 list_current() { return at<u16>(ghcb_gpa() + field::buffer); }

u64 get_entry(unsigned index) { return get(field::buffer + 8 + u64{index} * 8); }

void make_vmsa(void* page, void (*entry)(), void* stack_end, u8 vmpl) {
    auto& vmsa         = *static_cast<x86::Vmsa*>(page);
    const auto segment = [](u16 selector, x86::SegmentAttributes attributes) {
        return x86::Segment{selector, static_cast<u16>(attributes), 0xFFFF'FFFF, 0};
    };
    memset(page, 0, page_size);
    vmsa.cs = segment(8, x86::SegmentAttributes::code64);
    vmsa.ss = segment(16, x86::SegmentAttributes::data);
    vmsa.ds = vmsa.es = vmsa.fs = vmsa.gs = vmsa.ss;
    vmsa.gdtr                             = {0, 0, sizeof gdt - 1, address_of(gdt)};
    vmsa.idtr                             = {0, 0, sizeof idt - 1, address_of(idt)};
    vmsa.ldtr         = {0, static_cast<u16>(x86::SegmentAttributes::ldt), 0xFFFF, 0};
    vmsa.tr           = {0, static_cast<u16>(x86::SegmentAttributes::busy_task), 0xFFFF, 0};
    vmsa.vmpl         = vmpl;
    vmsa.efer         = x86::efer::svme | x86::efer::lme | x86::efer::lma;
    vmsa.cr0          = Cpu::cr0();
    vmsa.cr3          = Cpu::cr3();
    vmsa.cr4          = Cpu::cr4();
    vmsa.dr6          = x86::dr6_reset;
    vmsa.dr7          = x86::dr7_reset;
    vmsa.rflags       = x86::rflags::reserved_one;
    vmsa.rip          = reinterpret_cast<u64>(entry);
    vmsa.rsp          = address_of(stack_end) - 8; // as behind a call
    vmsa.g_pat        = x86::pat_reset;
    vmsa.sev_features = 1;
    vmsa.xcr0         = 1;
    vmsa.mxcsr        = 0x1F80;
    vmsa.x87_fcw      = 0x037F;
}

namespace {

/// OUT of 32 bits through the GHCB page.
void out32(u16 port, u32 value) {
    put(field::rax, value);
    call(0x7B, u64{port} << 16 | 0x240, 0);
}

} // namespace

void end(ghcb::Reason reason) {
    msr_request(u64{reason.code} << 16 | u64{reason.set} << 12 | 0x100);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

void check(bool good) {
    ++checks;
    if (!good && failed == 0) {
        failed = checks;
    }
}

void finish() {
    out32(0xF4, failed);
    for (;;) {
        asm volatile("cli; hlt");
    }
}

void dump(const void* bytes, u64 size) {
    for (u64 done = 0; done < size; done += 4) {
        u32 word = 0;
        memcpy(&word, static_cast<const u8*>(bytes) + done, sizeof word);
        out32(0x5EA, word);
    }
}

} // namespace vestibule::snp_guest

void unexpected_exception(u64 fault) {
    snp_guest::end({ghcb::reason::set_exception, static_cast<u8>(fault >> 32)});
}
