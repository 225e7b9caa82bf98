// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/x2apic.h"

#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/processor/local_apic.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

namespace apic_base {
constexpr u64 extended = bit(10);
constexpr u64 enabled  = bit(11);
} // namespace apic_base

enum class Access : u8 {
    read   = 1,
    write  = 2,
    both   = 3,
    zero   = 4, // only zero can be written
    zeroed = 5, // the same, and it can be read
};

struct Register {
    u32 first;
    u32 last;
    Access access;
};

constexpr u32 id               = 0x802;
constexpr u32 logical_id       = 0x80D;
constexpr u32 command          = 0x830;
constexpr u32 self_interrupt   = 0x83F;
constexpr Register registers[] = {
    {id,             id,             Access::read  },
    {0x803,          0x803,          Access::read  }, // version
    {0x808,          0x808,          Access::both  }, // task priority
    {0x809,          0x80A,          Access::read  }, // arbitration and processor priority
    {0x80B,          0x80B,          Access::zero  }, // end of interrupt
    {logical_id,     logical_id,     Access::read  },
    {0x80F,          0x80F,          Access::both  }, // spurious interrupt vector
    {0x810,          0x827,          Access::read  }, // in service, trigger mode, requested
    {0x828,          0x828,          Access::zeroed}, // error status
    {command,        command,        Access::both  },
    {0x832,          0x838,          Access::both  }, // local vectors, initial count
    {0x839,          0x839,          Access::read  }, // current count
    {0x83E,          0x83E,          Access::both  }, // divide configuration
    {self_interrupt, self_interrupt, Access::write },
};

constexpr bool allows(Access access, Access wanted) {
    return (static_cast<u8>(access) & static_cast<u8>(wanted)) != 0;
}

const Register* find(u32 number, Access wanted) {
    for (const Register& row : registers) {
        if (number >= row.first && number <= row.last && allows(row.access, wanted)) {
            return &row;
        }
    }
    return nullptr;
}

/// The same register in the page of xAPIC: 16 bytes each.
volatile u32& by_mmio(u32 number) {
    return local_apic::at(local_apic::base + u64{number & 0xFF} * 16);
}

/// Which vCPUs ICR's upper half names, as xAPIC's flat model says it; 0 for none. Of clusters of
/// 16, all vCPUs are in the first.
u32 flat_destination(u64 value) {
    const u32 destination = high_half(value);
    if (destination == 0xFFFF'FFFF) {
        return local_apic::everyone;
    }
    if ((value & local_apic::logical) != 0) {
        const bool first_cluster = destination >> 16 == 0;
        return first_cluster ? destination & (bit(most_vcpus) - 1) : 0;
    }
    return destination;
}

void enter_x2apic(Vcpu& vcpu) {
    // Logical destinations of I/O interrupts have 8 bits: the first ones of the first cluster.
    vcpu.logical_id                                = 1u << vcpu.index;
    local_apic::at(local_apic::destination_format) = 0xFFFF'FFFF; // flat
    local_apic::at(local_apic::logical_id)         = vcpu.logical_id << 24;
    vcpu.x2apic_command                            = 0;
}

} // namespace

void write_interrupt_command(Vcpu& vcpu, u64 value) {
    vcpu.x2apic_command   = value & ~u64{local_apic::pending};
    const bool shorthand  = (value & local_apic::shorthand_mask) != 0;
    const u32 destination = flat_destination(value);
    const bool is_logical = (value & local_apic::logical) != 0;
    const bool has_nobody = is_logical
                                ? destination == 0
                                : destination >= most_vcpus && destination != local_apic::everyone;
    if (has_nobody && !shorthand) {
        return;
    }
    local_apic::at(local_apic::command_high) = destination << 24;
    if (!send_ipi(vcpu, low_half(value))) {
        local_apic::at(local_apic::command) = low_half(value);
    }
}

u64 read_apic_base(const Vcpu& vcpu) {
    const u64 own  = x86::Cpu::rdmsr(static_cast<x86::Msr>(apic_base_msr));
    const u64 mode = vcpu.apic_mode == ApicMode::x2apic  ? apic_base::enabled | apic_base::extended
                     : vcpu.apic_mode == ApicMode::xapic ? apic_base::enabled
                                                         : 0;
    return (own & ~(apic_base::enabled | apic_base::extended)) | mode;
}

bool write_apic_base(Vcpu& vcpu, u64 value) {
    const bool enabled      = (value & apic_base::enabled) != 0;
    const bool extended     = (value & apic_base::extended) != 0;
    const ApicMode mode     = extended  ? ApicMode::x2apic
                              : enabled ? ApicMode::xapic
                                        : ApicMode::disabled;
    const bool skips_a_step = (mode == ApicMode::x2apic && vcpu.apic_mode == ApicMode::disabled)
                              || (mode == ApicMode::xapic && vcpu.apic_mode == ApicMode::x2apic);
    if ((extended && (!enabled || !vcpu.options.x2apic)) || skips_a_step) {
        return false;
    }
    if (mode == ApicMode::x2apic && vcpu.apic_mode != mode) {
        enter_x2apic(vcpu);
    }
    vcpu.apic_mode = mode;
    return true;
}

bool read_x2apic(Vcpu& vcpu, u32 number, u64& value) {
    if (vcpu.apic_mode != ApicMode::x2apic || find(number, Access::read) == nullptr) {
        return false;
    }
    switch (number) {
    case id: value = vcpu.index; break;
    case logical_id: value = bit(vcpu.index); break; // of cluster 0
    case command: value = vcpu.x2apic_command; break;
    default: value = by_mmio(number); break;
    }
    return true;
}

bool write_x2apic(Vcpu& vcpu, u32 number, u64 value) {
    if (vcpu.apic_mode != ApicMode::x2apic) {
        return false;
    }
    if (number == command) {
        write_interrupt_command(vcpu, value);
        return true;
    }
    const bool accepts = high_half(value) == 0
                         && (find(number, Access::write) != nullptr
                             || (value == 0 && find(number, Access::zero) != nullptr));
    if (!accepts) {
        return false;
    }
    if (number == self_interrupt) {
        local_apic::send(local_apic::self | (low_half(value) & 0xFF));
    } else {
        by_mmio(number) = low_half(value);
    }
    return true;
}

} // namespace vestibule::sevsim
