// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/attacks.h"

#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/snp_pages.h"
#include "sevsim/monitor/processor/exits.h"
#include "x86/page_table.h"

namespace vestibule::sevsim {

namespace {

constinit bool awaits_iret = false; // the second NMI of Lie::vnmi does

/// Counts a moment; true at the one that was chosen.
bool is_chosen(const Options& options, Lie lie, u64& count) {
    return options.hostile.lie == lie && ++count == options.hostile.at && tells(options, lie);
}

} // namespace

u64 attacked_vc(const Options& options, u64 exit_code) {
    static constinit u64 vcs = 0;
    return is_chosen(options, Lie::vc_instead, vcs) ? options.hostile.code : exit_code;
}

bool attacked_answer(const Options& options, u64& word) {
    static constinit u64 answers = 0;
    word                         = options.hostile.code;
    return is_chosen(options, Lie::exception, answers);
}

bool refuses_answer(const Options& options, u64& reason) {
    static constinit u64 answers = 0;
    reason                       = options.hostile.code;
    return is_chosen(options, Lie::refused, answers);
}

bool leaves_unanswered(const Options& options) {
    static constinit u64 vmgexits = 0;
    return is_chosen(options, Lie::unanswered, vmgexits);
}

void attack_at_entry(Vcpu& vcpu) {
    static constinit u64 entries = 0;
    if (is_chosen(vcpu.options, Lie::vc_at_entry, entries)) {
        raise_vc(vcpu, vcpu.options.hostile.code);
    }
    static constinit u64 entries_for_event = 0;
    if (is_chosen(vcpu.options, Lie::event, entries_for_event)) {
        inject(vcpu, vcpu.options.hostile.code);
    }
}

bool attack_vmgexit(Vcpu& vcpu) {
    static constinit u64 vmgexits     = 0;
    static constinit u64 vmgexits_too = 0;
    if (is_chosen(vcpu.options, Lie::vnmi, vmgexits_too)) {
        inject_nmi(vcpu);
        awaits_iret = true;
        return true;
    }
    if (!is_chosen(vcpu.options, Lie::nmi, vmgexits)) {
        return false;
    }
    inject_nmi(vcpu);
    vcpu.nmi_pending = true;
    return true;
}

namespace {

/// RMPUPDATE of a page that was the guest's (APM volume 2, section 15.36.4): whatever it becomes,
/// it is not validated.
void update_entry(u64 page, bool assigned) {
    if (reverse_map::has(page)) {
        nested::unmap_private(page);
        reverse_map::at(page) = {.assigned = assigned};
    }
}

/// All of 2 MiB, so that a validation of 2 MiB changes nothing.
void validate_block(u64 page) {
    const u64 block = page & ~(x86::large_page_size - 1);
    for (u64 at = block; at != block + x86::large_page_size; at += page_size) {
        if (reverse_map::has(at)) {
            reverse_map::at(at) = {.assigned = true, .validated = true};
        }
    }
}

struct PageAttack {
    Lie lie;
    void (*attack)(u64 page);
};

constexpr PageAttack page_attacks[] = {
    {Lie::page_taken,     [](u64 page) { update_entry(page, false); }},
    {Lie::page_replaced,  [](u64 page) { update_entry(page, true); } },
    // The entry of each page names the address that it was validated at, which is another one now
    // (section 15.36.5): to the guest neither is validated.
    {Lie::page_swapped,
     [](u64 page) {
         update_entry(page, true);
         update_entry(page + page_size, true);
     }                                                               },
    {Lie::page_validated, validate_block                             },
};

} // namespace

void attack_pages(const Options& options) {
    static constinit u64 vmgexits = 0;
    for (const PageAttack& row : page_attacks) {
        if (options.is_snp() && is_chosen(options, row.lie, vmgexits)) {
            row.attack(options.hostile.code & ~(page_size - 1));
        }
    }
}

void watch_attacked_iret(Vcpu& vcpu) {
    if (awaits_iret) {
        vcpu.vmcb.intercept_misc1 |= intercept::iret;
    }
}

// A hypervisor with vNMI (APM volume 2, section 15.21.10) leaves it to the CPU when an NMI's
// handler ends, and to the CPU it ends by the next IRET.
bool attack_iret(Vcpu& vcpu) {
    x86::Vmsa& state = vcpu.state();

    struct {
        u64 rip, cs, rflags, rsp, ss;
    } frame{};

    if (!awaits_iret || !vcpu.is_64_bit_code()
        || !read_private(vcpu, state.rsp, &frame, sizeof frame) || frame.cs != state.cs.selector) {
        return false;
    }
    constexpr u64 flags = 0x3F'7FD5; // all that IRET loads at CPL 0
    state.rip           = frame.rip;
    state.rflags        = (frame.rflags & flags) | x86::rflags::reserved_one;
    state.rsp           = frame.rsp;
    ++vcpu.emulated;
    awaits_iret = false;
    inject_nmi(vcpu);
    return true;
}

} // namespace vestibule::sevsim
