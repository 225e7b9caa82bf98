// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/from_here_on.h"

#include "sevsim/late_words.h"
#include "sevsim/monitor/hypervisor/fw_cfg.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

bool is_there(Vcpu& vcpu, u64 vmgexit) {
    const From& from = vcpu.options.from;
    const u64 rip    = vcpu.state().rip + (vcpu.is_64_bit_code() ? 0 : vcpu.state().cs.base);
    return from.vmgexit != 0 ? vmgexit == from.vmgexit : from.code.contains(rip);
}

/// In this loop the host stops QEMU, wherever, and keeps the machine (sevsim/kept_machine.h). The
/// rest of it is done in each copy, so that the clock, which counts instructions, is the same in
/// all of them, and in a machine that was never stopped.
void give_time_to_stop() {
    constexpr u64 rounds = 30'000'000;
    for (u64 n = 0; n < rounds; ++n) {
        asm volatile("");
    }
}

/// What has been before: moments of lies are counted from here on.
void tell_what_was(const Vcpu& vcpu, u64 vmgexits) {
    Record record("from");
    record.number("vmgexits", vmgexits).number("vmruns", vcpu.vmruns);
    add_moment(record);
    record.end();
}

} // namespace

void come_to_vmgexit(Vcpu& vcpu) {
    static constinit bool has_come = false;
    static constinit u64 vmgexits  = 0;
    static constinit char words[late_words_size + 1]{};
    if (!vcpu.options.from.is_given() || has_come || !is_there(vcpu, vmgexits + 1)) {
        ++vmgexits;
        return;
    }
    has_come = true;
    forget_breaches();
    tell_what_was(vcpu, vmgexits);
    give_time_to_stop();
    if (!read_host_file(late_words_file, {words, late_words_size})
        || !parse_options(words, vcpu.options)) {
        end_run_by_monitor_error("what the hypervisor is to do from here on is not understood");
    }
    if (words[0] == '\0') {
        end_run_by_monitor_error(stopped_too_late);
    }
    intercept_for_lies(vcpu);
}

} // namespace vestibule::sevsim
