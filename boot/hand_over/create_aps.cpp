// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/hand_over/create_aps.h"

#include "boot/fatal.h"
#include "boot/hand_over/accept_memory.h"
#include "boot/interrupts.h"
#include "boot/snp/further_vcpu.h"
#include "snp/features.h"

namespace vestibule::boot {

#pragma GCC visibility push(hidden) // no address of it through a table that needs relocating
extern "C" const u8 entry_ap[];     // boot/hand_over/ap.asm
#pragma GCC visibility pop

namespace {

using x86::Cpu;

void require(ghcb::Outcome outcome) {
    if (!outcome.is_done()) {
        fail(outcome.reason);
    }
}

} // namespace

void create_aps(BootInfo& told, const PayloadHeader& header) {
    ghcb::Channel& channel = vc_context().ghcb;
    u64 features           = 0;
    require(snp::ask_features<Cpu>(channel, features));
    if ((features & snp::feature::ap_creation) == 0) {
        return;
    }
    const snp::Range pages = vcpu_pages(told, header);
    for (u64 at = pages.base; at != pages.end; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
    const u64 areas  = told.vmpl != 0 ? pages.base + u64{header.vcpus - 1} * page_size : 0;
    told.svsm_areas  = areas;
    FurtherVcpu vcpu = {.apic_id  = 0,
                        .vmsa     = pages.base,
                        .area     = areas,
                        .entry    = reinterpret_cast<u64>(&entry_ap[0]),
                        .argument = 0};
    // The order of a launch's contexts is that of APIC IDs, in every monitor that loads them.
    while (++vcpu.apic_id < header.vcpus) {
        require(create_vcpu(vcpu, snp::ApRequest::create_on_init));
        vcpu.vmsa += page_size;
        vcpu.area += page_size;
    }
}

} // namespace vestibule::boot
