// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/hand_over/accept_memory.h"

#include "boot/attest/attest.h"
#include "boot/fatal.h"
#include "boot/hand_over/snp_launch.h"
#include "boot/image.h"
#include "boot/interrupts.h"
#include "boot/snp/vmpl.h"
#include "snp/acceptance.h"
#include "x86/page_table.h"

namespace vestibule::boot {

#pragma GCC visibility push(hidden) // no address of it through a table that needs relocating
extern "C" const SnpLaunch snp_launch;
#pragma GCC visibility pop

namespace {

using snp::Range;
using x86::Cpu;

constexpr u32 most_ranges = 64;

/// The record (snp/acceptance.h), as the payload is told of it.
constinit Range ranges[most_ranges]{};
constinit MemoryRange validated[most_ranges]{};

void require(ghcb::Outcome outcome) {
    if (!outcome.is_done()) {
        fail(outcome.reason);
    }
}

constexpr Range range_of(const MemoryRange& memory) {
    return {memory.base, memory.base + memory.size};
}

void record_loaded(snp::AcceptanceRecord& record, Range loaded) {
    if (!record.add(loaded)) {
        fail(ghcb::reason::snp_accepted_already);
    }
}

/// The stub's image up to before `end`: what igvmtool places behind it is loaded with it, and of it
/// what calls a service only below VMPL 0, what asks for a report only where one is wanted.
void record_image(snp::AcceptanceRecord& record, const BootInfo& told, u64 end) {
    u64 base = told.image_base;
    if (told.vmpl == 0) {
        record_loaded(record, {base, address_of(svsm_start)});
        base = address_of(attest_start); // right behind
    }
    if (attest_record.wanted == 0) {
        if (base != address_of(attest_start)) {
            record_loaded(record, {base, address_of(attest_start)});
        }
        base = address_of(attest_end);
    }
    record_loaded(record, {base, end});
}

snp::Acceptance acceptance_of(Range range, u32 encryption_ebx) {
    return snp::acceptance_of(encryption_ebx, range.base >= snp_launch.assigned_from);
}

constexpr u64 gigabyte = u64{1} << 30;
constexpr u64 mapped   = 4 * gigabyte; // by the stub's tables, each byte where it is

/// What lies above is accepted through a window behind that, one page of 1 GiB that is moved on: it
/// takes no more than an entry of a table that is there, and every processor with SEV-SNP has such
/// pages. `page` is one, or 0 for none. The stub's tables lie below 4 GiB.
[[gnu::noinline]] void set_window(u64 page) {
    using Entry         = x86::PageTableEntry;
    const auto table_of = [](u64 entry) {
        return reinterpret_cast<x86::PageTable*>(low_half(entry & Entry::address_mask));
    };
    const u64 root  = Cpu::cr3();
    const u64 first = table_of(root)->entry[0].value;
    const u64 c_bit = from_halves(high_half(first), 0);
    table_of(first)->entry[x86::table_index(mapped, 3)].value =
        page == 0 ? 0
                  : page | Entry::present | Entry::writable | Entry::accessed | Entry::dirty
                        | Entry::large | c_bit;
    Cpu::set_cr3(root);
}

/// As much of a gap's beginning as is mapped at once. PVALIDATE takes an address that is mapped,
/// and a service at VMPL 0 a physical one.
ghcb::Outcome validate_first(Range gap, snp::Acceptance how) {
    const u64 size = gap.end - gap.base;
    u64 linear     = gap.base;
    if (gap.base >= mapped) {
        set_window(gap.base & ~(gigabyte - 1));
        linear = mapped + gap.base % gigabyte;
    }
    const u64 named             = service().vmpl == 0 ? linear : gap.base;
    const ghcb::Outcome outcome = set_validated({named, named + size}, true);
    if (outcome.is_done() && how.evicts) {
        snp::evict<Cpu>(linear, size);
    }
    return outcome;
}

ghcb::Outcome validate_rest(snp::AcceptanceRecord& record, Range wanted, snp::Acceptance how) {
    return snp::validate_rest_by(record, wanted, [how](Range gap) {
        for (;;) {
            const u64 next = (gap.base | (gigabyte - 1)) + 1;
            if (gap.end <= next) {
                return validate_first(gap, how);
            }
            const ghcb::Outcome outcome = validate_first({gap.base, next}, how);
            if (!outcome.is_done()) {
                return outcome;
            }
            gap.base = next;
        }
    });
}

struct Wanted {
    Range range;
    snp::Acceptance how;
};

/// What was promised, in its order, and as the last pages for further vCPUs, which no file
/// requires.
Wanted wanted(u32 n, Range vcpus, u32 encryption_ebx) {
    if (n == snp_launch.accepted_count) {
        return {vcpus, snp::acceptance_of(encryption_ebx, false)};
    }
    const Range range = range_of(snp_launch.accepted[n]);
    return {range, acceptance_of(range, encryption_ebx)};
}

/// First asked for and then validated, so that lists are filled.
void accept_all(snp::AcceptanceRecord& record, Range vcpus, u32 encryption_ebx) {
    {
        snp::PageStateList<Cpu> list{vc_context().ghcb};
        for (u32 n = 0; n <= snp_launch.accepted_count; ++n) {
            const Wanted next = wanted(n, vcpus, encryption_ebx);
            require(snp::ask_for_rest(list, record, next.range, next.how));
        }
        require(list.send());
    }
    for (u32 n = 0; n <= snp_launch.accepted_count; ++n) {
        const Wanted next = wanted(n, vcpus, encryption_ebx);
        require(validate_rest(record, next.range, next.how));
    }
    set_window(0);
}

/// Linux looks for tables of a PC's firmware where there is none here, and before it has a handler
/// for what is not validated: it shall find zeros (igvm/image/guest_layout.cpp has it accepted).
void clear_rom() {
    for (u64 at = 0xC'0000; at != 0x10'0000; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
}

} // namespace

snp::Range vcpu_pages(const BootInfo& info, const PayloadHeader& header) {
    // EFI's application says nothing of its image; it has put two pages behind it (efi/stub.cpp).
    const u64 size  = snp_launch.image_pages != 0 ? snp_launch.image_pages * page_size
                                                  : info.image_size + 2 * page_size;
    const u64 base  = info.image_base + size;
    const u64 count = header.vcpus > 1 ? header.vcpus - 1 : 0;
    return {base, base + (info.vmpl != 0 ? 2 * count : count) * page_size};
}

void accept_memory(BootInfo& told, const PayloadHeader& header) {
    const Range vcpus = vcpu_pages(told, header);
    if (vcpus.end > told.image_base + x86::large_page_size) {
        fail(ghcb::reason::snp_ap_creation);
    }
    if (header.efi_memory_map != 0) {
        return; // firmware has accepted what its map does not call unaccepted
    }
    const u32 encryption_ebx = Cpu::cpuid(x86::cpuid_leaf::memory_encryption).ebx;
    snp::AcceptanceRecord record{ranges, most_ranges};
    record_image(record, told, vcpus.base);
    for (u32 n = 0; n < snp_launch.loaded_count; ++n) {
        record_loaded(record, range_of(snp_launch.loaded[n]));
    }
    accept_all(record, vcpus, encryption_ebx);
    if (header.kind == PayloadKind::linux64) {
        clear_rom();
    }
    for (u32 n = 0; n < record.size(); ++n) {
        validated[n] = {record[n].base, record[n].end - record[n].base};
    }
    told.validated       = reinterpret_cast<u64>(&validated[0]);
    told.validated_count = record.size();
}

} // namespace vestibule::boot
