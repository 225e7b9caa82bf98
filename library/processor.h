// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the CPU must not have switched on for the library's entries, and its look at memory, to
// work.
#pragma once

#include "ghcb/outcome.h"
#include "x86/msr.h"
#include "x86/registers.h"

namespace vestibule::library {

/// With FRED no event comes by the gates of an IDT. Supervisor shadow stacks make #CP of an IRETQ
/// to another place than the event came from, which is what the entries do; and with indirect
/// branch tracking a gate must lead to ENDBR64. Keys of supervisor pages may keep the handler from
/// memory that it takes for the kernel's (APM volume 2, sections 5.6.7 and 18). A kernel with
/// entries of its own sees to the first two itself.
template <class Cpu>
ghcb::Outcome judge_processor(bool by_own_gates) {
    constexpr u64 shadow_stacks   = bit(0); // S_CET
    constexpr u64 branch_tracking = bit(2);
    const u64 cr4                 = Cpu::cr4();
    const bool has_cet            = (cr4 & x86::cr4::cet) != 0
                         && (Cpu::rdmsr(x86::Msr::s_cet) & (shadow_stacks | branch_tracking)) != 0;
    return (cr4 & x86::cr4::pks) != 0 || (by_own_gates && ((cr4 & x86::cr4::fred) != 0 || has_cet))
               ? ghcb::Outcome::terminate(ghcb::reason::setup_processor)
               : ghcb::Outcome::done();
}

} // namespace vestibule::library
