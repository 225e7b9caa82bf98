// SPDX-License-Identifier: BSD-2-Clause-Patent
// The time-stamp counter against the ACPI power management timer: 3.579545 MHz, at least 24 bits
// (ACPI specification, section 4.8.3.3), where SeaBIOS puts it on both of QEMU's PC chip sets.
//
// A host that has other work stops QEMU between the reading of one clock and of the other, or for a
// while in a measurement, so one sample can be off by half. Each edge is read several times, and
// the quickest pair counts; of several samples the middle one does.
#include "sevsim/monitor/processor/tsc_frequency.h"

#include "x86/cpu.h"

#include <algorithm>
#include <iterator>

namespace vestibule::sevsim {

using x86::Cpu;

namespace {

constexpr u16 timer       = 0x608;
constexpr u32 timer_mask  = 0xFF'FFFF;
constexpr u64 timer_hertz = 3'579'545;

/// Both clocks at one moment.
struct Moment {
    u32 timer_at;
    u64 tsc;
};

Moment now() {
    constexpr unsigned tries = 5;
    Moment best{};
    u64 least = ~u64{0};
    for (unsigned n = 0; n < tries; ++n) {
        const u64 before   = Cpu::rdtsc();
        const u32 timer_at = Cpu::in32(timer);
        const u64 taken    = Cpu::rdtsc() - before;
        if (taken < least) {
            least = taken;
            best  = {timer_at, before + taken / 2};
        }
    }
    return best;
}

/// In kHz, over 2 ms; 0 where the timer stands still.
u64 sample() {
    constexpr u32 wanted       = timer_hertz / 500;
    constexpr u64 longest_wait = 20'000'000; // reads
    const Moment begin         = now();
    for (u64 n = 0; n < longest_wait; ++n) {
        const u32 elapsed = (Cpu::in32(timer) - begin.timer_at) & timer_mask;
        if (elapsed >= wanted) {
            const Moment end = now();
            return (end.tsc - begin.tsc) * timer_hertz
                   / ((end.timer_at - begin.timer_at) & timer_mask) / 1000;
        }
        if (n == 1000 && elapsed == 0) {
            return 0;
        }
    }
    return 0;
}

} // namespace

u64 tsc_frequency_khz() {
    u64 samples[7];
    for (u64& one : samples) {
        one = sample();
        if (one == 0) {
            return 0;
        }
    }
    std::ranges::sort(samples);
    return samples[std::size(samples) / 2];
}

} // namespace vestibule::sevsim
