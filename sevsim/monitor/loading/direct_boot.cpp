// SPDX-License-Identifier: BSD-2-Clause-Patent
// See direct_boot.h.
#include "sevsim/monitor/loading/direct_boot.h"

#include "sevsim/launch_module.h"
#include "sevsim/monitor/hypervisor/fw_cfg.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

/// The hashes of the kernel that is booted directly, where the guest wants them.
void put_hashes(std::span<const u8> file) {
    if (file.size() < sizeof(DirectBootHashes)) {
        return;
    }
    DirectBootHashes hashes;
    memcpy(&hashes, file.data(), sizeof hashes);
    if (hashes.gpa == 0) {
        return;
    }
    if (!is_guest_memory(hashes.gpa) || hashes.gpa % page_size > page_size - sizeof hashes.table) {
        end_run_by_monitor_error("the guest wants hashes of a kernel where this machine has no "
                                 "memory: try more --memory");
    }
    memcpy(private_memory(hashes.gpa & ~(page_size - 1)) + hashes.gpa % page_size, hashes.table,
           sizeof hashes.table);
}

} // namespace

void prepare_direct_boot(Vcpu& vcpu, const GuestFiles& files) {
    if (!files.kernel.empty()) {
        put_hashes(files.hashes);
        offer_kernel(vcpu.options, files.kernel, files.command_line, files.initrd);
    }
}

} // namespace vestibule::sevsim
