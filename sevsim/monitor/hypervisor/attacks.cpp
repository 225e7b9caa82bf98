#include "sevsim/monitor/hypervisor/attacks.h"

#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/processor/exits.h"

namespace vestibule::sevsim {

namespace {

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
    vcpu.nmi_pending = true;
    return true;
}

} // namespace vestibule::sevsim
