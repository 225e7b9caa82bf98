// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starting a further vCPU from a VMSA that the guest makes (GHCB specification, exit 0x80000013;
// APM volume 2, section 15.36.7): a private page, filled, made a VMSA by RMPADJUST, and named.
//
// A VMSA page is used once. The hypervisor may go on running it after it was asked to destroy it,
// so the page is neither filled again nor given back to memory unless RMPADJUST takes the attribute
// away, which it refuses as long as a processor is in it.
#pragma once

#include "ghcb/call.h"
#include "snp/rmpadjust.h"
#include "x86/page_table.h"
#include "x86/vmsa.h"

namespace vestibule::snp {

/// An erratum has hosts refuse a VMSA at a multiple of 2 MiB: the processor would take it for one
/// of that size.
constexpr bool may_be_vmsa(u64 gpa) {
    return gpa % page_size == 0 && gpa % x86::large_page_size != 0;
}

enum class ApRequest : u8 { create_on_init = 0, create = 1, destroy = 2 };

struct ApStart {
    u32 apic_id;
    u64 vmsa_gpa;
    u64 vmsa_linear;  // mapped private, filled
    u64 sev_features; // as in the VMSA
    u8 vmpl = 0;      // as in the VMSA
};

/// Asks for it; the page is a VMSA.
template <class Cpu>
ghcb::Outcome request_ap(ghcb::Channel& channel, const ApStart& start, ApRequest request) {
    ghcb::Call<Cpu> call{channel};
    call.put_register(ghcb::registers::rax, start.sev_features);
    const ghcb::Answer answer =
        call.exit(x86::ExitCode::ap_creation,
                  u64{start.apic_id} << 32 | u64{start.vmpl} << 16 | static_cast<u64>(request),
                  start.vmsa_gpa, ghcb::registers::none);
    return answer.outcome.is_done() ? answer.outcome
                                    : ghcb::Outcome::terminate(ghcb::reason::snp_ap_creation);
}

/// The hypervisor's answer says nothing of whether the vCPU runs; a page is the guest's proof that
/// it runs what is in it, or does not run at all.
template <class Cpu>
ghcb::Outcome create_ap(ghcb::Channel& channel, const ApStart& start, ApRequest request) {
    if (!may_be_vmsa(start.vmsa_gpa)) {
        return ghcb::Outcome::terminate(ghcb::reason::snp_ap_creation);
    }
    const ghcb::Outcome made = set_vmsa<Cpu>(start.vmsa_linear);
    return made.is_done() ? request_ap<Cpu>(channel, start, request) : made;
}

/// Asks for a vCPU's end.
template <class Cpu>
bool request_end_of_ap(ghcb::Channel& channel, const ApStart& start) {
    ghcb::Call<Cpu> call{channel};
    return call
        .exit(x86::ExitCode::ap_creation,
              u64{start.apic_id} << 32 | u64{start.vmpl} << 16
                  | static_cast<u64>(ApRequest::destroy),
              0, ghcb::registers::none)
        .outcome.is_done();
}

/// The same, and takes the page back if it lets itself be taken: only then may it serve for
/// anything else.
template <class Cpu>
bool destroy_ap(ghcb::Channel& channel, const ApStart& start) {
    return request_end_of_ap<Cpu>(channel, start) && release_vmsa<Cpu>(start.vmsa_linear).is_done();
}

} // namespace vestibule::snp
