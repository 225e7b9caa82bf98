// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub as it is, but for one step: the GHCB page keeps its C-bit. The hypervisor reads noise
// where the guest has written its call, and the guest never sees an answer.
#include "boot/c_bit.h"
#include "boot/fatal.h"
#include "boot/ghcb_page.h"
#include "boot/interrupts.h"
#include "boot/negotiation.h"
#include "boot/page_tables.h"

using namespace vestibule;

extern "C" [[noreturn]] void stub_main() {
    boot::install_early_handlers();
    const u64 c_bit             = boot::measured_c_bit();
    const boot::Machine machine = boot::identify_machine(c_bit);
    boot::prove_c_bit(c_bit);
    boot::load_page_tables(c_bit);
    ghcb::Channel channel = boot::unopened_channel(machine.ghcb_version);
    ghcb::announce<x86::Cpu>(channel);
    boot::fail(ghcb::prove<x86::Cpu>(channel, machine.encryption).reason);
}
