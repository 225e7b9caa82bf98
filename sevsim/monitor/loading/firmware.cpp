// Firmware below 4 GiB, and the vCPU as it leaves reset (APM volume 2, section 14.1.3): real mode,
// CS at the last 64 KiB. The launch encrypts the code, which is a ROM from then on (QEMU's
// sev_encrypt_flash, of the first flash device). A volume of variables before it is what the second
// flash device would hold: the hypervisor's, not encrypted.
#include "sevsim/monitor/hypervisor/flash.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/machine_end.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/loading/loader.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

void load_firmware(std::span<Vcpu> vcpus, std::span<u8> bytes) {
    Vcpu& vcpu = vcpus[0];
    if (vcpu.options.platform == Platform::native) {
        end_run_by_monitor_error("firmware runs on the SEV-ES platform only");
    }
    const u64 variables = variables_size(bytes);
    map_firmware(bytes.subspan(variables));
    if (variables != 0) {
        constexpr u64 end = layout::monitor_physical; // 4 GiB, which is the guest's 4 GiB too
        add_flash(end - bytes.size(), bytes.first(variables));
    }
    reset_power_management();
    reset(vcpu);
    vcpu.ghcb_msr = ghcb_msr_at_reset(vcpu.options);
    for (Vcpu& other : vcpus.subspan(1)) {
        // As QEMU has it (target/i386/sev.c, sev_es_set_reset_vector): the selector stays.
        const u64 start = vcpu.options.ap_start;
        reset(other);
        other.state().cs.base = start & 0xFFFF'0000;
        other.state().rip     = start & 0xFFFF;
        other.ghcb_msr        = vcpu.ghcb_msr;
    }
}

} // namespace vestibule::sevsim
