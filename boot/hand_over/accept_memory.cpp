#include "boot/hand_over/accept_memory.h"

#include "boot/attest/attest.h"
#include "boot/fatal.h"
#include "boot/hand_over/snp_launch.h"
#include "boot/image.h"
#include "boot/interrupts.h"
#include "boot/snp/vmpl.h"
#include "snp/acceptance.h"

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
/// what asks for a report only where one is wanted.
void record_image(snp::AcceptanceRecord& record, u64 base, u64 end) {
    if (attest_record.wanted == 0) {
        record_loaded(record, {base, address_of(attest_start)});
        base = address_of(attest_end);
    }
    record_loaded(record, {base, end});
}

snp::Acceptance acceptance_of(Range range, u32 encryption_ebx) {
    return snp::acceptance_of(encryption_ebx, range.base >= snp_launch.assigned_from);
}

ghcb::Outcome validate_rest(snp::AcceptanceRecord& record, Range wanted, snp::Acceptance how) {
    return snp::validate_rest_by(record, wanted, [how](Range gap) {
        const ghcb::Outcome outcome = set_validated(gap, true);
        if (outcome.is_done() && how.evicts) {
            snp::evict<Cpu>(gap.base, gap.end - gap.base);
        }
        return outcome;
    });
}

struct Wanted {
    Range range;
    snp::Acceptance how;
};

/// What was promised, in its order, and as the last pages for VMSAs, which no file requires.
Wanted wanted(u32 n, Range vmsas, u32 encryption_ebx) {
    if (n == snp_launch.accepted_count) {
        return {vmsas, snp::acceptance_of(encryption_ebx, false)};
    }
    const Range range = range_of(snp_launch.accepted[n]);
    return {range, acceptance_of(range, encryption_ebx)};
}

/// First asked for and then validated, so that lists are filled.
void accept_all(snp::AcceptanceRecord& record, Range vmsas, u32 encryption_ebx) {
    {
        snp::PageStateList<Cpu> list{vc_context().ghcb};
        for (u32 n = 0; n <= snp_launch.accepted_count; ++n) {
            const Wanted next = wanted(n, vmsas, encryption_ebx);
            require(snp::ask_for_rest(list, record, next.range, next.how));
        }
        require(list.send());
    }
    for (u32 n = 0; n <= snp_launch.accepted_count; ++n) {
        const Wanted next = wanted(n, vmsas, encryption_ebx);
        require(validate_rest(record, next.range, next.how));
    }
}

/// Linux looks for tables of a PC's firmware where there is none here, and before it has a handler
/// for what is not validated: it shall find zeros (igvm/image/guest_layout.cpp has it accepted).
void clear_rom() {
    for (u64 at = 0xC'0000; at != 0x10'0000; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
}

} // namespace

u64 vmsa_pages(const BootInfo& info) {
    return info.image_base + snp_launch.image_pages * page_size;
}

void accept_memory(BootInfo& told, const PayloadHeader& header) {
    if (header.efi_memory_map != 0) {
        return; // firmware has accepted what its map does not call unaccepted
    }
    const u32 encryption_ebx = Cpu::cpuid(x86::cpuid_leaf::memory_encryption).ebx;
    snp::AcceptanceRecord record{ranges, most_ranges};
    const u64 end_of_image = vmsa_pages(told);
    record_image(record, told.image_base, end_of_image);
    for (u32 n = 0; n < snp_launch.loaded_count; ++n) {
        record_loaded(record, range_of(snp_launch.loaded[n]));
    }
    const u64 size = header.vcpus > 1 ? (header.vcpus - 1) * page_size : 0;
    if (size > told.image_base + x86::large_page_size - end_of_image) {
        fail(ghcb::reason::snp_ap_creation);
    }
    accept_all(record, {end_of_image, end_of_image + size}, encryption_ebx);
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
