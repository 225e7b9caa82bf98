// SPDX-License-Identifier: BSD-2-Clause-Patent
// The secrets page (SEV-SNP firmware ABI, 56860, section 8.17.2.5): what the secure processor gives
// the guest at launch and the hypervisor never sees. The area from 0x0A0 on is the guest's own,
// with a layout by the GHCB specification (table 4), so that whoever comes next in the guest knows
// how far the counters of messages are; that from 0x140 on is filled in by an SVSM for those below
// it.
#pragma once

#include "x86/types.h"

namespace vestibule::snp {

inline constexpr u64 vmpck_size = 32;
inline constexpr u8 vmpl_count  = 4;

struct SecretsPage {
    u32 version;
    u32 flags;
    u32 family_model_stepping; // CPUID 1 EAX
    u32 reserved0;
    u8 gosvw[16];
    u8 vmpck[vmpl_count][vmpck_size];
    u32 sequence[vmpl_count]; // of the last message with each VMPCK, its lower half
    u64 ap_jump_table;
    u32 sequence_high[vmpl_count];
    u8 reserved1[22];
    u16 guest_area_version;
    u8 guest_usage[32];
    u8 vmsa_tweak_bitmap[64];
    u64 svsm_base;
    u64 svsm_size; // 0: there is none
    u64 svsm_caa;  // its calling area for vCPU 0
    u32 svsm_max_version;
    u8 svsm_guest_vmpl;
    u8 reserved2[3];
    u32 tsc_factor;
    u32 reserved3;
    u64 launch_mit_vector;
    u8 reserved4[page_size - 0x170];
};

static_assert(sizeof(SecretsPage) == page_size);
static_assert(offsetof(SecretsPage, vmpck) == 0x020);
static_assert(offsetof(SecretsPage, sequence) == 0x0A0);
static_assert(offsetof(SecretsPage, ap_jump_table) == 0x0B0);
static_assert(offsetof(SecretsPage, sequence_high) == 0x0B8);
static_assert(offsetof(SecretsPage, guest_area_version) == 0x0DE);
static_assert(offsetof(SecretsPage, vmsa_tweak_bitmap) == 0x100);
static_assert(offsetof(SecretsPage, svsm_base) == 0x140);
static_assert(offsetof(SecretsPage, svsm_caa) == 0x150);
static_assert(offsetof(SecretsPage, svsm_guest_vmpl) == 0x15C);
static_assert(offsetof(SecretsPage, tsc_factor) == 0x160);
static_assert(offsetof(SecretsPage, launch_mit_vector) == 0x168);

} // namespace vestibule::snp
