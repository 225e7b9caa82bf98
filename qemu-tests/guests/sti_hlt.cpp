// SPDX-License-Identifier: BSD-2-Clause-Patent
// An interrupt that is pending when STI and HLT are executed: it must come when the CPU sleeps, so
// that it wakes it, and not between the two, so that the CPU sleeps after it.
#include "boot/boot_info.h"
#include "boot/gdt.h"
#include "boot/image.h"
#include "qemu-tests/guests/raw_call.h"
#include "x86/descriptor.h"

using namespace vestibule;
using namespace vestibule::guests;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 interrupt_entry[]; // sti_hlt.asm
extern u8 behind_hlt[];
extern u64 interrupted_at;
void sleep_until_interrupt();
}
#pragma GCC visibility pop

namespace {

constexpr u8 vector       = 0x40;
constexpr u64 spurious    = 0xFEE0'00F0; // and the local APIC's switch
constexpr u64 icr_low     = 0xFEE0'0300;
constexpr u32 self_vector = 0x0004'4000 | vector;

constinit x86::InterruptGate idt[vector + 1]{};

void write_local_apic(u64 gpa, u32 value) {
    ghcb::Page& page = prepare(x86::ExitCode::mmio_write, gpa, 4, FieldSet::of(Field::sw_scratch));
    page.sw_scratch  = ghcb_gpa() + 0x800;
    for (unsigned n = 0; n < 4; ++n) {
        page.shared_buffer[n] = static_cast<u8>(value >> (8 * n));
    }
    send(page);
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    idt[vector] = x86::InterruptGate::to(boot::address_of(interrupt_entry), boot::code64_selector);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = boot::address_of(idt)});
    write_local_apic(spurious, 0x1FF);
    write_local_apic(icr_low, self_vector);
    sleep_until_interrupt();
    Checks checks;
    checks.that(interrupted_at == boot::address_of(behind_hlt), "an interrupt between STI and HLT");
    checks.end();
}
