// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/from_here_on.h"

#include "sevsim/late_words.h"
#include "sevsim/monitor/hypervisor/fw_cfg.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

/// In this loop the host stops QEMU, wherever, and keeps the machine (sevsim/kept_machine.h). The
/// rest of it is done in each copy, so that the clock, which counts instructions, is the same in
/// all of them, and in a machine that was never stopped.
void give_time_to_stop() {
    constexpr u64 rounds = 30'000'000;
    for (u64 n = 0; n < rounds; ++n) {
        asm volatile("");
    }
}

/// What has been before: moments of lies count on from there.
void tell_moments(const Vcpu& vcpu) {
    Record record("from");
    record.number("vmgexits", vcpu.options.from - 1)
        .number("vcs", moments_of(Lie::vc_instead))
        .number("entries", moments_of(Lie::event))
        .number("vmruns", vcpu.vmruns)
        .number("answers", moments_of(Lie::field_flip))
        .number("msr_answers", moments_of(Lie::msr_flip));
    add_moment(record);
    record.end();
}

} // namespace

void come_to_vmgexit(Vcpu& vcpu) {
    static constinit u64 vmgexits = 0;
    static constinit char words[late_words_size + 1]{};
    if (vcpu.options.from == 0 || ++vmgexits != vcpu.options.from) {
        return;
    }
    forget_breaches();
    tell_moments(vcpu);
    give_time_to_stop();
    if (!read_host_file(late_words_file, {words, late_words_size})
        || !parse_options(words, vcpu.options)) {
        end_run_by_monitor_error("what the hypervisor is to do from here on is not understood");
    }
    if (words[0] == '\0') {
        end_run_by_monitor_error("the host has not stopped QEMU in time");
    }
    intercept_for_lies(vcpu);
}

} // namespace vestibule::sevsim
