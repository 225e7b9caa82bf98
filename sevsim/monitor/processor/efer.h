// SPDX-License-Identifier: BSD-2-Clause-Patent
// EFER of a guest under SVM always has SVME set beneath; the guest does not see that.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

inline u64 read_efer(Vcpu& vcpu) { return vcpu.state().efer & ~x86::efer::svme; }

/// False where that is a #GP. LMA is the processor's.
inline bool write_efer(Vcpu& vcpu, u64 value) {
    x86::Vmsa& state = vcpu.state();
    if ((value & x86::efer::svme) != 0) {
        return false;
    }
    state.efer = (value & ~x86::efer::lma) | (state.efer & x86::efer::lma) | x86::efer::svme;
    return true;
}

} // namespace vestibule::sevsim
