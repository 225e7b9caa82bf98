// #MC at any place of a #VC (--hostile event:0x80000312@N): its handler reads MCG_STATUS, which
// raises #VC itself. Exit code 0 if every answer was right all the same.
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u16 scratch       = 0x81;
constexpr auto mcg_status   = static_cast<x86::Msr>(0x17A);
constexpr auto mtrr_type    = static_cast<x86::Msr>(0x2FF);
constinit unsigned checks   = 0;
constinit u64 mtrr_as_it_is = 0;

void on_mc(const vestibule_frame*, void* opaque) {
    ++checks;
    (void)x86::Cpu::rdmsr(mcg_status);
    const u64 mtrr = x86::Cpu::rdmsr(mtrr_type);
    check((mtrr_as_it_is == 0 || mtrr == mtrr_as_it_is) && opaque == &machine, "RDMSR within #MC");
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.mc_ist          = mc_ist;
    setup.mc              = on_mc;
    setup.opaque          = &machine;
    start_library(setup);
    const x86::CpuidResult vendor = x86::Cpu::cpuid(0);
    mtrr_as_it_is                 = x86::Cpu::rdmsr(mtrr_type); // 0xC00, or so: not 0
    for (unsigned n = 0; n < 4; ++n) {
        const auto value = static_cast<u8>(0x30 + n);
        x86::Cpu::out8(scratch, value);
        check(x86::Cpu::in8(scratch) == value, "IN");
        const x86::CpuidResult again = x86::Cpu::cpuid(0);
        check(again.eax == vendor.eax && again.ebx == vendor.ebx && again.ecx == vendor.ecx
                  && again.edx == vendor.edx,
              "CPUID");
        check(x86::Cpu::rdmsr(mtrr_type) == mtrr_as_it_is, "RDMSR");
    }
    const auto& cpu = library::PerCpu::of(machine.cpu);
    check(cpu.under_way.vcs == 0 && cpu.under_way.vcs_beneath == 0 && cpu.under_way.mcs == 0
              && cpu.context.ghcb.holders == 0 && !cpu.context.ghcb.is_kept
              && machine.task.ist[vc_ist - 1U] == end_of(cpu.vc_stack.room),
          "something is left under way");
    say(checks == 0 ? "no #MC" : checks == 1 ? "one #MC" : "another number of #MCs");
    end_run();
}
