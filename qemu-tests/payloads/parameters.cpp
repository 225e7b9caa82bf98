// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that says what the loader has told by IGVM parameters: the memory map and the number of
// vCPUs, which nobody has measured. Under SEV-ES nobody has encrypted them either, so they are read
// through a mapping without the C-bit (boot/boot_info.h).
#include "boot/boot_info.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" {
[[noreturn]] void payload_start(const vestibule_boot_info& info);
}
#pragma GCC visibility pop

namespace {

using x86::PageTable;
using x86::PageTableEntry;

constexpr auto sev_es = boot::Platform::sev_es;
constexpr u64 window  = u64{8} << 30; // a linear address that the stub does not map

/// IGVM_VHS_MEMORY_MAP_ENTRY.
struct Entry {
    u64 first_page;
    u64 pages;
    u16 type;
    u16 flags;
    u32 reserved;
};

constinit PageTable directory{};
constinit PageTable table{};
constinit u64 mapped = 0;

/// The page at `gpa` without the C-bit.
template <class Object>
const Object* shared(const vestibule_boot_info& info, u64 gpa) {
    constexpr u64 flags                 = PageTableEntry::present | PageTableEntry::writable;
    const u64 c_bit                     = info.c_bit;
    table.entry[mapped].value           = gpa | flags;
    directory.entry[0].value            = reinterpret_cast<u64>(&table) | flags | c_bit;
    const u64 root                      = x86::Cpu::cr3() & ~c_bit & PageTableEntry::address_mask;
    PageTableEntry* const top           = reinterpret_cast<PageTable*>(root)->entry;
    auto* const pointers                = reinterpret_cast<PageTable*>(top[0].address(c_bit));
    pointers->entry[window >> 30].value = reinterpret_cast<u64>(&directory) | flags | c_bit;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
    return reinterpret_cast<const Object*>(window + page_size * mapped++);
}

template <class Object>
const Object* told(const vestibule_boot_info& info, u64 gpa) {
    return info.platform == sev_es ? shared<Object>(info, gpa)
                                   : reinterpret_cast<const Object*>(gpa);
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    const auto* entry = told<Entry>(info, info.memory_map);
    u64 ranges        = 0;
    for (; entry->pages != 0 && ranges < info.memory_map_size / sizeof(Entry); ++entry, ++ranges) {
        write(entry->type == 0 ? "parameters: memory" : "parameters: NOT memory");
        write(" at page ");
        write(entry->first_page);
        tell(", pages ", entry->pages);
    }
    tell("parameters: ranges ", ranges);
    tell("parameters: vCPUs ", *told<u32>(info, info.vp_count));
    end_run();
}
