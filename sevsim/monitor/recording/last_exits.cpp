#include "sevsim/monitor/recording/last_exits.h"

#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

struct Exit {
    const char* kind;
    u64 code;
    const char* name;
    u64 rip;
    u64 repeated; // so often in a row
};

constexpr u64 kept = 20;
constinit Exit exits[kept]{};
constinit u64 seen = 0;

} // namespace

void remember_exit(const char* kind, u64 code, const char* name, u64 rip) {
    if (seen != 0) {
        Exit& last = exits[(seen - 1) % kept];
        if (last.kind == kind && last.code == code && last.rip == rip) {
            ++last.repeated;
            return;
        }
    }
    exits[seen++ % kept] = {kind, code, name, rip, 1};
}

void send_last_exits() {
    for (u64 n = seen < kept ? 0 : seen - kept; n < seen; ++n) {
        const Exit& exit = exits[n % kept];
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
