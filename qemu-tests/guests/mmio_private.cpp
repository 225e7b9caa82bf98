// SPDX-License-Identifier: BSD-2-Clause-Patent
// Reads a device's register through the stub's tables where they map it private: the guest's end,
// which says where.
#include "boot/boot_info.h"
#include "x86/types.h"

using namespace vestibule;

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    (void)*reinterpret_cast<const volatile u32*>(u64{0xB000'0000});
    __builtin_trap();
}
