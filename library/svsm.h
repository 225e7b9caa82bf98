// SPDX-License-Identifier: BSD-2-Clause-Patent
// How a kernel's calls reach what is VMPL 0's to do: by the instruction there, by the SVSM below.
#pragma once

#include "include/vestibule/snp.h"
#include "library/cpu.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "snp/pvalidate.h"
#include "snp/svsm.h"

namespace vestibule::library {

inline snp::Svsm svsm_of(const vestibule_svsm& svsm) {
    return {.area     = reinterpret_cast<volatile snp::SvsmCallingArea*>(svsm.area),
            .area_gpa = svsm.area_gpa,
            .vmpl     = static_cast<u8>(svsm.vmpl)};
}

/// The VMPL that this code runs at.
inline u8 vmpl_of(const vestibule_svsm* svsm) {
    return svsm != nullptr ? static_cast<u8>(svsm->vmpl) : u8{0};
}

/// PVALIDATE of one page of 4 KiB.
inline ghcb::Outcome set_validated(const vestibule_svsm* svsm, u64 linear, u64 gpa, bool validate) {
    if (svsm == nullptr) {
        return snp::judge_pvalidate(Cpu::pvalidate(linear, snp::RmpPageSize::small, validate));
    }
    const InterruptsOff off; // the GHCB MSR is in use
    return snp::set_validated_by_svsm<Cpu>(svsm_of(*svsm), {gpa, gpa + page_size}, validate);
}

} // namespace vestibule::library
