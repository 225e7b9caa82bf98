// SPDX-License-Identifier: BSD-2-Clause-Patent
// Instructions that raise #VC, with answers that are known, while NMIs come at some of them; the
// NMIs' handler raises #VCs itself. Run with --hostile nmi@N, or with forged #VCs. Exit code 0 if
// every answer was right and the NMIs came in twos.
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u16 scratch       = 0x81; // DMA page registers: keep what is written
constexpr u16 other_scratch = 0x82;
constexpr u32 mtrr_type     = 0x2FF;

#ifdef GUARDED
constexpr bool guarded = true;
#else
constexpr bool guarded = false;
#endif

constinit volatile unsigned nmis = 0;
constinit x86::CpuidResult vendor{};
constinit volatile bool knows_vendor = false;
constinit volatile bool wrong_in_nmi = false;

bool same(const x86::CpuidResult& a, const x86::CpuidResult& b) {
    return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

void on_nmi(const vestibule_frame* frame, void* opaque) {
    const unsigned count = nmis;
    nmis                 = count + 1;
    const auto value     = static_cast<u8>(0xA0 + (count & 0xF));
    x86::Cpu::out8(other_scratch, value);
    const x86::CpuidResult seen = x86::Cpu::cpuid(0);
    if ((knows_vendor && !same(seen, vendor)) || x86::Cpu::in8(other_scratch) != value
        || opaque != &machine || frame->cs != boot::code64_selector) {
        wrong_in_nmi = true;
    }
}

void out_string(const char* text, u64 length) {
    asm volatile("rep outsb" : "+S"(text), "+c"(length) : "d"(0x3F8) : "memory");
}

/// IN of a string: `length` bytes, each the scratch register's.
bool in_string(u8 wanted) {
    u8 bytes[24] = {};
    u8* to       = bytes;
    u64 length   = sizeof(bytes);
    asm volatile("rep insb" : "+D"(to), "+c"(length) : "d"(scratch) : "memory");
    for (const u8 byte : bytes) {
        if (byte != wanted) {
            return false;
        }
    }
    return true;
}

void maybe_interrupt() {
#ifdef SELF
    asm volatile("int $2" : : : "memory");
#endif
}

void one_round(u8 value) {
    maybe_interrupt();
    x86::Cpu::out8(scratch, value);
    check(x86::Cpu::in8(scratch) == value, "IN");
    check(same(x86::Cpu::cpuid(0), vendor), "CPUID");
    check(in_string(value), "INS");
    x86::Cpu::wrmsr(static_cast<x86::Msr>(mtrr_type), 0xC00 | (value & 1 ? 6 : 0));
    check(x86::Cpu::rdmsr(static_cast<x86::Msr>(mtrr_type)) == u64{0xC00 | (value & 1 ? 6U : 0)},
          "RDMSR");
    out_string("round\n", 6);
    // An exception that comes out of a #VC.
    const unsigned before = machine.seen.count;
    machine.skip          = 2;
    (void)rdmsr_of(0x1234'5678, end_of(machine.fault_stack));
    const u32 vector = machine.seen.vector;
    check(machine.seen.count == before + 1, "#GP");
    if (vector != x86::exception::general_protection) { // as the handler does that expects none
        vestibule_terminate(
            static_cast<vestibule_reason>(ghcb::reason::set_exception << 8 | vector));
    }
}

/// Bytes of the #VC stack that were ever used.
u64 vc_stack_used() {
    const auto& stack = library::PerCpu::of(machine.cpu).vc_stack;
    u64 untouched     = guarded ? page_size : 0;
    while (untouched < sizeof(stack) && stack.room[untouched] == 0) {
        ++untouched;
    }
    return sizeof(stack) - untouched;
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.nmi_ist         = nmi_ist;
    setup.nmi             = on_nmi;
    setup.opaque          = &machine;
    if (guarded) {
        setup.guard_pages = 1;
        unmap_guards();
    }
    start_library(setup);
    vendor = x86::Cpu::cpuid(0);
    asm volatile("" : : : "memory"); // all of it
    knows_vendor = true;
    one_round(0x3C);
    one_round(0xC5);
    check(!wrong_in_nmi, "a wrong answer in an NMI's handler");
    const auto& cpu = library::PerCpu::of(machine.cpu);
    check(cpu.under_way.vcs == 0 && cpu.under_way.vcs_beneath == 0 && cpu.under_way.nmi == 0
              && cpu.under_way.leaving == 0 && cpu.context.ghcb.holders == 0
              && !cpu.context.ghcb.is_kept
              && machine.task.ist[vc_ist - 1U] == end_of(cpu.vc_stack.room),
          "something is left under way");
    // library/nmi.cpp reckons with 4096 bytes for each.
    check(vc_stack_used() <= (nmis == 0 ? 4096U : 8192U), "a #VC needs more stack than it should");
    say(nmis == 0 ? "no NMI" : nmis == 2 ? "two NMIs" : "another number of NMIs");
    end_run();
}
