// SPDX-License-Identifier: BSD-2-Clause-Patent
// AP creation (GHCB specification, exit 0x80000013): the guest itself makes the VMSA from which one
// of its vCPUs starts. The GHCB MSR and its registration are the hypervisor's and stay as they
// were; OVMF counts on that.
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/memory/snp_pages.h"
#include "sevsim/monitor/processor/processors.h"
#include "sevsim/monitor/processor/vmsa.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/secure_tsc.h"
#include "x86/page_table.h"

namespace vestibule::sevsim {

namespace {

/// SW_EXITINFO1: the request in [15:0], the VMPL in [19:16], the APIC ID in [63:32].
namespace request {
constexpr u64 create  = 1; // now; 0 at the next INIT
constexpr u64 destroy = 2;
} // namespace request

void set_in_use(u64 vmsa, bool in_use) {
    if (vmsa != 0 && is_guest_memory(vmsa)) {
        reverse_map::at(vmsa).in_use = in_use;
    }
}

Answer refuse_vmsa(const char* detail) {
    report_violation(Rule::ap_vmsa, detail);
    return Answer::invalid_input("AP creation: the VMSA");
}

/// What is wrong with the page that is to be a VMSA; nullptr where nothing is.
const char* page_fault_of(u64 gpa) {
    if (gpa % page_size != 0 || !is_guest_memory(gpa)) {
        return "AP creation with a VMSA that is no page of memory";
    }
    if (gpa % x86::large_page_size == 0) {
        return "AP creation with a VMSA at a multiple of 2 MiB, which hosts refuse for an erratum";
    }
    const reverse_map::Entry& entry = reverse_map::at(gpa);
    if (!entry.is_private() || !entry.vmsa) {
        return "AP creation with a page that RMPADJUST has not made a VMSA";
    }
    return nullptr;
}

/// The VMSA that it has run from is in use until its processor has come out of it.
void leave_vmsa(Vcpu& target, const Vcpu& caller) {
    const bool runs = target.activity == Activity::running && &target != &caller;
    if (runs && target.leaving_vmsa == 0) {
        target.leaving_vmsa = target.vmsa;
    } else {
        set_in_use(target.vmsa, false);
    }
}

/// The vCPU has no VMSA any more: where it runs, it stops before its next instruction.
void destroy(Vcpu& target, const Vcpu& caller) {
    leave_vmsa(target, caller);
    target.vmsa          = 0;
    target.vmsa_at_init  = 0;
    target.replaced      = false;
    target.init_received = false;
    if (target.activity == Activity::running) {
        target.destroyed = true;
        if (&target != &caller) {
            wake(target);
        }
    } else {
        target.activity = Activity::no_vmsa;
    }
}

/// Whatever it was doing.
void start_from_vmsa(Vcpu& target, u64 gpa, const Vcpu& caller) {
    if (target.vmsa != gpa) {
        leave_vmsa(target, caller);
    }
    if (target.leaving_vmsa == gpa) {
        target.leaving_vmsa = 0;
    }
    set_in_use(gpa, true);
    target.vmsa          = gpa;
    target.next_vmsa     = gpa;
    target.replaced      = true; // its own processor loads it
    target.destroyed     = false;
    target.init_received = false;
    target.nmi_pending   = false;
    target.nmi_masked    = false;
    target.activity      = Activity::running;
    wake(target);
}

/// As RMPUPDATE leaves it (APM volume 2, section 15.36.4): the guest's, neither validated nor a
/// VMSA, and what the hypervisor has written there before.
void replace_vmsa(u64 gpa) {
    nested::unmap_private(gpa);
    reverse_map::at(gpa) = {.assigned = true};
    auto& vmsa           = *reinterpret_cast<x86::Vmsa*>(private_memory(gpa));
    vmsa.rip += 1;
}

/// A vCPU that runs at one VMPL, or has halted there, is given a state for another.
bool is_beside(const Vcpu& target, u64 vmpl) {
    return (target.activity == Activity::running || target.activity == Activity::halted)
           && target.vmpl != vmpl;
}

/// For RUN_VMPL to go on from. Where another vCPU asks for it, nobody on this one would know: it
/// goes there by itself as soon as it has nothing else to do.
void add_vmpl(Vcpu& target, u8 vmpl, u64 gpa, const Vcpu& caller) {
    VmplContext& context = target.vmpls[vmpl];
    set_in_use(context.vmsa, false);
    set_in_use(gpa, true);
    context = {.vmsa            = gpa,
               .at_launch       = false,
               .ghcb_msr        = ghcb_msr_at_reset(target.options),
               .registered_ghcb = no_ghcb};
    if (&target == &caller) {
        return;
    }
    target.next_vmpl = vmpl;
    if (target.activity == Activity::halted) {
        target.changes_vmpl = true;
        target.activity     = Activity::running;
        wake(target);
    } else {
        target.goes_when_halted = true;
    }
}

} // namespace

void start_vcpu(Vcpu& target, u64 gpa, const Vcpu& caller) {
    const u8 vmpl = reinterpret_cast<const x86::Vmsa*>(private_memory(gpa))->vmpl;
    if (is_beside(target, vmpl)) {
        add_vmpl(target, vmpl, gpa, caller);
    } else {
        start_from_vmsa(target, gpa, caller);
    }
}

/// It lies in no memory of the guest's. A vCPU that is to start at INIT does by the SIPI behind it.
void start_from_launch(Vcpu& target, bool now) {
    if (now && target.activity == Activity::waits_for_sipi) {
        target.activity = Activity::running;
        wake(target);
    }
}

/// RAX: SEV_FEATURES as the VMSA has them. It is not asked for to destroy.
Inputs ap_creation_inputs(const GhcbView& ghcb) {
    const bool destroys = (ghcb.get(field::exit_info_1) & 0xFFFF) == request::destroy;
    return {.required = destroys ? Fields{} : fields(field::rax),
            .optional = fields(field::rax),
            .info_1   = 0xFFFF'FFFF'000F'FFFF,
            .info_2   = ~u64{0}};
}

Answer serve_ap_creation(Vcpu& vcpu, GhcbView& ghcb) {
    const u64 info = ghcb.get(field::exit_info_1);
    const u64 what = info & 0xFFFF;
    const u64 vmpl = (info >> 16) & 0xF;
    const u64 gpa  = ghcb.get(field::exit_info_2);
    if (high_half(info) >= vcpus().size()) {
        return Answer::invalid_input("AP creation: no vCPU has this APIC ID");
    }
    if (what > request::destroy || vmpl >= reverse_map::vmpl_count || vmpl < vcpu.vmpl) {
        return Answer::invalid_input(
            "AP creation: no such request, or a VMPL that is not its to give");
    }
    Vcpu& target = vcpus()[high_half(info)];
    if (what == request::destroy) {
        if (!tells(vcpu.options, Lie::vcpu_not_destroyed)) {
            destroy(target, vcpu);
        }
        return Answer::done();
    }
    if (const char* fault = page_fault_of(gpa)) {
        return refuse_vmsa(fault);
    }
    x86::Vmsa vmsa;
    memcpy(&vmsa, private_memory(gpa), sizeof vmsa);
    if (const char* fault = vmsa_fault(vmsa)) {
        return refuse_vmsa(fault);
    }
    if (const char* fault = secure_tsc::fault(vmsa)) {
        return refuse_vmsa(fault);
    }
    // SEV_STATUS has told the guest of one that the launch does not have.
    const u64 told = tells(vcpu.options, Lie::debug_swap) ? x86::SevFeatures::debug_swap : 0;
    if ((vmsa.sev_features & ~told) != (vcpu.options.sev_features & ~told)) {
        return refuse_vmsa("a VMSA whose SEV_FEATURES are not those of the launch");
    }
    if (ghcb.get(field::rax) != vmsa.sev_features || vmsa.vmpl != vmpl) {
        return refuse_vmsa("AP creation: RAX or VMPL are not what the VMSA says");
    }
    if (tells(vcpu.options, Lie::vcpu_not_started)) {
        return Answer::done();
    }
    if (tells(vcpu.options, Lie::vcpu_launch_state)) {
        start_from_launch(target, what == request::create);
        return Answer::done();
    }
    if (tells(vcpu.options, Lie::vcpu_other_vmsa)) {
        start_from_vmsa(target, gpa + page_size, vcpu);
        return Answer::done();
    }
    if (tells(vcpu.options, Lie::vcpu_vmsa_altered)) {
        replace_vmsa(gpa);
        start_from_vmsa(target, gpa, vcpu);
        return Answer::done();
    }
    if (what == request::create) {
        start_vcpu(target, gpa, vcpu);
    } else {
        target.vmsa_at_init = gpa;
    }
    return Answer::done();
}

} // namespace vestibule::sevsim
