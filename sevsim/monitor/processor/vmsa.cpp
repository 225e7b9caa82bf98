// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/vmsa.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/processor/sev_features.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/secure_tsc.h"

#include <iterator>

namespace vestibule::sevsim {

namespace {

/// What is the same in both, up to where registers begin that the VMCB has not.
constexpr size_t common = offsetof(x86::Vmsa, spec_ctrl);

static_assert(common <= SaveArea::size);

/// Where the state is kept that a vCPU was launched with, while it runs from another: that of a
/// launch lies in no memory of the guest's.
constinit x86::Vmsa launched[most_vcpus]{};

/// The page that holds a VMPL's state.
x86::Vmsa& page_of(const Vcpu& vcpu, const VmplContext& context) {
    if (context.vmsa == 0) {
        return launched[vcpu.index];
    }
    u8* const page = private_memory(context.vmsa);
    if (page == nullptr) {
        end_run_by_stop("a vCPU is to run from a VMSA that is not the guest's any more");
    }
    return *reinterpret_cast<x86::Vmsa*>(page);
}

/// From a VMSA that is looked at once.
void run_from(Vcpu& vcpu, const x86::Vmsa& vmsa) {
    if (const char* fault = vmsa_fault(vmsa)) {
        end_run_by_stop(fault);
    }
    if (const char* fault = secure_tsc::fault(vmsa)) {
        end_run_by_stop(fault);
    }
    vcpu.vmpl                 = vmsa.vmpl;
    vcpu.options.sev_features = vmsa.sev_features;
    load_vmsa(vcpu, vmsa);
    apply_features(vcpu);
    secure_tsc::load(vcpu, vmsa);
    vcpu.vmcb.event_injection  = 0;
    vcpu.vmcb.interrupt_shadow = 0;
    load_hidden_state(vcpu);
}

} // namespace

void load_vmsa(Vcpu& vcpu, const x86::Vmsa& from) {
    memcpy(vcpu.vmcb.save_area.bytes, &from, common);
    vcpu.registers = {from.rcx, from.rdx, from.rbx, from.rbp, from.rsi, from.rdi, from.r8,
                      from.r9,  from.r10, from.r11, from.r12, from.r13, from.r14, from.r15};
    vcpu.set_cr3(from.cr3);
}

void save_vmsa(Vcpu& vcpu, x86::Vmsa& to) {
    const u8 vmpl = to.vmpl; // the VMCB's save area has none
    memcpy(&to, vcpu.vmcb.save_area.bytes, common);
    to.vmpl                    = vmpl;
    const GuestRegisters& from = vcpu.registers;
    to.cr3                     = vcpu.cr3;
    to.rcx                     = from.rcx;
    to.rdx                     = from.rdx;
    to.rbx                     = from.rbx;
    to.rbp                     = from.rbp;
    to.rsi                     = from.rsi;
    to.rdi                     = from.rdi;
    to.r8                      = from.r8;
    to.r9                      = from.r9;
    to.r10                     = from.r10;
    to.r11                     = from.r11;
    to.r12                     = from.r12;
    to.r13                     = from.r13;
    to.r14                     = from.r14;
    to.r15                     = from.r15;
}

const char* vmsa_fault(const x86::Vmsa& vmsa) {
    if ((vmsa.efer & x86::efer::svme) == 0) {
        return "a VMSA without EFER.SVME";
    }
    if (high_half(vmsa.cr0) != 0 || (vmsa.cr0 & (x86::cr0::cd | x86::cr0::nw)) == x86::cr0::nw) {
        return "a VMSA whose CR0 VMRUN refuses";
    }
    if (high_half(vmsa.dr6) != 0 || high_half(vmsa.dr7) != 0) {
        return "a VMSA whose DR6 or DR7 VMRUN refuses";
    }
    return nullptr;
}

bool has_vmpl(const Vcpu& vcpu, unsigned vmpl) {
    return vmpl < std::size(vcpu.vmpls)
           && (vcpu.vmpls[vmpl].vmsa != 0 || vcpu.vmpls[vmpl].at_launch);
}

void change_vmpl(Vcpu& vcpu) {
    vcpu.changes_vmpl    = false;
    VmplContext& left    = vcpu.vmpls[vcpu.vmpl];
    left.vmsa            = vcpu.vmsa;
    left.at_launch       = vcpu.vmsa == 0;
    left.ghcb_msr        = vcpu.ghcb_msr;
    left.registered_ghcb = vcpu.registered_ghcb;
    save_hidden_state(vcpu);
    x86::Vmsa& put_away   = page_of(vcpu, left);
    put_away.vmpl         = vcpu.vmpl;
    put_away.sev_features = vcpu.options.sev_features;
    secure_tsc::save(vcpu, put_away);
    save_vmsa(vcpu, put_away);
    const VmplContext& next = vcpu.vmpls[vcpu.next_vmpl];
    const x86::Vmsa vmsa    = page_of(vcpu, next);
    vcpu.vmsa               = next.vmsa;
    vcpu.ghcb_msr           = next.ghcb_msr;
    vcpu.registered_ghcb    = next.registered_ghcb;
    run_from(vcpu, vmsa);
}

bool vmrun_takes(u64 vmsa) {
    if (vmsa == 0) {
        return true;
    }
    if (!reverse_map::has(vmsa)) {
        return false;
    }
    const reverse_map::Entry& entry = reverse_map::at(vmsa);
    return entry.is_private() && entry.vmsa;
}

void replace_state(Vcpu& vcpu) {
    vcpu.replaced        = false;
    const x86::Vmsa vmsa = page_of(
        vcpu, {.vmsa = vcpu.next_vmsa, .at_launch = false, .ghcb_msr = 0, .registered_ghcb = 0});
    run_from(vcpu, vmsa);
}

} // namespace vestibule::sevsim
