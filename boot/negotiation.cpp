// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/negotiation.h"

#include "boot/fatal.h"
#include "boot/interrupts.h"
#include "ghcb/sev_status.h"
#include "x86/cpu.h"

namespace vestibule::boot {

using x86::SevStatus;

namespace {

/// SEV_STATUS is the CPU's own word: its read is never intercepted. A CPU without it raises #GP,
/// and so could a hypervisor at this very instruction; either way the answer is "no SEV", and an
/// image measured for SEV-ES ends there.
SevStatus read_sev_status() {
    u64 value = 0;
    return {rdmsr_safely(x86::Msr::sev_status, value) ? value : 0};
}

} // namespace

Machine identify_machine(u64 c_bit) {
    Machine machine;
    machine.sev_status = read_sev_status();
    machine.platform   = c_bit != 0 ? Platform::sev_es : Platform::native;
    if (const ghcb::Outcome verdict = ghcb::judge_status(machine.sev_status, c_bit != 0);
        !verdict.is_done()) {
        fail(verdict.reason);
    }
    if (c_bit == 0) {
        return machine;
    }

    if (const ghcb::Outcome told =
            ghcb::identify<x86::Cpu>(machine.ghcb_version, machine.encryption);
        !told.is_done()) {
        fail(told.reason);
    }
    if (machine.encryption.c_bit() != c_bit) {
        fail(ghcb::reason::c_bit_mismatch);
    }
    return machine;
}

} // namespace vestibule::boot
