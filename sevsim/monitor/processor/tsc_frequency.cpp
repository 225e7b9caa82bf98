// The time-stamp counter against the ACPI power management timer: 3.579545 MHz, at least 24 bits
// (ACPI specification, section 4.8.3.3), where SeaBIOS puts it on both of QEMU's PC chip sets.
#include "sevsim/monitor/processor/tsc_frequency.h"

#include "x86/cpu.h"

namespace vestibule::sevsim {

using x86::Cpu;

u64 tsc_frequency_khz() {
    constexpr u16 timer        = 0x608;
    constexpr u32 timer_mask   = 0xFF'FFFF;
    constexpr u64 timer_hertz  = 3'579'545;
    constexpr u32 wanted       = timer_hertz / 50; // 20 ms
    constexpr u64 longest_wait = 20'000'000;       // reads, of a timer that stands still

    const u32 timer_begin = Cpu::in32(timer);
    const u64 tsc_begin   = Cpu::rdtsc();
    for (u64 n = 0; n < longest_wait; ++n) {
        const u32 elapsed = (Cpu::in32(timer) - timer_begin) & timer_mask;
        const u64 tsc_end = Cpu::rdtsc();
        if (elapsed >= wanted) {
            return (tsc_end - tsc_begin) * timer_hertz / elapsed / 1000;
        }
        if (n == 1000 && elapsed == 0) {
            return 0;
        }
    }
    return 0;
}

} // namespace vestibule::sevsim
