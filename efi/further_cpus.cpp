// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/further_cpus.h"

#include "boot/jump_table/record.h"
#include "efi/firmware.h"
#include "ghcb/call.h"
#include "ghcb/version.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

// Assembly: efi/images.asm.
extern "C" {
extern const vestibule::u8 jump_table_arrive_bytes[];
extern const vestibule::u8 jump_table_arrive_end[];
}

namespace vestibule::efi {

using x86::Cpu;
using x86::PageTableEntry;

namespace {

constexpr u64 low_memory_end = 0xA'0000;

/// EFI_MP_SERVICES_PROTOCOL (Platform Initialization specification 1.7, volume 2, section 13.4), of
/// which GNU-EFI knows nothing.
struct MpServices {
    EFI_STATUS (*get_number_of_processors)(MpServices* self, UINTN* all, UINTN* enabled);
};

constexpr EFI_GUID mp_services_guid = {
    0x3fdda605, 0xa76e, 0x4f46, {0xad, 0x29, 0x12, 0xf4, 0x53, 0x1b, 0x3d, 0x08}
};

u32 count_processors() {
    void* found   = nullptr;
    EFI_GUID guid = mp_services_guid;
    UINTN all     = 0;
    UINTN enabled = 0;
    if (services().LocateProtocol(&guid, nullptr, &found) != EFI_SUCCESS) {
        return 1;
    }
    auto* const mp = static_cast<MpServices*>(found);
    return mp->get_number_of_processors(mp, &all, &enabled) == EFI_SUCCESS ? static_cast<u32>(all)
                                                                           : 1;
}

/// The code's page and the stub's 2 MiB, each mapped to itself. Tables and entries as in
/// boot/initial_tables.h, but for what that saves.
struct Tables {
    x86::PageTable pml4;
    x86::PageTable pdpt;
    x86::PageTable directory[2];
};

void map_large(Tables& tables, x86::PageTable& directory, u64 gpa, u64 c_bit) {
    constexpr u64 used =
        PageTableEntry::present | PageTableEntry::writable | PageTableEntry::accessed;
    tables.pml4.entry[0].value = reinterpret_cast<u64>(&tables.pdpt) | c_bit | used;
    u64& pointer               = tables.pdpt.entry[x86::table_index(gpa, 3)].value;
    if (pointer == 0) {
        pointer = reinterpret_cast<u64>(&directory) | c_bit | used;
    }
    auto& table = *reinterpret_cast<x86::PageTable*>(PageTableEntry{pointer}.address(c_bit));
    table.entry[x86::table_index(gpa, 2)].value =
        gpa | c_bit | used | PageTableEntry::dirty | PageTableEntry::large;
}

/// Of the hypervisor, by the firmware's GHCB, which nobody else uses any more; 0 where it has none.
u64 ask_jump_table(const Machine& machine) {
    constexpr u64 get = 1;
    const u64 gpa     = Cpu::rdmsr(x86::Msr::ghcb);
    const u16 version = ghcb::negotiate_version(machine.min_ghcb_version, machine.max_ghcb_version);
    u64 table         = 0;
    ghcb::Channel channel{
        .page = reinterpret_cast<ghcb::Page*>(gpa), .gpa = gpa, .version = version};
    if (gpa == 0 || gpa % page_size != 0) {
        return 0; // what the MSR protocol has left there
    }
    ghcb::Exchange<Cpu> exchange(channel);
    const bool done = exchange.exit(x86::ExitCode::ap_jump_table, get, 0, {}).outcome.is_done()
                      && exchange.answered_exitinfo2(table);
    return done && table % page_size == 0 ? table : 0;
}

} // namespace

Problem FurtherCpus::place(const StubImage& image, const Pages& region, const Machine& machine) {
    count_ = machine.sev_status.has(x86::SevStatus::sev_es) ? count_processors() : 1;
    if (count_ < 2 || machine.is_snp()) {
        return no_problem;
    }
    const auto code_size = static_cast<u64>(jump_table_arrive_end - jump_table_arrive_bytes);
    if (!memory_.allocate(page_size + sizeof(Tables), page_size, EfiReservedMemoryType,
                          low_memory_end)) {
        return problem(Trouble::memory, "too little memory below ", Hex{low_memory_end},
                       " for further processors, ", page_size + sizeof(Tables), " bytes");
    }
    auto& tables = *memory_.at<Tables>(page_size);
    __builtin_memset(memory_.at(), 0, memory_.size());
    __builtin_memcpy(memory_.at(), jump_table_arrive_bytes, code_size);
    *memory_.at<boot::jump_table::ArriveRecord>() = {
        .tables = low_half(reinterpret_cast<u64>(&tables.pml4)),
        .entry  = low_half(region.base() + image.entry_ap)};
    map_large(tables, tables.directory[0], 0, machine.c_bit);
    map_large(tables, tables.directory[1], region.base(), machine.c_bit);
    return no_problem;
}

void FurtherCpus::open(const Machine& machine, const Departure& departure,
                       boot::PayloadHeader& header) const {
    if (count_ < 2) {
        return;
    }
    Cpu::disable_interrupts();
    if (machine.is_snp()) {
        header.vcpus = count_;
        return;
    }
    const u64 table = ask_jump_table(machine);
    // SECURITY: the hypervisor names an address that is written to. Firmware keeps its table in
    // memory that it calls reserved (OvmfPkg, UefiCpuPkg's DxeMpLib.c), and that is not ours.
    const Extent own = memory_.extent();
    if (table == 0 || table >= four_gib || (table >= own.base && table < own.end)
        || departure.type_at(table) != EfiReservedMemoryType) {
        return;
    }

    struct FarPointer {
        u16 ip;
        u16 cs;
    };

    *reinterpret_cast<volatile u32*>(table) =
        __builtin_bit_cast(u32, FarPointer{.ip = boot::jump_table::arrive_entry,
                                           .cs = static_cast<u16>(memory_.base() >> 4)});
    header.vcpus = count_;
}

} // namespace vestibule::efi
