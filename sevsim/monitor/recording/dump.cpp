// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/dump.h"

#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

constinit u8 gathered[1024]{};
constinit u64 gathered_count = 0;

} // namespace

void dump(const Options& options, u64 value, unsigned size) {
    if (!options.dump) {
        return;
    }
    for (unsigned n = 0; n < size; ++n) {
        if (gathered_count == sizeof gathered) {
            flush_dump();
        }
        gathered[gathered_count++] = static_cast<u8>(value >> (8 * n));
    }
}

void flush_dump() {
    if (gathered_count != 0) {
        Record("dump").bytes("bytes", gathered, gathered_count).end();
        gathered_count = 0;
    }
}

} // namespace vestibule::sevsim
