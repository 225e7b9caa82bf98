// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/machine.h"

#include "efi/console.h"
#include "efi/efi.h"
#include "efi/firmware.h"
#include "efi/memory_types.h"
#include "efi/pages.h"
#include "ghcb/msr_protocol.h"
#include "ghcb/sev_status.h"
#include "ghcb/version.h"
#include "x86/cpu.h"
#include "x86/page_table.h"
#include "x86/registers.h"

namespace vestibule::efi {

using x86::Cpu;
using x86::SevStatus;

namespace {

/// The hypervisor's range of protocol versions. The MSR is the firmware's, which has its GHCB there
/// and finds it again; it must not be interrupted meanwhile, since whatever it does then may be a
/// #VC.
ghcb::msr_protocol::SevInformation ask_ghcb_versions() {
    namespace msr_protocol = ghcb::msr_protocol;
    const EFI_TPL before   = services().RaiseTPL(TPL_HIGH_LEVEL); // interrupts off
    const u64 firmwares    = Cpu::rdmsr(x86::Msr::ghcb);
    const auto information = msr_protocol::SevInformation::decode(
        msr_protocol::exchange<Cpu>(msr_protocol::sev_information_request));
    Cpu::wrmsr(x86::Msr::ghcb, firmwares);
    services().RestoreTPL(before);
    return information;
}

Text name_of(SevStatus status) {
    if (status.has(SevStatus::snp)) {
        return "SEV-SNP";
    }
    if (status.has(SevStatus::sev_es)) {
        return "SEV-ES";
    }
    return status.has(SevStatus::sev) ? Text{"SEV"} : Text{"none"};
}

struct Memory {
    u64 total    = 0; // that is RAM and not the firmware's for good
    u64 free     = 0;
    u64 free_low = 0; // below 4 GiB
};

/// From the firmware's map (UEFI specification 2.10, section 7.2.3). A buffer too small by what its
/// own allocation has changed is no matter: then there is nothing to show.
Memory count_memory() {
    Memory memory;
    UINTN size           = 0;
    UINTN key            = 0;
    UINTN stride         = 0;
    UINT32 version       = 0;
    constexpr u64 margin = 2048;
    (void)services().GetMemoryMap(&size, nullptr, &key, &stride, &version);
    size += margin;
    void* map = nullptr;
    if (services().AllocatePool(EfiLoaderData, size, &map) != EFI_SUCCESS) {
        return memory;
    }
    if (services().GetMemoryMap(&size, static_cast<EFI_MEMORY_DESCRIPTOR*>(map), &key, &stride,
                                &version)
        == EFI_SUCCESS) {
        for (UINTN at = 0; at + sizeof(EFI_MEMORY_DESCRIPTOR) <= size; at += stride) {
            const auto& entry =
                *reinterpret_cast<const EFI_MEMORY_DESCRIPTOR*>(static_cast<const u8*>(map) + at);
            const u64 bytes = entry.NumberOfPages * page_size;
            if (entry.Type == EfiConventionalMemory) {
                memory.free += bytes;
                memory.free_low += entry.PhysicalStart < four_gib ? bytes : 0;
            }
            memory.total += is_usable(entry.Type) ? bytes : 0;
        }
    }
    (void)services().FreePool(map);
    return memory;
}

Text vendor(char (&characters)[64]) {
    u64 size           = 0;
    const CHAR16* wide = firmware.system->FirmwareVendor;
    while (wide != nullptr && wide[size] != 0 && size < sizeof(characters)) {
        const bool plain = wide[size] >= ' ' && wide[size] <= '~';
        characters[size] = plain ? static_cast<char>(wide[size]) : '?';
        ++size;
    }
    return {characters, size};
}

} // namespace

Machine look_at_machine() {
    Machine machine;
    if (Cpu::cpuid(x86::cpuid_leaf::max_extended).eax < x86::cpuid_leaf::memory_encryption) {
        return machine;
    }
    const x86::CpuidResult leaf = Cpu::cpuid(x86::cpuid_leaf::memory_encryption);
    if ((leaf.eax & x86::cpuid_sev) == 0) {
        return machine; // there may be no SEV_STATUS, and reading it would end the firmware
    }
    machine.sev_status = {Cpu::rdmsr(x86::Msr::sev_status)};
    if (machine.sev_status.has(SevStatus::sev)) {
        machine.c_bit = bit(x86::c_bit_position(leaf.ebx));
    }
    if (machine.sev_status.has(SevStatus::sev_es)) {
        const auto information   = ask_ghcb_versions();
        machine.min_ghcb_version = information.min_version;
        machine.max_ghcb_version = information.max_version;
    }
    return machine;
}

void show(const Machine& machine) {
    constexpr u64 mib = u64{1} << 20;
    char characters[64];
    say("  firmware           ", vendor(characters), ", revision ",
        Hex{firmware.system->FirmwareRevision}, ", EFI ", firmware.system->Hdr.Revision >> 16, ".",
        (firmware.system->Hdr.Revision & 0xFFFF) / 10);
    say("  memory encryption  ", name_of(machine.sev_status), ", SEV_STATUS ",
        Hex{machine.sev_status.value});
    if (machine.c_bit != 0) {
        say("  C-bit              ", u64(__builtin_ctzll(machine.c_bit)));
    }
    if (machine.max_ghcb_version != 0) {
        say("  GHCB protocol      versions ", machine.min_ghcb_version, " to ",
            machine.max_ghcb_version, " offered, ",
            ghcb::negotiate_version(machine.min_ghcb_version, machine.max_ghcb_version), " taken");
    }
    const Memory memory = count_memory();
    say("  memory             ", memory.total / mib, " MiB, ", memory.free / mib, " free, ",
        memory.free_low / mib, " of them below 4 GiB");
}

Problem check_machine(Machine& machine, Mode mode) {
    const bool encrypted = machine.sev_status.has(SevStatus::sev);
    if (mode == Mode::sev_es && !machine.sev_status.has(SevStatus::sev_es)) {
        return problem(Trouble::unsupported,
                       "this is no SEV-ES guest, and mode = sev-es asks for one");
    }
    if (mode == Mode::native && encrypted) {
        return problem(Trouble::unsupported,
                       "this guest is encrypted, and mode = native asks for one that is not");
    }
    const ghcb::Outcome verdict = machine.is_snp()
                                      ? ghcb::judge_snp_status(machine.sev_status)
                                      : ghcb::judge_status(machine.sev_status, encrypted);
    if (!verdict.is_done()) {
        return problem(Trouble::unsupported, "SEV_STATUS is ", Hex{machine.sev_status.value},
                       ": the stub serves SEV-ES and SEV-SNP, not SEV without them, nor features "
                       "that change what interrupts and memory are");
    }
    if (machine.is_snp()) {
        if (Problem wrong = find_cc_blob(machine.cc_blob); wrong.is_there()) {
            return wrong;
        }
    }
    if (encrypted) {
        if (!x86::is_plausible_c_bit(static_cast<unsigned>(__builtin_ctzll(machine.c_bit)))) {
            return problem(Trouble::unsupported, "CPUID names bit ",
                           u64(__builtin_ctzll(machine.c_bit)),
                           " as C-bit, expected one of 32 to 51");
        }
        if (ghcb::negotiate_version(machine.min_ghcb_version, machine.max_ghcb_version) == 0) {
            return problem(Trouble::unsupported, "the hypervisor offers versions ",
                           machine.min_ghcb_version, " to ", machine.max_ghcb_version,
                           " of the GHCB protocol, expected 1 or 2 among them");
        }
    }
    if ((Cpu::cr4() & x86::cr4::la57) != 0) {
        return problem(Trouble::unsupported, "the firmware uses 5-level paging, which cannot be "
                                             "left in 64-bit mode; the stub uses 4 levels");
    }
    return no_problem;
}

} // namespace vestibule::efi
