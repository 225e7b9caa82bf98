// SPDX-License-Identifier: BSD-2-Clause-Patent
// Cases that only an SEV-SNP guest has; in pages that only its files have (linker/stub.ld).
#pragma once

#include "boot/boot_info.h"
#include "boot/selftest/tap.h"
#include "x86/cpu.h"

namespace vestibule::selftest {

/// One more where the launch has loaded what asks for a report.
unsigned snp_case_count();

void test_snp(Tap& tap, const boot::BootInfo& info);

/// What the CPUID page has for a leaf, found without the index of the code under test; false where
/// it has nothing.
bool cpuid_by_page(const boot::BootInfo& info, u32 leaf, x86::CpuidResult& result);

} // namespace vestibule::selftest
