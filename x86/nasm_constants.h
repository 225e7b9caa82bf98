// SPDX-License-Identifier: BSD-2-Clause-Patent
// How a generator tells assembly what C++ types say: constants by name, as NASM definitions. For
// programs of the build machine, one a folder (asm_constants.cpp).
#pragma once

#include <cstdio>
#include <span>

namespace vestibule::x86 {

struct NasmConstant {
    const char* name;
    unsigned long value;
};

/// A `%define`, which macros can reckon with, or an `equ`, which is a symbol.
enum class NasmForm : unsigned char { equ, define };

/// Prints them to standard output; `source` is the generator's path.
inline void print_nasm_constants(const char* source, std::span<const NasmConstant> constants,
                                 NasmForm form = NasmForm::equ) {
    std::printf("; Generated from the C++ types by %s.\n", source);
    for (const NasmConstant& constant : constants) {
        std::printf(form == NasmForm::define ? "%%define %-27s 0x%lx\n" : "%-27s equ 0x%lx\n",
                    constant.name, constant.value);
    }
}

} // namespace vestibule::x86
