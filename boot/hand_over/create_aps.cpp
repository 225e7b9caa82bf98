#include "boot/hand_over/create_aps.h"

#include "boot/fatal.h"
#include "boot/gdt.h"
#include "boot/hand_over/accept_memory.h"
#include "boot/interrupts.h"
#include "snp/ap_creation.h"
#include "snp/features.h"
#include "snp/vmsa.h"

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

x86::Vmsa& zeroed(u64 page) {
    for (u64 at = page; at != page + page_size; at += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(at) = 0;
    }
    return *reinterpret_cast<x86::Vmsa*>(page);
}

} // namespace

void create_aps(const BootInfo& info, const PayloadHeader& header) {
    ghcb::Channel& channel = vc_context().ghcb;
    u64 features           = 0;
    require(snp::ask_features<Cpu>(channel, features));
    if ((features & snp::feature::ap_creation) == 0) {
        return;
    }
    u64 page = vmsa_pages(info);
    for (u32 n = 1; n < header.vcpus; ++n, page += page_size) {
        x86::Vmsa& vmsa = zeroed(page);
        snp::make_vmsa<Cpu>(vmsa, {.rip = reinterpret_cast<u64>(&entry_ap[0]),
                                   .rsp = 0, // it has none before the mailbox gives it one
                                   .rdi = 0,
                                   .cr3 = Cpu::cr3(),
                                   .code_selector = code64_selector,
                                   .vmpl          = 0});
        // The order of a launch's contexts is that of APIC IDs, in every monitor that loads them.
        require(snp::create_ap<Cpu>(channel,
                                    {.apic_id      = n,
                                     .vmsa_gpa     = page,
                                     .vmsa_linear  = page,
                                     .sev_features = vmsa.sev_features},
                                    snp::ApRequest::create_on_init));
    }
}

} // namespace vestibule::boot
