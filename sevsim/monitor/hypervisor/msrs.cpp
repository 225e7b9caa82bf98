#include "sevsim/monitor/hypervisor/msrs.h"

#include "sevsim/monitor/hypervisor/x2apic.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

enum class Writes : u8 {
    pass,   // the register itself is written
    ignore, // accepted without effect
    refuse, // #GP
};

struct MsrRow {
    u32 first;
    u32 last;
    Writes writes;
};

constexpr MsrRow msr_table[] = {
    {0x0000'0010, 0x0000'0010, Writes::ignore}, // TSC
    {0x0000'008B, 0x0000'008B, Writes::ignore}, // microcode patch level
    {0x0000'00FE, 0x0000'00FE, Writes::refuse}, // MTRRcap
    {0x0000'0179, 0x0000'017B, Writes::ignore}, // machine check: capability, status, control
    {0x0000'01A0, 0x0000'01A0, Writes::ignore}, // MISC_ENABLE
    {0x0000'0200, 0x0000'020F, Writes::pass  }, // MTRRphysBase, MTRRphysMask
    {0x0000'0250, 0x0000'0250, Writes::pass  }, // MTRRfix64K
    {0x0000'0258, 0x0000'0259, Writes::pass  }, // MTRRfix16K
    {0x0000'0268, 0x0000'026F, Writes::pass  }, // MTRRfix4K
    {0x0000'02FF, 0x0000'02FF, Writes::pass  }, // MTRRdefType
    {0xC001'0010, 0xC001'0010, Writes::ignore}, // SYSCFG
    {0xC001'0015, 0xC001'0015, Writes::ignore}, // HWCR
    // Zero for KVM's guests, who expect them of an AMD processor without asking first.
    {0xC001'001F, 0xC001'001F, Writes::ignore}, // NB_CFG
    {0xC001'0055, 0xC001'0055, Writes::ignore}, // interrupt pending message
    {0xC001'0058, 0xC001'0058, Writes::ignore}, // MMIO configuration base
    {0xC001'0112, 0xC001'0113, Writes::ignore}, // SMM: TSEG base and mask
    {0xC001'1022, 0xC001'1022, Writes::ignore}, // DC_CFG
    {0xC001'102A, 0xC001'102A, Writes::ignore}, // BU_CFG2
};

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
    if (find(number) == nullptr) {
        return false;
    }
    value = x86::Cpu::rdmsr(static_cast<x86::Msr>(number));
    return true;
}

bool write_guest_msr(Vcpu& vcpu, u32 number, u64 value) {
    if (is_x2apic_msr(number)) {
        return write_x2apic(vcpu, number, value);
    }
    if (number == apic_base_msr) {
        return write_apic_base(vcpu, value);
    }
    const MsrRow* row = find(number);
    if (row == nullptr || row->writes == Writes::refuse) {
        return false;
    }
    if (row->writes == Writes::pass) {
        x86::Cpu::wrmsr(static_cast<x86::Msr>(number), value);
    }
    return true;
}

} // namespace vestibule::sevsim
