// SPDX-License-Identifier: BSD-2-Clause-Patent
// The hypervisor's side of the GHCB MSR protocol (GHCB specification, section 2.3.1).
#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/hypervisor/cpuid.h"
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/page_lies.h"
#include "sevsim/monitor/hypervisor/page_state.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

constexpr u64 protocol_max = 2;
constexpr u64 protocol_min = 1;

u64 sev_information(Vcpu& vcpu, u64) {
    if (tells(vcpu.options, Lie::no_information)) {
        end_run_by_stop("it asks for SEV information, which this hypervisor does not know");
    }
    return ghcb_msr_at_reset(vcpu.options);
}

/// Function in [63:32], register in [31:30]; answered with the value in [63:32].
u64 cpuid(Vcpu& vcpu, u64 request) {
    const x86::CpuidResult result = guest_cpuid(vcpu, high_half(request), 0);
    const u32 values[]            = {result.eax, result.ebx, result.ecx, result.edx};
    const u64 wanted              = (request >> 30) & 3;
    return told_cpuid_response(vcpu.options,
                               from_halves(values[wanted], 0) | (wanted << 30) | 0x005);
}

/// The data are not 0 where a SIPI has ended it.
u64 reset_hold(Vcpu& vcpu, u64) {
    hold_until_sipi(vcpu);
    return (u64{1} << 12) | 0x007;
}

u64 features(Vcpu& vcpu, u64) { return (told_features(vcpu.options) << 12) | 0x081; }

/// The hypervisor would have it nowhere in particular.
u64 preferred_ghcb(Vcpu&, u64) { return ~u64{0xFFF} | 0x011; }

/// Answered with the same page where it is accepted. A later one takes its place.
u64 register_ghcb(Vcpu& vcpu, u64 request) {
    const u64 gpa = request & ~u64{0xFFF};
    if (shared_memory(gpa) == nullptr) {
        report_violation(Rule::ghcb_address, "a GHCB is registered that is not guest memory");
        return ~u64{0xFFF} | 0x013;
    }
    const u64 taken      = tells(vcpu.options, Lie::registration) ? gpa + page_size : gpa;
    vcpu.registered_ghcb = taken;
    return taken | 0x013;
}

/// The page in [51:12], the operation in [55:52]; answered with an error in [63:32].
u64 page_state_change(Vcpu& vcpu, u64 request) {
    constexpr u64 page = 0x000F'FFFF'FFFF'F000;
    if (tells(vcpu.options, Lie::msr_undone)) {
        falsify_page_state(request & page, false);
        return 0x015;
    }
    if (tells(vcpu.options, Lie::psc_refused)) {
        return u64{1} << 32 | 0x015;
    }
    const auto operation = static_cast<unsigned>(request >> 52) & 0xF;
    const bool is_for_one_page =
        operation == page_operation::assign_private || operation == page_operation::assign_shared;
    const bool done = is_for_one_page && change_page_state(request & page, operation, false);
    if (!done) {
        report_violation(Rule::psc_list, "page state change: a page that cannot be changed so");
    }
    return (u64{!done} << 32) | 0x015;
}

/// The VMPL in [39:32]; answered, when the caller runs again, with an error in [63:32].
u64 run_vmpl_by_msr(Vcpu& vcpu, u64 request) {
    return (u64{!run_vmpl(vcpu, high_half(request) & 3)} << 32) | 0x017;
}

/// Reason set in [15:12], reason code in [23:16].
u64 terminate(Vcpu& vcpu, u64 request) {
    if (goes_on_behind_termination(vcpu)) {
        return request;
    }
    end_run_by_termination((request >> 12) & 0xF, static_cast<u8>(request >> 16), vcpu.last_ghcb);
}

constexpr u64 request_mask        = 0xFFF;
constexpr u64 termination_request = 0x100;

bool asks_for_termination(u64 ghcb_msr) { return (ghcb_msr & request_mask) == termination_request; }

struct Request {
    u64 code;
    const char* name;
    bool snp;     // of SEV-SNP guests only
    u64 reserved; // bits that must be zero
    u64 (*serve)(Vcpu& vcpu, u64 request);
};

constexpr Request requests[] = {
    {0x002,               "SEV information",     false, ~u64{0xFFF},           sev_information  },
    {0x004,               "CPUID",               false, 0x3FFF'F000,           cpuid            },
    {0x006,               "AP reset hold",       false, ~u64{0xFFF},           reset_hold       },
    {0x010,               "preferred GHCB",      true,  ~u64{0xFFF},           preferred_ghcb   },
    {0x012,               "GHCB registration",   true,  0,                     register_ghcb    },
    {0x014,               "page state change",   true,  0xFF00'0000'0000'0000, page_state_change},
    {0x016,               "RUN_VMPL",            true,  0xFFFF'FFFC'FFFF'F000, run_vmpl_by_msr  },
    {0x080,               "hypervisor features", false, ~u64{0xFFF},           features         },
    {termination_request, "termination request", false, 0xFFFF'FFFF'FF00'0000, terminate        },
};

const Request* find(const Options& options, u64 code) {
    for (const Request& request : requests) {
        if (request.code == code && (!request.snp || options.is_snp())) {
            return &request;
        }
    }
    return nullptr;
}

void trace(Vcpu& vcpu, const char* name, u64 request, u64 answer) {
    if (vcpu.options.trace) {
        Record("msr")
            .number("vcpu", vcpu.index)
            .number("time", vcpu.registers.left_at)
            .hex("rip", vcpu.state().rip)
            .text("name", name)
            .hex("request", request)
            .hex("answer", answer)
            .end();
    }
}

void serve_msr_protocol(Vcpu& vcpu) {
    const u64 value = vcpu.ghcb_msr;
    leaks::look_at_value(vcpu.options, value, "in the GHCB MSR");
    const u64 code         = value & request_mask;
    const Request* request = find(vcpu.options, code);
    if (request == nullptr) {
        // KVM leaves the MSR as it is: the guest finds its own request where the answer should be.
        count(Served::msr_protocol, code, "unknown");
        report_violation(Rule::msr_unknown_request,
                         "a request code that the protocol does not have");
        trace(vcpu, "unknown", value, value);
        return;
    }
    count(Served::msr_protocol, code, request->name);
    if ((value & request->reserved) != 0) {
        report_violation(Rule::msr_reserved_bits, "reserved bits of a request are not zero");
    }
    if (request->serve == terminate) {
        trace(vcpu, request->name, value, 0);
    }
    const u64 answer = request->serve(vcpu, value);
    if (vcpu.replaced) {
        return; // AP creation has ended a reset hold, and nobody waits for the answer
    }
    vcpu.ghcb_msr = told_msr_answer(vcpu.options, answer);
    trace(vcpu, request->name, value, vcpu.ghcb_msr);
}

} // namespace

u64 ghcb_msr_at_reset(const Options& options) {
    if (options.hostile.has(Lie::no_information)) {
        return 0;
    }
    return (protocol_max << 48) | (protocol_min << 32) | (u64{told_c_bit_position(options)} << 24)
           | 0x001;
}

void serve_vmgexit(Vcpu& vcpu) {
    if (vcpu.terminations != 0 && !asks_for_termination(vcpu.ghcb_msr)) {
        report_violation(Rule::exit_after_termination, "VMGEXIT after a termination request");
    }
    if (vcpu.state().cpl == 3) {
        report_violation(Rule::vmgexit_user, "VMGEXIT at CPL 3");
    }
    if (leaves_unanswered(vcpu.options)) {
        vcpu.unheard |= asks_for_termination(vcpu.ghcb_msr);
        return;
    }
    if ((vcpu.ghcb_msr & request_mask) == 0) {
        serve_ghcb_page(vcpu, vcpu.ghcb_msr);
    } else {
        serve_msr_protocol(vcpu);
    }
}

} // namespace vestibule::sevsim
