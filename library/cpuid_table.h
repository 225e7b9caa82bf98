// SPDX-License-Identifier: BSD-2-Clause-Patent
// The public vestibule_cpuid_table, and what of it is looked at beside CPUID.
#pragma once

#include "include/vestibule/vestibule.h"
#include "snp/acceptance.h"
#include "snp/cpuid_answer.h"
#include "vc/context.h"

namespace vestibule::library {

static_assert(sizeof(snp::CpuidTable) <= sizeof(vestibule_cpuid_table)
              && alignof(snp::CpuidTable) <= alignof(vestibule_cpuid_table));

inline snp::CpuidTable& table_of(vestibule_cpuid_table& table) {
    return reinterpret_cast<snp::CpuidTable&>(table);
}

inline const snp::CpuidTable& table_of(const vestibule_cpuid_table& table) {
    return reinterpret_cast<const snp::CpuidTable&>(table);
}

/// Whether a page's cache lines have to be seen to after PVALIDATE; the page says it, which was
/// checked, and not the hypervisor. To be asked under SEV-SNP alone.
inline snp::Acceptance acceptance_of(const vc::Context& context) {
    const snp::CpuidTable& table = *context.cpuid_table;
    const auto* encryption = table.index.find(*table.page, x86::cpuid_leaf::memory_encryption, 0);
    return snp::acceptance_of(encryption != nullptr ? encryption->ebx : 0, false);
}

} // namespace vestibule::library
