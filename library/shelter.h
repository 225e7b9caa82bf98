// SPDX-License-Identifier: BSD-2-Clause-Patent
// The #VC stack while another event's handler runs that may raise #VC: an NMI's, a #MC's. It may
// have come in the middle of a #VC, whose frame lies at the top of that stack, so #VCs begin below.
#pragma once

#include "library/end.h"
#include "library/interrupted.h"
#include "library/per_cpu.h"

namespace vestibule::library {

class Shelter {
  public:
    Shelter(const vc::Frame& interrupted, PerCpu& own)
        : cpu{own}, top{cpu.task().ist[ist()]}, beneath{cpu.under_way.vcs_beneath} {
        cpu.task().ist[ist()]     = stack_below(interrupted);
        cpu.under_way.vcs_beneath = cpu.under_way.vcs;
    }

    Shelter(const Shelter&)            = delete;
    Shelter& operator=(const Shelter&) = delete;

    ~Shelter() {
        cpu.under_way.vcs_beneath = beneath;
        cpu.task().ist[ist()]     = top;
    }

  private:
    /// What a #VC needs of the stack, frame and handler together.
    static constexpr u64 vc_room = 4096;

    unsigned ist() const { return cpu.setup.vc_ist - 1U; }

    /// Only in a #VC that this stack's top does not reckon with does RSP say anything.
    u64 stack_below(const vc::Frame& interrupted) {
        if (cpu.under_way.vcs == beneath && !in_vc_entry(interrupted)) {
            return top;
        }
        if (!cpu.vc_stack.has_room(interrupted.rsp, vc_room + cpu.guarded())) {
            end(ghcb::reason::vc_stack_full);
        }
        return interrupted.rsp & ~u64{15};
    }

    PerCpu& cpu;
    u64 top;
    u8 beneath;
};

} // namespace vestibule::library
