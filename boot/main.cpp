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

    const u64 base = boot::address_of(image_start);
    payload_main({.magic        = VESTIBULE_BOOT_INFO_MAGIC,
                  .version      = 1,
                  .size         = sizeof(boot::BootInfo),
                  .platform     = machine.platform,
                  .ghcb_version = channel.version,
                  .reserved     = 0,
                  .c_bit        = c_bit,
                  .ghcb_gpa     = channel.gpa,
                  .sev_status   = machine.sev_status.value,
                  .image_base   = base,
                  .image_size   = boot::address_of(image_end) - base,
                  // What igvmtool placed beside the stub: boot/hand_over adds it.
                  .payload_base      = 0,
                  .payload_size      = 0,
                  .command_line      = 0,
                  .command_line_size = 0,
                  .initrd            = 0,
                  .initrd_size       = 0,
                  .cpuid_page        = 0,
                  .secrets_page      = 0,
                  .memory_map        = 0,
                  .memory_map_size   = 0,
                  .vp_count          = 0});
}
