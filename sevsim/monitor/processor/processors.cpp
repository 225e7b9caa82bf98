// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starting: INIT and SIPI as the multiprocessor specification has it (APM volume 2, section 16.6).
// Waking: by NMI, which nothing masks and no device of this machine sends. It ends HLT in the
// monitor (sleep.asm) and leaves the guest by its intercept. An NMI without a wake-up is the host's
// (sevsim/run.cpp).
#include "sevsim/monitor/processor/processors.h"

#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/hypervisor/doorbell.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/places.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_pages.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/own_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/processor/control_registers.h"
#include "sevsim/monitor/processor/exits.h"
#include "sevsim/monitor/processor/local_apic.h"
#include "sevsim/monitor/processor/lock.h"
#include "sevsim/monitor/processor/own_exceptions.h"
#include "sevsim/monitor/processor/real_mode.h"
#include "sevsim/monitor/processor/vmsa.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/profile.h"

using namespace vestibule;
using namespace vestibule::sevsim;

extern "C" {
extern const u8 processor_start[]; // start.asm: to be copied below 1 MiB
extern const u8 processor_start_end[];
[[noreturn]] void processor_main(u32 apic_id); // called from there
void sleep_until_woken(const u8& woken);       // sleep.asm
void open_nmi_window();
}

namespace {

constinit Vcpu all_vcpus[most_vcpus]{};
constinit unsigned vcpu_count = 1;
constinit Lock monitor_lock{};
constinit std::atomic<u32> processors_there = 1;
constinit std::atomic<bool> released        = false;

/// About so many microseconds: reads of a port that nobody answers at. Where QEMU runs its
/// processors in turn, the others have theirs at PAUSE.
void pause_about(u32 microseconds) {
    constexpr u16 delay_port = 0x80;
    while (microseconds-- != 0) {
        x86::Cpu::in8(delay_port);
        x86::Cpu::pause();
    }
}

void sleep(Vcpu& vcpu) {
    vcpu.woken = 0;
    monitor_lock.release();
    sleep_until_woken(vcpu.woken);
    monitor_lock.acquire();
    vcpu.woken = 0;
    set_reported_vcpu(vcpu);
}

/// HLT with interrupts on is, until something else happens, and CR3 where it is the guest's own.
void let_through(Vcpu& vcpu) {
    u32& misc = vcpu.vmcb.intercept_misc1;
    misc      = vcpu.may_halt ? misc & ~intercept::hlt : misc | intercept::hlt;
    if (!vcpu.options.is_native()) {
        intercept_control_registers(vcpu);
    }
}

/// Where QEMU runs its processors in turn (--repeatable), the first one's turn ends with the time
/// that there is until the next timer, and the others have none of it, unless it ends by PAUSE.
void take_turns(const Vcpu& vcpu) {
    constexpr u64 every = 8;
    if (vcpu_count != 1 && vcpu.vmruns % every == 0) {
        x86::Cpu::pause();
    }
}

bool is_any_running() {
    for (const Vcpu& vcpu : vcpus()) {
        if (vcpu.activity == Activity::running) {
            return true;
        }
    }
    return false;
}

} // namespace

namespace vestibule::sevsim {

std::span<Vcpu> vcpus() { return {all_vcpus, vcpu_count}; }

void start_processors(const Options& options) {
    vcpu_count = options.vcpus;
    for (unsigned n = 0; n < vcpu_count; ++n) {
        all_vcpus[n].index    = n;
        all_vcpus[n].activity = n == 0 ? Activity::running : Activity::waits_for_sipi;
    }
    set_host_save_area(0);
    local_apic::at(local_apic::lint1) = local_apic::nmi; // where QEMU's monitor command comes in
    if (vcpu_count == 1) {
        return;
    }
    constexpr u64 start_page    = 0x8000; // SIPI's vector is its page number
    constexpr u32 after_init    = 10'000;
    constexpr u32 after_startup = 1'000;
    constexpr unsigned patience = 2'000;
    memcpy(layout::at_physical(start_page), processor_start,
           static_cast<size_t>(processor_start_end - processor_start));
    local_apic::send(local_apic::init | local_apic::all_others);
    pause_about(after_init);
    for (unsigned n = 0; n < patience; ++n) {
        local_apic::send(local_apic::startup | local_apic::all_others | (start_page / page_size));
        pause_about(after_startup);
        if (processors_there == vcpu_count) {
            return;
        }
    }
    end_run_by_monitor_error("not all processors of the machine have started");
}

void release_processors() {
    monitor_lock.acquire();
    released = true;
}

namespace {

/// It has come out of a VMSA that AP creation has taken from it.
void release_left_vmsa(Vcpu& vcpu) {
    if (vcpu.leaving_vmsa != 0 && reverse_map::has(vcpu.leaving_vmsa)) {
        reverse_map::at(vcpu.leaving_vmsa).in_use = false;
    }
    vcpu.leaving_vmsa = 0;
}

} // namespace

void run(Vcpu& vcpu) {
    set_reported_vcpu(vcpu);
    while (vcpu.activity != Activity::running) {
        sleep(vcpu);
    }
    load_hidden_state(vcpu);
    for (;;) {
        release_left_vmsa(vcpu);
        if (vcpu.init_received) {
            stop(vcpu, Activity::waits_for_sipi, "INIT: nobody sends the SIPI that would follow");
            vcpu.started_again = true;
        }
        if (vcpu.destroyed) {
            vcpu.destroyed = false;
            stop(vcpu, Activity::no_vmsa, "AP creation has destroyed the last vCPU");
        }
        if (vcpu.replaced && !vmrun_takes(vcpu.next_vmsa)) {
            vcpu.replaced = false;
            vcpu.vmsa     = 0;
            if (reverse_map::has(vcpu.next_vmsa)) {
                reverse_map::at(vcpu.next_vmsa).in_use = false;
            }
            stop(vcpu, Activity::no_vmsa, "VMRUN refuses a page that is no VMSA of the guest's");
            continue;
        }
        if (vcpu.replaced) {
            replace_state(vcpu);
        } else if (vcpu.changes_vmpl) {
            change_vmpl(vcpu);
        }
        let_through(vcpu);
        if (has_restricted_injection(vcpu)) {
            ring_doorbell(vcpu);
            vcpu.takes_interrupts = takes_interrupt(vcpu);
        } else {
            deliver_pending_nmi(vcpu);
        }
        attack_at_entry(vcpu);
        profile_entry(vcpu);
        watch_real_iret(vcpu);
        watch_attacked_iret(vcpu);
        attack_at_place(vcpu);
        monitor_lock.release();
        take_turns(vcpu);
        enter(vcpu, nested_root(vcpu, false));
        monitor_lock.acquire();
        vcpu.takes_interrupts = false;
        set_reported_vcpu(vcpu);
        if (vcpu.options.limit != 0 && vcpu.vmruns >= vcpu.options.limit) {
            end_run_by_limit();
        }
        profile_run(vcpu);
        if (vcpu.left_tables) {
            vcpu.left_tables = false;
            nested::drop_aliases();
        }
        if (end_step(vcpu)) {
            continue;
        }
        // What another vCPU did to it meanwhile leaves nothing of why it came out.
        const bool is_over = vcpu.replaced || vcpu.destroyed;
        if (!is_over || vcpu.vmcb.exitcode == vmexit::nmi) {
            handle_exit(vcpu);
        }
        count_emulated_step(vcpu);
    }
}

void stop(Vcpu& vcpu, Activity activity, const char* detail) {
    // INIT may have come while the exit that led here waited for the lock.
    vcpu.activity      = vcpu.init_received ? Activity::waits_for_sipi : activity;
    vcpu.init_received = false;
    if (!is_any_running()) {
        if (vcpu.terminations != 0 && activity == Activity::halted) {
            end_run_by_unheard_halt(vcpu.termination);
        }
        end_run_by_halt(detail);
    }
    while (vcpu.activity != Activity::running) {
        sleep(vcpu);
    }
}

void wake(Vcpu& vcpu) {
    vcpu.woken = 1;
    local_apic::send_to(vcpu.index, local_apic::nmi);
}

void take_wake_up() { open_nmi_window(); }

} // namespace vestibule::sevsim

void processor_main(u32 apic_id) {
    catch_own_exceptions();
    load_own_tables();
    if (apic_id >= most_vcpus) {
        x86::Cpu::halt();
    }
    set_host_save_area(apic_id);
    processors_there.fetch_add(1);
    while (!released.load()) {
        x86::Cpu::pause();
    }
    monitor_lock.acquire();
    run(all_vcpus[apic_id]);
}
