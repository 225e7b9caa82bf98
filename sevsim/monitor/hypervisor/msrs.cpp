// SPDX-License-Identifier: BSD-2-Clause-Patent
// What KVM serves to a guest on an AMD processor, by its own lists (arch/x86/kvm: x86.c, svm/svm.c,
// svm/pmu.c, mtrr.c), each register decided on: what is not here raises #GP, as there. Left out
// with them, since CPUID of this machine has not what they belong to: KVM's and Hyper-V's own
// numbers, TSC deadline and adjustment, SPEC_CTRL and its kin, shadow stacks, XFD, OSVW, CMCI
// (0x280-0x29F), PLATFORM_INFO with CPUID faulting, PERF_CAPABILITIES, the six counters of
// PerfCtrExtCore and those of PerfMonV2, the TSC ratio of nested guests.
#include "sevsim/monitor/hypervisor/msrs.h"

#include "sevsim/monitor/hypervisor/x2apic.h"
#include "x86/cpu.h"

#include <iterator>

namespace vestibule::sevsim {

namespace {

enum class Reads : u8 {
    real,  // what the processor underneath has
    kept,  // what was written last
    fixed, // always the row's value
    none,  // #GP
};

enum class Writes : u8 {
    real,   // the processor underneath takes it
    kept,   // to be read again, without effect
    ignore, // accepted without effect
    none,   // #GP
};

struct MsrRow {
    u32 first;
    u32 last;
    Reads reads;
    Writes writes;
    u64 value = 0; // of a fixed one
};

constexpr u64 performance_status = 1000 | (u64{4} << 40);

// clang-format off
constexpr MsrRow msr_table[] = {
    {0x0000'0000, 0x0000'0001, Reads::fixed, Writes::none},   // P5_MC_ADDR, P5_MC_TYPE
    {0x0000'0010, 0x0000'0010, Reads::real,  Writes::ignore}, // TSC
    {0x0000'0017, 0x0000'0017, Reads::fixed, Writes::none},   // PLATFORM_ID
    {0x0000'002A, 0x0000'002A, Reads::fixed, Writes::none},   // EBL_CR_POWERON
    {0x0000'002C, 0x0000'002C, Reads::fixed, Writes::none, 1u << 24}, // EBC_FREQUENCY_ID
    {0x0000'0034, 0x0000'0034, Reads::fixed, Writes::none},   // SMI count
    {0x0000'0079, 0x0000'0079, Reads::none,  Writes::ignore}, // microcode update
    {0x0000'008B, 0x0000'008B, Reads::real,  Writes::ignore}, // microcode patch level
    {0x0000'00C1, 0x0000'00C2, Reads::fixed, Writes::ignore}, // P6 performance counters
    {0x0000'00CD, 0x0000'00CD, Reads::fixed, Writes::none, 3}, // FSB_FREQ
    {0x0000'00FE, 0x0000'00FE, Reads::real,  Writes::none},   // MTRRcap
    {0x0000'011E, 0x0000'011E, Reads::fixed, Writes::ignore, 0xBE70'2111}, // BBL_CR_CTL3
    {0x0000'0179, 0x0000'0179, Reads::real,  Writes::none},   // machine check: capability
    {0x0000'017A, 0x0000'017B, Reads::real,  Writes::real},   // machine check: status, control
    {0x0000'0186, 0x0000'0187, Reads::fixed, Writes::ignore}, // P6 event selectors
    {0x0000'0198, 0x0000'0198, Reads::fixed, Writes::none, performance_status},
    {0x0000'0199, 0x0000'0199, Reads::fixed, Writes::none},   // PERF_CTL
    {0x0000'01A0, 0x0000'01A0, Reads::real,  Writes::ignore}, // MISC_ENABLE
    {0x0000'01D9, 0x0000'01D9, Reads::fixed, Writes::ignore}, // DebugCtl
    {0x0000'01DB, 0x0000'01DE, Reads::fixed, Writes::none},   // last branch and interrupt records
    {0x0000'0200, 0x0000'020F, Reads::real,  Writes::real},   // MTRRphysBase, MTRRphysMask
    {0x0000'0250, 0x0000'0250, Reads::real,  Writes::real},   // MTRRfix64K
    {0x0000'0258, 0x0000'0259, Reads::real,  Writes::real},   // MTRRfix16K
    {0x0000'0268, 0x0000'026F, Reads::real,  Writes::real},   // MTRRfix4K
    {0x0000'02FF, 0x0000'02FF, Reads::real,  Writes::real},   // MTRRdefType
    {0x0000'0400, 0x0000'047F, Reads::real,  Writes::real},   // machine check banks, 32 of them
    {0xC001'0000, 0xC001'0007, Reads::kept,  Writes::kept},   // PerfEvtSel, PerfCtr: nothing counts
    {0xC001'0010, 0xC001'0010, Reads::real,  Writes::ignore}, // SYSCFG
    {0xC001'0015, 0xC001'0015, Reads::real,  Writes::ignore}, // HWCR
    {0xC001'001B, 0xC001'001B, Reads::fixed, Writes::ignore, 0x2000'0000}, // CLK_CTL
    {0xC001'001F, 0xC001'001F, Reads::fixed, Writes::ignore}, // NB_CFG
    {0xC001'0055, 0xC001'0055, Reads::fixed, Writes::ignore}, // interrupt pending message
    {0xC001'0058, 0xC001'0058, Reads::fixed, Writes::ignore}, // MMIO configuration base
    {0xC001'0112, 0xC001'0113, Reads::fixed, Writes::ignore}, // SMM: TSEG base and mask
    {0xC001'0114, 0xC001'0114, Reads::fixed, Writes::ignore}, // VM_CR
    {0xC001'0117, 0xC001'0117, Reads::kept,  Writes::kept},   // VM_HSAVE_PA: the monitor has its own
    {0xC001'1021, 0xC001'1023, Reads::fixed, Writes::ignore}, // IC_CFG, DC_CFG, TW_CFG
    {0xC001'1029, 0xC001'1029, Reads::kept,  Writes::kept},   // DE_CFG: LFENCE
    {0xC001'102A, 0xC001'102A, Reads::fixed, Writes::ignore}, // BU_CFG2
    {0xC001'102C, 0xC001'102C, Reads::fixed, Writes::ignore}, // EX_CFG
};
// clang-format on

constexpr u32 kept_before(const MsrRow* end) {
    u32 count = 0;
    for (const MsrRow* row = msr_table; row != end; ++row) {
        count += row->reads == Reads::kept ? row->last - row->first + 1 : 0;
    }
    return count;
}

constinit u64 kept[most_vcpus][kept_before(std::end(msr_table))]{};

u64& kept_value(const Vcpu& vcpu, const MsrRow& row, u32 number) {
    return kept[vcpu.index][kept_before(&row) + number - row.first];
}

const MsrRow* find(u32 number) {
    for (const MsrRow& row : msr_table) {
        if (number >= row.first && number <= row.last) {
            return &row;
        }
    }
    return nullptr;
}

} // namespace

bool read_guest_msr(Vcpu& vcpu, u32 number, u64& value) {
    if (is_x2apic_msr(number)) {
        return read_x2apic(vcpu, number, value);
    }
    if (number == apic_base_msr) {
        value = read_apic_base(vcpu);
        return true;
    }
    const MsrRow* const row = find(number);
    if (row == nullptr || row->reads == Reads::none) {
        return false;
    }
    switch (row->reads) {
    case Reads::real: value = x86::Cpu::rdmsr(static_cast<x86::Msr>(number)); break;
    case Reads::kept: value = kept_value(vcpu, *row, number); break;
    default: value = row->value; break;
    }
    return true;
}

bool write_guest_msr(Vcpu& vcpu, u32 number, u64 value) {
    if (is_x2apic_msr(number)) {
        return write_x2apic(vcpu, number, value);
    }
    if (number == apic_base_msr) {
        return write_apic_base(vcpu, value);
    }
    const MsrRow* const row = find(number);
    if (row == nullptr || row->writes == Writes::none) {
        return false;
    }
    if (row->writes == Writes::real) {
        x86::Cpu::wrmsr(static_cast<x86::Msr>(number), value);
    } else if (row->writes == Writes::kept) {
        kept_value(vcpu, *row, number) = value;
    }
    return true;
}

} // namespace vestibule::sevsim
