#include "sevsim/monitor/processor/vmsa.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

/// What is the same in both, up to where registers begin that the VMCB has not.
constexpr size_t common = offsetof(x86::Vmsa, spec_ctrl);

static_assert(common <= SaveArea::size);

} // namespace

void load_vmsa(Vcpu& vcpu, const x86::Vmsa& from) {
    memcpy(vcpu.vmcb.save_area.bytes, &from, common);
    vcpu.registers = {from.rcx, from.rdx, from.rbx, from.rbp, from.rsi, from.rdi, from.r8,
                      from.r9,  from.r10, from.r11, from.r12, from.r13, from.r14, from.r15};
    vcpu.set_cr3(from.cr3);
}

void save_vmsa(Vcpu& vcpu, x86::Vmsa& to) {
    memcpy(&to, vcpu.vmcb.save_area.bytes, common);
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

const char* vmsa_fault(const Vcpu& vcpu, const x86::Vmsa& vmsa) {
    if ((vmsa.efer & x86::efer::svme) == 0) {
        return "a VMSA without EFER.SVME";
    }
    if (vmsa.sev_features != vcpu.options.sev_features) {
        return "a VMSA whose SEV_FEATURES are not those of the launch";
    }
    if (high_half(vmsa.cr0) != 0 || (vmsa.cr0 & (x86::cr0::cd | x86::cr0::nw)) == x86::cr0::nw) {
        return "a VMSA whose CR0 VMRUN refuses";
    }
    if (high_half(vmsa.dr6) != 0 || high_half(vmsa.dr7) != 0) {
        return "a VMSA whose DR6 or DR7 VMRUN refuses";
    }
    return nullptr;
}

void replace_state(Vcpu& vcpu) {
    const u8* const page = private_memory(vcpu.next_vmsa);
    x86::Vmsa vmsa;
    if (page == nullptr) {
        end_run_by_stop("a vCPU is to run from a VMSA that is not the guest's any more");
    }
    memcpy(&vmsa, page, sizeof vmsa);
    if (const char* fault = vmsa_fault(vcpu, vmsa)) {
        end_run_by_stop(fault);
    }
    vcpu.vmpl = vmsa.vmpl;
    load_vmsa(vcpu, vmsa);
    vcpu.vmcb.event_injection  = 0;
    vcpu.vmcb.interrupt_shadow = 0;
    vcpu.replaced              = false;
    load_hidden_state(vcpu);
}

} // namespace vestibule::sevsim
