// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's vCPU: its VMCB, the registers beside it, and how it is entered.
#pragma once

#include "sevsim/monitor/options.h"
#include "sevsim/monitor/processor/svm.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/msr.h"
#include "x86/registers.h"

namespace vestibule::sevsim {

/// What keeps a vCPU from running: INIT, SIPI and NMI change it (hypervisor/ipi.h).
enum class Activity : u8 {
    running,
    waits_for_sipi, // not started yet, or INIT has come
    reset_hold,     // the guest has asked for it, and waits for INIT and SIPI
    halted,         // HLT with interrupts off
    no_vmsa,        // AP creation has taken its state away, and can give it another
};

/// What Vcpu::registered_ghcb holds of a vCPU that has registered none: no page's address.
inline constexpr u64 no_ghcb = 1;

/// How the vCPU reaches its local APIC (APM volume 2, sections 16.3 and 16.9).
enum class ApicMode : u8 { xapic, x2apic, disabled };

/// What a vCPU has at a VMPL at which it does not run just now.
struct VmplContext {
    u64 vmsa;       // the page in guest memory that holds its state; 0: see at_launch
    bool at_launch; // its state is the one that it was launched with, as it is by now
    u64 ghcb_msr;
    u64 registered_ghcb;
};

struct Vcpu {
    Vmcb vmcb;
    GuestRegisters registers;
    u64 cr3;        // as the guest wrote it
    u64 ghcb_msr;   // MSR 0xC0010130
    u8* last_ghcb;  // the page of its last call, as the hypervisor sees it; nullptr: none yet
    u64 vmruns;     // how often the guest was entered
    unsigned index; // also its APIC ID, and its processor's
    Activity activity;
    bool init_received; // INIT has come since it was last entered
    bool started_again; // INIT and SIPI have, before its next reset hold
    u8 woken;           // its processor need not sleep any longer (processors.h); 0 once it knows
    bool stale_tlb;     // its translations have changed since it was last entered
    u64 seen_tables;    // nested::generation when it was last entered
    bool left_tables;   // CR3 has another address than when it was last entered
    bool may_halt;      // HLT is let through until the next exit
    bool owns_cr3;      // CR3 is what the guest wrote, and not intercepted (control_registers.h)
    u64 emulated;       // instructions that the monitor did in the guest's place
    // What the hypervisor remembers of the guest's calls.
    u64 told_dr7;   // the last DR7 write that it was asked for
    u32 logical_id; // of its local APIC, by which interprocessor interrupts can name it
    ApicMode apic_mode;
    u64 x2apic_command;     // what it last wrote to ICR in x2APIC mode
    u64 terminations;       // how often it has asked for the guest's end, and was not heard
    EndRequest termination; // which, the last time
    u64 registered_ghcb;    // the address that it has registered, 1 where it has none (SEV-SNP)
    u8 vmpl;                // at which it runs
    u64 vmsa;               // the page in guest memory that it runs from; 0: its state at launch
    u64 leaving_vmsa;       // the one that it has no more, and may still run from; 0: there is none
    u64 vmsa_at_init;       // the one that INIT starts it from; 0: there is none
    u64 next_vmsa;          // where `replaced`, the one that its processor loads next (vmsa.h)
    bool replaced;          // what it was about to do is no more: only that state counts
    bool destroyed;         // AP creation wants it to stop
    bool changes_vmpl;      // RUN_VMPL has been asked for `next_vmpl`
    u8 next_vmpl;
    bool goes_when_halted; // to `next_vmpl`, which another vCPU has given a state
    VmplContext vmpls[4];  // by VMPL
    u64 doorbell;          // the page of its #HV doorbell (hypervisor/doorbell.h); 0: none
    u8 held_vector;        // an interrupt that waits for its doorbell page; 0: none
    u64 lost_page;         // that is not validated, over which it took its last such #VC
    u64 lost_rip;          // where it stood then
    u64 lost_times;        // how many of these there were, one behind the other
    bool takes_interrupts; // on this entry interrupts of the machine's come to the monitor
    bool nmi_pending;      // to be injected
    bool nmi_masked;       // from the injection of an NMI to the guest's NMI complete
    Options options;

    x86::Vmsa& state() { return vmcb.save(); }

    u64 c_bit() const { return bit(options.c_bit_position); }

    /// The guest-physical address without what selects a view.
    u64 without_c_bit(u64 gpa) const { return gpa & ~(c_bit() | wrong_c_bit()); }

    /// What the hypervisor has the guest take for the C-bit; 0: the C-bit.
    u64 wrong_c_bit() const {
        return options.maps_wrong_c_bit() ? bit(options.wrong_c_bit_position()) : 0;
    }

    bool is_long_mode() {
        return (state().cr0 & x86::cr0::pg) != 0 && (state().efer & x86::efer::lma) != 0;
    }

    bool is_64_bit_code() {
        constexpr u16 long_segment = 1u << 9;
        return is_long_mode() && (state().cs.attributes & long_segment) != 0;
    }

    /// The instruction at RIP, of so many bytes, is done.
    void skip_instruction(u64 bytes) {
        state().rip += bytes;
        ++emulated;
    }

    /// A general register by its number in instruction encodings.
    u64& general_register(unsigned number);

    /// Sets what CR3 the walks really use: they are private whatever the guest says, and an SEV
    /// guest in long mode reaches private memory by the C-bit.
    void set_cr3(u64 value);
};

/// Prepares VMCB, intercepts and permission maps. The save area is left to the loader.
void initialise(Vcpu& vcpu, const Options& options);

/// Intercepts what the lies of its options need, and leaves alone what they want left alone.
void intercept_for_lies(Vcpu& vcpu);

/// Gives the processor that this runs on the page where VMRUN keeps the monitor's own state.
void set_host_save_area(unsigned processor);

/// The save area and registers after INIT or power-on (APM volume 2, section 14.1.3): real mode, at
/// the reset vector.
void reset(Vcpu& vcpu);

/// Has the guest leave at each RDMSR and WRMSR of this register from now on.
void intercept_msr(u32 number);

/// True for an MSR that the guest reads and writes without anyone seeing it.
bool is_passed_through(x86::Msr msr);

/// Enters the guest on the nested tables at `nested_cr3` and comes back with the next #VMEXIT.
void enter(Vcpu& vcpu, u64 nested_cr3);

/// Moves the whole save area into the processor that this runs on, for state that VMRUN does not
/// load.
void load_hidden_state(Vcpu& vcpu);

/// The reverse: #VMEXIT leaves that state in the processor.
void save_hidden_state(Vcpu& vcpu);

/// Has the guest take an exception on its next entry.
void inject(Vcpu& vcpu, u64 event);

} // namespace vestibule::sevsim
