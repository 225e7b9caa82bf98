// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/edges.h"

#include "sevsim/monitor/batch.h"

namespace vestibule::sevsim {

namespace {

constexpr u64 edge_count = u64{1} << 16;
constexpr u64 most       = 2000; // that one record has room for

constinit u64 seen[edge_count / 64]{};
constinit u16 edges[most]{};
constinit u64 found    = 0;
constinit u64 previous = 0;

} // namespace

void note_edge(Served kind, u64 code, u64 rip) {
    constexpr u64 multiplier = 0x9E37'79B9'7F4A'7C15; // Fibonacci hashing
    if (!batch::is_under_way()) {
        return;
    }
    const u64 place = ((rip * multiplier) ^ code ^ static_cast<u64>(kind)) * multiplier;
    const u64 edge  = ((previous >> 1) ^ place) >> 48;
    previous        = place;
    u64& word       = seen[edge / 64];
    if ((word & bit(edge % 64)) == 0 && found < most) {
        word |= bit(edge % 64);
        edges[found++] = static_cast<u16>(edge);
    }
}

void send_edges() {
    if (found != 0) {
        Record("edges")
            .bytes("numbers", reinterpret_cast<const u8*>(edges), found * sizeof edges[0])
            .end();
    }
}

} // namespace vestibule::sevsim
