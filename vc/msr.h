// RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 is 0 to read, 1 to write.
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

inline constexpr RegisterSet msr_value = registers::rax | registers::rdx;

using RdmsrEvent =
    ExchangeEvent<x86::ExitCode::msr, Exchanged{registers::rcx, msr_value}, 0, Mnemonic::rdmsr>;
using WrmsrEvent = ExchangeEvent<x86::ExitCode::msr, Exchanged{registers::rcx | msr_value, {}}, 1,
                                 Mnemonic::wrmsr>;

} // namespace vestibule::vc
