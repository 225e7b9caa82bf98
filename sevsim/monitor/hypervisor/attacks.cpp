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

} // namespace

u64 attacked_vc(const Options& options, u64 exit_code) {
    const Hostility* const lie = told_now(options, Lie::vc_instead);
    return lie != nullptr ? lie->code : exit_code;
}

const Hostility* attacked_answer(const Options& options) {
    return told_now(options, Lie::exception);
}

const Hostility* refuses_answer(const Options& options) { return told_now(options, Lie::refused); }

bool leaves_unanswered(const Options& options) {
    return told_now(options, Lie::unanswered) != nullptr;
}

void attack_at_entry(Vcpu& vcpu) {
    if (const Hostility* const lie = told_now(vcpu.options, Lie::vc_at_entry)) {
        raise_vc(vcpu, lie->code);
    }
    if (const Hostility* const lie = told_now(vcpu.options, Lie::event)) {
        inject(vcpu, lie->code);
    }
}

bool attack_vmgexit(Vcpu& vcpu) {
    // Both count all VMGEXITs, each of those passed over again included.
    const bool is_nmi  = told_now(vcpu.options, Lie::nmi) != nullptr;
    const bool is_vnmi = told_now(vcpu.options, Lie::vnmi) != nullptr;
    if (is_nmi || is_vnmi) {
        inject_nmi(vcpu);
        awaits_iret |= is_vnmi;
        vcpu.nmi_pending |= is_nmi;
    }
    return is_nmi || is_vnmi;
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
    for (const PageAttack& row : page_attacks) {
        const Hostility* const lie = options.is_snp() ? told_now(options, row.lie) : nullptr;
        if (lie != nullptr) {
            row.attack(lie->code & ~(page_size - 1));
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
