// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/devices.h"

#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/processor/local_apic.h"
#include "x86/cpu.h"
#include "x86/registers.h"

using namespace vestibule;

extern "C" u8 take_interrupt(); // sleep.asm

namespace vestibule::sevsim::devices {

using x86::Cpu;
using x86::Msr;

namespace {

// --- The processor ---

struct MsrRange {
    u32 first;
    u32 last;
};

/// Those that a guest writes in the processor underneath: msrs.cpp (Writes::real), and of the ones
/// that it writes unseen, those that no VMCB holds.
constexpr MsrRange written_msrs[] = {
    {0x0000'017A, 0x0000'017B}, // machine check: status, control
    {0x0000'0200, 0x0000'020F}, // MTRRphysBase, MTRRphysMask
    {0x0000'0250, 0x0000'0250}, // MTRRfix64K
    {0x0000'0258, 0x0000'0259}, // MTRRfix16K
    {0x0000'0268, 0x0000'026F}, // MTRRfix4K
    {0x0000'02FF, 0x0000'02FF}, // MTRRdefType
    {0x0000'0400, 0x0000'0427}, // machine check banks
    {0x0000'0DA0, 0x0000'0DA0}, // XSS
    {0xC000'0103, 0xC000'0103}, // TSC_AUX
};

constexpr u32 msr_count() {
    u32 count = 0;
    for (const MsrRange& range : written_msrs) {
        count += range.last - range.first + 1;
    }
    return count;
}

template <class Use>
void for_each_msr(Use use) {
    unsigned n = 0;
    for (const MsrRange& range : written_msrs) {
        for (u32 number = range.first; number <= range.last; ++number) {
            use(static_cast<Msr>(number), n++);
        }
    }
}

/// x87, SSE and AVX registers as after reset, by an XRSTOR of a state without any component (APM
/// volume 4), and XCR0 with them.
void reset_vector_registers() {
    constexpr u32 xsave       = 1u << 26; // CPUID 1, ECX
    constexpr u32 mxcsr_reset = 0x1F80;

    struct alignas(64) State {
        u8 legacy[24];
        u32 mxcsr;
        u8 rest[512 - 28 + 64];
    };

    const u64 own = Cpu::cr4();
    if ((Cpu::cpuid(1).ecx & xsave) == 0) {
        return;
    }
    State state{};
    state.mxcsr = mxcsr_reset;
    Cpu::set_cr4(own | x86::cr4::osfxsr | x86::cr4::osxsave);
    const u32 components = Cpu::cpuid(0xD).eax;
    asm volatile("xsetbv" : : "c"(0), "a"(components & 7), "d"(0));
    asm volatile("xrstor %0" : : "m"(state), "a"(~u32{0}), "d"(~u32{0}));
    asm volatile("xsetbv" : : "c"(0), "a"(1), "d"(0));
    Cpu::set_cr4(own);
}

void reset_breakpoints() {
    asm volatile("mov %0, %%dr0; mov %0, %%dr1; mov %0, %%dr2; mov %0, %%dr3" : : "r"(u64{0}));
}

// --- Interrupt controllers ---

constexpr u64 apic_registers[] = {0x80,  0xD0,  0xE0,  0xF0,  0x320, 0x330,
                                  0x340, 0x350, 0x360, 0x370, 0x3E0};
constexpr u64 apic_timer       = local_apic::base + 0x380; // initial count
constexpr u64 apic_end         = local_apic::base + 0xB0;  // end of interrupt
constexpr u64 apic_in_service  = local_apic::base + 0x100; // eight words, 16 bytes each
constexpr u64 apic_priority    = local_apic::base + 0x80;
constexpr u64 apic_spurious    = local_apic::base + 0xF0;

constexpr u64 io_apic        = 0xFEC0'0000;
constexpr u32 io_apic_table  = 0x10;
constexpr u32 io_apic_words  = 48;
constexpr u32 io_apic_masked = 1u << 16;

volatile u32& io_apic_word(u32 index) {
    *layout::at_physical<volatile u32>(io_apic) = io_apic_table + index;
    return *layout::at_physical<volatile u32>(io_apic + 0x10);
}

bool is_in_service() {
    u32 any = 0;
    for (u64 word = 0; word < 8; ++word) {
        any |= local_apic::at(apic_in_service + word * 16);
    }
    return any != 0;
}

/// What the guest's devices and its own APIC have asked for is taken and forgotten.
void drain_interrupts() {
    constexpr u32 enabled         = 0x1FF;
    constexpr u32 most            = 512; // more than there are vectors, for a level that stays
    local_apic::at(apic_priority) = 0;
    local_apic::at(apic_spurious) = enabled;
    for (u32 n = 0; n < most && (is_in_service() || take_interrupt() != 0); ++n) {
        local_apic::at(apic_end) = 0;
    }
}

/// As SeaBIOS has them, and masked, as the monitor does.
void reset_legacy_interrupts() {
    constexpr struct {
        u16 command;
        u8 vectors;
        u8 wiring;
    } controllers[] = {
        {0x20, 0x08, 4},
        {0xA0, 0x70, 2},
    };

    for (const auto& one : controllers) {
        const auto data = static_cast<u16>(one.command + 1);
        Cpu::out8(one.command, 0x11); // ICW1: edges, cascade, ICW4 follows
        Cpu::out8(data, one.vectors);
        Cpu::out8(data, one.wiring);
        Cpu::out8(data, 1); // ICW4: 8086
        Cpu::out8(data, 0xFF);
    }
}

// --- Timers, clock, serial port ---

constexpr u64 hpet = 0xFED0'0000;

volatile u64& hpet_at(u64 offset) { return *layout::at_physical<volatile u64>(hpet + offset); }

bool has_hpet() { return static_cast<u32>(hpet_at(0)) != ~u32{0} && hpet_at(0) != 0; }

void reset_timers() {
    constexpr u64 configuration = 0x10;
    constexpr u64 counter       = 0xF0;
    constexpr u64 first_timer   = 0x100;
    constexpr u64 enables       = bit(2) | bit(3) | bit(14); // interrupt, periodic, by message
    if (has_hpet()) {
        hpet_at(configuration) = 0;
        hpet_at(counter)       = 0;
        for (u64 timer = 0; timer < 3; ++timer) {
            volatile u64& own = hpet_at(first_timer + timer * 0x20);
            own               = own & ~enables;
        }
        hpet_at(0x20) = ~u64{0}; // interrupts that were raised
    }
    Cpu::out8(0x43, 0x34); // the PIT's first channel, as SeaBIOS has it: rate generator, slowest
    Cpu::out8(0x40, 0);
    Cpu::out8(0x40, 0);
}

constexpr u8 cmos_size   = 0x80;
constexpr u8 cmos_status = 0x0C;

u8 read_cmos(u8 index) {
    Cpu::out8(0x70, index);
    return Cpu::in8(0x71);
}

/// The time goes on.
constexpr bool is_clock(u8 index) { return index < 0x0A || index == cmos_status || index == 0x32; }

constexpr u16 serial         = 0x3F8;
constexpr u8 divisor_access  = 0x80; // of the line control register
constexpr u16 line_control   = serial + 3;
constexpr u16 modem_control  = serial + 4;
constexpr u16 interrupts     = serial + 1;
constexpr u16 scratch        = serial + 7;
constexpr u16 fifo_control   = serial + 2;
constexpr u8 fifos_forgotten = 0x06;

struct Serial {
    u8 control;
    u8 modem;
    u8 interrupts;
    u8 scratch;
    u8 divisor[2];
};

Serial read_serial() {
    Serial state{};
    state.control = Cpu::in8(line_control);
    state.modem   = Cpu::in8(modem_control);
    state.scratch = Cpu::in8(scratch);
    Cpu::out8(line_control, divisor_access);
    state.divisor[0] = Cpu::in8(serial);
    state.divisor[1] = Cpu::in8(serial + 1);
    Cpu::out8(line_control, 0);
    state.interrupts = Cpu::in8(interrupts);
    Cpu::out8(line_control, state.control);
    return state;
}

void write_serial(const Serial& state) {
    Cpu::out8(line_control, divisor_access);
    Cpu::out8(serial, state.divisor[0]);
    Cpu::out8(serial + 1, state.divisor[1]);
    Cpu::out8(line_control, 0);
    Cpu::out8(interrupts, state.interrupts);
    Cpu::out8(fifo_control, fifos_forgotten);
    Cpu::out8(line_control, state.control);
    Cpu::out8(modem_control, state.modem);
    Cpu::out8(scratch, state.scratch);
}

// --- PCI ---

constexpr u16 pci_address = 0xCF8;
constexpr u16 pci_data    = 0xCFC;
constexpr u32 pci_words   = 64;

struct PciFunction {
    u32 number; // device and function
    u32 words[pci_words];
};

u32 read_pci(u32 function, u32 word) {
    Cpu::out32(pci_address, 1u << 31 | function << 8 | word * 4);
    return Cpu::in32(pci_data);
}

void write_pci(u32 function, u32 word, u32 value) {
    Cpu::out32(pci_address, 1u << 31 | function << 8 | word * 4);
    Cpu::out32(pci_data, value);
}

constexpr u32 most_functions = 16;

struct Kept {
    u64 msrs[msr_count()];
    u32 apic[sizeof apic_registers / sizeof apic_registers[0]];
    u32 io_apic[io_apic_words];
    u8 cmos[cmos_size];
    u8 speaker;
    Serial serial;
    PciFunction pci[most_functions];
    u32 pci_functions;
};

[[gnu::section(".bss.kept")]] constinit Kept kept{};

/// Command register and what lies behind the header's read-only words; status bits are cleared by
/// ones, so none are written.
void take_back_pci(const PciFunction& function) {
    for (u32 word = 1; word < pci_words; ++word) {
        const u32 value = word == 1 ? function.words[word] & 0xFFFF : function.words[word];
        if (read_pci(function.number, word) != function.words[word]) {
            write_pci(function.number, word, value);
        }
    }
}

} // namespace

void keep() {
    for_each_msr([](Msr msr, unsigned n) { kept.msrs[n] = Cpu::rdmsr(msr); });
    for (u32 n = 0; n < sizeof apic_registers / sizeof apic_registers[0]; ++n) {
        kept.apic[n] = local_apic::at(local_apic::base + apic_registers[n]);
    }
    for (u32 n = 0; n < io_apic_words; ++n) {
        kept.io_apic[n] = io_apic_word(n);
    }
    for (u8 n = 0; n < cmos_size; ++n) {
        kept.cmos[n] = read_cmos(n);
    }
    kept.speaker = Cpu::in8(0x61);
    kept.serial  = read_serial();
    for (u32 number = 0; number < 256 && kept.pci_functions < most_functions; ++number) {
        if (static_cast<u16>(read_pci(number, 0)) == 0xFFFF) {
            continue;
        }
        PciFunction& function = kept.pci[kept.pci_functions++];
        function.number       = number;
        for (u32 word = 0; word < pci_words; ++word) {
            function.words[word] = read_pci(number, word);
        }
    }
}

void take_back() {
    constexpr u16 fw_cfg_selector = 0x510;
    constexpr u8 address_line_20  = 2;
    reset_legacy_interrupts();
    reset_timers();
    local_apic::at(apic_timer) = 0;
    for (u32 n = 0; n < io_apic_words; n += 2) {
        io_apic_word(n) = io_apic_masked;
    }
    drain_interrupts();
    for (u32 n = 0; n < kept.pci_functions; ++n) {
        take_back_pci(kept.pci[n]);
    }
    for (u32 n = io_apic_words; n-- != 0;) { // the mask last
        io_apic_word(n) = kept.io_apic[n];
    }
    for (u32 n = 0; n < sizeof apic_registers / sizeof apic_registers[0]; ++n) {
        local_apic::at(local_apic::base + apic_registers[n]) = kept.apic[n];
    }
    for (u8 n = 0; n < cmos_size; ++n) {
        if (!is_clock(n)) {
            Cpu::out8(0x70, n);
            Cpu::out8(0x71, kept.cmos[n]);
        }
    }
    (void)read_cmos(cmos_status); // reading is what clears it
    Cpu::out8(0x61, kept.speaker & 3);
    Cpu::out8(0x92, address_line_20);
    Cpu::out16(fw_cfg_selector, 0);
    write_serial(kept.serial);
    for_each_msr([](Msr msr, unsigned n) { Cpu::wrmsr(msr, kept.msrs[n]); });
    reset_vector_registers();
    reset_breakpoints();
}

} // namespace vestibule::sevsim::devices
