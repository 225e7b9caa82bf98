// SPDX-License-Identifier: BSD-2-Clause-Patent
// From a kernel's setup to a CPU whose #VC handler is ready. All of the setup is held against the
// machine first: a mistake in it would otherwise show as a hang much later, or as secrets in shared
// memory.
#include "ghcb/identify.h"
#include "ghcb/open.h"
#include "ghcb/sev_status.h"
#include "library/ask_program.h"
#include "library/cpu.h"
#include "library/cpuid_table.h"
#include "library/end.h"
#include "library/per_cpu.h"
#include "library/processor.h"
#include "snp/registration.h"
#include "snp/rmpadjust.h"
#include "vc/walk.h"
#include "x86/registers.h"

using namespace vestibule;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

using ghcb::Outcome;

constexpr u16 first_version_with_snp = 2;

bool is_snp(x86::SevStatus status) { return status.has(x86::SevStatus::snp); }

/// SECURITY: an SEV-SNP guest has CPUID from the page that the secure processor has checked, and
/// registers its GHCB page, which the hypervisor otherwise refuses. Whether this is one, SEV_STATUS
/// says.
Outcome judge_cpuid(x86::SevStatus status, const vestibule_setup& setup) {
    const bool opened =
        setup.cpuid_table != nullptr && library::table_of(*setup.cpuid_table).page != nullptr;
    const bool fits = is_snp(status) ? opened && setup.protocol_version >= first_version_with_snp
                                     : setup.cpuid_table == nullptr;
    return fits ? Outcome::done() : Outcome::terminate(reason::setup_cpuid);
}

Outcome judge_words(const vestibule_setup& setup) {
    const bool one_bit = setup.c_bit != 0 && (setup.c_bit & (setup.c_bit - 1)) == 0;
    const bool covered = setup.physical_bits > 63 || bit(setup.physical_bits) > setup.c_bit;
    if (!one_bit || setup.c_bit < bit(32) || setup.c_bit > bit(51) || covered) {
        return Outcome::terminate(reason::setup_c_bit);
    }
    if (setup.protocol_version < ghcb::own_min_version
        || setup.protocol_version > ghcb::own_max_version) {
        return Outcome::terminate(reason::setup_version);
    }
    constexpr u16 rax_and_rsp = 1 | (1 << 4);
    if ((setup.vmmcall_registers & rax_and_rsp) != 0) {
        return Outcome::terminate(reason::setup_registers);
    }
    if ((setup.nmi_ist != 0) != (setup.nmi != nullptr)
        || (setup.mc_ist != 0) != (setup.mc != nullptr)) {
        return Outcome::terminate(reason::setup_nmi);
    }
    // Entries of the kernel's own need no stack of the library's, so no TSS; both, or neither.
    if (setup.vc_ist == 0 && (setup.nmi_ist != 0 || setup.mc_ist != 0 || setup.guard_pages != 0)) {
        return Outcome::terminate(reason::setup_task_state);
    }
    if (setup.reserved != 0) {
        return Outcome::terminate(reason::setup_reserved);
    }
    return Outcome::done();
}

Outcome judge_segments(const vestibule_setup& setup) {
    x86::SegmentDescriptor code{};
    if ((setup.kernel_code & 3) != 0 || !library::Cpu::read_descriptor(setup.kernel_code, code)
        || !code.is_code() || !code.is_long() || code.dpl() != 0) {
        return Outcome::terminate(reason::setup_code_segment);
    }
    if (setup.vc_ist == 0) {
        return setup.tss == nullptr ? Outcome::done()
                                    : Outcome::terminate(reason::setup_task_state);
    }
    x86::TableRegister task{};
    if (setup.vc_ist < 1 || setup.vc_ist > 7 || setup.nmi_ist > 7 || setup.nmi_ist == setup.vc_ist
        || setup.mc_ist > 7 || setup.mc_ist == setup.vc_ist
        || (setup.mc_ist != 0 && setup.mc_ist == setup.nmi_ist) || !library::Cpu::task_state(task)
        || task.base != reinterpret_cast<u64>(setup.tss)
        || task.limit < sizeof(x86::TaskState) - 1) {
        return Outcome::terminate(reason::setup_task_state);
    }
    return Outcome::done();
}

/// By the page tables, which the hypervisor cannot write.
Outcome judge_memory(const vc::Context& context, const vestibule_setup& setup, const PerCpu& cpu) {
    constexpr u32 write = vc::page_fault::write;
    const u64 size      = setup.vc_ist == 0 ? VESTIBULE_CORE_SIZE : sizeof(PerCpu);
    for (u64 at = 0; at < size; at += page_size) {
        const auto page =
            vc::walk<library::Cpu, true>(context, reinterpret_cast<u64>(&cpu) + at, write, 0);
        const bool guard = setup.guard_pages != 0 && PerCpu::is_guard(at);
        if (guard ? !page.faults : page.faults || !page.is_private) {
            return Outcome::terminate(reason::setup_cpu_block);
        }
    }
    const auto linear = reinterpret_cast<u64>(context.ghcb.page);
    const auto page   = vc::walk<library::Cpu, true>(context, linear, write, 0);
    if (linear % page_size != 0 || page.faults || page.gpa != context.ghcb.gpa) {
        return Outcome::terminate(reason::setup_ghcb_address);
    }
    return page.is_private ? Outcome::terminate(reason::setup_ghcb_private) : Outcome::done();
}

/// PVALIDATE and RMPADJUST are VMPL 0's: below it, an SVSM is to be asked. And the sizes in CPUID
/// 0xD depend on IA32_XSS, of which a hypervisor that intercepts it would be asked.
Outcome judge_snp(const vc::Context& context, const vestibule_setup& setup, const PerCpu& cpu) {
    const bool is_at_vmpl0 = snp::is_at_vmpl0<library::Cpu>(reinterpret_cast<u64>(&cpu));
    if (is_at_vmpl0 != (setup.svsm == nullptr)) {
        return Outcome::terminate(reason::snp_not_vmpl0);
    }
    return context.asks_for_xss ? Outcome::terminate(reason::snp_features) : Outcome::done();
}

vc::Context context_of(const vestibule_setup& setup, PerCpu& cpu) {
    return {
        .ghcb           = {.page    = static_cast<ghcb::Page*>(setup.ghcb),
                           .gpa     = setup.ghcb_gpa,
                           .backup  = &cpu.backup,
                           .version = setup.protocol_version},
        .c_bit          = setup.c_bit,
        .direct_map     = setup.direct_map,
        .dr7            = x86::dr7_reset,
        .kernel_code64  = setup.kernel_code,
        .page_addresses = vc::page_addresses(setup.physical_bits, setup.c_bit),
        .uses_xss       = setup.uses_xss != 0,
        .asks_for_xss   = setup.uses_xss != 0 && vestibule_is_xss_intercepted() != 0,
        .fixes_up       = setup.fixes_up != 0,
        .debug_swap     = x86::SevStatus{library::Cpu::rdmsr(x86::Msr::sev_status)}
                    .has(
            x86::SevStatus::debug_swap),
        .gs_is_swapped     = false,
        .vmmcall_registers = {setup.vmmcall_registers},
        .cpuid_table =
            setup.cpuid_table != nullptr ? &library::table_of(*setup.cpuid_table) : nullptr,
        .user_may = setup.user_may != nullptr ? library::ask_program : nullptr
    };
}

Outcome start(PerCpu& cpu, const vestibule_setup& setup) {
    const x86::SevStatus status{library::Cpu::rdmsr(x86::Msr::sev_status)};
    Outcome outcome = library::judge_processor<library::Cpu>(setup.vc_ist != 0);
    if (outcome.is_done()) {
        outcome = judge_words(setup);
    }
    if (outcome.is_done()) {
        outcome = judge_cpuid(status, setup);
    }
    if (outcome.is_done()) {
        outcome = judge_segments(setup);
    }
    if (!outcome.is_done()) {
        return outcome;
    }
    vc::Context context = context_of(setup, cpu);
    outcome             = judge_memory(context, setup, cpu);
    if (outcome.is_done() && is_snp(status)) {
        outcome = judge_snp(context, setup, cpu);
    }
    ghcb::EncryptionLeaf encryption;
    if (outcome.is_done() && !ghcb::ask_encryption<library::Cpu>(encryption)) {
        outcome = Outcome::terminate(reason::msr_bad_response);
    }
    if (outcome.is_done() && encryption.c_bit() != setup.c_bit) {
        outcome = Outcome::terminate(reason::c_bit_mismatch);
    }
    if (outcome.is_done() && is_snp(status)) {
        outcome = snp::register_ghcb<library::Cpu>(context.ghcb.gpa);
    }
    if (outcome.is_done()) {
        ghcb::announce<library::Cpu>(context.ghcb);
        outcome = ghcb::prove<library::Cpu>(context.ghcb, encryption);
    }
    if (!outcome.is_done()) {
        return outcome;
    }
    cpu.setup   = setup;
    cpu.context = context;
    if (setup.vc_ist != 0) {
        cpu.task().ist[setup.vc_ist - 1] = cpu.vc_stack.top();
    }
    if (setup.nmi_ist != 0) {
        cpu.task().ist[setup.nmi_ist - 1] = cpu.nmi_stack.top();
    }
    if (setup.mc_ist != 0) {
        cpu.task().ist[setup.mc_ist - 1] = cpu.mc_stack.top();
    }
    return outcome;
}

} // namespace

vestibule_reason vestibule_identify(vestibule_platform* platform) {
    const x86::SevStatus status{library::Cpu::rdmsr(x86::Msr::sev_status)};
    u16 version = 0;
    ghcb::EncryptionLeaf encryption;
    Outcome outcome =
        is_snp(status) ? ghcb::judge_snp_status(status) : ghcb::judge_status(status, true);
    if (outcome.is_done()) {
        outcome = ghcb::identify<library::Cpu>(version, encryption);
    }
    if (outcome.is_done() && is_snp(status) && version < first_version_with_snp) {
        outcome = Outcome::terminate(reason::protocol_range);
    }
    if (outcome.is_done()) {
        *platform = {.protocol_version = version,
                     .reserved         = {},
                     .c_bit            = encryption.c_bit(),
                     .sev_status       = status.value};
    }
    return library::as_reason(outcome);
}

vestibule_reason vestibule_cpu_start(vestibule_cpu* cpu, const vestibule_setup* setup) {
    // By the pointer: what a reference names is aligned, so the compiler would not look.
    const u64 alignment = setup->vc_ist == 0 ? page_size : sizeof(PerCpu);
    if (reinterpret_cast<u64>(cpu) % alignment != 0) {
        return library::public_reason(reason::setup_cpu_block);
    }
    return library::as_reason(start(PerCpu::of(*cpu), *setup));
}

void vestibule_set_gate(void* idt, uint8_t vector, void (*entry)(), uint16_t code, uint8_t ist) {
    x86::InterruptGate gate = x86::InterruptGate::to(reinterpret_cast<u64>(entry), code);
    gate.ist                = ist & 7;
    static_cast<x86::InterruptGate*>(idt)[vector] = gate;
}

void vestibule_terminate(vestibule_reason reason) { library::end(library::inner_reason(reason)); }
