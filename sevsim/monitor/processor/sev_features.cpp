// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/sev_features.h"

#include "x86/sev.h"

namespace vestibule::sevsim {

namespace {

struct Row {
    u64 mask;
    const char* refused; // nullptr: it works, or there is nothing here that it would change
};

constexpr Row rows[] = {
    {x86::SevFeatures::snp_active,           nullptr                                                                             },
    {bit(1),                                 "SEV_FEATURES asks for a virtual top of memory, which this machine has not"         },
    {bit(2),
     "SEV_FEATURES asks for #VC to be reflected to another VMPL, which this machine does not"                                    },
    {x86::SevFeatures::restricted_injection, nullptr                                                                             }, // hypervisor/doorbell.h
    {bit(4),                                 "SEV_FEATURES asks for alternate injection, which this machine has not"             },
    {x86::SevFeatures::debug_swap,           nullptr                                                                             }, // the guest has its debug registers to itself
    {bit(6),                                 nullptr                                                                             }, // the host's IBS stops: there is none
    {bit(7),                                 nullptr                                                                             }, // branch targets are isolated: nothing is predicted
    {bit(8),                                 "SEV_FEATURES asks for supervisor shadow stacks by VMPL, which this machine has not"},
    {x86::SevFeatures::secure_tsc,           nullptr                                                                             }, // secure_processor/secure_tsc.h
    {bit(10),                                "SEV_FEATURES asks for the VMGEXIT parameter, which this machine has not"           },
    {bit(11),                                "SEV_FEATURES asks for virtual performance counters, which this machine has not"    },
    {bit(12),                                "SEV_FEATURES asks for a virtual IBS, which this machine has not"                   },
    {bit(13),
     "SEV_FEATURES asks for the guest's control of intercepts, which this machine has not"                                       },
    {bit(14),                                "SEV_FEATURES asks for VMSA register protection, which this machine has not"        },
    {bit(15),                                nullptr                                                                             }, // no sibling thread runs anything else
    {bit(16),                                "SEV_FEATURES asks for Secure AVIC, which this machine has not"                     },
    {bit(21),                                nullptr                                                                             }, // a branch prediction barrier at each entry
};

} // namespace

const char* refused_feature(const Options& options, u64 features) {
    const bool wants_snp = options.is_snp();
    if (((features & x86::SevFeatures::snp_active) != 0) != wants_snp) {
        return wants_snp ? "a VMSA for SEV-SNP whose SEV_FEATURES do not say so (bit 0)"
                         : "a VMSA for SEV-ES whose SEV_FEATURES ask for SEV-SNP (bit 0)";
    }
    if ((features & x86::SevFeatures::secure_tsc) != 0 && !wants_snp) {
        return "SEV_FEATURES asks for a secure TSC, which is SEV-SNP's";
    }
    if ((features & x86::SevFeatures::restricted_injection) != 0 && !wants_snp) {
        return "SEV_FEATURES asks for restricted injection, which is SEV-SNP's";
    }
    u64 known = 0;
    for (const Row& row : rows) {
        known |= row.mask;
        if ((features & row.mask) != 0 && row.refused != nullptr) {
            return row.refused;
        }
    }
    return (features & ~known) != 0 ? "SEV_FEATURES has reserved bits" : nullptr;
}

/// Debug swap: DR7 is the guest's, and no #VC comes of it. Restricted injection: the machine's
/// interrupts come to the monitor, whatever the guest's RFLAGS.IF.
void apply_features(Vcpu& vcpu) {
    if ((vcpu.options.sev_features & x86::SevFeatures::restricted_injection) != 0) {
        vcpu.vmcb.vintr |= v_intr_masking;
        vcpu.vmcb.intercept_misc1 |= intercept::intr;
    }
    if ((vcpu.options.sev_features & x86::SevFeatures::debug_swap) != 0) {
        vcpu.vmcb.intercept_dr_read  = 0;
        vcpu.vmcb.intercept_dr_write = 0;
    }
}

} // namespace vestibule::sevsim
