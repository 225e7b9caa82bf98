// SPDX-License-Identifier: BSD-2-Clause-Patent
// user.asm for C++.
#pragma once

#include "x86/types.h"

#pragma GCC visibility push(hidden)
extern "C" {
void enter_user(vestibule::u64 rip, vestibule::u64 rsp, vestibule::u64 cs, vestibule::u64 ss,
                vestibule::u64 rflags, vestibule::u64* rax_rdx);
void cpuid_without_stack(vestibule::u32* leaf_to_eax);
vestibule::u64 rdmsr_of(vestibule::u32 msr, vestibule::u64 rsp);
extern vestibule::u8 rdmsr_here[];
}
#pragma GCC visibility pop
