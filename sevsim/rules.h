// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest may not do: one table, by which the monitor names a breach and the host command
// explains it (`sevsim run --help`) and can be told to let it pass (`--allow`). Sections are those
// of the GHCB specification (56421). Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

enum class Rule : u8 {
    ap_vmsa,
    exit_after_termination,
    ghcb_address,
    ghcb_event_version,
    ghcb_exit_info,
    ghcb_extra_input,
    ghcb_invalid_input,
    ghcb_missing_input,
    ghcb_not_registered,
    ghcb_private,
    ghcb_scratch,
    ghcb_stale_bits,
    ghcb_unknown_event,
    ghcb_usage,
    ghcb_version,
    leak_canary,
    leak_field,
    leak_register,
    monitor_port,
    msr_not_intercepted,
    msr_reserved_bits,
    msr_unknown_request,
    nmi_complete_without_nmi,
    private_string_io,
    psc_in_use,
    psc_list,
    psc_validated,
    rip_outside,
    rmp_in_use,
    rmp_not_assigned,
    rmp_not_validated,
    rmp_operand,
    rmp_rescinded_twice,
    rmp_shared_access,
    rmp_validated_twice,
    snp_message,
    snp_message_sequence,
    vmgexit_interruptible,
    vmgexit_user,
    vmpl_permission,
    vmpl_run,
};

struct RuleDescription {
    Rule rule;
    const char* id;
    const char* what; ///< what the guest does wrong
};

// clang-format off
inline constexpr RuleDescription rules[] = { // by Rule
    {Rule::ap_vmsa,                  "ap-vmsa",                  "SEV-SNP: AP creation with a page that is no VMSA, or one that VMRUN would refuse (4)"},
    {Rule::exit_after_termination,   "exit-after-termination",   "VMGEXIT of a guest that has asked for its termination, and was not obeyed (2.3.1)"},
    {Rule::ghcb_address,             "ghcb-address",             "the GHCB address is not guest memory (2.3)"},
    {Rule::ghcb_event_version,       "ghcb-event-version",       "an event that the call's protocol version does not have (4)"},
    {Rule::ghcb_exit_info,           "ghcb-exit-info",           "bits of SW_EXITINFO1 or 2 that the event does not define (4)"},
    {Rule::ghcb_extra_input,         "ghcb-extra-input",         "a field is valid, and not zero, that the event does not take (4)"},
    {Rule::ghcb_invalid_input,       "ghcb-invalid-input",       "an input has a value that the event does not allow (4)"},
    {Rule::ghcb_missing_input,       "ghcb-missing-input",       "a field that the event takes is not marked valid (4)"},
    {Rule::ghcb_not_registered,      "ghcb-not-registered",      "SEV-SNP: a call through another GHCB than the registered one (2.3.2)"},
    {Rule::ghcb_private,             "ghcb-private",             "the page announced as GHCB is not shared (2.1)"},
    {Rule::ghcb_scratch,             "ghcb-scratch",             "data outside the scratch area (2.2)"},
    {Rule::ghcb_stale_bits,          "ghcb-stale-bits",          "a register shows bits that the event does not take (4)"},
    {Rule::ghcb_unknown_event,       "ghcb-unknown-event",       "an exit code that no event has (4)"},
    {Rule::ghcb_usage,               "ghcb-usage",               "GHCB_USAGE is not 0 (2.1)"},
    {Rule::ghcb_version,             "ghcb-version",             "PROTOCOL_VERSION was not negotiated (2.1); 0 is served as 1, others are refused"},
    {Rule::leak_canary,              "leak-canary",              "a secret of the guest's (--canary) is where the hypervisor can see it: GHCB page, port, MSR, shared memory"},
    {Rule::leak_field,               "leak-field",               "a field of the GHCB is written, and neither valid nor zero, that the event does not take: the hypervisor reads it all the same (4)"},
    {Rule::leak_register,            "leak-register",            "a register of the interrupted code that its exit does not show stands in the GHCB page (4)"},
    {Rule::monitor_port,             "monitor-port",             "access to the port by which the monitor reports"},
    {Rule::msr_not_intercepted,      "msr-not-intercepted",      "the hypervisor is asked for an MSR whose access raises no #VC"},
    {Rule::msr_reserved_bits,        "msr-reserved-bits",        "reserved bits of an MSR protocol request are not zero (2.3.1)"},
    {Rule::msr_unknown_request,      "msr-unknown-request",      "a request that the MSR protocol does not have (2.3.1)"},
    {Rule::nmi_complete_without_nmi, "nmi-complete-without-nmi", "NMI complete, and no NMI was injected (4)"},
    {Rule::private_string_io,        "private-string-io",        "SEV: INS or OUTS on private memory, which the hypervisor sees as ciphertext"},
    {Rule::psc_in_use,               "psc-in-use",               "SEV-SNP: page state change of a VMSA or GHCB that is in use"},
    {Rule::psc_list,                 "psc-list",                 "SEV-SNP: page state change that cannot be done: its list, an entry, a page (2.3.1, 4)"},
    {Rule::psc_validated,            "psc-validated",            "SEV-SNP: a page is made shared that was not taken back by PVALIDATE before"},
    {Rule::rip_outside,              "rip-outside",              "the guest executes what is not its code (--code)"},
    {Rule::rmp_in_use,               "rmp-in-use",               "SEV-SNP: PVALIDATE of a VMSA that a vCPU runs from"},
    {Rule::rmp_not_assigned,         "rmp-not-assigned",         "SEV-SNP: private use of a page that the hypervisor was not asked to assign"},
    {Rule::rmp_not_validated,        "rmp-not-validated",        "SEV-SNP: private use of a page that is not validated (#VC 0x404)"},
    {Rule::rmp_operand,              "rmp-operand",              "SEV-SNP: PVALIDATE, RMPADJUST or RMPQUERY of what it cannot be used on"},
    {Rule::rmp_rescinded_twice,      "rmp-rescinded-twice",      "SEV-SNP: PVALIDATE takes back what is not validated"},
    {Rule::rmp_shared_access,        "rmp-shared-access",        "SEV-SNP: shared use of a page that is assigned to the guest"},
    {Rule::rmp_validated_twice,      "rmp-validated-twice",      "SEV-SNP: PVALIDATE of a page that is validated: two mappings of one page are an attack"},
    {Rule::snp_message,              "snp-message",              "SEV-SNP: a message that the secure processor refuses: its header, key, type or size"},
    {Rule::snp_message_sequence,     "snp-message-sequence",     "SEV-SNP: a message to the secure processor whose sequence number is not the next"},
    {Rule::vmgexit_interruptible,    "vmgexit-interruptible",    "VMGEXIT through the GHCB page with interrupts on: one that raises #VC overwrites the call"},
    {Rule::vmgexit_user,             "vmgexit-user",             "VMGEXIT at CPL 3: what is in the GHCB may be another's call"},
    {Rule::vmpl_permission,          "vmpl-permission",          "SEV-SNP: an access that RMPADJUST has not allowed the VMPL"},
    {Rule::vmpl_run,                 "vmpl-run",                 "SEV-SNP: RUN_VMPL of a VMPL that has no VMSA (4)"},
};
// clang-format on

inline constexpr size_t rule_count = sizeof rules / sizeof rules[0];

namespace detail {
constexpr bool in_order() {
    for (size_t n = 0; n < rule_count; ++n) {
        if (static_cast<size_t>(rules[n].rule) != n) {
            return false;
        }
    }
    return true;
}
} // namespace detail

static_assert(detail::in_order());

constexpr const RuleDescription& describe(Rule rule) { return rules[static_cast<size_t>(rule)]; }

} // namespace vestibule::sevsim
