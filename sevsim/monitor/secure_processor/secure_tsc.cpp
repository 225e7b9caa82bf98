// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/secure_tsc.h"

#include "x86/cpu.h"
#include "x86/sev.h"

namespace vestibule::sevsim::secure_tsc {

namespace {

constinit u64 offset_of_launch = 0;
constinit u64 megahertz        = 0;

bool is_on(u64 sev_features) { return (sev_features & x86::SevFeatures::secure_tsc) != 0; }

} // namespace

bool is_on(const Options& options) { return is_on(options.sev_features); }

void launch(std::span<Vcpu> vcpus, u64 khz) {
    if (!is_on(vcpus[0].options)) {
        return;
    }
    offset_of_launch = 0 - x86::Cpu::rdtsc();
    megahertz        = (khz + 500) / 1000;
    for (Vcpu& vcpu : vcpus) {
        vcpu.vmcb.tsc_offset = offset_of_launch;
    }
}

u64 launch_offset() { return offset_of_launch; }

u64 frequency() { return megahertz; }

const char* fault(const x86::Vmsa& vmsa) {
    return is_on(vmsa.sev_features) && vmsa.guest_tsc_scale != scale
               ? "a VMSA whose GUEST_TSC_SCALE is not the one that MSG_TSC_INFO tells: this "
                 "machine "
                 "has one clock"
               : nullptr;
}

void load(Vcpu& vcpu, const x86::Vmsa& vmsa) {
    vcpu.vmcb.tsc_offset =
        is_on(vmsa.sev_features) ? vmsa.guest_tsc_offset : vcpu.options.tsc_offset;
}

void save(const Vcpu& vcpu, x86::Vmsa& vmsa) {
    if (is_on(vcpu.options)) {
        vmsa.guest_tsc_scale  = scale;
        vmsa.guest_tsc_offset = vcpu.vmcb.tsc_offset;
    }
}

} // namespace vestibule::sevsim::secure_tsc
