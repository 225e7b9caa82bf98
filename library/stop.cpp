// SPDX-License-Identifier: BSD-2-Clause-Patent
// The end of a CPU's #VC service, for another TSS, another kernel, or none.
#include "ghcb/msr_protocol.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "x86/cpu.h"

using namespace vestibule;
using library::PerCpu;
namespace reason = ghcb::reason;

vestibule_reason vestibule_cpu_stop(vestibule_cpu* cpu) {
    PerCpu& block = PerCpu::of(*cpu);
    const library::InterruptsOff off;
    ghcb::Channel& channel = block.context.ghcb;
    if (channel.page == nullptr) {
        return library::public_reason(reason::call_argument);
    }
    if (channel.holders != 0 || block.under_way.vcs != 0 || block.under_way.nmi != 0
        || block.under_way.leaving != 0 || block.under_way.mcs != 0) {
        return library::public_reason(reason::ghcb_reentered);
    }
    // VMGEXIT works at CPL 3 too: with this in the MSR, user code that executes it asks for what is
    // no secret, instead of having the hypervisor read a page that is somebody else's by then.
    x86::Cpu::wrmsr(x86::Msr::ghcb, ghcb::msr_protocol::sev_information_request);
    auto* words = reinterpret_cast<volatile u64*>(channel.page);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        words[n] = 0;
    }
    if (block.setup.tss != nullptr) {
        const u8 numbers[] = {block.setup.vc_ist, block.setup.nmi_ist, block.setup.mc_ist};
        for (const u8 ist : numbers) {
            if (ist != 0) {
                block.task().ist[ist - 1] = 0;
            }
        }
    }
    channel.page = nullptr;
    return 0;
}
