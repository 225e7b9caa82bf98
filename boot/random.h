// SPDX-License-Identifier: BSD-2-Clause-Patent
// A number that the hypervisor does not know: RDRAND, which it cannot intercept (APM volume 2,
// section 15.9 lists what it can).
#pragma once

#include "x86/types.h"

namespace vestibule::boot {

/// False where the generator gave nothing in ten attempts, which the manual calls broken.
template <class Cpu, class Word>
bool random_number(Word& value) {
    for (int attempt = 0; attempt < 10; ++attempt) {
        if (Cpu::rdrand(value)) {
            return true;
        }
    }
    return false;
}

} // namespace vestibule::boot
