// SPDX-License-Identifier: BSD-2-Clause-Patent
// #MC (vector 18), which nothing masks: it may come at any instruction of a #VC or of an NMI. Its
// handler reads MSRs that raise #VC, so it needs the shelter that an NMI's has.
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupted.h"
#include "library/per_cpu.h"
#include "library/shelter.h"

using namespace vestibule;
using library::PerCpu;

extern "C" void vestibule_mc(vc::Frame& frame, PerCpu& cpu); // called from library/entries.asm

void vestibule_mc(vc::Frame& frame, PerCpu& cpu) {
    if (!vc::is_whole(frame)) {
        library::end(ghcb::reason::bad_frame);
    }
    if (cpu.under_way.mcs != 0 || library::in_mc_entry(frame)) {
        library::end(ghcb::reason::mc_reentered);
    }
    cpu.under_way.mcs = 1;
    // As an NMI it may have come between two uses of the MSR protocol's MSR (library/nmi.cpp).
    const u64 interrupted_msr = library::Cpu::rdmsr(x86::Msr::ghcb);
    // An NMI's exit uses the page without holding it, and its #VCs have kept what there is room
    // for: a #VC of this handler would be the third level, and ends the guest with that reason.
    ghcb::Channel& channel = cpu.context.ghcb;
    const u8 holders       = channel.holders;
    const bool is_full     = channel.is_kept || cpu.under_way.leaving != 0;
    if (is_full) {
        channel.holders = 2;
    }
    {
        const library::Shelter shelter{frame, cpu};
        cpu.setup.mc(reinterpret_cast<const vestibule_frame*>(&frame), cpu.setup.opaque);
    }
    if (is_full) {
        channel.holders = holders;
    }
    library::Cpu::wrmsr(x86::Msr::ghcb, interrupted_msr);
    cpu.under_way.mcs = 0;
}
