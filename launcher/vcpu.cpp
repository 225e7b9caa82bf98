// See vcpu.h.
#include "launcher/vcpu.h"

#include "x86/registers.h"
#include "x86/sev.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace vestibule::launcher {

namespace {
constexpr u32 topology_leaves[] = {0xB, 0x1F};

/// CPUID page (SEV-SNP firmware ABI, table of its layout).
struct PageEntry {
    u32 eax_in, ecx_in;
    u64 xcr0_in, xss_in;
    u32 eax, ebx, ecx, edx;
    u64 reserved;
};

static_assert(sizeof(PageEntry) == 48);

constexpr u32 most_page_entries = 64;
constexpr u64 page_header       = 16; // the count, then zeros

kvm_segment segment_from(const x86::Segment& from) {
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

kvm_segment segment_from(const igvm::NativeSegment& from, u64 base) {
    return segment_from(x86::Segment{.selector   = from.selector,
                                     .attributes = x86::vmsa_attributes(from.attributes),
                                     .limit      = from.limit,
                                     .base       = base});
}

void set_dtable(kvm_dtable& table, u64 base, u32 limit) {
    table.base  = base;
    table.limit = static_cast<__u16>(limit);
}

/// The registers that both kinds of context have, under one name each.
template <class Context>
void set_regs(Calls& calls, int vcpu, const Context& from) {
    // clang-format off
    kvm_regs regs{from.rax, from.rbx, from.rcx, from.rdx, from.rsi, from.rdi, from.rsp, from.rbp,
                  from.r8, from.r9, from.r10, from.r11, from.r12, from.r13, from.r14, from.r15,
                  from.rip, from.rflags};
    // clang-format on
    calls.call(vcpu, KVM_SET_REGS, regs);
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
        throw LaunchError(
            fmt::format("KVM_SET_MSRS: KVM refuses {:#x} for MSR {:#x} of the VP context: "
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

abi::Cpuid supported_cpuid(Calls& calls, int kvm) {
    abi::Cpuid cpuid{};
    cpuid.count = abi::most_cpuid_entries;
    calls.call(kvm, abi::get_supported_cpuid, cpuid);
    cpuid.count = std::min(cpuid.count, abi::most_cpuid_entries);
    return cpuid;
}

abi::Cpuid cpuid_of(const abi::Cpuid& supported, u32 vcpu, u32 vcpus) {
    constexpr u32 hypervisor = 1u << 31;
    abi::Cpuid cpuid         = supported;
    for (u32 n = 0; n < cpuid.count; ++n) {
        auto& entry = cpuid.entries[n];
        if (entry.function == x86::cpuid_leaf::features) {
            entry.ebx = (entry.ebx & 0xFFFF) | vcpus << 16 | vcpu << 24;
            entry.ecx |= hypervisor;
        } else if (std::ranges::count(topology_leaves, entry.function) != 0) {
            entry.edx = vcpu;
        }
    }
    return cpuid;
}

std::vector<u8> cpuid_page(const abi::Cpuid& supported) {
    std::vector<u8> page(page_size);
    u32 count = 0;
    for (u32 n = 0; n < supported.count; ++n) {
        const auto& from = supported.entries[n];
        PageEntry entry{.eax_in   = from.function,
                        .ecx_in   = from.index,
                        .xcr0_in  = 0,
                        .xss_in   = 0,
                        .eax      = from.eax,
                        .ebx      = from.ebx,
                        .ecx      = from.ecx,
                        .edx      = from.edx,
                        .reserved = 0};
        // The size of the area is the guest's to compute: here with XCR0 of 1.
        if (from.function == x86::cpuid_leaf::extended_state && from.index <= 1) {
            entry.xcr0_in = 1;
            entry.ebx     = 0x240;
        }
        if ((from.eax | from.ebx | from.ecx | from.edx) == 0) {
            continue; // as good as not there
        }
        if (count == most_page_entries) {
            throw LaunchError(
                fmt::format("KVM_GET_SUPPORTED_CPUID: found more than {} entries that are "
                            "not zero, which is what an SNP CPUID page holds: let the file "
                            "bring a CPUID page of its own",
                            most_page_entries));
        }
        std::memcpy(page.data() + page_header + u64{count} * sizeof(entry), &entry, sizeof(entry));
        ++count;
    }
    std::memcpy(page.data(), &count, sizeof(count));
    return page;
}

void set_registers(Calls& calls, int vcpu, const igvm::NativeVpContext& context) {
    kvm_sregs sregs{};
    calls.call(vcpu, KVM_GET_SREGS, sregs); // TR and LDTR stay as at reset
    sregs.cs = segment_from(context.code, context.code.base);
    sregs.ds = sregs.es = sregs.fs = sregs.ss = segment_from(context.data, context.data.base);
    sregs.gs                                  = segment_from(context.data, context.gs_base);
    set_dtable(sregs.gdt, context.gdtr_base, context.gdtr_limit);
    set_dtable(sregs.idt, context.idtr_base, context.idtr_limit);
    sregs.cr0  = context.cr0;
    sregs.cr3  = context.cr3;
    sregs.cr4  = context.cr4;
    sregs.efer = context.efer;
    // A file need not say what follows from the rest; KVM insists on it.
    if ((context.efer & x86::efer::lme) != 0 && (context.cr0 & x86::cr0::pg) != 0) {
        sregs.efer |= x86::efer::lma;
    }
    calls.call(vcpu, KVM_SET_SREGS, sregs);
    set_regs(calls, vcpu, context);
}

void set_registers(Calls& calls, int vcpu, const x86::Vmsa& vmsa, const abi::Cpuid& supported) {
    kvm_sregs sregs{};
    calls.call(vcpu, KVM_GET_SREGS, sregs); // for the APIC's base
    sregs.es  = segment_from(vmsa.es);
    sregs.cs  = segment_from(vmsa.cs);
    sregs.ss  = segment_from(vmsa.ss);
    sregs.ds  = segment_from(vmsa.ds);
    sregs.fs  = segment_from(vmsa.fs);
    sregs.gs  = segment_from(vmsa.gs);
    sregs.tr  = segment_from(vmsa.tr);
    sregs.ldt = segment_from(vmsa.ldtr);
    set_dtable(sregs.gdt, vmsa.gdtr.base, vmsa.gdtr.limit);
    set_dtable(sregs.idt, vmsa.idtr.base, vmsa.idtr.limit);
    sregs.cr0  = vmsa.cr0;
    sregs.cr3  = vmsa.cr3;
    sregs.cr4  = vmsa.cr4;
    sregs.efer = vmsa.efer & ~x86::efer::svme; // KVM adds it, and takes it from nobody
    calls.call(vcpu, KVM_SET_SREGS, sregs);
    set_regs(calls, vcpu, vmsa);
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

} // namespace vestibule::launcher
