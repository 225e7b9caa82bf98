// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub, from its first C++ to the payload. Every step that trusts the hypervisor comes after
// the step that made it safe to.
#include "boot/boot_info.h"
#include "boot/c_bit.h"
#include "boot/fatal.h"
#include "boot/ghcb_page.h"
#include "boot/image.h"
#include "boot/interrupts.h"
#include "boot/negotiation.h"
#include "boot/page_tables.h"
#include "x86/sev.h"

using namespace vestibule;

namespace {

/// What igvmtool or an EFI application placed beside the stub, boot/hand_over adds. In memory that
/// is zero already: every byte of code that says so would be measured.
constinit boot::BootInfo boot_info{};

} // namespace

extern "C" [[noreturn]] void stub_main() {
    boot::install_early_handlers(); // before anything that can raise #VC

    const u64 c_bit             = boot::measured_c_bit();
    const boot::Machine machine = boot::identify_machine(c_bit);
    const bool is_sev           = machine.platform == boot::Platform::sev_es;
    ghcb::Channel& channel      = boot::vc_context().ghcb;
    if (is_sev) {
        boot::prove_c_bit(c_bit);
    }
    boot::load_page_tables(c_bit);
    if (is_sev) {
        boot::open_ghcb(channel, machine.ghcb_version, c_bit, machine.encryption);
        boot::install_runtime_handler();
    }

    boot_info.magic        = VESTIBULE_BOOT_INFO_MAGIC;
    boot_info.version      = 1;
    boot_info.size         = sizeof(boot::BootInfo);
    boot_info.platform     = machine.platform;
    boot_info.ghcb_version = channel.version;
    boot_info.c_bit        = c_bit;
    boot_info.ghcb_gpa     = channel.gpa;
    boot_info.sev_status   = machine.sev_status.value;
    boot_info.image_base   = boot::address_of(image_start);
    boot_info.image_size   = boot::address_of(image_end) - boot_info.image_base;
    payload_main(boot_info);
}
