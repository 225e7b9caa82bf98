// SPDX-License-Identifier: BSD-2-Clause-Patent
// Firmware below 4 GiB, and the vCPU as it leaves reset (APM volume 2, section 14.1.3): real mode,
// CS at the last 64 KiB. The launch encrypts the code, which is a ROM from then on (QEMU's
// sev_encrypt_flash, of the first flash device). A volume of variables before it is what the second
// flash device would hold: the hypervisor's, not encrypted.
#include "sevsim/firmware_volume.h"
#include "sevsim/launch_module.h"
#include "sevsim/monitor/hypervisor/flash.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/machine_end.h"
#include "sevsim/monitor/loading/direct_boot.h"
#include "sevsim/monitor/loading/loader.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/cpuid_page.h"
#include "sevsim/monitor/secure_processor/launch.h"

namespace vestibule::sevsim {

namespace {

/// What KVM makes of the reset state on its way into a VMSA, which is measured like that.
void take_measured_state(Vcpu& vcpu) {
    vcpu.state().cr0 = x86::cr0::et;
    vcpu.state().cr4 = x86::cr4::mce;
}

void start_at_reset_vector(std::span<Vcpu> vcpus) {
    Vcpu& vcpu = vcpus[0];
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
    for (Vcpu& each : vcpus) {
        if (each.options.is_snp()) {
            take_measured_state(each);
        }
    }
}

/// Under SEV-SNP firmware is memory, and so are the pages that it asks for in its metadata.
void launch_firmware(Vcpu& vcpu, std::span<const u8> bytes) {
    reverse_map::launch(four_gib - bytes.size(), bytes.size());
    const LaunchModule& module = launch_module();
    for (const LaunchSection& section : std::span{module.sections}.first(module.section_count)) {
        for (u64 page = section.gpa; page < u64{section.gpa} + section.size; page += page_size) {
            if (!is_guest_memory(page)) {
                end_run_by_monitor_error("the firmware wants pages launched where this machine has "
                                         "no memory: try more --memory");
            }
            memset(private_memory(page), 0, page_size);
        }
        if (section.type == LaunchSection::secrets) {
            fill_secrets_page(vcpu.options, private_memory(section.gpa));
        } else if (section.type == LaunchSection::cpuid) {
            fill_cpuid_page(vcpu, private_memory(section.gpa));
        }
        reverse_map::launch(section.gpa, section.size);
    }
}

} // namespace

void load_firmware(std::span<Vcpu> vcpus, const GuestFiles& files) {
    Vcpu& vcpu                = vcpus[0];
    const std::span<u8> bytes = files.guest;
    // Natively all of it is a ROM.
    const bool no_flash = vcpu.options.no_flash || vcpu.options.is_native();
    const u64 variables = no_flash ? 0 : variables_size(bytes);
    map_firmware(vcpu.options, bytes.subspan(variables));
    if (vcpu.options.is_snp()) {
        launch_firmware(vcpu, bytes.subspan(variables));
    }
    if (variables != 0) {
        add_flash(four_gib - bytes.size(), bytes.first(variables));
    }
    prepare_direct_boot(vcpu, files);
    start_at_reset_vector(vcpus);
}

} // namespace vestibule::sevsim
