// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/control_flow.h"

#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

void look_at_rip(Vcpu& vcpu) {
    const CodeRanges& ranges = vcpu.options.code;
    if (ranges.count == 0) {
        return;
    }
    const u64 rip = vcpu.state().rip + (vcpu.is_64_bit_code() ? 0 : vcpu.state().cs.base);
    for (size_t n = 0; n < ranges.count; ++n) {
        if (ranges.range[n].contains(rip)) {
            return;
        }
    }
    report_violation(Rule::rip_outside, "an exit of code that is none of the guest's");
}

} // namespace vestibule::sevsim
