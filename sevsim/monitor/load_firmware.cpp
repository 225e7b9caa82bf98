// Firmware below 4 GiB, and the vCPU as it leaves reset (APM volume 2, section 14.1.3): real mode,
// CS at the last 64 KiB. The launch encrypts the whole of the flash image (QEMU's
// sev_encrypt_flash), so the guest executes the private view of it; what the hypervisor shows in
// its place is ciphertext, and nothing is written to it: a ROM.
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/loader.h"
#include "sevsim/monitor/nested_tables.h"
#include "sevsim/monitor/outcome.h"

namespace vestibule::sevsim {

void load_firmware(Vcpu& vcpu, std::span<const u8> bytes) {
    if (vcpu.options.platform == Platform::native) {
        end_run_by_monitor_error("firmware runs on the SEV-ES platform only");
    }
    map_firmware(bytes);
    reset(vcpu);
    load_hidden_state(vcpu);
    vcpu.ghcb_msr = ghcb_msr_at_reset(vcpu.options);
}

} // namespace vestibule::sevsim
