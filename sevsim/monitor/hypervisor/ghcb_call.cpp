// SPDX-License-Identifier: BSD-2-Clause-Patent
// A call through the GHCB page (GHCB specification, section 4). Strict: what is not exactly as the
// protocol says is refused with its reason code, which the guest sees, and named for the host.
#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/ghcb_view.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/page_lies.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

/// SW_EXITINFO1 and, for malformed input, SW_EXITINFO2 of an answer (section 4.1.1).
constexpr u64 response_done      = 0;
constexpr u64 response_exception = 1;
constexpr u64 response_malformed = 2;

constexpr Fields always_valid = fields(field::exit_code, field::exit_info_1, field::exit_info_2);

enum class Malformed : u64 {
    ghcb_not_registered = 1,
    usage               = 2,
    scratch             = 3,
    missing_input       = 4,
    input               = 5,
    event               = 6,
};

void refuse(GhcbView& ghcb, Malformed reason, Rule rule, const char* detail) {
    report_violation(rule, detail);
    ghcb.clear_valid();
    ghcb.put(field::exit_info_1, response_malformed);
    ghcb.put(field::exit_info_2, static_cast<u64>(reason));
}

/// The header of every call: usage, version, exit code and both information words.
bool check_header(GhcbView& ghcb) {
    if (ghcb.usage() != 0) {
        refuse(ghcb, Malformed::usage, Rule::ghcb_usage,
               "GHCB_USAGE is not 0; a page left private reads like this too");
        return false;
    }
    if (ghcb.written_version() > 2) {
        refuse(ghcb, Malformed::input, Rule::ghcb_version, "PROTOCOL_VERSION is neither 1 nor 2");
        return false;
    }
    if (ghcb.written_version() == 0) {
        report_violation(Rule::ghcb_version, "PROTOCOL_VERSION is 0");
    }
    if (!ghcb.valid().has_all(always_valid)) {
        refuse(ghcb, Malformed::missing_input, Rule::ghcb_missing_input,
               "SW_EXITCODE, SW_EXITINFO1 or SW_EXITINFO2 is not marked valid");
        return false;
    }
    return true;
}

/// A call that was passed over (Lie::unanswered), as it stood in its page. Its valid bits stand
/// there still, which an honest hypervisor clears; what they show is no news in the call behind it.
class PassedOver {
  public:
    void note(u64 gpa, const u8* page) {
        gpa_ = gpa;
        memcpy(fields_, page, sizeof fields_);
    }

    void forget() { gpa_ = ~u64{0}; }

    bool has_shown(u64 gpa, u16 offset, u64 value) const {
        Fields valid;
        u64 shown;
        memcpy(&valid, fields_ + field::bitmap, sizeof valid);
        memcpy(&shown, fields_ + offset, sizeof shown);
        return gpa == gpa_ && valid.has_all(fields(offset)) && shown == value;
    }

  private:
    u64 gpa_ = ~u64{0};
    u8 fields_[field::bitmap + sizeof(Fields)]{};
};

constinit PassedOver passed_over{};

/// A field that is marked valid beyond these, and not zero: then it tells something.
bool shows_more_than(const GhcbView& ghcb, u64 gpa, Fields expected) {
    bool shows = false;
    ghcb.valid().without(expected).for_each([&](u16 offset) {
        shows |= offset < field::bitmap && ghcb.get(offset) != 0
                 && !passed_over.has_shown(gpa, offset, ghcb.get(offset));
    });
    return shows;
}

bool check_inputs(Vcpu& vcpu, u64 gpa, GhcbView& ghcb, const Event& event) {
    const Inputs inputs = event.inputs(ghcb);
    if (!ghcb.valid().has_all(inputs.required)) {
        refuse(ghcb, Malformed::missing_input, Rule::ghcb_missing_input, event.name);
        return false;
    }
    const Fields expected = always_valid | inputs.required | inputs.optional;
    if (shows_more_than(ghcb, gpa, expected)) {
        // KVM does not mind; but it is a register of the guest's that nobody asked for.
        report_violation(Rule::ghcb_extra_input, event.name);
    }
    const bool takes_buffer = inputs.required.has_all(fields(field::scratch));
    leaks::look_at_call(vcpu, gpa, event.name, expected | ghcb.valid(), takes_buffer);
    if ((ghcb.get(field::exit_info_1) & ~inputs.info_1) != 0
        || (ghcb.get(field::exit_info_2) & ~inputs.info_2) != 0) {
        report_violation(Rule::ghcb_exit_info, event.name);
    }
    return true;
}

/// An SEV-SNP guest registers its GHCB before its first call (section 2.3.2).
bool is_registered(const Vcpu& vcpu, u64 gpa) {
    return !vcpu.options.is_snp() || vcpu.registered_ghcb == gpa;
}

void finish(GhcbView& ghcb, const Event& event, const Answer& answer) {
    const char* detail = answer.detail != nullptr ? answer.detail : event.name;
    switch (answer.kind) {
    case Answer::Kind::done:
        ghcb.put(field::exit_info_1, response_done);
        ghcb.put(field::exit_info_2, answer.info_2);
        return;
    case Answer::Kind::general_protection:
        // As KVM answers: an exception, without an error code although #GP has one.
        ghcb.put(field::exit_info_1, response_exception);
        ghcb.put(field::exit_info_2, event::exception(x86::exception::general_protection));
        return;
    case Answer::Kind::invalid_scratch:
        refuse(ghcb, Malformed::scratch, Rule::ghcb_scratch, detail);
        return;
    case Answer::Kind::invalid_input:
        refuse(ghcb, Malformed::input, Rule::ghcb_invalid_input, detail);
        return;
    case Answer::Kind::unknown:
        ghcb.put(field::exit_info_1, response_malformed);
        ghcb.put(field::exit_info_2, static_cast<u64>(Malformed::event));
        return;
    case Answer::Kind::nothing: return;
    }
}

/// What a hypervisor may do to the answer's first words.
void attack_answer(const Options& options, GhcbView& ghcb, const Answer& answer) {
    if (answer.kind == Answer::Kind::done && tells(options, Lie::exitinfo1_upper)) {
        ghcb.put(field::exit_info_1, ~u64{0xFFFF'FFFF} | response_done);
    }
    if (const Hostility* const lie = attacked_answer(options)) {
        ghcb.put(field::exit_info_1, response_exception);
        ghcb.put(field::exit_info_2, lie->code);
    }
    if (const Hostility* const lie = refuses_answer(options)) {
        ghcb.clear_valid();
        ghcb.put(field::exit_info_1, response_malformed);
        ghcb.put(field::exit_info_2, lie->code);
    }
}

void trace(Vcpu& vcpu, const char* name, const GhcbView& asked, u8* page) {
    if (!vcpu.options.trace) {
        return;
    }
    const GhcbView answered{page};
    Record("vmgexit")
        .number("vcpu", vcpu.index)
        .number("time", vcpu.registers.left_at)
        .hex("rip", vcpu.state().rip)
        .hex("code", asked.get(field::exit_code))
        .text("name", name)
        .hex("info1", asked.get(field::exit_info_1))
        .hex("info2", asked.get(field::exit_info_2))
        .hex("valid_low", asked.valid().words[0])
        .hex("valid_high", asked.valid().words[1])
        .hex("rax", asked.get(field::rax))
        .hex("rcx", asked.get(field::rcx))
        .hex("rdx", asked.get(field::rdx))
        .hex("scratch", asked.get(field::scratch))
        .hex("answer_info1", answered.get(field::exit_info_1))
        .hex("answer_info2", answered.get(field::exit_info_2))
        .hex("answer_rax", answered.get(field::rax))
        .hex("answer_rbx", answered.get(field::rbx))
        .hex("answer_rcx", answered.get(field::rcx))
        .hex("answer_rdx", answered.get(field::rdx))
        .end();
}

} // namespace

void pass_over_ghcb_page(u64 gpa) {
    if (const u8* const page = shared_memory(gpa)) {
        passed_over.note(gpa, page);
    }
}

void serve_ghcb_page(Vcpu& vcpu, u64 gpa) {
    u8* const page = shared_memory(gpa);
    if (page == nullptr) {
        report_violation(Rule::ghcb_address, "the GHCB address is not guest memory");
        end_run_by_halt("VMGEXIT with a GHCB outside memory: there is nobody to answer to");
    }
    const bool is_falsified = vcpu.options.is_snp() && reverse_map::at(gpa).falsified;
    if (!is_shared(gpa) && !nested::is_taken(gpa) && !is_falsified
        && !vcpu.options.hostile.has(Lie::cbit_no_effect)) {
        report_violation(Rule::ghcb_private, "VMGEXIT with a GHCB page that was never written to "
                                             "through a mapping without the C-bit");
    }
    if ((vcpu.state().rflags & x86::rflags::interrupt) != 0) {
        report_violation(Rule::vmgexit_interruptible, "VMGEXIT with RFLAGS.IF set");
    }
    vcpu.last_ghcb = page;
    GhcbView ghcb{page};
    const u64 code     = ghcb.get(field::exit_code);
    const Event* event = find_event(code);
    const char* name   = event != nullptr ? event->name : "unknown";
    if (!is_registered(vcpu, gpa)) {
        refuse(ghcb, Malformed::ghcb_not_registered, Rule::ghcb_not_registered,
               "VMGEXIT with a GHCB that is not the registered one");
        count(Served::ghcb, 0, "malformed");
    } else if (check_header(ghcb)) {
        count(Served::ghcb, code, name);
        if (event == nullptr || (event->snp && !vcpu.options.is_snp())) {
            refuse(ghcb, Malformed::event, Rule::ghcb_unknown_event,
                   "an exit code that this hypervisor does not serve");
        } else if (ghcb.written_version() != 0 && ghcb.version() < event->since) {
            refuse(ghcb, Malformed::event, Rule::ghcb_event_version,
                   "an event that the call's PROTOCOL_VERSION does not have");
        } else if (check_inputs(vcpu, gpa, ghcb, *event)) {
            ghcb.clear_valid();
            const Event& served = served_event(vcpu.options, *event);
            const Unasked other{&served != event};
            const bool is_twice = is_served_twice(vcpu.options);
            if (is_twice) {
                (void)served.serve(vcpu, ghcb);
            }
            const Unasked again{is_twice};
            const Answer answer = served.serve(vcpu, ghcb);
            if (vcpu.replaced || vcpu.destroyed) {
                return; // nobody waits for it any more
            }
            finish(ghcb, *event, answer);
            attack_answer(vcpu.options, ghcb, answer);
        }
    } else {
        count(Served::ghcb, 0, "malformed"); // its exit code means nothing
    }
    passed_over.forget();
    lie_about_page(vcpu.options, ghcb, page);
    leaks::note_page(vcpu.options, gpa, page);
    trace(vcpu, name, ghcb, page);
}

} // namespace vestibule::sevsim
