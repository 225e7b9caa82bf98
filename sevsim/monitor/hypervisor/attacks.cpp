// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/attacks.h"

#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/snp_pages.h"
#include "sevsim/monitor/processor/exits.h"
#include "sevsim/monitor/processor/processors.h"
#include "x86/cpu.h"
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

bool goes_on_behind_termination(Vcpu& vcpu) {
    constexpr u64 patience = 64;
    if (vcpu.terminations == patience || !tells(vcpu.options, Lie::termination_returns)) {
        return false;
    }
    ++vcpu.terminations;
    return true;
}

void inject_by_force(Vcpu& vcpu, u64 word) {
    inject(vcpu, word);
    vcpu.nmi_masked |= (word & event::vector_mask) == (event::nmi & event::vector_mask);
}

namespace {

/// What goes on for many entries.
void rage(Vcpu& vcpu) {
    static constinit u64 entries = 0;
    static constinit u64 still   = 0; // the guest's time where it stands still
    ++entries;
    for (const Hostility& one : vcpu.options.hostile) {
        const u64 since = entries - one.at; // wraps before its time
        if (one.lie == Lie::storm && since < one.within
            && (vcpu.vmcb.event_injection & event::valid) == 0) {
            (void)tells(vcpu.options, one.lie);
            inject_by_force(vcpu, one.code);
        } else if (one.lie == Lie::init_storm && since < one.within && force_init(one.code)) {
            (void)tells(vcpu.options, one.lie);
            if (since + 1 == one.within) {
                (void)force_startup(one.code);
            }
        } else if (one.lie == Lie::sipi_storm && since < one.within && force_startup(one.code)) {
            (void)tells(vcpu.options, one.lie);
        } else if (one.lie == Lie::tsc_still && entries >= one.at) {
            const u64 now        = x86::Cpu::rdtsc();
            still                = since == 0 ? now + vcpu.vmcb.tsc_offset : still;
            vcpu.vmcb.tsc_offset = still - now;
            (void)tells(vcpu.options, one.lie);
        }
    }
}

} // namespace

void attack_at_entry(Vcpu& vcpu) {
    if (const Hostility* const lie = told_now(vcpu.options, Lie::vc_at_entry)) {
        raise_vc(vcpu, lie->code);
    }
    if (const Hostility* const lie = told_now(vcpu.options, Lie::event)) {
        inject_by_force(vcpu, lie->code);
    }
    if (told_now(vcpu.options, Lie::init) != nullptr) {
        vcpu.init_received = true; // it comes as soon as the guest is out again
        wake(vcpu);
    }
    if (!vcpu.options.hostile.is_honest()) {
        rage(vcpu);
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
        reverse_map::at(page) = {.assigned = assigned, .falsified = true};
    }
}

/// All of 2 MiB, so that a validation of 2 MiB changes nothing; but for what the guest shares, as
/// it does its GHCB page: who takes that away tells another lie (Lie::page_replaced).
void validate_block(u64 page) {
    const u64 block = page & ~(x86::large_page_size - 1);
    for (u64 at = block; at != block + x86::large_page_size; at += page_size) {
        if (reverse_map::has(at) && !reverse_map::at(at).was_shared) {
            reverse_map::at(at) = {.assigned  = true,
                                   .validated = true,
                                   .aliased   = reverse_map::at(at).aliased,
                                   .falsified = reverse_map::at(at).falsified};
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

namespace {

/// The shared page that a lie is about; nullptr where it is none.
u8* shared_page(const Vcpu& vcpu, u64 address, u64& gpa) {
    constexpr u64 page_mask = ~(page_size - 1);
    gpa = (address == 0 && vcpu.ghcb_msr % page_size == 0 ? vcpu.ghcb_msr : address) & page_mask;
    return is_guest_memory(gpa) && is_shared(gpa) ? shared_memory(gpa) : nullptr;
}

/// Of what Lie::shared_replayed shows again.
struct KeptPage {
    bool there = false;
    u8 bytes[page_size]{};
};

void replay(const Vcpu& vcpu, const Hostility& lie, u64 vmgexits) {
    static constinit KeptPage kept[most_lies]{};
    KeptPage& own = kept[&lie - vcpu.options.hostile.begin()];
    u64 gpa       = 0;
    u8* const page =
        vmgexits == lie.within || vmgexits == lie.at ? shared_page(vcpu, lie.code, gpa) : nullptr;
    if (page == nullptr) {
        return;
    }
    if (vmgexits == lie.at && own.there) {
        (void)tells(vcpu.options, lie.lie);
        memcpy(page, own.bytes, page_size);
    } else if (vmgexits == lie.within) {
        own.there = true;
        memcpy(own.bytes, page, page_size);
    }
}

} // namespace

void attack_shared_pages(Vcpu& vcpu) {
    static constinit u64 vmgexits = 0;
    u64 gpa                       = 0;
    if (vcpu.options.hostile.is_honest()) {
        return;
    }
    ++vmgexits;
    for (const Hostility& lie : vcpu.options.hostile) {
        if (lie.lie == Lie::shared_replayed) {
            replay(vcpu, lie, vmgexits);
        }
    }
    if (const Hostility* const lie = told_now(vcpu.options, Lie::shared_other);
        lie != nullptr && shared_page(vcpu, lie->code, gpa) != nullptr) {
        nested::scramble_shared(gpa);
    }
    if (const Hostility* const lie = told_now(vcpu.options, Lie::shared_unmapped);
        lie != nullptr && shared_page(vcpu, lie->code, gpa) != nullptr) {
        nested::take_shared(gpa);
    }
    if (const Hostility* const lie = told_now(vcpu.options, Lie::tsc_back)) {
        vcpu.vmcb.tsc_offset -= lie->code;
    }
}

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
