// SPDX-License-Identifier: BSD-2-Clause-Patent
// Model-specific registers by number.
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

enum class Msr : u32 {
    tsc             = 0x0000'0010,
    apic_base       = 0x0000'001B,
    sysenter_cs     = 0x0000'0174,
    sysenter_esp    = 0x0000'0175,
    sysenter_eip    = 0x0000'0176,
    mtrr_phys_base7 = 0x0000'020E,
    mtrr_phys_mask7 = 0x0000'020F,
    pat             = 0x0000'0277,
    u_cet           = 0x0000'06A0,
    s_cet           = 0x0000'06A2,
    pl0_ssp         = 0x0000'06A4,
    pl1_ssp         = 0x0000'06A5,
    pl2_ssp         = 0x0000'06A6,
    pl3_ssp         = 0x0000'06A7,
    isst_addr       = 0x0000'06A8,
    xss             = 0x0000'0DA0,
    efer            = 0xC000'0080,
    star            = 0xC000'0081,
    lstar           = 0xC000'0082,
    cstar           = 0xC000'0083,
    sfmask          = 0xC000'0084,
    fs_base         = 0xC000'0100,
    gs_base         = 0xC000'0101,
    kernel_gs_base  = 0xC000'0102,
    tsc_aux         = 0xC000'0103,
    vm_hsave_pa     = 0xC001'0117,
    ghcb            = 0xC001'0130, // never intercepted for an SEV-ES guest
    sev_status      = 0xC001'0131, // reads are never intercepted
    guest_tsc_freq  = 0xC001'0134, // with a secure TSC
};

} // namespace vestibule::x86
