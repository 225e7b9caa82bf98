// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/last_exits.h"

#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

struct Exit {
    const char* kind;
    u64 code;
    const char* name;
    u64 rip;
    u64 repeated; // so often in a row, or in turn with its neighbour
};

constexpr u64 kept = 20;
constinit Exit exits[kept]{};
constinit u64 seen   = 0;
constinit u64 oldest = 0; // of those that are still there

Exit& at(u64 n) { return exits[n % kept]; }

bool alike(const Exit& one, const Exit& other) {
    return one.kind == other.kind && one.code == other.code && one.rip == other.rip;
}

/// A guest that waits most often does two things in turn, #VC and VMGEXIT: all would be full of
/// them.
void fold_pair() {
    if (seen - oldest < 4) {
        return;
    }
    Exit& first  = at(seen - 4);
    Exit& second = at(seen - 3);
    if (alike(first, at(seen - 2)) && alike(second, at(seen - 1)) && !alike(first, second)) {
        first.repeated += at(seen - 2).repeated;
        second.repeated += at(seen - 1).repeated;
        seen -= 2;
    }
}

} // namespace

void remember_exit(const char* kind, u64 code, const char* name, u64 rip) {
    const Exit exit{kind, code, name, rip, 1};
    if (seen != oldest && alike(at(seen - 1), exit)) {
        ++at(seen - 1).repeated;
        return;
    }
    at(seen++) = exit;
    oldest     = seen - oldest > kept ? seen - kept : oldest;
    fold_pair();
}

void forget_last_exits() { oldest = seen; }

void send_last_exits() {
    for (u64 n = oldest; n < seen; ++n) {
        const Exit& exit = at(n);
        Record("last-exit")
            .text("kind", exit.kind)
            .hex("code", exit.code)
            .text("name", exit.name)
            .hex("rip", exit.rip)
            .number("count", exit.repeated)
            .end();
    }
}

} // namespace vestibule::sevsim
