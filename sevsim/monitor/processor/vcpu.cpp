// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/vcpu.h"

#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/recording/dump.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/cpu.h"
#include "x86/exit_code.h"

#include <atomic>

extern "C" {
void enter_guest(vestibule::sevsim::GuestRegisters& registers, vestibule::u64 vmcb_physical,
                 vestibule::u64 takes_interrupts);
void load_guest_segments(vestibule::u64 vmcb_physical);
void save_guest_segments(vestibule::u64 vmcb_physical);
}

namespace vestibule::sevsim {

using x86::Cpu;
using x86::Msr;

namespace {

alignas(page_size) constinit u8 host_save_areas[most_vcpus][page_size]{};
alignas(page_size) constinit u8 msr_permissions[2 * page_size]{};
alignas(page_size) constinit u8 io_permissions[3 * page_size]{};

/// MSRs that an SEV-ES guest reads and writes without anyone seeing it: KVM passes these through,
/// and #VMEXIT saves them. All others are intercepted.
constexpr Msr passed_through[] = {
    Msr::star,        Msr::lstar,        Msr::cstar,          Msr::sfmask,
    Msr::fs_base,     Msr::gs_base,      Msr::kernel_gs_base, Msr::tsc_aux,
    Msr::sysenter_cs, Msr::sysenter_esp, Msr::sysenter_eip,   Msr::pat,
    Msr::xss,
};

/// Both intercept bits of an MSR (APM volume 2, section 15.11).
struct MsrPermission {
    u8& byte;
    u8 bits;
};

MsrPermission permission_of(u32 number) {
    const u32 index = number < 0x2000            ? number
                      : (number >> 16) == 0xC000 ? 0x2000 + (number & 0x1FFF)
                                                 : 0x4000 + (number & 0x1FFF);
    return {msr_permissions[index / 4], static_cast<u8>(3u << (index % 4 * 2))};
}

void pass_through(Msr msr) {
    const MsrPermission permission = permission_of(static_cast<u32>(msr));
    permission.byte &= static_cast<u8>(~permission.bits);
}

/// What an encrypted guest's hypervisor intercepts. That of a plain SEV guest leaves DR7 alone.
void intercept_for_encrypted(Vmcb& vmcb, const Options& options) {
    using namespace intercept;
    if (options.has_vc()) {
        vmcb.intercept_dr_read  = 1u << 7;
        vmcb.intercept_dr_write = 1u << 7;
    }
    vmcb.intercept_misc1 = nmi | rdpmc | cpuid | invd | hlt | ioio | msr | shutdown;
    vmcb.intercept_misc2 = vmrun | vmmcall | vmload | vmsave | stgi | clgi | skinit | wbinvd
                           | intercept::monitor | mwait;
    memset(msr_permissions, 0xFF, sizeof msr_permissions);
    for (const Msr msr : passed_through) {
        pass_through(msr);
    }
    memset(io_permissions, 0xFF, sizeof io_permissions);
}

/// QEMU drops its whole TLB, on the way in and on the way out, where guest and monitor differ in
/// one of these bits. To the monitor, without user pages or global ones, they mean nothing.
void mirror_cr4(Vcpu& vcpu) {
    constexpr u64 mirrored = x86::cr4::pse | x86::cr4::pge | x86::cr4::smep | x86::cr4::smap;
    const u64 own          = Cpu::cr4();
    const u64 wanted       = (own & ~mirrored) | (vcpu.state().cr4 & mirrored);
    if (own != wanted) {
        Cpu::set_cr4(wanted);
    }
}

/// The native guest has the machine to itself, but for how the run ends and what it is to show.
void intercept_for_native(Vmcb& vmcb) {
    using namespace intercept;
    vmcb.intercept_misc1 = hlt | ioio | shutdown;
    vmcb.intercept_misc2 = vmrun;
    for (const u16 port : {debug_exit_port, dump_port}) {
        io_permissions[port / 8] |= static_cast<u8>(1u << (port % 8));
    }
}

} // namespace

u64& Vcpu::general_register(unsigned number) {
    u64* const by_number[] = {
        &state().rax,   &registers.rcx, &registers.rdx, &registers.rbx,
        &state().rsp,   &registers.rbp, &registers.rsi, &registers.rdi,
        &registers.r8,  &registers.r9,  &registers.r10, &registers.r11,
        &registers.r12, &registers.r13, &registers.r14, &registers.r15,
    };
    return *by_number[number & 15];
}

void Vcpu::set_cr3(u64 value) {
    owns_cr3  = false; // until intercept_control_registers() says so
    stale_tlb = true;
    left_tables |= ((cr3 ^ value) & ~c_bit() & x86::PageTableEntry::address_mask) != 0;
    cr3         = value;
    state().cr3 = !options.is_native() && is_long_mode() ? value | c_bit() : value;
}

void initialise(Vcpu& vcpu, const Options& options) {
    vcpu.options  = options;
    vcpu.told_dr7 = x86::dr7_reset;
    Vmcb& vmcb    = vcpu.vmcb;
    if (options.is_native()) {
        intercept_for_native(vmcb);
    } else {
        intercept_for_encrypted(vmcb, options);
        intercept_for_lies(vcpu);
    }
    if (options.is_snp()) {
        vmcb.intercept_exceptions = 1u << x86::exception::invalid_opcode; // rmp_instructions.h
        vcpu.registered_ghcb      = no_ghcb;
    }
    vmcb.iopm_base     = layout::physical(io_permissions);
    vmcb.msrpm_base    = layout::physical(msr_permissions);
    vmcb.tsc_offset    = options.tsc_offset;
    vmcb.asid          = 1;
    vmcb.nested_paging = 1;
}

void intercept_for_lies(Vcpu& vcpu) {
    Vmcb& vmcb = vcpu.vmcb;
    if (vcpu.options.hostile.has(Lie::tsc_exits)) {
        vmcb.intercept_misc1 |= intercept::rdtsc;
        vmcb.intercept_misc2 |= intercept::rdtscp;
    }
    if (vcpu.options.hostile.has(Lie::looks_native)) {
        vmcb.intercept_misc1 &= ~intercept::cpuid;
    }
    for (const Hostility& lie : vcpu.options.hostile) {
        if (lie.lie == Lie::msr) {
            intercept_msr(static_cast<u32>(lie.code));
        }
    }
}

void set_host_save_area(unsigned processor) {
    Cpu::wrmsr(Msr::vm_hsave_pa, layout::physical(host_save_areas[processor]));
}

void reset(Vcpu& vcpu) {
    constexpr u16 code16 = 0x09B; // 16-bit, accessed
    constexpr u16 data16 = 0x093;
    constexpr u32 limit  = 0xFFFF;
    memset(vcpu.vmcb.save_area.bytes, 0, sizeof vcpu.vmcb.save_area.bytes);
    x86::Vmsa& state = vcpu.state();
    state.cs         = {0xF000, code16, limit, 0xFFFF'0000};
    state.ds         = {0, data16, limit, 0};
    state.es = state.fs = state.gs = state.ss = state.ds;
    state.gdtr.limit                          = limit;
    state.idtr.limit                          = limit;
    state.ldtr         = {0, static_cast<u16>(x86::SegmentAttributes::ldt), limit, 0};
    state.tr           = {0, static_cast<u16>(x86::SegmentAttributes::busy_task), limit, 0};
    state.efer         = x86::efer::svme;
    state.cr0          = x86::cr0::cd | x86::cr0::nw | x86::cr0::et;
    state.dr6          = x86::dr6_reset;
    state.dr7          = x86::dr7_reset;
    state.g_pat        = x86::pat_reset;
    state.rflags       = x86::rflags::reserved_one;
    state.rip          = 0xFFF0;
    vcpu.registers     = {};
    vcpu.registers.rdx = Cpu::cpuid(1).eax; // family, model, stepping
    vcpu.set_cr3(0);
}

void intercept_msr(u32 number) {
    const MsrPermission permission = permission_of(number);
    permission.byte |= permission.bits;
}

bool is_passed_through(Msr msr) {
    for (const Msr passed : passed_through) {
        if (passed == msr) {
            return true;
        }
    }
    return false;
}

void enter(Vcpu& vcpu, u64 nested_cr3) {
    constexpr u8 flush_all = 1;
    // Read once: this is outside the lock, and another vCPU may be changing the tables.
    const u64 tables = std::atomic_ref{nested::generation}.load();
    const bool stale =
        vcpu.stale_tlb || vcpu.seen_tables != tables || vcpu.vmcb.nested_cr3 != nested_cr3;
    vcpu.vmcb.nested_cr3  = nested_cr3;
    vcpu.vmcb.tlb_control = stale ? flush_all : u8{0};
    vcpu.stale_tlb        = false;
    vcpu.seen_tables      = tables;
    ++vcpu.vmruns;
    mirror_cr4(vcpu);
    enter_guest(vcpu.registers, layout::physical(&vcpu.vmcb), vcpu.takes_interrupts ? 1 : 0);
    vcpu.vmcb.event_injection = 0;
    if (vcpu.owns_cr3 && vcpu.cr3 != vcpu.state().cr3) {
        const bool flushed =
            (vcpu.state().cr3 & vcpu.c_bit()) != 0; // by the CPU, as it was written
        vcpu.set_cr3(vcpu.state().cr3);
        vcpu.stale_tlb = !flushed;
    }
}

void load_hidden_state(Vcpu& vcpu) { load_guest_segments(layout::physical(&vcpu.vmcb)); }

void save_hidden_state(Vcpu& vcpu) { save_guest_segments(layout::physical(&vcpu.vmcb)); }

void inject(Vcpu& vcpu, u64 event) { vcpu.vmcb.event_injection = event; }

} // namespace vestibule::sevsim
