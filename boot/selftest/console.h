// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first serial port, one character at a time: under SEV-ES every one of them is an OUT that
// raises #VC.
#pragma once

#include "x86/types.h"

namespace vestibule::selftest {

void write(char character);
void write(const char* text);
void write_decimal(u64 value);
void write_hex(u64 value); // 0x and as many digits as needed

} // namespace vestibule::selftest
