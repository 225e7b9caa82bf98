// SPDX-License-Identifier: BSD-2-Clause-Patent
// An ELF64 kernel that wants Linux's 64-bit boot protocol, as a vmlinux does: entered with the zero
// page in RSI. It says what it finds there (Documentation/arch/x86/zero-page.rst).
#include "qemu-tests/payloads/say.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" {
[[noreturn]] void payload_start();
[[noreturn]] void payload_main(u64 zero_page, u64 cs);
}
#pragma GCC visibility pop

namespace {

template <class T>
T field(u64 zero_page, u64 offset) {
    return *reinterpret_cast<const T*>(zero_page + offset);
}

struct [[gnu::packed]] E820Entry {
    u64 address;
    u64 size;
    u32 type;
};

void tell_memory(u64 zero_page) {
    u64 usable  = 0;
    bool inside = false; // this code, in RAM that is free
    for (u8 n = 0; n < field<u8>(zero_page, 0x1E8); ++n) {
        const auto entry = field<E820Entry>(zero_page, 0x2D0 + n * sizeof(E820Entry));
        const auto own   = reinterpret_cast<u64>(&payload_start);
        usable += entry.type == 1 ? entry.size : 0;
        inside =
            inside || (entry.type == 1 && own >= entry.address && own - entry.address < entry.size);
    }
    tell("zero page: usable MiB ", usable >> 20);
    write(inside ? "zero page: kernel in RAM\n" : "zero page: kernel NOT in RAM\n");
}

/// struct efi_info, where firmware has started whoever started this.
void tell_efi(u64 zero_page) {
    const u64 efi = zero_page + 0x1C0;
    if (field<u32>(efi, 0) == 0) {
        write("zero page: no EFI\n");
        return;
    }
    const u64 table = field<u32>(efi, 4) | u64{field<u32>(efi, 24)} << 32;
    const u64 map   = field<u32>(efi, 16) | u64{field<u32>(efi, 28)} << 32;
    write(begins_with(efi, "EL64") && begins_with(table, "IBI SYST") && map != 0
                  && field<u32>(efi, 8) != 0 && field<u32>(efi, 20) % field<u32>(efi, 8) == 0
              ? "zero page: EFI system table and memory map\n"
              : "zero page: NOT of EFI\n");
    write(begins_with(field<u64>(zero_page, 0x70), "RSD PTR ") ? "zero page: RSDP\n"
                                                               : "zero page: NOT an RSDP\n");
}

} // namespace

[[gnu::naked]] void payload_start() {
    asm volatile("mov %rsi, %rdi\n\txor %esi, %esi\n\tmov %cs, %si\n\tcall payload_main\n\tud2");
}

void payload_main(u64 zero_page, u64 cs) {
    write(begins_with(zero_page + 0x202, "HdrS") && field<u16>(zero_page, 0x1FE) == 0xAA55
              ? "zero page: setup header\n"
              : "zero page: NOT a setup header\n");
    write(field<u16>(zero_page, 0x206) >= 0x20C && field<u8>(zero_page, 0x210) == 0xFF
              ? "zero page: protocol and loader\n"
              : "zero page: NOT a protocol and loader\n");
    tell("zero page: CS ", cs);
    write("zero page: command line [");
    write(reinterpret_cast<const char*>(u64{field<u32>(zero_page, 0x228)}));
    write("]\n");
    const u64 initrd = field<u32>(zero_page, 0x218);
    const u64 size   = field<u32>(zero_page, 0x21C);
    tell("zero page: initrd of ", size);
    tell("zero page: initrd sum ", sum_of(initrd, size));
    tell_memory(zero_page);
    tell_efi(zero_page);
    end_run();
}
