// SPDX-License-Identifier: BSD-2-Clause-Patent
// IN, OUT, INS and OUTS (exit 0x7B): the access in SW_EXITINFO1, RAX for OUT; for the string forms
// the number of elements in SW_EXITINFO2 and the elements in the scratch area (GHCB specification,
// section 4.1.2).
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/ports.h"
#include "sevsim/monitor/hypervisor/scratch.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

/// SW_EXITINFO1 of IOIO: as the VMCB's EXITINFO1 (APM volume 2, section 15.10.2).
struct PortAccess {
    u64 word;

    bool is_in() const { return (word & bit(0)) != 0; }

    bool is_string() const { return (word & bit(2)) != 0; }

    bool repeats() const { return (word & bit(3)) != 0; }

    unsigned size() const { return static_cast<unsigned>(word >> 4) & 7; }

    unsigned segment() const { return static_cast<unsigned>(word >> 10) & 7; }

    u16 port() const { return static_cast<u16>(word >> 16); }

    /// One operand size, one address size, nothing in reserved bits; REP and a segment only with
    /// the string forms, and none but ES for INS, whose segment cannot be overridden.
    bool is_well_formed() const {
        constexpr unsigned es   = 0;
        constexpr unsigned gs   = 5;
        const u64 address_size  = (word >> 7) & 7;
        const u64 allowed       = is_string() ? 0xFFFF'1FFD : 0xFFFF'03F1;
        const unsigned segments = is_string() && !is_in() ? gs : es;
        return (size() == 1 || size() == 2 || size() == 4)
               && (address_size == 1 || address_size == 2 || address_size == 4)
               && (word & ~allowed) == 0 && segment() <= segments;
    }
};

u32 read_port(Vcpu& vcpu, PortAccess access) {
    return told_port_value(vcpu.options, access.port(),
                           read_guest_port(vcpu.options, access.port(), access.size()));
}

Answer serve_string(Vcpu& vcpu, GhcbView& ghcb, PortAccess access) {
    const u64 count = ghcb.get(field::exit_info_2);
    if (!access.repeats() && count != 1) {
        return Answer::invalid_input("INS or OUTS without REP of other than one element");
    }
    if (count == 0) {
        return Answer::done(); // KVM does not mind
    }
    const unsigned size = access.size();
    u8* const elements  = count <= scratch_limit ? find_scratch(vcpu, ghcb, count * size) : nullptr;
    if (elements == nullptr) {
        return Answer::invalid_scratch("INS or OUTS: the elements do not lie in the scratch area");
    }
    for (u64 n = 0; n < count; ++n) {
        u32 value = 0;
        if (access.is_in()) {
            value = read_port(vcpu, access);
            memcpy(elements + n * size, &value, size);
        } else {
            memcpy(&value, elements + n * size, size);
            write_guest_port(vcpu.options, access.port(), size, value);
        }
    }
    return Answer::done();
}

} // namespace

Inputs ioio_inputs(const GhcbView& ghcb) {
    const PortAccess access{ghcb.get(field::exit_info_1)};
    if (access.is_string()) {
        return {.required = fields(field::scratch),
                .optional = {},
                .info_1   = ~u64{0},
                .info_2   = ~u64{0}};
    }
    return {.required = access.is_in() ? Fields{} : fields(field::rax),
            .optional = {},
            .info_1   = ~u64{0}};
}

Answer serve_ioio(Vcpu& vcpu, GhcbView& ghcb) {
    const PortAccess access{ghcb.get(field::exit_info_1)};
    if (!access.is_well_formed()) {
        return Answer::invalid_input("SW_EXITINFO1 of IOIO describes no port access");
    }
    if (access.is_string()) {
        return serve_string(vcpu, ghcb, access);
    }
    if (access.is_in()) {
        ghcb.put(field::rax, read_port(vcpu, access));
        return Answer::done();
    }
    const u64 value = ghcb.get(field::rax);
    if ((value >> (8 * access.size())) != 0) {
        report_violation(Rule::ghcb_stale_bits, "OUT shows more of RAX than its operand");
    }
    write_guest_port(vcpu.options, access.port(), access.size(), low_half(value));
    return Answer::done();
}

} // namespace vestibule::sevsim
