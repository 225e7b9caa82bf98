// SPDX-License-Identifier: BSD-2-Clause-Patent
// #MC at any place of a #VC (--hostile event:0x80000312@N): its handler raises #VC itself. Exit
// code 0 if every answer was right all the same. With many ROUNDS each is to have a #MC at least
// (event-walk:0x80000312@CODE), whose handler must not raise the #VCs that are walked: BY_CPUID.
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"

using namespace vestibule;
using namespace vestibule::guests;

#ifndef ROUNDS
#define ROUNDS 4
#endif

namespace {

constexpr unsigned rounds = ROUNDS;
constexpr bool is_walked  = rounds > 4;
#ifdef BY_CPUID
constexpr bool by_cpuid = true;
#else
constexpr bool by_cpuid = false;
#endif
constexpr u16 scratch       = 0x81;
constexpr auto mcg_status   = static_cast<x86::Msr>(0x17A);
constexpr auto mtrr_type    = static_cast<x86::Msr>(0x2FF);
constinit unsigned checks   = 0;
constinit u64 mtrr_as_it_is = 0;
constinit x86::CpuidResult vendor{};
constinit volatile bool knows_vendor = false;

bool same(const x86::CpuidResult& a, const x86::CpuidResult& b) {
    return a.eax == b.eax && a.ebx == b.ebx && a.ecx == b.ecx && a.edx == b.edx;
}

void on_mc(const vestibule_frame*, void* opaque) {
    ++checks;
    if (by_cpuid) {
        const x86::CpuidResult seen = x86::Cpu::cpuid(0);
        check(!knows_vendor || same(seen, vendor), "CPUID within #MC");
    } else {
        (void)x86::Cpu::rdmsr(mcg_status);
        const u64 mtrr = x86::Cpu::rdmsr(mtrr_type);
        check(mtrr_as_it_is == 0 || mtrr == mtrr_as_it_is, "RDMSR within #MC");
    }
    check(opaque == &machine, "the handler's argument");
}

void one_round(u8 value) {
    x86::Cpu::out8(scratch, value);
    check(x86::Cpu::in8(scratch) == value, "IN");
    check(same(x86::Cpu::cpuid(0), vendor), "CPUID");
    check(x86::Cpu::rdmsr(mtrr_type) == mtrr_as_it_is, "RDMSR");
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.mc_ist          = mc_ist;
    setup.mc              = on_mc;
    setup.opaque          = &machine;
    start_library(setup);
    vendor = x86::Cpu::cpuid(0);
    asm volatile("" : : : "memory"); // all of it
    knows_vendor  = true;
    mtrr_as_it_is = x86::Cpu::rdmsr(mtrr_type); // 0xC00, or so: not 0
    for (unsigned n = 0; n < rounds; ++n) {
        one_round(static_cast<u8>(0x30 + n % 16));
    }
    const unsigned seen = checks; // before the serial port is walked too
    const auto& cpu     = library::PerCpu::of(machine.cpu);
    check(cpu.under_way.vcs == 0 && cpu.under_way.vcs_beneath == 0 && cpu.under_way.mcs == 0
              && cpu.context.ghcb.holders == 0 && !cpu.context.ghcb.is_kept
              && machine.task.ist[vc_ist - 1U] == end_of(cpu.vc_stack.room),
          "something is left under way");
    if (is_walked) {
        say(seen >= rounds ? "a #MC in each round" : "a round without #MC");
    } else {
        say(seen == 0 ? "no #MC" : seen == 1 ? "one #MC" : "another number of #MCs");
    }
    end_run();
}
