// SPDX-License-Identifier: BSD-2-Clause-Patent
// The last exits of a run that ends badly: what led there.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// Remembers one, `kind` and `name` being literals; `code` is the exit code or the request.
void remember_exit(const char* kind, u64 code, const char* name, u64 rip);

/// Sends the last 20, oldest first.
void send_last_exits();

void forget_last_exits();

} // namespace vestibule::sevsim
