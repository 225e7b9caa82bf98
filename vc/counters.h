// SPDX-License-Identifier: BSD-2-Clause-Patent
// RDTSC (exit 0x6E), RDTSCP (0x87) and RDPMC (0x6F): counters in EDX:EAX, RDTSCP also TSC_AUX in
// ECX. Whether user mode may read them is for CR4.TSD and CR4.PCE to say (vc/policy.h).
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

inline constexpr RegisterSet counter = registers::rax | registers::rdx;

using RdtscEvent  = ExchangeEvent<x86::ExitCode::rdtsc, Exchanged{{}, counter}, 0, Mnemonic::rdtsc>;
using RdtscpEvent = ExchangeEvent<x86::ExitCode::rdtscp, Exchanged{{}, counter | registers::rcx}, 0,
                                  Mnemonic::rdtscp>;
using RdpmcEvent =
    ExchangeEvent<x86::ExitCode::rdpmc, Exchanged{registers::rcx, counter}, 0, Mnemonic::rdpmc>;

} // namespace vestibule::vc
