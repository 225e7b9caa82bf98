// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that uses RAM from 4 GiB on. The stub maps none of it: an entry of 1 GiB in the stub's
// table for each GiB is enough. As an SEV-SNP guest it accepts what the stub has not. Exit code:
// how many promises were not kept.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/library.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

constexpr u64 four_gib = u64{4} << 30;
constexpr u64 gigabyte = u64{1} << 30;

constinit Library library{};

bool is_snp(const vestibule_boot_info& info) {
    return info.platform == vestibule_boot_platform::sev_snp;
}

/// Up to 512 GiB.
void map(const vestibule_boot_info& info, u64 base, u64 end) {
    using Entry      = x86::PageTableEntry;
    const u64 bits   = Entry::address_mask & ~info.c_bit;
    const u64 root   = x86::Cpu::cr3();
    const auto& pml4 = *reinterpret_cast<const x86::PageTable*>(root & bits);
    auto& table      = *reinterpret_cast<x86::PageTable*>(pml4.entry[0].value & bits);
    for (u64 at = base & ~(gigabyte - 1); at < end; at += gigabyte) {
        Entry& entry = table.entry[x86::table_index(at, 3)];
        if (entry.value != 0) {
            write("high: NO free entry\n");
        }
        entry.value =
            at | Entry::present | Entry::writable | Entry::no_execute | Entry::large | info.c_bit;
    }
    x86::Cpu::set_cr3(root);
}

u64 validated_from_4_gib(const vestibule_boot_info& info) {
    const auto* ranges = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    u64 size           = 0;
    for (u64 n = 0; n < info.validated_count; ++n) {
        size += ranges[n].base >= four_gib ? ranges[n].size : 0;
    }
    return size;
}

/// One page of each 32 MiB, and the last one: a host may take 2 MiB for each. Which of them do not
/// keep what is written.
u64 lost_pages(u64 base, u64 end) {
    constexpr u64 step  = u64{32} << 20;
    const auto for_each = [=](auto use) {
        for (u64 at = base; at < end; at += step) {
            use(at);
        }
        use(end - page_size);
    };
    for_each([](u64 at) {
        word(at)                           = mark_of(at);
        word(at + page_size - sizeof(u64)) = ~mark_of(at);
    });
    u64 lost = 0;
    for_each([&lost](u64 at) {
        lost +=
            word(at) == mark_of(at) && word(at + page_size - sizeof(u64)) == ~mark_of(at) ? 0 : 1;
    });
    return lost;
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    const auto* ram = reinterpret_cast<const vestibule_memory_range*>(info.ram);
    u64 below       = 0;
    u64 above       = 0;
    u64 lost        = 0;
    tell("high: ranges ", info.ram_count);
    tell("high: MiB validated from 4 GiB on ", validated_from_4_gib(info) >> 20);
    if (is_snp(info)) {
        library.start(info);
    }
    for (u64 n = 0; n < info.ram_count; ++n) {
        const u64 base = ram[n].base;
        const u64 end  = base + ram[n].size;
        if (end <= four_gib) {
            below = end;
            continue;
        }
        map(info, base, end);
        if (is_snp(info)) {
            library.accept(base, base, end - base);
        }
        above += end - base;
        lost += lost_pages(base, end);
    }
    tell("high: MiB up to the devices ", below >> 20);
    tell("high: MiB from 4 GiB on ", above >> 20);
    tell("high: pages lost ", lost);
    x86::Cpu::out8(0xF4, lost == 0 ? 0 : 1);
    x86::Cpu::halt();
}
