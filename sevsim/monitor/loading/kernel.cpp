// SPDX-License-Identifier: BSD-2-Clause-Patent
// A Linux kernel, entered as its 32-bit boot protocol says (Documentation/arch/x86/boot.rst):
// protected mode, paging off, so that all it sees is private until it has found the C-bit itself.
// SeaBIOS has run before the monitor: its memory map, and the ACPI and DMI tables that it names as
// reserved, are the guest's too.
#include "sevsim/linux_boot.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/loading/linux_snp.h"
#include "sevsim/monitor/loading/loader.h"
#include "sevsim/monitor/loading/parking.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/multiboot.h"
#include "sevsim/monitor/processor/tsc_frequency.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/descriptor.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace boot = linux_boot;

namespace {

// Below 640 KiB, which no kernel of this protocol is loaded to.
constexpr u64 parameters_gpa   = 0x1'0000;
constexpr u64 command_line_gpa = 0x2'0000;
constexpr u64 command_line_max = 0x1'0000;
constexpr u64 gdt_gpa          = 0x3'0000;
constexpr u64 stack_gpa        = 0x4'0000;
constexpr u64 low_memory_end   = 0x10'0000;

constexpr const char* tsc_parameter = "tsc_early_khz=";

/// Copies into the guest's memory as the launch encrypts it.
void put(Vcpu& vcpu, u64 gpa, const void* from, u64 size) {
    const auto* bytes = static_cast<const u8*>(from);
    while (size != 0) {
        const u64 count = std::min(size, page_size - gpa % page_size);
        if (!is_guest_memory(gpa)) {
            end_run_by_monitor_error("kernel and initrd do not fit: try more --memory");
        }
        memcpy(vcpu.options.is_native() ? layout::at_physical(gpa) : private_memory(gpa), bytes,
               count);
        gpa += count;
        bytes += count;
        size -= count;
    }
}

/// Hands on the memory map, and the contents of what firmware has reserved of the guest's memory.
/// SeaBIOS keeps the ACPI tables in memory that it calls reserved. Linux takes such for a device's
/// and maps it shared (arch/x86/mm/ioremap.c, __ioremap_check_encrypted); what a UEFI firmware
/// calls ACPI data it maps encrypted, so that is what the tables are called here.
void take_over_firmware(Vcpu& vcpu, const MultibootInformation& information,
                        boot::BootParameters& parameters) {
    if ((information.flags & MultibootInformation::has_memory_map) == 0) {
        end_run_by_monitor_error("started without a memory map");
    }
    // The BIOS data area is in none of its ranges. Linux looks into the extended one by the word
    // that is there, and noise may point to where there is no memory.
    put(vcpu, 0, layout::at_physical(0), page_size);
    const u64 end = u64{information.memory_map} + information.memory_map_size;
    for (u64 at = information.memory_map; at < end;) {
        MultibootMemory range{};
        memcpy(&range, layout::at_physical(at), sizeof range);
        at += range.size + sizeof range.size;
        if (parameters.e820_entries == sizeof parameters.e820_table / sizeof(boot::E820Entry)) {
            break;
        }
        const u64 last       = range.address + range.length;
        const bool is_tables = range.type == MultibootMemory::reserved
                               && last <= vcpu.options.map().low && range.address >= low_memory_end;
        parameters.e820_table[parameters.e820_entries++] = {
            range.address, range.length, is_tables ? boot::E820Entry::acpi : range.type};
        if (range.type == MultibootMemory::usable || last > vcpu.options.map().low) {
            continue;
        }
        // Whole pages, as they are encrypted.
        for (u64 page = range.address & ~(page_size - 1); page < last; page += page_size) {
            // Under SEV-SNP the ROMs' contents are not launched (linux_snp.cpp).
            const bool is_rom = page < low_memory_end && vcpu.options.is_snp();
            if (is_guest_memory(page) && !is_rom) {
                put(vcpu, page, layout::at_physical(page), page_size);
            }
        }
    }
}

/// The highest place for the initrd that the kernel takes.
u64 place_for(const boot::BootParameters& parameters, u64 size) {
    u64 best = 0;
    for (unsigned n = 0; n < parameters.e820_entries; ++n) {
        const boot::E820Entry range = parameters.e820_table[n];
        const u64 limit             = u64{parameters.header.initrd_addr_max} + 1;
        const u64 end               = std::min(range.address + range.size, limit);
        if (range.type == boot::E820Entry::usable && end >= range.address + size) {
            best = std::max(best, (end - size) & ~(page_size - 1));
        }
    }
    return best;
}

bool contains(const char* text, const char* word) {
    const size_t length = strlen(word);
    for (; *text != '\0'; ++text) {
        if (memcmp(text, word, std::min(length, strlen(text))) == 0 && strlen(text) >= length) {
            return true;
        }
    }
    return false;
}

/// Writes "tsc_early_khz=KHZ "; how long that is.
u64 write_tsc_frequency(char* to, u64 khz) {
    u64 length = 0;
    for (const char* from = tsc_parameter; *from != '\0'; ++from) {
        to[length++] = *from;
    }
    u64 scale = 1;
    while (khz / scale >= 10) {
        scale *= 10;
    }
    for (; scale != 0; scale /= 10) {
        to[length++] = static_cast<char>('0' + khz / scale % 10);
    }
    to[length++] = ' ';
    return length;
}

/// KVM tells its guests the frequency of their time-stamp counter. A kernel that measures it
/// against the legacy timer, each access of which is a #VC, gives up; so it is told on its command
/// line, in front, since what stands behind "--" is not the kernel's.
void put_command_line(Vcpu& vcpu, std::span<const u8> given, boot::SetupHeader& header) {
    static constinit char text[command_line_max]{};
    constexpr u64 digits = 20;
    const u64 limit      = std::min<u64>(header.cmdline_size, command_line_max - 1);
    const auto* wanted   = reinterpret_cast<const char*>(given.data());
    const u64 size       = given.size() - 1; // without its zero
    u64 length           = 0;
    if (size > limit) {
        end_run_by_monitor_error("--append is longer than this kernel takes");
    }
    if (!contains(wanted, tsc_parameter) && size + strlen(tsc_parameter) + digits <= limit) {
        if (const u64 khz = tsc_frequency_khz(); khz != 0) {
            length = write_tsc_frequency(text, khz);
        }
    }
    memcpy(text + length, wanted, size);
    put(vcpu, command_line_gpa, text, length + size + 1);
    header.cmd_line_ptr = static_cast<u32>(command_line_gpa);
}

/// Flat 32-bit segments with the selectors that the protocol wants, interrupts off.
void enter_at(Vcpu& vcpu, u64 address) {
    constexpr u64 gdt[] = {0, 0, x86::code32_segment.value, x86::data_segment.value};
    put(vcpu, gdt_gpa, gdt, sizeof gdt);
    reset(vcpu);
    constexpr u32 limit = 0xFFFF'FFFF;
    x86::Vmsa& state    = vcpu.state();
    state.cs = {boot::boot_cs, static_cast<u16>(x86::SegmentAttributes::code32), limit, 0};
    state.ds = {boot::boot_ds, static_cast<u16>(x86::SegmentAttributes::data), limit, 0};
    state.es = state.fs = state.gs = state.ss = state.ds;
    state.gdtr.limit                          = sizeof gdt - 1;
    state.gdtr.base                           = gdt_gpa;
    state.cr0                                 = x86::cr0::pe | x86::cr0::et;
    state.rip                                 = address;
    state.rsp                                 = stack_gpa;
    vcpu.registers                            = {};
    vcpu.registers.rsi                        = parameters_gpa;
}

} // namespace

void load_kernel(std::span<Vcpu> vcpus, const GuestFiles& files,
                 const MultibootInformation& information) {
    Vcpu& vcpu = vcpus[0];
    static constinit boot::BootParameters parameters{};
    const std::span<const u8> file = files.guest;
    if (file.size() < boot::header_offset + sizeof(boot::SetupHeader)
        || files.command_line.empty()) {
        end_run_by_monitor_error("no bzImage: the file is too short");
    }
    // The header ends where its own jump lands.
    boot::SetupHeader& header = parameters.header;
    constexpr u64 jump_end    = boot::header_magic_offset;
    const u64 header_size     = jump_end - boot::header_offset + file[jump_end - 1];
    memcpy(&header, file.data() + boot::header_offset, std::min<u64>(header_size, sizeof header));
    const u64 setup_size =
        (u64{header.setup_sects == 0 ? u8{4} : header.setup_sects} + 1) * boot::sector_size;
    if (setup_size >= file.size()) {
        end_run_by_monitor_error("no bzImage: it ends within its own set-up code");
    }
    take_over_firmware(vcpu, information, parameters);
    if (vcpu.options.is_snp()) {
        launch_for_linux(vcpu, parameters); // which starts further vCPUs by AP creation
    } else if (vcpus.size() > 1) {
        reserve_parking(parameters);
        park_processors(vcpus);
    }
    const u64 load = header.relocatable_kernel != 0 ? header.pref_address : low_memory_end;
    put(vcpu, load, file.data() + setup_size, file.size() - setup_size);
    header.code32_start   = static_cast<u32>(load);
    header.type_of_loader = boot::undefined_loader;
    put_command_line(vcpu, files.command_line, header);
    if (!files.initrd.empty()) {
        const u64 place = place_for(parameters, files.initrd.size());
        if (place < load + header.init_size) {
            end_run_by_monitor_error("kernel and initrd do not fit: try more --memory");
        }
        put(vcpu, place, files.initrd.data(), files.initrd.size());
        header.ramdisk_image = static_cast<u32>(place);
        header.ramdisk_size  = static_cast<u32>(files.initrd.size());
    }
    put(vcpu, parameters_gpa, &parameters, sizeof parameters);
    enter_at(vcpu, load);
    vcpu.ghcb_msr = ghcb_msr_at_reset(vcpu.options);
}

} // namespace vestibule::sevsim
