// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first serial port: by OUT natively, by calls through the GHCB page otherwise, so that no #VC
// is raised that a case would have to reckon with. What is written goes out with the end of its
// line, and overwrites the shared buffer.
#pragma once

#include "x86/types.h"

namespace vestibule::examiner {

void write(char character);
void write(const char* text);
void write_decimal(u64 value);
void write_hex(u64 value); ///< 0x and as many digits as needed

} // namespace vestibule::examiner
