// SPDX-License-Identifier: BSD-2-Clause-Patent
// The registers; see initial_state.h.
#include "igvm/image/initial_state.h"

#include "boot/boot_info.h"
#include "boot/gdt.h"
#include "x86/registers.h"

namespace vestibule::igvm {

using boot::Entry;
using x86::Segment;
using x86::SegmentAttributes;

static constexpr u32 whole_limit = ~u32{0};

static constexpr Segment segment(u16 selector, SegmentAttributes attributes, u32 limit) {
    return {.selector   = selector,
            .attributes = static_cast<u16>(attributes),
            .limit      = limit,
            .base       = 0};
}

namespace {
/// What platforms have in common, by the mode in which the image is entered.
struct Mode {
    u16 code_selector;
    SegmentAttributes code;
    u64 cr0;
    u64 cr4;
    u64 efer;
    bool paging;
    bool told_base; // in RBX, and the platform in RSI (boot/entry_state.h)
};

constexpr Mode mode_of(Entry entry) {
    switch (entry) {
    case Entry::legacy32:
        return {.code_selector = boot::code32_selector,
                .code          = SegmentAttributes::code32,
                .cr0           = boot::legacy_cr0,
                .cr4           = boot::legacy_cr4,
                .efer          = 0,
                .paging        = false,
                .told_base     = true};
    case Entry::compat:
        return {.code_selector = boot::code32_selector,
                .code          = SegmentAttributes::code32,
                .cr0           = boot::paging_cr0,
                .cr4           = boot::paging_cr4,
                .efer          = boot::paging_efer,
                .paging        = true,
                .told_base     = true};
    case Entry::long64: break;
    }
    return {.code_selector = boot::code64_selector,
            .code          = SegmentAttributes::code64,
            .cr0           = boot::paging_cr0,
            .cr4           = boot::paging_cr4,
            .efer          = boot::paging_efer,
            .paging        = true,
            .told_base     = false};
}
} // namespace

bool has_initial_tables(Entry entry) { return mode_of(entry).paging; }

// KVM changes some registers on their way into the VMSA: it sets EFER.SVME and CR4.MCE and clears
// CR0.CD and CR0.NW; QEMU sets CR0.ET and takes TR's base from LDTR. All of that is already so
// here, so that the launch digest is that of this very page.
x86::Vmsa initial_vmsa(PlatformType platform, Entry entry, u64 base, u64 address) {
    const bool snp     = platform == PlatformType::sev_snp;
    const auto told    = snp ? boot::Platform::sev_snp : boot::Platform::sev_es;
    const Mode mode    = mode_of(entry);
    const Segment data = segment(boot::data_selector, SegmentAttributes::data, whole_limit);
    x86::Vmsa vmsa{};
    vmsa.es           = data;
    vmsa.cs           = segment(mode.code_selector, mode.code, whole_limit);
    vmsa.ss           = data;
    vmsa.ds           = data;
    vmsa.fs           = data;
    vmsa.gs           = data;
    vmsa.ldtr         = segment(0, SegmentAttributes::ldt, 0xFFFF);
    vmsa.tr           = segment(0, SegmentAttributes::busy_task, 0xFFFF);
    vmsa.efer         = mode.efer | x86::efer::svme;
    vmsa.cr4          = mode.cr4;
    vmsa.cr3          = mode.paging ? base : 0;
    vmsa.cr0          = mode.cr0;
    vmsa.dr7          = x86::dr7_reset;
    vmsa.dr6          = x86::dr6_reset;
    vmsa.rflags       = x86::rflags::reserved_one;
    vmsa.rip          = address;
    vmsa.g_pat        = x86::pat_reset;
    vmsa.rbx          = mode.told_base ? base : 0;
    vmsa.rsi          = mode.told_base ? static_cast<u64>(told) : 0;
    vmsa.sev_features = snp ? 1 : 0; // SNPActive
    vmsa.xcr0         = 1;           // x87, the least there is
    vmsa.mxcsr        = 0x1F80;      // reset values of the FPU, which KVM_SEV_INIT2 guests get
    vmsa.x87_fcw      = 0x037F;
    return vmsa;
}

NativeVpContext initial_native_context(Entry entry, u64 base, u64 address) {
    const Mode mode = mode_of(entry);
    NativeVpContext context{};
    context.rbx    = mode.told_base ? base : 0;
    context.rsi    = mode.told_base ? static_cast<u64>(boot::Platform::native) : 0;
    context.rip    = address;
    context.rflags = x86::rflags::reserved_one;
    context.code   = {.selector   = mode.code_selector,
                      .attributes = x86::native_attributes(mode.code),
                      .base       = 0,
                      .limit      = whole_limit};
    context.data   = {.selector   = boot::data_selector,
                      .attributes = x86::native_attributes(SegmentAttributes::data),
                      .base       = 0,
                      .limit      = whole_limit};
    context.cr0    = mode.cr0;
    context.cr3    = mode.paging ? base : 0;
    context.cr4    = mode.cr4;
    context.efer   = mode.efer;
    return context;
}

} // namespace vestibule::igvm
