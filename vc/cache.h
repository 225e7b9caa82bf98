// SPDX-License-Identifier: BSD-2-Clause-Patent
// INVD (exit 0x76), WBINVD and WBNOINVD (both 0x89): nothing in, nothing out.
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

using InvdEvent = ExchangeEvent<x86::ExitCode::invd, Exchanged{}, 0, Mnemonic::invd>;
using WbinvdEvent =
    ExchangeEvent<x86::ExitCode::wbinvd, Exchanged{}, 0, Mnemonic::wbinvd, Mnemonic::wbnoinvd>;

} // namespace vestibule::vc
