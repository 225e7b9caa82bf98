#include "sevsim/monitor/hypervisor/attacks.h"

#include "sevsim/monitor/exits.h"
#include "sevsim/monitor/hypervisor/lies.h"

namespace vestibule::sevsim {

namespace {

constinit bool nmi_pending = false;

/// NMIs are masked from here to the guest's NMI complete, since an SEV-ES guest's IRET tells the
/// hypervisor nothing (GHCB specification, exit 0x80000003).
void inject_nmi(Vcpu& vcpu) {
    inject(vcpu, event::nmi);
    vcpu.nmi_masked = true;
}

/// Counts a moment; true at the one that was chosen.
bool is_chosen(const Options& options, Lie lie, u64& count) {
    return options.hostile.lie == lie && ++count == options.hostile.at && tells(options, lie);
}

} // namespace

u64 attacked_vc(const Options& options, u64 exit_code) {
    static constinit u64 vcs = 0;
    return is_chosen(options, Lie::vc_instead, vcs) ? options.hostile.code : exit_code;
}

void attack_at_entry(Vcpu& vcpu) {
    static constinit u64 entries = 0;
    if (nmi_pending && !vcpu.nmi_masked) {
        nmi_pending = false;
        inject_nmi(vcpu);
        return;
    }
    if (is_chosen(vcpu.options, Lie::vc_at_entry, entries)) {
        raise_vc(vcpu, vcpu.options.hostile.code);
    }
}

bool attack_vmgexit(Vcpu& vcpu) {
    static constinit u64 vmgexits = 0;
    if (!is_chosen(vcpu.options, Lie::nmi, vmgexits)) {
        return false;
    }
    inject_nmi(vcpu);
    nmi_pending = true;
    return true;
}

} // namespace vestibule::sevsim
