// SPDX-License-Identifier: BSD-2-Clause-Patent
// Instructions that raise #VC since the hypervisor intercepts them, each with its exit code and
// once; the stub's handler serves them (APM volume 2, table 15-35). All else here asks by calls of
// its own.
#include "boot/ports.h"
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;

/// One #VC, with that code.
template <class Do>
Verdict raises(ExitCode code, Do what) {
    const u64 before = vc_count();
    what();
    const u64 came = vc_count() - before;
    expect_vcs(came == 1 ? 1 : 0);
    return first_of(equal("#VCs of the instruction", came, 1),
                    equal("the error code of #VC", vc_code(), static_cast<u64>(code)));
}

Verdict cpuid_raises() {
    return raises(ExitCode::cpuid, [] { (void)Cpu::cpuid(0); });
}

Verdict in_raises() {
    return raises(ExitCode::ioio, [] { (void)Cpu::in8(boot::port::com1_scratch); });
}

Verdict out_raises() {
    return raises(ExitCode::ioio, [] { Cpu::out8(boot::port::com1_scratch, 0); });
}

Verdict rdmsr_raises() {
    constexpr u32 mtrr_capability = 0xFE;
    return raises(ExitCode::msr, [] { (void)Cpu::rdmsr(static_cast<x86::Msr>(mtrr_capability)); });
}

Verdict wbinvd_raises() {
    return raises(ExitCode::wbinvd, [] { asm volatile("wbinvd" : : : "memory"); });
}

/// What a call says and what the instruction says is the same.
Verdict in_is_the_same() {
    constexpr u8 value = 0x5C;
    write_port(boot::port::com1_scratch, value);
    u8 seen = 0;
    const Verdict verdict =
        raises(ExitCode::ioio, [&] { seen = Cpu::in8(boot::port::com1_scratch); });
    return first_of(verdict, equal("AL, what a call wrote", seen, value));
}

constexpr const char* section = "APM 15.35.5";

// clang-format off
constexpr CodeCase code_cases[] = {
    {{"vc.cpuid",    section, "CPUID raises #VC with exit 0x72",                 Level::must,   need::risky}, cpuid_raises},
    {{"vc.in",       section, "IN raises #VC with exit 0x7B",                    Level::must,   need::risky}, in_raises},
    {{"vc.out",      section, "OUT raises #VC with exit 0x7B",                   Level::must,   need::risky}, out_raises},
    {{"vc.in.value", section, "IN finds what a call wrote",                      Level::must,   need::risky}, in_is_the_same},
    {{"vc.rdmsr",    section, "RDMSR of MTRRcap raises #VC with exit 0x7C",      Level::should, need::risky}, rdmsr_raises},
    {{"vc.wbinvd",   section, "WBINVD raises #VC with exit 0x89",                Level::should, need::risky}, wbinvd_raises},
};
// clang-format on

} // namespace

constinit const Group vc_group = group_of("Instructions that raise #VC", code_cases);

} // namespace vestibule::examiner
