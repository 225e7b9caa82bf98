// SPDX-License-Identifier: BSD-2-Clause-Patent
// Further vCPUs of an SEV-SNP guest (include/vestibule/snp.h): a kernel makes the state that they
// start with (snp/vmsa.h) and has them started (snp/ap_creation.h).
#include "include/vestibule/snp.h"
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "library/svsm.h"
#include "snp/ap_creation.h"
#include "snp/vmsa.h"
#include "vc/walk.h"

using namespace vestibule;
using ghcb::Outcome;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

snp::ApStart start_of(const PerCpu& cpu, const vestibule_snp_vcpu& vcpu) {
    const u64 status = library::Cpu::rdmsr(x86::Msr::sev_status);
    return {.apic_id      = vcpu.apic_id,
            .vmsa_gpa     = vcpu.vmsa_gpa,
            .vmsa_linear  = vcpu.vmsa,
            .sev_features = status >> x86::SevFeatures::status_shift,
            .vmpl         = library::vmpl_of(cpu.setup.svsm)};
}

/// Makes the page a VMSA and has the vCPU started.
Outcome create(PerCpu& cpu, const vestibule_snp_vcpu& vcpu) {
    const snp::ApStart start = start_of(cpu, vcpu);
    if (cpu.setup.svsm == nullptr) {
        return snp::create_ap<library::Cpu>(cpu.context.ghcb, start, snp::ApRequest::create);
    }
    const Outcome made = snp::create_svsm_vcpu<library::Cpu>(
        library::svsm_of(*cpu.setup.svsm),
        {.apic_id = vcpu.apic_id, .vmsa_gpa = vcpu.vmsa_gpa, .area_gpa = vcpu.svsm_area_gpa});
    return made.is_done()
               ? snp::request_ap<library::Cpu>(cpu.context.ghcb, start, snp::ApRequest::create)
               : made;
}

/// The reverse; false where the page is a VMSA still.
bool destroy(PerCpu& cpu, const vestibule_snp_vcpu& vcpu) {
    const snp::ApStart start = start_of(cpu, vcpu);
    if (cpu.setup.svsm == nullptr) {
        return snp::destroy_ap<library::Cpu>(cpu.context.ghcb, start);
    }
    return snp::request_end_of_ap<library::Cpu>(cpu.context.ghcb, start)
           && snp::delete_svsm_vcpu<library::Cpu>(library::svsm_of(*cpu.setup.svsm), vcpu.vmsa_gpa)
                  .is_done();
}

/// Whether the page is where it is said to be, private, and one that may become a VMSA.
bool is_mapped(const vc::Context& context, const vestibule_snp_vcpu& vcpu) {
    const auto page = vc::walk<library::Cpu, true>(context, vcpu.vmsa, vc::page_fault::write, 0);
    return (vcpu.vmsa & (page_size - 1)) == 0 && !page.faults && page.is_private
           && page.gpa == vcpu.vmsa_gpa && snp::may_be_vmsa(vcpu.vmsa_gpa);
}

/// SECURITY: a page that was a VMSA once is not zero. Whoever would fill it anew under a vCPU that
/// the hypervisor still runs from it would change that one's registers.
bool is_zero(u64 linear) {
    const auto* words = reinterpret_cast<const volatile u64*>(linear);
    u64 any           = 0;
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        any |= words[n];
    }
    return any == 0;
}

} // namespace

vestibule_reason vestibule_snp_vcpu_create(vestibule_cpu* cpu, const vestibule_snp_vcpu* vcpu) {
    PerCpu& block = PerCpu::of(*cpu);
    if (block.context.cpuid_table == nullptr || vcpu->reserved != 0
        || !is_mapped(block.context, *vcpu) || !is_zero(vcpu->vmsa)) {
        return library::public_reason(reason::call_argument);
    }
    snp::make_vmsa<library::Cpu>(*reinterpret_cast<x86::Vmsa*>(vcpu->vmsa),
                                 {.rip           = reinterpret_cast<u64>(vcpu->entry),
                                  .rsp           = vcpu->rsp,
                                  .rdi           = vcpu->argument,
                                  .cr3           = vcpu->cr3,
                                  .code_selector = block.context.kernel_code64,
                                  .vmpl          = library::vmpl_of(block.setup.svsm)});
    const library::InterruptsOff off;
    if (!block.context.ghcb.has_room()) {
        return library::public_reason(reason::ghcb_reentered);
    }
    return library::as_reason(create(block, *vcpu));
}

vestibule_reason vestibule_snp_vcpu_destroy(vestibule_cpu* cpu, const vestibule_snp_vcpu* vcpu) {
    PerCpu& block = PerCpu::of(*cpu);
    const library::InterruptsOff off;
    if (!block.context.ghcb.has_room()) {
        return library::public_reason(reason::ghcb_reentered);
    }
    return destroy(block, *vcpu) ? vestibule_reason{0}
                                 : library::public_reason(reason::snp_rmpadjust);
}
