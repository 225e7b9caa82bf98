// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest with a service at VMPL 0 asks for (GHCB specification, exits 0x80000017 and
// 0x80000018, MSR request 0x016): which vCPUs there are, and to go on at another VMPL.
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/processors.h"
#include "sevsim/monitor/processor/vmsa.h"
#include "sevsim/monitor/recording/outcome.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

/// Whether the hypervisor may have told a guest that a VMSA is in use which is not.
bool denies_vmsa(const Options& options) {
    constexpr Lie deniers[] = {Lie::vcpu_not_started, Lie::vcpu_launch_state, Lie::answer_late,
                               Lie::answer_of_other};
    return std::ranges::any_of(deniers, [&](Lie lie) { return options.hostile.has(lie); });
}

} // namespace

bool run_vmpl(Vcpu& vcpu, u64 vmpl) {
    if (vmpl == 0 && tells(vcpu.options, Lie::svsm_not_run)) {
        return true;
    }
    if (vmpl == vcpu.vmpl || !has_vmpl(vcpu, static_cast<unsigned>(vmpl))) {
        if (!denies_vmsa(vcpu.options)) {
            report_violation(Rule::vmpl_run, "RUN_VMPL of a VMPL for which the vCPU has no VMSA");
        }
        return false;
    }
    vcpu.next_vmpl    = static_cast<u8>(vmpl);
    vcpu.changes_vmpl = true; // once the answer stands where the caller will look
    return true;
}

/// SW_EXITINFO1: the VMPL.
Inputs run_vmpl_inputs(const GhcbView&) {
    return {.required = {}, .optional = {}, .info_1 = ~u64{0}};
}

Answer serve_run_vmpl(Vcpu& vcpu, GhcbView& ghcb) {
    const u64 vmpl = ghcb.get(field::exit_info_1);
    return vmpl < 4 && run_vmpl(vcpu, vmpl) ? Answer::done()
                                            : Answer::invalid_input("RUN_VMPL: no such VMPL");
}

/// SW_EXITINFO1 is the address of RAX pages, which may be none: then RAX says how many there must
/// be.
Inputs apic_ids_inputs(const GhcbView&) {
    return {.required = fields(field::rax), .optional = {}, .info_1 = ~u64{0}};
}

Answer serve_apic_ids(Vcpu&, GhcbView& ghcb) {
    const u64 gpa   = ghcb.get(field::exit_info_1);
    const u64 pages = ghcb.get(field::rax);
    ghcb.put(field::rax, 1);
    if (pages == 0) {
        return Answer::done();
    }
    if (gpa % page_size != 0 || !is_guest_memory(gpa) || !is_shared(gpa)) {
        return Answer::invalid_input("APIC IDs: not into a shared page");
    }
    u8* const list  = shared_memory(gpa);
    const u32 count = static_cast<u32>(vcpus().size());
    memcpy(list, &count, sizeof count);
    for (u32 id = 0; id < count; ++id) {
        memcpy(list + sizeof count + id * sizeof id, &id, sizeof id);
    }
    return Answer::done();
}

} // namespace vestibule::sevsim
