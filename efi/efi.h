// SPDX-License-Identifier: BSD-2-Clause-Patent
// The EFI specification's types and functions, from GNU-EFI's headers; nothing of its library. In
// the Windows ABI, which this is compiled for, they are called as they are.
#pragma once

#include "x86/types.h"

// GNU-EFI asks this, which only C defines, whether there is a <stdint.h>; its own substitute has
// another int8_t.
#define __STDC_VERSION__ 199901L // NOLINT
extern "C" {
#include <efi.h>
}
#undef __STDC_VERSION__
