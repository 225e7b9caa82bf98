// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/events.h"

#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

/// These registers, and nothing in the information words.
template <u16... offset>
Inputs needs(const GhcbView&) {
    return {.required = fields(offset...), .optional = {}};
}

/// SW_EXITINFO1 is an address, SW_EXITINFO2 a length.
Inputs mmio_inputs(const GhcbView&) {
    return {
        .required = fields(field::scratch), .optional = {}, .info_1 = ~u64{0}, .info_2 = ~u64{0}};
}

/// SW_EXITINFO1: reason set in [3:0], reason code in [11:4].
Inputs termination_inputs(const GhcbView&) {
    return {.required = {}, .optional = {}, .info_1 = 0xFFF};
}

Inputs unsupported_event_inputs(const GhcbView&) {
    return {.required = {}, .optional = {}, .info_1 = ~u64{0}, .info_2 = ~u64{0}};
}

// clang-format off
constexpr Event events[] = {
    {0x27,        1, false, "DR7 read",               needs<>,                                   serve_dr7_read         },
    {0x37,        1, false, "DR7 write",              needs<field::rax>,                         serve_dr7_write        },
    {0x6E,        1, false, "RDTSC",                  needs<>,                                   serve_rdtsc            },
    {0x6F,        1, false, "RDPMC",                  needs<field::rcx>,                         serve_rdpmc            },
    {0x72,        1, false, "CPUID",                  cpuid_inputs,                              serve_cpuid            },
    {0x76,        1, false, "INVD",                   needs<>,                                   serve_nothing          },
    {0x7B,        1, false, "IOIO",                   ioio_inputs,                               serve_ioio             },
    {0x7C,        1, false, "MSR",                    msr_inputs,                                serve_msr              },
    {0x81,        1, false, "VMMCALL",                vmmcall_inputs,                            serve_vmmcall          },
    {0x87,        1, false, "RDTSCP",                 needs<>,                                   serve_rdtscp           },
    {0x89,        1, false, "WBINVD",                 needs<>,                                   serve_nothing          },
    {0x8A,        1, false, "MONITOR",                needs<field::rax, field::rcx, field::rdx>, serve_nothing          },
    {0x8B,        1, false, "MWAIT",                  needs<field::rax, field::rcx>,             serve_nothing          },
    {0x8000'0001, 1, false, "MMIO read",              mmio_inputs,                               serve_mmio_read        },
    {0x8000'0002, 1, false, "MMIO write",             mmio_inputs,                               serve_mmio_write       },
    {0x8000'0003, 1, false, "NMI complete",           needs<>,                                   serve_nmi_complete     },
    {0x8000'0004, 1, false, "AP reset hold",          needs<>,                                   serve_ap_reset_hold    },
    {0x8000'0005, 1, false, "AP jump table",          ap_jump_table_inputs,                      serve_ap_jump_table    },
    {0x8000'0010, 2, true,  "page state change",      needs<field::scratch>,                     serve_page_state_change},
    {0x8000'0011, 2, true,  "guest request",          guest_request_inputs,                      serve_guest_request    },
    {0x8000'0012, 2, true,  "extended guest request", extended_request_inputs,                   serve_extended_request },
    {0x8000'0013, 2, true,  "AP creation",            ap_creation_inputs,                        serve_ap_creation      },
    {0x8000'0014, 2, true,  "#HV doorbell page",      doorbell_inputs,                           serve_doorbell         },
    {0x8000'0015, 2, true,  "#HV IPI",                hv_ipi_inputs,                             serve_hv_ipi           },
    {0x8000'0017, 2, true,  "APIC IDs",               apic_ids_inputs,                           serve_apic_ids         },
    {0x8000'0018, 2, true,  "RUN_VMPL",               run_vmpl_inputs,                           serve_run_vmpl         },
    {0x8000'FFFD, 2, false, "hypervisor features",    needs<>,                                   serve_features         },
    {0x8000'FFFE, 2, false, "termination request",    termination_inputs,                        serve_termination      },
    {0x8000'FFFF, 1, false, "unsupported event",      unsupported_event_inputs,                  serve_unsupported_event},
};
// clang-format on

} // namespace

const Event* find_event(u64 code) {
    for (const Event& event : events) {
        if (event.code == code) {
            return &event;
        }
    }
    return nullptr;
}

u32 lower_register(const GhcbView& ghcb, u16 offset) {
    const u64 value = ghcb.get(offset);
    if (high_half(value) != 0) {
        report_violation(Rule::ghcb_stale_bits,
                         "the upper half of a register of which 32 bits count");
    }
    return low_half(value);
}

} // namespace vestibule::sevsim
