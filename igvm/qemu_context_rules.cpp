// See qemu_context_rules.h.
#include "igvm/qemu_context_rules.h"

#include "x86/registers.h"
#include "x86/sev.h"

#include <algorithm>

namespace vestibule::igvm {

namespace {
using x86::Vmsa;

struct Range {
    u64 first;
    u64 end;
};

/// What QEMU copies out of a VMSA. Everything else has to be zero.
constexpr Range settable[] = {
    {.first = offsetof(Vmsa, es),           .end = offsetof(Vmsa, pl0_ssp)   },
    {.first = offsetof(Vmsa, efer),         .end = offsetof(Vmsa, reserved2) },
    {.first = offsetof(Vmsa, cr4),          .end = offsetof(Vmsa, dr)        },
    {.first = offsetof(Vmsa, rsp),          .end = offsetof(Vmsa, s_cet)     },
    {.first = offsetof(Vmsa, rax),          .end = offsetof(Vmsa, star)      },
    {.first = offsetof(Vmsa, g_pat),        .end = offsetof(Vmsa, debug_ctl) },
    {.first = offsetof(Vmsa, rcx),          .end = offsetof(Vmsa, reserved6) },
    {.first = offsetof(Vmsa, rbp),          .end = offsetof(Vmsa, reserved7) },
    {.first = offsetof(Vmsa, sev_features), .end = offsetof(Vmsa, vintr_ctrl)},
    {.first = offsetof(Vmsa, xcr0),         .end = offsetof(Vmsa, reserved8) },
    {.first = offsetof(Vmsa, mxcsr),        .end = offsetof(Vmsa, x87_ftw)   },
    {.first = offsetof(Vmsa, x87_fcw),      .end = offsetof(Vmsa, x87_fop)   },
};

constexpr u64 snp_feature = x86::SevStatus::snp >> 2; // SEV_STATUS mirrors SEV_FEATURES from bit 2

/// Registers that QEMU or KVM change unless they already are what these bits say.
struct FixedBits {
    u64 Vmsa::* field;
    u64 offset;
    u64 set;
    u64 clear;
};

constexpr FixedBits fixed_bits[] = {
    {.field = &Vmsa::efer, .offset = offsetof(Vmsa, efer), .set = x86::efer::svme, .clear = 0},
    {.field = &Vmsa::cr4,  .offset = offsetof(Vmsa, cr4),  .set = x86::cr4::mce,   .clear = 0},
    {.field  = &Vmsa::cr0,
     .offset = offsetof(Vmsa,                       cr0),
     .set    = x86::cr0::et,
     .clear  = x86::cr0::cd | x86::cr0::nw                                                   },
    {.field  = &Vmsa::dr7,
     .offset = offsetof(Vmsa,                       dr7),
     .set    = x86::dr7_reset,
     .clear  = ~x86::dr7_reset                                                               },
};

/// In the order in which the VMSA holds them, from offset 0.
constexpr unsigned segment_count = offsetof(Vmsa, pl0_ssp) / sizeof(x86::Segment);

bool is_table_register(u64 offset) {
    return offset == offsetof(Vmsa, gdtr) || offset == offsetof(Vmsa, idtr);
}
} // namespace

void check_vmsa(std::span<const u8> page, PlatformType platform, const ContextFault& fault) {
    const auto vmsa = load<Vmsa>(page);
    for (u64 at = 0; at < page.size(); ++at) {
        const bool free = std::ranges::any_of(
            settable, [&](const Range& range) { return at >= range.first && at < range.end; });
        if (!free && page[at] != 0) {
            fault(QemuRule::vmsa_zero, at, page[at]);
        }
    }
    const bool snp   = platform == PlatformType::sev_snp;
    const bool right = snp ? (vmsa.sev_features & snp_feature) != 0 : vmsa.sev_features == 0;
    if (!right) {
        fault(QemuRule::vmsa_features, offsetof(Vmsa, sev_features), vmsa.sev_features);
    }
    for (const FixedBits& row : fixed_bits) {
        const u64 value = vmsa.*row.field;
        if ((value & row.set) != row.set || (value & row.clear) != 0) {
            fault(QemuRule::vmsa_fixed_point, row.offset, value);
        }
    }
    for (unsigned i = 0; i < segment_count; ++i) {
        const u64 at       = i * sizeof(x86::Segment);
        const auto segment = load<x86::Segment>(page, at);
        constexpr u16 lost = 0xF000;
        const bool table   = is_table_register(at);
        if ((segment.attributes & lost) != 0 || (table && segment.attributes != 0)) {
            fault(QemuRule::vmsa_segment_form, at + offsetof(x86::Segment, attributes),
                  segment.attributes);
        }
        if (table && segment.selector != 0) {
            fault(QemuRule::vmsa_segment_form, at + offsetof(x86::Segment, selector),
                  segment.selector);
        }
    }
    if (vmsa.tr.base != vmsa.ldtr.base) {
        fault(QemuRule::vmsa_tr_base, offsetof(Vmsa, tr.base), vmsa.tr.base);
    }
}

void check_native_context(const NativeVpContext& context, const ContextFault& fault) {
    constexpr u16 executable = 1u << 3;
    constexpr u16 code_data  = 1u << 4; // S
    constexpr u16 present    = 1u << 7;
    const auto check         = [&](u16 attributes, u64 at, u16 wanted) {
        if ((attributes & (executable | code_data | present)) != wanted) {
            fault(QemuRule::native_segments, at, attributes);
        }
    };
    check(context.code.attributes, offsetof(NativeVpContext, code.attributes),
          executable | code_data | present);
    check(context.data.attributes, offsetof(NativeVpContext, data.attributes), code_data | present);

    const bool long_mode = (context.efer & (x86::efer::lme | x86::efer::lma)) != 0;
    const bool paging    = (context.cr0 & x86::cr0::pg) != 0;
    if (long_mode && paging
        && ((context.cr4 & x86::cr4::pae) == 0 || (context.cr0 & x86::cr0::pe) == 0)) {
        fault(QemuRule::native_pae, offsetof(NativeVpContext, cr4), context.cr4);
    }
    if (context.gs_base != context.data.base) {
        fault(QemuRule::native_gs_base, offsetof(NativeVpContext, gs_base), context.gs_base);
    }
}

} // namespace vestibule::igvm
