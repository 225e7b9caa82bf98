// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/snp/further_vcpu.h"

#include "boot/interrupts.h"
#include "boot/snp/service.h"
#include "boot/snp/vmpl.h"

namespace vestibule::boot {

using x86::Cpu;

ghcb::Outcome create_vcpu(const FurtherVcpu& vcpu, snp::ApRequest request) {
    const u8 vmpl = service().vmpl;
    fill_vmsa(vcpu, vmpl);
    const snp::ApStart start{.apic_id      = vcpu.apic_id,
                             .vmsa_gpa     = vcpu.vmsa,
                             .vmsa_linear  = vcpu.vmsa,
                             .sev_features = reinterpret_cast<x86::Vmsa*>(vcpu.vmsa)->sev_features,
                             .vmpl         = vmpl};
    ghcb::Channel& channel = vc_context().ghcb;
    if (vmpl == 0) {
        return snp::create_ap<Cpu>(channel, start, request);
    }
    const ghcb::Outcome made = make_vmsa_by_service(service(), vcpu);
    return made.is_done() ? snp::request_ap<Cpu>(channel, start, request) : made;
}

} // namespace vestibule::boot
