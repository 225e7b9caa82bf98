#include "boot/hand_over/accept_memory.h"

#include "boot/fatal.h"
#include "boot/hand_over/snp_launch.h"
#include "boot/interrupts.h"
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

void require(bool good, ghcb::Reason reason) {
    if (!good) {
        fail(reason);
    }
}

constexpr u64 whole_pages(u64 size) { return (size + page_size - 1) & ~(page_size - 1); }

class Accepter {
  public:
    Accepter(const BootInfo& info, const PayloadHeader& header)
        : region{info.image_base, info.image_base + x86::large_page_size},
          encryption_ebx{Cpu::cpuid(x86::cpuid_leaf::memory_encryption).ebx} {
        // What igvmtool places behind the image is loaded with it.
        add({info.image_base, vmsa_pages(info, header)});
        for (u32 n = 0; n < snp_launch.count; ++n) {
            const MemoryRange& loaded = snp_launch.loaded[n];
            add({loaded.base, loaded.base + loaded.size});
        }
    }

    /// All of it but for what is left of the stub's 2 MiB, which is nobody's: accepted page by page
    /// it would cost as many instructions as a GiB.
    void accept(Range wanted, bool assigned) {
        const Range below{wanted.base, wanted.end < region.base ? wanted.end : region.base};
        const Range above{wanted.base > region.end ? wanted.base : region.end, wanted.end};
        accept_part(below, assigned);
        accept_part(above, assigned);
    }

    /// Of the stub's 2 MiB, so many bytes.
    void accept_own(u64 base, u64 size) {
        require(size <= region.end - base, ghcb::reason::snp_ap_creation);
        accept_part({base, base + size}, false);
    }

    void tell(BootInfo& told) const {
        for (u32 n = 0; n < record.size(); ++n) {
            validated[n] = {record[n].base, record[n].end - record[n].base};
        }
        told.validated       = reinterpret_cast<u64>(&validated[0]);
        told.validated_count = record.size();
    }

  private:
    void add(Range range) { require(record.add(range), ghcb::reason::snp_accepted_already); }

    void accept_part(Range part, bool assigned) {
        if (part.base >= part.end) {
            return;
        }
        const ghcb::Outcome outcome = snp::accept_rest<Cpu>(
            vc_context().ghcb, record, part, snp::acceptance_of(encryption_ebx, assigned),
            [](u64 gpa) { return gpa; });
        require(outcome.is_done(), outcome.reason);
    }

    Range region; // the stub's
    u32 encryption_ebx;
    snp::AcceptanceRecord record{ranges, most_ranges};
};

/// Linux looks for tables of a PC's firmware where there is none here, and before it has a handler
/// for what is not validated: it shall find zeros.
void accept_rom(Accepter& accepter) {
    constexpr Range rom{0xC'0000, 0x10'0000};
    accepter.accept(rom, false);
    for (u64 at = rom.base; at != rom.end; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
}

} // namespace

u64 vmsa_pages(const BootInfo& info, const PayloadHeader& header) {
    const u64 last = header.zero_page > info.secrets_page ? header.zero_page : info.secrets_page;
    return last + page_size;
}

void accept_memory(BootInfo& told, const PayloadHeader& header) {
    if (header.efi_memory_map != 0) {
        return; // firmware has accepted what its map does not call unaccepted
    }
    Accepter accepter{told, header};
    // An IGVM file's required memory is assigned to the guest before it starts, page by page. It
    // begins at 1 MiB (igvm/image/guest_layout.cpp).
    constexpr u64 assigned_from = u64{1} << 20;
    for (u32 n = 0; n < header.ram_count; ++n) {
        const MemoryRange& ram = header.ram[n];
        accepter.accept({ram.base, ram.base + ram.size}, ram.base >= assigned_from);
    }
    if (header.ram_count == 0) {
        accepter.accept(
            {header.payload_base, header.payload_base + whole_pages(header.payload_size)}, true);
    }
    if (header.kind == PayloadKind::linux64) {
        accept_rom(accepter);
    }
    if (header.vcpus > 1) {
        accepter.accept_own(vmsa_pages(told, header), (header.vcpus - 1) * page_size);
    }
    accepter.tell(told);
}

} // namespace vestibule::boot
