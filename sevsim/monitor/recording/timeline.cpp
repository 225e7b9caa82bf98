// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/timeline.h"

#include "sevsim/monitor/recording/records.h"
#include "sevsim/slice.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

struct Row {
    Served kind;
    const char* name;
    u64 count;
};

constinit u64 begin        = 0;
constinit u64 ticks_per_ms = 0; // 0: nobody wants to know
constinit u64 slice        = 0;
constinit Row rows[64]{};
constinit u64 row_count = 0;

} // namespace

void start_timeline(u64 khz) {
    ticks_per_ms = khz;
    if (ticks_per_ms == 0) {
        end_run_by_monitor_error("--timeline: this machine's time cannot be measured");
    }
    begin = x86::Cpu::rdtsc();
}

void add_to_timeline(u64 time, Served kind, const char* name) {
    if (ticks_per_ms == 0) {
        return;
    }
    // Another vCPU may have been a little later and counted first.
    const u64 now = slice_of((time - begin) / ticks_per_ms);
    if (time > begin && now > slice) {
        send_timeline();
        slice = now;
    }
    for (u64 n = 0; n < row_count; ++n) {
        if (rows[n].kind == kind && rows[n].name == name) {
            ++rows[n].count;
            return;
        }
    }
    if (row_count < sizeof rows / sizeof rows[0]) {
        rows[row_count++] = {kind, name, 1};
    }
}

void note_serial_line() {
    if (ticks_per_ms != 0) {
        Record record("serial-line");
        add_moment(record);
        record.end();
    }
}

void send_timeline() {
    for (u64 n = 0; n < row_count; ++n) {
        Record("slice")
            .number("at", slice)
            .text("kind", name_of(rows[n].kind))
            .text("name", rows[n].name)
            .number("count", rows[n].count)
            .end();
    }
    row_count = 0;
}

} // namespace vestibule::sevsim
