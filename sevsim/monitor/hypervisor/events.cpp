#include "sevsim/monitor/hypervisor/events.h"

#include "sevsim/monitor/hypervisor/cpuid.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/msrs.h"
#include "sevsim/monitor/hypervisor/ports.h"
#include "sevsim/monitor/outcome.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

// --- CPUID: RAX, RCX; XCR0 for leaf 0xD, XSS may come with its sub-leaf 1 ---

Inputs cpuid_inputs(const GhcbView& ghcb) {
    constexpr u32 extended_state = 0xD;
    Inputs inputs{.required = fields(field::rax, field::rcx), .optional = {}};
    if (low_half(ghcb.get(field::rax)) == extended_state) {
        inputs.required = inputs.required.with(field::xcr0);
        inputs.optional = fields(field::xss);
    }
    return inputs;
}

Answer serve_cpuid(Vcpu& vcpu, GhcbView& ghcb) {
    const x86::CpuidResult result =
        guest_cpuid(vcpu.options, low_half(ghcb.get(field::rax)), low_half(ghcb.get(field::rcx)));
    ghcb.put(field::rax, result.eax);
    ghcb.put(field::rbx, result.ebx);
    ghcb.put(field::rcx, result.ecx);
    ghcb.put(field::rdx, result.edx);
    return Answer::done;
}

// --- IN and OUT: the access in SW_EXITINFO1, RAX for OUT ---

/// SW_EXITINFO1 of IOIO (GHCB specification, section 4.1.2).
struct PortAccess {
    u64 word;

    bool is_in() const { return (word & 1) != 0; }

    unsigned size() const { return static_cast<unsigned>(word >> 4) & 7; }

    u16 port() const { return static_cast<u16>(word >> 16); }

    /// One operand size, one address size, no string or REP, nothing in reserved bits.
    bool is_well_formed() const {
        const u64 address_size = (word >> 7) & 7;
        const u64 other_bits   = word & ~u64{0xFFFF'03F1};
        return (size() == 1 || size() == 2 || size() == 4)
               && (address_size == 1 || address_size == 2 || address_size == 4) && other_bits == 0;
    }
};

Inputs ioio_inputs(const GhcbView& ghcb) {
    const PortAccess access{ghcb.get(field::exit_info_1)};
    return {.required = access.is_in() ? Fields{} : fields(field::rax), .optional = {}};
}

Answer serve_ioio(Vcpu& vcpu, GhcbView& ghcb) {
    const PortAccess access{ghcb.get(field::exit_info_1)};
    if (!access.is_well_formed()) {
        return Answer::invalid_input;
    }
    if (access.is_in()) {
        const u32 value = read_guest_port(access.port(), access.size());
        ghcb.put(field::rax, told_port_value(vcpu.options, access.port(), value));
        return Answer::done;
    }
    const u64 value = ghcb.get(field::rax);
    if ((value >> (8 * access.size())) != 0) {
        report_violation("ghcb-stale-bits", "OUT shows more of RAX than its operand");
    }
    write_guest_port(access.port(), access.size(), low_half(value));
    return Answer::done;
}

// --- RDMSR and WRMSR: RCX, and RDX:RAX to write ---

Inputs msr_inputs(const GhcbView& ghcb) {
    const bool write = ghcb.get(field::exit_info_1) == 1;
    return {.required = write ? fields(field::rcx, field::rax, field::rdx) : fields(field::rcx),
            .optional = {}};
}

Answer serve_msr(Vcpu&, GhcbView& ghcb) {
    const u64 direction = ghcb.get(field::exit_info_1);
    const u32 number    = low_half(ghcb.get(field::rcx));
    if (direction > 1) {
        return Answer::invalid_input;
    }
    if (direction == 1) {
        const u64 value =
            from_halves(low_half(ghcb.get(field::rdx)), low_half(ghcb.get(field::rax)));
        return write_guest_msr(number, value) ? Answer::done : Answer::general_protection;
    }
    u64 value = 0;
    if (!read_guest_msr(number, value)) {
        return Answer::general_protection;
    }
    ghcb.put(field::rax, low_half(value));
    ghcb.put(field::rdx, high_half(value));
    return Answer::done;
}

// --- Ends ---

Inputs no_inputs(const GhcbView&) { return {}; }

/// SW_EXITINFO1: reason set in [3:0], reason code in [11:4].
Answer serve_termination(Vcpu&, GhcbView& ghcb) {
    const u64 reason = ghcb.get(field::exit_info_1);
    end_run_by_termination(reason & 0xF, static_cast<u8>(reason >> 4));
}

constexpr Event events[] = {
    {0x72,        "CPUID",               cpuid_inputs, serve_cpuid      },
    {0x7B,        "IOIO",                ioio_inputs,  serve_ioio       },
    {0x7C,        "MSR",                 msr_inputs,   serve_msr        },
    {0x8000'FFFE, "termination request", no_inputs,    serve_termination},
};

} // namespace

const Event* find_event(u64 code) {
    for (const Event& event : events) {
        if (event.code == code) {
            return &event;
        }
    }
    return nullptr;
}

} // namespace vestibule::sevsim
