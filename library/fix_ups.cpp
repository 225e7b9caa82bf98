// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which exceptions are at a place of the library's that reckons with them (library/fix_ups.asm).
#include "include/vestibule/vestibule.h"
#include "x86/registers.h"
#include "x86/types.h"

using namespace vestibule;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 vestibule_vmgexit_behind[];
extern u8 vestibule_vmgexit_failed[];
extern u8 vestibule_access_start[];
extern u8 vestibule_access_end[];
extern u8 vestibule_access_failed[];
}
#pragma GCC visibility pop

namespace {

u64 address_of(const u8* place) { return reinterpret_cast<u64>(place); }

} // namespace

int vestibule_fix_up(uint8_t vector, uint64_t* rip) {
    if (vector == x86::exception::general_protection
        && *rip == address_of(vestibule_vmgexit_behind)) {
        *rip = address_of(vestibule_vmgexit_failed);
        return 1;
    }
    if ((vector == x86::exception::page_fault || vector == x86::exception::general_protection)
        && *rip - address_of(vestibule_access_start)
               < address_of(vestibule_access_end) - address_of(vestibule_access_start)) {
        *rip = address_of(vestibule_access_failed);
        return 1;
    }
    return 0;
}
