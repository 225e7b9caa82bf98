// SPDX-License-Identifier: BSD-2-Clause-Patent
// Prints <vestibule/reasons.h>: the reasons of ghcb/termination.h as constants for C. Runs on the
// build machine.
#include "ghcb/termination.h"

#include <cstdio>

using vestibule::ghcb::TerminationReason;

namespace {

void print(const TerminationReason& row) {
    std::printf("    /* %s */\n    VESTIBULE_REASON_%s = 0x%X,\n", row.meaning, row.name,
                unsigned{row.set} << 8 | row.code);
}

} // namespace

int main() {
    std::puts("/* Generated from ghcb/termination.h by library/print_reasons.cpp: what a\n"
              " * vestibule_reason (vestibule.h) can be. */\n"
              "#ifndef VESTIBULE_REASONS_H\n"
              "#define VESTIBULE_REASONS_H\n\n"
              "enum {\n"
              "    /* what every function returns that did what it was asked for */\n"
              "    VESTIBULE_REASON_NONE = 0,");
    for (const TerminationReason& row : vestibule::ghcb::termination_reasons) {
        print(row);
    }
    std::puts("\n    /* To be added to: the code is what was met. */");
    for (const TerminationReason& row : vestibule::ghcb::open_sets) {
        print(row);
    }
    std::puts("};\n\n#endif");
}
