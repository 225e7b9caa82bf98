// The hypervisor's side of the GHCB MSR protocol (GHCB specification, section 2.3.1).
#include "sevsim/monitor/hypervisor/cpuid.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

constexpr u64 protocol_max = 2;
constexpr u64 protocol_min = 1;

u64 sev_information(Vcpu& vcpu, u64) { return ghcb_msr_at_reset(vcpu.options); }

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

u64 features(Vcpu&, u64) { return (hypervisor_features << 12) | 0x081; }

/// Reason set in [15:12], reason code in [23:16].
u64 terminate(Vcpu& vcpu, u64 request) {
    if (tells(vcpu.options, Lie::termination_returns)) {
        vcpu.terminated = true;
        return request;
    }
    end_run_by_termination((request >> 12) & 0xF, static_cast<u8>(request >> 16), vcpu.last_ghcb);
}

struct Request {
    u64 code;
    const char* name;
    u64 reserved; // bits that must be zero
    u64 (*serve)(Vcpu& vcpu, u64 request);
};

constexpr Request requests[] = {
    {0x002, "SEV information",     ~u64{0xFFF},           sev_information},
    {0x004, "CPUID",               0x3FFF'F000,           cpuid          },
    {0x006, "AP reset hold",       ~u64{0xFFF},           reset_hold     },
    {0x080, "hypervisor features", ~u64{0xFFF},           features       },
    {0x100, "termination request", 0xFFFF'FFFF'FF00'0000, terminate      },
};

const Request* find(u64 code) {
    for (const Request& request : requests) {
        if (request.code == code) {
            return &request;
        }
    }
    return nullptr;
}

void trace(const Vcpu& vcpu, const char* name, u64 request, u64 answer) {
    if (vcpu.options.trace) {
        Record("msr")
            .number("vcpu", vcpu.index)
            .number("time", vcpu.registers.left_at)
            .text("name", name)
            .hex("request", request)
            .hex("answer", answer)
            .end();
    }
}

void serve_msr_protocol(Vcpu& vcpu) {
    const u64 value        = vcpu.ghcb_msr;
    const u64 code         = value & 0xFFF;
    const Request* request = find(code);
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
    vcpu.ghcb_msr = request->serve(vcpu, value);
    trace(vcpu, request->name, value, vcpu.ghcb_msr);
}

} // namespace

u64 ghcb_msr_at_reset(const Options& options) {
    return (protocol_max << 48) | (protocol_min << 32) | (u64{told_c_bit_position(options)} << 24)
           | 0x001;
}

void serve_vmgexit(Vcpu& vcpu) {
    if (vcpu.terminated) {
        report_violation(Rule::exit_after_termination, "VMGEXIT after a termination request");
    }
    if (vcpu.state().cpl == 3) {
        report_violation(Rule::vmgexit_user, "VMGEXIT at CPL 3");
    }
    if ((vcpu.ghcb_msr & 0xFFF) == 0) {
        serve_ghcb_page(vcpu, vcpu.ghcb_msr);
    } else {
        serve_msr_protocol(vcpu);
    }
}

} // namespace vestibule::sevsim
