// SPDX-License-Identifier: BSD-2-Clause-Patent
// See registers.h.
#include "kvm/registers.h"

#include "x86/registers.h"
#include "x86/sev.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace vestibule::kvm {

kvm_segment segment_of(const x86::Segment& from) {
    const auto attribute = [&from](unsigned position, unsigned mask) {
        return static_cast<__u8>((from.attributes >> position) & mask);
    };
    return {.base     = from.base,
            .limit    = from.limit,
            .selector = from.selector,
            .type     = attribute(0, 0xF),
            .present  = attribute(7, 1),
            .dpl      = attribute(5, 3),
            .db       = attribute(10, 1),
            .s        = attribute(4, 1),
            .l        = attribute(9, 1),
            .g        = attribute(11, 1),
            .avl      = attribute(8, 1),
            .unusable = static_cast<__u8>(attribute(7, 1) == 0),
            .padding  = 0};
}

namespace {
/// A table's limit has 16 bits; a VMSA's register has room for more.
kvm_dtable table_of(const x86::Segment& from) {
    return {.base = from.base, .limit = static_cast<__u16>(from.limit), .padding = {}};
}

void set_msrs(Calls& calls, int vcpu, const x86::Vmsa& vmsa) {
    // SPEC_CTRL, TSC_AUX and the rest do not reach a VMSA by KVM's ioctls.
    const std::pair<u32, u64> values[] = {
        {0x277,       vmsa.g_pat         },
        {0xC000'0081, vmsa.star          },
        {0xC000'0082, vmsa.lstar         },
        {0xC000'0083, vmsa.cstar         },
        {0xC000'0084, vmsa.sfmask        },
        {0xC000'0102, vmsa.kernel_gs_base},
        {0x174,       vmsa.sysenter_cs   },
        {0x175,       vmsa.sysenter_esp  },
        {0x176,       vmsa.sysenter_eip  },
        {0xDA0,       vmsa.xss           },
    };
    abi::Msrs msrs{};
    static_assert(std::size(values) == std::size(msrs.entries));
    for (const auto& [index, value] : values) {
        msrs.entries[msrs.count++] = {.index = index, .reserved = 0, .data = value};
    }
    if (vmsa.xss == 0) {
        --msrs.count; // an MSR of newer CPUs, and zero is what it holds anyway
    }
    const auto done = static_cast<u32>(calls.call(vcpu, abi::set_msrs, msrs));
    if (done < msrs.count) {
        throw Error(fmt::format("KVM_SET_MSRS: KVM refuses {:#x} for MSR {:#x} of the VP context: "
                                "`igvmtool show` prints it",
                                msrs.entries[done].data, msrs.entries[done].index));
    }
}

/// XSAVE's standard form (APM volume 2, section 11.5.2).
void set_fpu(Calls& calls, int vcpu, const x86::Vmsa& vmsa, const abi::Cpuid& supported) {
    constexpr u64 xmm = 160;
    constexpr u64 ymm = 576;
    kvm_xsave xsave{};
    u8 area[sizeof(xsave.region)]{};
    const auto put = [&area](u64 at, const auto& value) {
        std::memcpy(area + at, &value, sizeof(value));
    };
    put(0, vmsa.x87_fcw);
    put(2, vmsa.x87_fsw);
    put(4, vmsa.x87_ftw); // abridged in both
    put(6, vmsa.x87_fop);
    put(8, vmsa.x87_rip);
    put(16, vmsa.x87_dp);
    put(24, vmsa.mxcsr);
    for (u64 n = 0; n < 8; ++n) {
        // Mantissas, then exponents.
        std::memcpy(area + 32 + 16 * n, vmsa.fpreg_x87 + 8 * n, 8);
        std::memcpy(area + 32 + 16 * n + 8, vmsa.fpreg_x87 + 64 + 2 * n, 2);
    }
    put(xmm, vmsa.fpreg_xmm);
    u64 present    = 3;
    const auto any = [](const u8& byte) { return byte != 0; };
    if (std::ranges::any_of(vmsa.fpreg_ymm, any)) {
        present |= bit(2);
        put(ymm, vmsa.fpreg_ymm);
    }
    for (u32 n = 0; n < supported.count && vmsa.pkru != 0; ++n) {
        const auto& entry = supported.entries[n];
        if (entry.function == x86::cpuid_leaf::extended_state && entry.index == 9
            && entry.ebx <= sizeof(area) - sizeof(vmsa.pkru)) {
            present |= bit(9);
            put(entry.ebx, vmsa.pkru);
        }
    }
    put(512, present);
    std::memcpy(xsave.region, area, sizeof(area));
    calls.call(vcpu, KVM_SET_XSAVE, xsave);
}
} // namespace

void set_registers(Calls& calls, int vcpu, const x86::Vmsa& vmsa, const abi::Cpuid& supported) {
    kvm_sregs sregs{};
    calls.call(vcpu, KVM_GET_SREGS, sregs); // for the APIC's base
    sregs.es   = segment_of(vmsa.es);
    sregs.cs   = segment_of(vmsa.cs);
    sregs.ss   = segment_of(vmsa.ss);
    sregs.ds   = segment_of(vmsa.ds);
    sregs.fs   = segment_of(vmsa.fs);
    sregs.gs   = segment_of(vmsa.gs);
    sregs.tr   = segment_of(vmsa.tr);
    sregs.ldt  = segment_of(vmsa.ldtr);
    sregs.gdt  = table_of(vmsa.gdtr);
    sregs.idt  = table_of(vmsa.idtr);
    sregs.cr0  = vmsa.cr0;
    sregs.cr3  = vmsa.cr3;
    sregs.cr4  = vmsa.cr4;
    sregs.efer = vmsa.efer & ~x86::efer::svme; // KVM adds it, and takes it from nobody
    calls.call(vcpu, KVM_SET_SREGS, sregs);
    kvm_regs regs = regs_of(vmsa);
    calls.call(vcpu, KVM_SET_REGS, regs);
    set_msrs(calls, vcpu, vmsa);
    kvm_xcrs xcrs{};
    xcrs.nr_xcrs       = 1;
    xcrs.xcrs[0].value = vmsa.xcr0;
    calls.call(vcpu, KVM_SET_XCRS, xcrs);
    kvm_debugregs debug{};
    debug.dr6 = vmsa.dr6;
    debug.dr7 = vmsa.dr7;
    calls.call(vcpu, KVM_SET_DEBUGREGS, debug);
    // KVM_SEV_ES_INIT's guests have none of it in their VMSAs but PKRU.
    set_fpu(calls, vcpu, vmsa, supported);
}

} // namespace vestibule::kvm
