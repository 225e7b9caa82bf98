// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/real_mode.h"

#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

bool has_large_real_stack(Vcpu& vcpu) {
    constexpr u16 large    = 1u << 10; // the segment's B
    const x86::Vmsa& state = vcpu.state();
    return (state.cr0 & x86::cr0::pe) == 0 && (state.ss.attributes & large) != 0;
}

void watch_real_iret(Vcpu& vcpu) {
    if (has_large_real_stack(vcpu)) {
        vcpu.vmcb.intercept_misc1 |= intercept::iret;
    }
}

void emulate_real_iret(Vcpu& vcpu) {
    constexpr u8 operand_size            = 0x66;
    constexpr u64 flags                  = 0x7FD5; // those of the lower 16 that there are
    const FetchedInstruction instruction = fetch_instruction(vcpu);
    x86::Vmsa& state                     = vcpu.state();
    bool wide                            = false;
    for (unsigned n = 0; n < instruction.opcode; ++n) {
        wide |= instruction.bytes[n] == operand_size;
    }
    const u64 size = wide ? 4 : 2;
    u32 frame[3]   = {}; // IP, CS, flags
    for (u64 n = 0; n < 3; ++n) {
        const u64 linear = low_half(state.ss.base + state.rsp + n * size);
        if (!read_private(vcpu, linear, &frame[n], size)) {
            end_run_by_stop("IRET in real mode, with its stack where there is no memory");
        }
    }
    const u64 kept    = wide ? 0 : state.rflags & ~u64{0xFFFF};
    state.rip         = frame[0];
    state.cs.selector = static_cast<u16>(frame[1]);
    state.cs.base     = u64{state.cs.selector} << 4;
    state.rflags      = kept | (frame[2] & flags) | x86::rflags::reserved_one;
    state.rsp         = low_half(state.rsp + 3 * size);
    ++vcpu.emulated;
}

} // namespace vestibule::sevsim
