// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/snp/service.h"

namespace vestibule::boot {

namespace {

struct Cpu : x86::Cpu, snp::SvsmExit {};

} // namespace

ghcb::Outcome set_validated_by_service(const snp::Svsm& svsm, snp::Range range, bool validate) {
    return snp::set_validated_by_svsm<Cpu>(svsm, range, validate);
}

ghcb::Outcome make_vmsa_by_service(const snp::Svsm& svsm, const FurtherVcpu& vcpu) {
    return snp::create_svsm_vcpu<Cpu>(
        svsm, {.apic_id = vcpu.apic_id, .vmsa_gpa = vcpu.vmsa, .area_gpa = vcpu.area});
}

ghcb::Outcome take_back_vmsa_by_service(const snp::Svsm& svsm, u64 vmsa) {
    return snp::delete_svsm_vcpu<Cpu>(svsm, vmsa);
}

} // namespace vestibule::boot
