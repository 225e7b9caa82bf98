// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a service at VMPL 0 (an SVSM, 58019) is told of the guest below it that igvmtool has put
// into the same file: a measured page, whose address the service's first vCPU has in RDI. The
// service fills in what the SVSM specification wants in the guest's secrets page and takes its own
// VMPCK out of there, gives the guest's VMPL all rights to what is loaded, makes a VMSA of the page
// for it, and runs it.
#pragma once

#include "boot/boot_info.h"
#include "x86/types.h"

namespace vestibule::boot {

struct ServiceLaunch {
    static constexpr u64 most = 32;

    u64 vmsa; // a page with the state of the guest's vCPU 0
    u64 secrets_page;
    u64 cpuid_page;
    u32 vmpl;
    u32 loaded_count;
    vestibule_memory_range loaded[most]; // the guest's, ascending; nothing else of it is validated
};

static_assert(sizeof(ServiceLaunch) == 544);

} // namespace vestibule::boot
