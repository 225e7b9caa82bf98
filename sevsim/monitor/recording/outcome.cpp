// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/outcome.h"

#include "sevsim/monitor/batch.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/processors.h"
#include "sevsim/monitor/processor/rmp_instructions.h"
#include "sevsim/monitor/processor/vcpu.h"
#include "sevsim/monitor/recording/dump.h"
#include "sevsim/monitor/recording/edges.h"
#include "sevsim/monitor/recording/last_exits.h"
#include "sevsim/monitor/recording/page_states.h"
#include "sevsim/monitor/recording/profile.h"
#include "sevsim/monitor/recording/records.h"
#include "sevsim/monitor/recording/serial_copy.h"
#include "sevsim/monitor/recording/timeline.h"
#include "x86/cpu.h"
#include "x86/exit_code.h"

namespace vestibule::sevsim {

namespace {

struct Count {
    Served kind;
    u64 code;
    const char* name;
    u64 count;
};

struct Breaches {
    u64 count;
    u64 told; // of these
};

constinit Breaches breaches[rule_count]{};

constexpr const char* served_names[] = {"#VC", "GHCB", "MSR protocol"};

constinit Count counts[128]{};
constinit u64 count_rows = 0;
constinit u64 totals[3]{};
constinit Vcpu* reported = nullptr;
constinit u64 lies_told  = 0;

u64 reported_rip() { return reported != nullptr ? reported->state().rip : 0; }

void send_violation(Rule rule, const char* detail, u64 rip, bool is_now) {
    Breaches& all = breaches[static_cast<unsigned>(rule)];
    Record record("violation");
    record.text("rule", describe(rule).id)
        .hex("rip", rip)
        .text("detail", detail)
        .number("count", all.count - all.told);
    if (is_now) {
        add_moment(record);
    }
    record.end();
    all.told = all.count;
}

/// The table as it stands; what was sent of it before no longer counts.
void send_exits() {
    Record("so-far").end();
    for (u64 n = 0; n < count_rows; ++n) {
        Record("count")
            .text("kind", name_of(counts[n].kind))
            .hex("code", counts[n].code)
            .text("name", counts[n].name)
            .number("count", counts[n].count)
            .end();
    }
}

/// Where QEMU dies nobody is left to tell anything: at each power of two what there is, so that at
/// least half of it is known. In a batch the same plan can be run alone.
void send_exits_so_far() {
    const u64 all = totals[0] + totals[1] + totals[2];
    if ((all & (all - 1)) == 0 && !batch::is_under_way()) {
        send_exits();
        send_last_exits();
    }
}

/// All that has gathered over a run.
void send_counts(bool is_in_good_order) {
    flush_dump();
    flush_serial_copy();
    send_edges();
    send_timeline();
    if (reported != nullptr) {
        leaks::look_at_end(reported->options, is_in_good_order);
        send_page_states(reported->options);
        send_profile(reported->options);
    }
    for (const RuleDescription& row : rules) {
        const Breaches& all = breaches[static_cast<unsigned>(row.rule)];
        if (all.count != all.told) {
            send_violation(row.rule, "", reported_rip(), false);
        }
    }
    send_exits();
}

void add_registers(Record& record, Vcpu& vcpu) {
    constexpr const char* names[16] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                       "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    x86::Vmsa& state                = vcpu.state();
    record.begin_object("registers").hex("rip", state.rip).hex("rflags", state.rflags);
    for (unsigned n = 0; n < 16; ++n) {
        record.hex(names[n], vcpu.general_register(n));
    }
    record.hex("cs", state.cs.selector)
        .hex("cr0", state.cr0)
        .hex("cr2", state.cr2)
        .hex("cr3", vcpu.cr3)
        .hex("cr4", state.cr4)
        .hex("efer", state.efer & ~x86::efer::svme)
        .end_object();
    u8 code[15];
    record.bytes("code", code, fetch_code(vcpu, code, sizeof code));
}

/// Tells the totals and leaves QEMU, or goes on to the batch's next run. Members of the outcome
/// that depend on its kind come before.
[[noreturn]] void finish(Record& outcome, bool with_state) {
    if (reported != nullptr) {
        if (with_state) {
            outcome.number("vcpu", reported->index);
            add_registers(outcome, *reported);
        }
        u64 vmruns = 0;
        for (const Vcpu& vcpu : vcpus()) {
            vmruns += vcpu.vmruns;
        }
        outcome.number("vmruns", vmruns);
        if (reported->options.is_snp()) {
            outcome.number("pvalidates", pvalidate_count());
        }
    }
    outcome.number("vc", totals[static_cast<unsigned>(Served::vc)])
        .number("vmgexits", totals[static_cast<unsigned>(Served::ghcb)]
                                + totals[static_cast<unsigned>(Served::msr_protocol)])
        .number("shared_pages", shared_page_count())
        .number("lies", lies_told)
        .end();
    if (batch::is_under_way()) {
        batch::go_on();
    }
    leave_qemu();
}

[[noreturn]] void end_with_detail(const char* kind, std::string_view detail,
                                  const u64* page = nullptr) {
    send_counts(false);
    send_last_exits();
    Record outcome("outcome");
    outcome.text("kind", kind).text("detail", detail);
    if (page != nullptr) {
        outcome.hex("page", *page);
    }
    finish(outcome, true);
}

/// The guest has ended the machine in good order.
[[noreturn]] void end_as_asked(const char* kind) {
    send_counts(true);
    Record outcome("outcome");
    outcome.text("kind", kind);
    finish(outcome, false);
}

} // namespace

const char* name_of(Served kind) { return served_names[static_cast<unsigned>(kind)]; }

void count(Served kind, u64 code, const char* name) {
    if (kind != Served::vc && reported != nullptr) {
        add_to_timeline(reported->registers.left_at, kind, name);
    }
    remember_exit(name_of(kind), code, name, reported != nullptr ? reported->state().rip : 0);
    note_edge(kind, code, reported != nullptr ? reported->state().rip : 0);
    ++totals[static_cast<unsigned>(kind)];
    for (u64 n = 0; n < count_rows; ++n) {
        if (counts[n].kind == kind && counts[n].code == code) {
            ++counts[n].count;
            send_exits_so_far();
            return;
        }
    }
    if (count_rows < sizeof(counts) / sizeof(counts[0])) {
        counts[count_rows++] = {kind, code, name, 1};
    }
    send_exits_so_far();
}

void report_violation(Rule rule, const char* detail) {
    report_violation(rule, detail, reported_rip());
}

namespace {
constinit bool unasked = false;
}

Unasked::Unasked(bool is_unasked) : outer{unasked} { unasked |= is_unasked; }

Unasked::~Unasked() { unasked = outer; }

void report_violation(Rule rule, const char* detail, u64 rip) {
    if (unasked) {
        return;
    }
    Breaches& all = breaches[static_cast<unsigned>(rule)];
    ++all.count;
    // The first at once; then at each power of two, so that a guest that breaks a rule with every
    // call is not slowed down, and a run that is killed has told at least half.
    if ((all.count & (all.count - 1)) == 0) {
        send_violation(rule, detail, rip, true);
    }
}

void report_lie(const char* name, bool traced) {
    ++lies_told;
    if (traced) {
        Record record("lie");
        record.text("name", name);
        add_moment(record);
        record.end();
    }
}

void forget_breaches() {
    for (Breaches& all : breaches) {
        all = {};
    }
    forget_last_exits();
}

void set_reported_vcpu(Vcpu& vcpu) { reported = &vcpu; }

void add_moment(Record& record) {
    if (reported != nullptr) {
        record.number("vcpu", reported->index).number("time", reported->registers.left_at);
    }
}

void end_run_by_power_off() { end_as_asked("power-off"); }

void end_run_by_reset() { end_as_asked("reset"); }

void end_run_by_exit(u64 value) {
    send_counts(true);
    Record outcome("outcome");
    outcome.text("kind", "exit").number("value", value);
    finish(outcome, false);
}

void end_run_by_termination(u8 reason_set, u8 reason_code, const u8* page) {
    send_counts(false);
    send_last_exits();
    Record outcome("outcome");
    outcome.text("kind", "terminate")
        .number("reason_set", reason_set)
        .number("reason_code", reason_code);
    if (page != nullptr) {
        constexpr u64 shared_buffer = 0x800;
        constexpr u64 told          = 40; // what a guest of this project leaves (ghcb/last_words.h)
        outcome.bytes("last_words", page + shared_buffer, told);
    }
    finish(outcome, true);
}

void end_run_by_shutdown(std::string_view detail) {
    send_counts(false);
    send_last_exits();
    Record outcome("outcome");
    outcome.text("kind", "shutdown").text("detail", detail);
    if (reported != nullptr) {
        outcome.number("idt_limit", reported->state().idtr.limit);
    }
    finish(outcome, true);
}

void end_run_by_lost_page(const char* kind, std::string_view detail, u64 page) {
    end_with_detail(kind, detail, &page);
}

void end_run_by_host() { end_with_detail("host", ""); }

void end_run_by_limit() { end_with_detail("limit", ""); }

void leave_qemu() {
    x86::Cpu::out8(debug_exit_port, 0);
    x86::Cpu::halt();
}

void end_run_by_halt(std::string_view detail) { end_with_detail("halt", detail); }

void end_run_by_unheard_halt(const EndRequest& asked) {
    send_counts(false);
    send_last_exits();
    Record outcome("outcome");
    outcome.text("kind", "halt")
        .number("reason_set", asked.set)
        .number("reason_code", asked.code)
        .text("detail", "nobody obeyed");
    finish(outcome, true);
}

void end_run_by_stop(std::string_view detail) { end_with_detail("stop", detail); }

void end_run_by_unsupported_event(u64 exit_code, u64 extra) {
    send_counts(false);
    send_last_exits();
    Record outcome("outcome");
    outcome.text("kind", "unsupported-event")
        .number("value", exit_code)
        .text("detail", x86::exit_name(exit_code))
        .hex("extra", extra);
    finish(outcome, true);
}

void end_run_by_monitor_error(std::string_view detail) { end_with_detail("monitor-error", detail); }

} // namespace vestibule::sevsim
