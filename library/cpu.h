// SPDX-License-Identifier: BSD-2-Clause-Patent
// The CPU of a kernel: what the boot stub does without (x86::Cpu::serves_kernel). Where an
// exception can come that is not the kernel's, its handler finds the way back by
// vestibule_fix_up(): library/fix_ups.asm.
#pragma once

#include "snp/svsm.h"
#include "x86/cpu.h"

#pragma GCC visibility push(hidden)
extern "C" {
vestibule::u8 vestibule_load(vestibule::u64 linear, vestibule::u64* value, vestibule::u32 size);
vestibule::u8 vestibule_store(vestibule::u64 linear, vestibule::u64 value, vestibule::u32 size);
vestibule::u8 vestibule_is_xss_intercepted();
}
#pragma GCC visibility pop

namespace vestibule::library {

struct Cpu : x86::Cpu, snp::SvsmExit {
    static constexpr bool serves_kernel = true;

    /// A #GP that arrives behind it becomes the answer, as if it had been asked for in the page.
    static void vmgexit_with(volatile void* page) {
        asm volatile("call vestibule_vmgexit" : : "D"(page) : "memory", "cc");
    }

    /// One access of 1, 2, 4 or 8 bytes, never split; false where it raised an exception: whatever
    /// the page tables said a moment ago, another CPU may have changed them.
    static bool load(u64 linear, u8 size, u64& value) {
        return vestibule_load(linear, &value, size) != 0;
    }

    static bool store(u64 linear, u8 size, u64 value) {
        return vestibule_store(linear, value, size) != 0;
    }
};

} // namespace vestibule::library
