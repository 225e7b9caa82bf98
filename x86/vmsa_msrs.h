// SPDX-License-Identifier: BSD-2-Clause-Patent
// MSRs whose value is in the VMSA, where the CPU loads and stores it at each world switch (APM
// volume 2, table B-4; section 15.35.2): a hypervisor sees none of them, so no honest one
// intercepts them. One table, by which the guest refuses the answer of another, and the emulated
// machine blames a guest that asks.
#pragma once

#include "x86/msr.h"
#include "x86/registers.h"
#include "x86/types.h"

namespace vestibule::x86 {

/// Some of 16 registers with numbers in a row. Sets, since the boot stub's bytes are measured.
struct VmsaMsrs {
    Msr first;
    u16 members;    // bit n: first + n
    u16 reads_only; // of these, writes are intercepted

    constexpr bool hold(u32 number, bool write) const {
        const u32 n = number - static_cast<u32>(first);
        return n < 16 && ((write ? members & ~reads_only : members) >> n & 1) != 0;
    }
};

/// EFER's writes are left out since there are hypervisors that watch over SVME. PAT, TSC_AUX and
/// XSS are not here: some intercept those.
inline constexpr VmsaMsrs vmsa_msrs[] = {
    {Msr::efer,        0b0001'1111, 0b01}, // and STAR, LSTAR, CSTAR, SFMASK
    {Msr::fs_base,     0b0000'0111, 0b00}, // and GS_BASE, KERNEL_GS_BASE
    {Msr::sysenter_cs, 0b0000'0111, 0b00}, // and SYSENTER_ESP, SYSENTER_EIP
    {Msr::ghcb,        0b0000'0011, 0b10}, // and SEV_STATUS
};

/// Where CR4.CET is not set they need not exist, and are intercepted to say so by #GP.
inline constexpr VmsaMsrs vmsa_msrs_of_cet = {Msr::u_cet, 0b1'1111'0101,
                                              0}; // and S_CET, PL0_SSP to PL3_SSP, ISST_ADDR

/// Whether an access raises #VC with no honest hypervisor.
constexpr bool is_kept_in_vmsa(u32 number, bool write, u64 cr4) {
    bool is_kept = (cr4 & cr4::cet) != 0 && vmsa_msrs_of_cet.hold(number, write);
#pragma clang loop unroll(disable)
    for (const VmsaMsrs& set : vmsa_msrs) {
        is_kept = is_kept || set.hold(number, write);
    }
    return is_kept;
}

/// The same for the boot stub, whose bytes are measured: from EFER, of which writes are left out,
/// to GS_BASE, between which no MSR is that a hypervisor may serve, and SEV_STATUS. Those for
/// SYSENTER and SWAPGS are of no use without a kernel, and GHCB's #VC would come to no handler.
constexpr bool is_kept_in_vmsa_of_stub(u32 number, u32 write) {
    constexpr u32 efer    = static_cast<u32>(Msr::efer);
    constexpr u32 gs_base = static_cast<u32>(Msr::gs_base);
    return number - efer - write <= gs_base - efer // a number more for writes: KERNEL_GS_BASE
           || number == static_cast<u32>(Msr::sev_status);
}

} // namespace vestibule::x86
