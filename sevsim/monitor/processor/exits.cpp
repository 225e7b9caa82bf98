// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's exits, one function a kind and one table for all. An exit that SEV-ES hardware would
// give to the guest as #VC (a non-automatic exit) is reflected; what hardware does by itself is
// done here; VMGEXIT goes to the hypervisor.
#include "sevsim/monitor/processor/exits.h"

#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/hypervisor/doorbell.h"
#include "sevsim/monitor/hypervisor/from_here_on.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/places.h"
#include "sevsim/monitor/hypervisor/visible_exits.h"
#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/control_flow.h"
#include "sevsim/monitor/processor/control_registers.h"
#include "sevsim/monitor/processor/deliver_vc.h"
#include "sevsim/monitor/processor/efer.h"
#include "sevsim/monitor/processor/processors.h"
#include "sevsim/monitor/processor/real_mode.h"
#include "sevsim/monitor/processor/rmp_instructions.h"
#include "sevsim/monitor/recording/dump.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/profile.h"
#include "sevsim/monitor/recording/records.h"
#include "sevsim/monitor/secure_processor/secure_tsc.h"
#include "x86/exit_code.h"
#include "x86/sev.h"

namespace vestibule::sevsim {

using x86::ExitCode;
using x86::Msr;

namespace {

/// The exit becomes #VC, unless somebody has something else in mind.
void reflect(Vcpu& vcpu, ExitCode code) {
    raise_vc(vcpu, attacked_vc(vcpu.options, static_cast<u64>(code)));
}

void reflect_exit(Vcpu& vcpu) { reflect(vcpu, static_cast<ExitCode>(vcpu.vmcb.exitcode)); }

constexpr u64 msr_length = 2; // of RDMSR and WRMSR, in bytes

void set_halves(Vcpu& vcpu, u64 value) {
    vcpu.state().rax   = low_half(value);
    vcpu.registers.rdx = high_half(value);
    vcpu.skip_instruction(msr_length);
}

void access_efer(Vcpu& vcpu, bool write, u64 value) {
    if (!write) {
        set_halves(vcpu, read_efer(vcpu));
    } else if (write_efer(vcpu, value)) {
        vcpu.skip_instruction(msr_length);
    } else {
        inject(vcpu, event::exception(x86::exception::general_protection, 0));
    }
}

/// The length of the VMGEXIT that this is, VMMCALL with a REP prefix (APM volume 3); otherwise 0.
u64 vmgexit_length(const FetchedInstruction& instruction) {
    constexpr u64 opcode_length = 3;
    return instruction.is(0x0F, 0x01, 0xD9) && instruction.repeat
               ? instruction.opcode + opcode_length
               : 0;
}

void execute_vmgexit(Vcpu& vcpu, u64 length) {
    vcpu.state().rip += length;
    profile_vmgexit(vcpu);
    note_vmgexit(vcpu);
    serve_vmgexit(vcpu);
    attack_pages(vcpu.options);
    attack_shared_pages(vcpu);
}

void handle_vmmcall(Vcpu& vcpu) {
    const u64 length = vmgexit_length(fetch_instruction(vcpu));
    if (length == 0) {
        reflect(vcpu, ExitCode::vmmcall);
        return;
    }
    come_to_vmgexit(vcpu);
    if (!attack_vmgexit(vcpu)) {
        execute_vmgexit(vcpu, length);
    }
}

/// Where the guest comes to a VMGEXIT at once, as most do behind a WRMSR of the GHCB MSR: its
/// length; otherwise 0.
u64 coming_vmgexit(Vcpu& vcpu) {
    if (!may_go_on(vcpu)) {
        return 0;
    }
    const u64 length = vmgexit_length(fetch_instruction(vcpu));
    // In the page and segment that the WRMSR was in, so that fetching it is no fault.
    const x86::Vmsa& state = vcpu.state();
    const bool is_flat     = vcpu.is_64_bit_code();
    const u64 base         = is_flat ? 0 : state.cs.base;
    const u64 last         = state.rip + length - 1;
    const bool is_there =
        ((base + last) ^ (base + state.rip - 1)) < page_size && (is_flat || last <= state.cs.limit);
    return is_there ? length : 0;
}

/// RDMSR and WRMSR: four registers are the CPU's own business, the rest is #VC.
void handle_msr(Vcpu& vcpu) {
    const bool write = vcpu.vmcb.exitinfo1 != 0;
    const u64 value  = from_halves(low_half(vcpu.registers.rdx), low_half(vcpu.state().rax));
    if (takes_msr(vcpu.options, low_half(vcpu.registers.rcx))) {
        reflect(vcpu, ExitCode::msr);
        return;
    }
    switch (static_cast<Msr>(low_half(vcpu.registers.rcx))) {
    case Msr::ghcb:
        if (write) {
            vcpu.ghcb_msr = value;
            vcpu.skip_instruction(msr_length);
            if (const u64 length = coming_vmgexit(vcpu); length != 0) {
                vcpu.vmcb.interrupt_shadow = 0; // it was for the WRMSR
                execute_vmgexit(vcpu, length);
            }
        } else {
            set_halves(vcpu, vcpu.ghcb_msr);
        }
        return;
    case Msr::sev_status:
        if (tells(vcpu.options, Lie::status_gp) || tells(vcpu.options, Lie::looks_native)) {
            inject(vcpu, event::exception(x86::exception::general_protection, 0));
            return;
        }
        if (!write) {
            set_halves(
                vcpu,
                x86::SevStatus::sev | x86::SevStatus::sev_es
                    | vcpu.options.sev_features << x86::SevFeatures::status_shift
                    | (tells(vcpu.options, Lie::debug_swap) ? x86::SevStatus::debug_swap : 0));
            return;
        }
        break;
    case Msr::efer: access_efer(vcpu, write, value); return;
    case Msr::guest_tsc_freq:
        if (!write && secure_tsc::is_on(vcpu.options)) {
            set_halves(vcpu, secure_tsc::frequency());
            return;
        }
        break;
    default: break;
    }
    reflect(vcpu, ExitCode::msr);
}

/// QEMU 7.2 reports INVD as WBINVD. The newer decoder intercepts both before it looks at the CPL.
void handle_wbinvd(Vcpu& vcpu) {
    if (vcpu.state().cpl != 0) {
        inject(vcpu, event::exception(x86::exception::general_protection, 0));
        return;
    }
    reflect(vcpu, fetch_instruction(vcpu).is(0x0F, 0x08) ? ExitCode::invd : ExitCode::wbinvd);
}

/// The fault came while an event was delivered, which is not pending any more: once again. INT n is
/// executed again.
void redeliver(Vcpu& vcpu) {
    const u64 event = vcpu.vmcb.exitintinfo;
    if ((event & event::valid) != 0 && (event & event::type_mask) != event::type_software) {
        inject(vcpu, event);
    }
}

/// The handler needs the page itself, for its code or what it reads first: each #VC over it ends in
/// the next one, for ever or until its stack is full.
void watch_for_lost_page(Vcpu& vcpu, u64 page) {
    constexpr u64 many = 16;
    const u64 rip      = vcpu.state().rip;
    vcpu.lost_times    = vcpu.lost_page == page && vcpu.lost_rip == rip ? vcpu.lost_times + 1 : 1;
    vcpu.lost_page     = page;
    vcpu.lost_rip      = rip;
    if (vcpu.lost_times == many) {
        end_run_by_lost_page("stop", "each #VC over a page that is not validated raises the next",
                             page);
    }
}

/// #VC over a page that is not validated. Where the access was part of delivering an exception that
/// makes two faults of one, and the second is contributory too: #DF, then shutdown (APM volume 2,
/// section 8.2.9).
void raise_not_validated(Vcpu& vcpu) {
    const u64 event  = vcpu.vmcb.exitintinfo;
    const u64 vector = event & event::vector_mask;
    const u64 page   = vcpu.without_c_bit(vcpu.vmcb.exitinfo2) & ~(page_size - 1);
    if ((event & event::valid) == 0 || (event & event::type_mask) != event::type_exception) {
        watch_for_lost_page(vcpu, page);
        reflect(vcpu, ExitCode::page_not_validated);
    } else if (vector == x86::exception::double_fault) {
        end_run_by_lost_page("shutdown",
                             "the double fault's handler or stack lies in memory that is not "
                             "validated",
                             page);
    } else {
        inject(vcpu, event::exception(x86::exception::double_fault, 0));
    }
}

void handle_nested_fault(Vcpu& vcpu) {
    const bool is_visible = vcpu.options.platform == Platform::sev;
    switch (resolve_nested_fault(vcpu, vcpu.vmcb.exitinfo1, vcpu.vmcb.exitinfo2)) {
    case NestedFault::resolved: redeliver(vcpu); return;
    case NestedFault::mmio:
        if (is_visible) {
            execute_mmio(vcpu);
        } else {
            reflect(vcpu, ExitCode::npf);
        }
        return;
    case NestedFault::not_validated: raise_not_validated(vcpu); return;
    case NestedFault::vmpl_permission:
        end_run_by_stop("its VMPL may not do that with this page, which no hypervisor can change");
    case NestedFault::fetch_from_device:
        end_run_by_stop("it executes or walks an address where there is no memory");
    case NestedFault::firmware_write:
        if (is_visible && execute_flash_write(vcpu)) {
            return;
        }
        end_run_by_stop("it writes to its firmware, which is a ROM");
    }
}

/// QEMU reports RDTSCP as RDTSC.
void handle_rdtsc(Vcpu& vcpu) {
    reflect(vcpu,
            fetch_instruction(vcpu).is(0x0F, 0x01, 0xF9) ? ExitCode::rdtscp : ExitCode::rdtsc);
}

/// HLT leaves an SEV-ES guest by itself (an automatic exit), so it raises no #VC.
void handle_hlt(Vcpu& vcpu) {
    const bool has_doorbell = has_restricted_injection(vcpu) && vcpu.doorbell != 0;
    if ((vcpu.state().rflags & x86::rflags::interrupt) == 0 && !has_doorbell) {
        if (vcpu.goes_when_halted) {
            vcpu.goes_when_halted = false;
            vcpu.changes_vmpl     = true;
        } else {
            stop(vcpu, Activity::halted, "HLT with interrupts off: nothing wakes it");
        }
        if (vcpu.replaced) {
            return; // what comes next is not what stood behind the HLT
        }
        vcpu.skip_instruction(fetch_instruction(vcpu).opcode + 1);
        return;
    }
    vcpu.may_halt = true;
}

void handle_iret(Vcpu& vcpu) {
    if (has_large_real_stack(vcpu)) {
        emulate_real_iret(vcpu);
    } else if (!attack_iret(vcpu)) {
        profile_iret(vcpu);
    }
}

/// Another processor has something for this vCPU: run() will find it. Or none has, and it is the
/// host, that wants an end of the run and its records.
void handle_nmi(Vcpu& vcpu) {
    take_wake_up();
    if (vcpu.woken == 0) {
        end_run_by_host();
    }
    vcpu.woken = 0;
}

void handle_shutdown(Vcpu&) { end_run_by_shutdown("triple fault"); }

void handle_svm_instruction(Vcpu& vcpu) {
    inject(vcpu, event::exception(x86::exception::invalid_opcode));
}

/// IN and OUT of the native guest's two intercepted ports. EXITINFO2 is the next instruction.
void handle_native_port(Vcpu& vcpu) {
    const u64 info      = vcpu.vmcb.exitinfo1;
    const bool in       = (info & bit(0)) != 0;
    const bool string   = (info & bit(2)) != 0;
    const auto size     = static_cast<unsigned>(info >> 4) & 7;
    const auto port     = static_cast<u16>(info >> 16);
    const u64 rax       = vcpu.state().rax;
    const u64 size_mask = bit(8 * size) - 1;
    if (string) {
        end_run_by_monitor_error("a native guest reaches the exit and dump ports by IN and OUT");
    }
    if (in) {
        const u64 kept   = size == 4 ? 0 : rax & ~size_mask;
        vcpu.state().rax = kept | size_mask; // nothing answers
    } else if (port == debug_exit_port) {
        end_run_by_exit(rax & size_mask);
    } else if (port == dump_port) {
        dump(vcpu.options, rax, size);
    }
    vcpu.state().rip = vcpu.vmcb.exitinfo2;
}

struct ExitRow {
    u64 first;
    u64 last;
    void (*handle)(Vcpu&);
};

constexpr u64 exit_value(ExitCode code) { return static_cast<u64>(code); }

constexpr ExitRow encrypted_exits[] = {
    {exit_value(ExitCode::ioio),      exit_value(ExitCode::ioio),      reflect_exit          },
    {exit_value(ExitCode::msr),       exit_value(ExitCode::msr),       handle_msr            },
    {exit_value(ExitCode::vmmcall),   exit_value(ExitCode::vmmcall),   handle_vmmcall        },
    {exit_value(ExitCode::cpuid),     exit_value(ExitCode::cpuid),     reflect_exit          },
    {vmexit::npf,                     vmexit::npf,                     handle_nested_fault   },
    {vmexit::invalid_opcode,          vmexit::invalid_opcode,          handle_invalid_opcode },
    {vmexit::hlt,                     vmexit::hlt,                     handle_hlt            },
    {vmexit::intr,                    vmexit::intr,                    handle_interrupt      },
    {vmexit::nmi,                     vmexit::nmi,                     handle_nmi            },
    {vmexit::cr_read,                 vmexit::cr_read + 15,            read_control_register },
    {vmexit::cr_write,                vmexit::cr_write + 15,           write_control_register},
    {vmexit::cr0_sel_write,           vmexit::cr0_sel_write,           write_control_register},
    {exit_value(ExitCode::dr7_read),  exit_value(ExitCode::dr7_read),  reflect_exit          },
    {exit_value(ExitCode::dr7_write), exit_value(ExitCode::dr7_write), reflect_exit          },
    {exit_value(ExitCode::rdtsc),     exit_value(ExitCode::rdtsc),     handle_rdtsc          },
    {exit_value(ExitCode::rdtscp),    exit_value(ExitCode::rdtscp),    reflect_exit          },
    {exit_value(ExitCode::rdpmc),     exit_value(ExitCode::rdpmc),     reflect_exit          },
    {exit_value(ExitCode::invd),      exit_value(ExitCode::invd),      handle_wbinvd         },
    {exit_value(ExitCode::wbinvd),    exit_value(ExitCode::wbinvd),    handle_wbinvd         },
    {exit_value(ExitCode::monitor),   exit_value(ExitCode::mwait),     reflect_exit          },
    {vmexit::iret,                    vmexit::iret,                    handle_iret           },
    {vmexit::shutdown,                vmexit::shutdown,                handle_shutdown       },
    {vmexit::vmrun,                   vmexit::vmrun,                   handle_svm_instruction},
    {vmexit::vmrun + 2,               vmexit::skinit,                  handle_svm_instruction},
};

constexpr ExitRow sev_exits[] = {
    {exit_value(ExitCode::ioio),    exit_value(ExitCode::ioio),    execute_port          },
    {exit_value(ExitCode::msr),     exit_value(ExitCode::msr),     execute_msr           },
    {exit_value(ExitCode::vmmcall), exit_value(ExitCode::vmmcall), execute_vmmcall       },
    {exit_value(ExitCode::cpuid),   exit_value(ExitCode::cpuid),   execute_cpuid         },
    {vmexit::npf,                   vmexit::npf,                   handle_nested_fault   },
    {vmexit::hlt,                   vmexit::hlt,                   handle_hlt            },
    {vmexit::nmi,                   vmexit::nmi,                   handle_nmi            },
    {vmexit::cr_read,               vmexit::cr_read + 15,          read_control_register },
    {vmexit::cr_write,              vmexit::cr_write + 15,         write_control_register},
    {vmexit::cr0_sel_write,         vmexit::cr0_sel_write,         write_control_register},
    {exit_value(ExitCode::rdpmc),   exit_value(ExitCode::rdpmc),   execute_rdpmc         },
    {exit_value(ExitCode::invd),    exit_value(ExitCode::invd),    execute_cache_flush   },
    {exit_value(ExitCode::wbinvd),  exit_value(ExitCode::wbinvd),  execute_cache_flush   },
    {exit_value(ExitCode::monitor), exit_value(ExitCode::mwait),   refuse_instruction    },
    {vmexit::iret,                  vmexit::iret,                  handle_iret           },
    {vmexit::shutdown,              vmexit::shutdown,              handle_shutdown       },
    {vmexit::vmrun,                 vmexit::vmrun,                 handle_svm_instruction},
    {vmexit::vmrun + 2,             vmexit::skinit,                handle_svm_instruction},
};

constexpr ExitRow native_exits[] = {
    {exit_value(ExitCode::ioio), exit_value(ExitCode::ioio), handle_native_port    },
    {vmexit::npf,                vmexit::npf,                handle_nested_fault   },
    {vmexit::hlt,                vmexit::hlt,                handle_hlt            },
    {vmexit::iret,               vmexit::iret,               handle_iret           },
    {vmexit::shutdown,           vmexit::shutdown,           handle_shutdown       },
    {vmexit::vmrun,              vmexit::vmrun,              handle_svm_instruction},
};

/// The instruction behind STI is executed before any interrupt is taken: STI and HLT put a CPU to
/// sleep from which every interrupt wakes it. QEMU's VMRUN does not load the interrupt shadow
/// before version 10, so an interrupt would come before the HLT, and the sleep after it. Where the
/// exit came between the two, the guest executes both, with a shadow that STI makes anew: it makes
/// none while there is one.
void step_back_to_sti(Vcpu& vcpu) {
    constexpr u8 sti     = 0xFB;
    const bool in_shadow = (vcpu.vmcb.interrupt_shadow & 1) != 0;
    u8 before            = 0;
    if (in_shadow && (vcpu.vmcb.event_injection & event::valid) == 0
        && read_code_before(vcpu, before) && before == sti) {
        --vcpu.state().rip;
        vcpu.state().rflags &= ~x86::rflags::interrupt;
        vcpu.vmcb.interrupt_shadow = 0;
    }
}

template <size_t count>
bool handle_by_table(Vcpu& vcpu, const ExitRow (&rows)[count]) {
    const u64 code = vcpu.vmcb.exitcode;
    for (const ExitRow& row : rows) {
        if (code >= row.first && code <= row.last) {
            row.handle(vcpu);
            return true;
        }
    }
    return false;
}

bool handle_by_platform(Vcpu& vcpu) {
    switch (vcpu.options.platform) {
    case Platform::native: return handle_by_table(vcpu, native_exits);
    case Platform::sev: return handle_by_table(vcpu, sev_exits);
    case Platform::sev_es:
    case Platform::sev_snp: break;
    }
    return handle_by_table(vcpu, encrypted_exits);
}

} // namespace

bool may_go_on(Vcpu& vcpu) {
    const Options& options = vcpu.options;
    const x86::Vmsa& state = vcpu.state();
    const bool is_watched  = options.profile || options.handlers || options.gdb
                            || options.code.count != 0 || options.may_lie();
    const bool is_debugged =
        (state.rflags & x86::rflags::tf) != 0 || (state.dr7 & x86::dr7_enables) != 0;
    const bool has_an_event = vcpu.nmi_pending || vcpu.init_received || vcpu.destroyed
                              || vcpu.replaced || vcpu.doorbell != 0
                              || (vcpu.vmcb.event_injection & event::valid) != 0;
    return !is_watched && !is_debugged && !has_an_event;
}

void raise_vc(Vcpu& vcpu, u64 exit_code) {
    const char* name = x86::exit_name(exit_code);
    count(Served::vc, exit_code, name);
    if (vcpu.options.trace) {
        Record("vc")
            .number("vcpu", vcpu.index)
            .number("time", vcpu.registers.left_at)
            .hex("rip", vcpu.state().rip)
            .hex("code", exit_code)
            .text("name", name)
            .hex("info1", vcpu.vmcb.exitcode == exit_code ? vcpu.vmcb.exitinfo1 : 0)
            .hex("rax", vcpu.state().rax)
            .hex("rcx", vcpu.registers.rcx)
            .hex("rdx", vcpu.registers.rdx)
            .end();
    }
    const InterruptedCode interrupted = interrupted_code(vcpu, exit_code);
    leaks::note_registers(vcpu);
    if (deliver_vc(vcpu, exit_code)) {
        profile_vc(vcpu, interrupted);
        note_delivered_vc(vcpu.options, exit_code);
    }
}

void handle_exit(Vcpu& vcpu) {
    look_at_rip(vcpu);
    vcpu.may_halt    = false;
    const u64 code   = vcpu.vmcb.exitcode;
    const u64 rip    = vcpu.state().rip;
    const bool known = handle_by_platform(vcpu);
    if (known) {
        if (vcpu.state().rip == rip) {
            step_back_to_sti(vcpu);
        } else {
            vcpu.vmcb.interrupt_shadow = 0; // it was for the instruction that is done
        }
        return;
    }
    if (code == vmexit::invalid || code == vmexit::invalid_32_bit) {
        if (vcpu.owns_cr3 && fetch_instruction(vcpu).is(0x0F, 0x22)) {
            write_control_register(vcpu); // QEMU's answer to reserved bits in CR3
            return;
        }
        end_run_by_monitor_error("VMRUN refuses the vCPU's state (APM volume 2, section 15.5.1)");
    }
    Record("unexpected-exit").hex("code", code).hex("info1", vcpu.vmcb.exitinfo1).end();
    end_run_by_monitor_error("an exit that the monitor does not intercept");
}

} // namespace vestibule::sevsim
