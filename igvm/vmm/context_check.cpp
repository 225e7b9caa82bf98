// SPDX-License-Identifier: BSD-2-Clause-Patent
// See context_check.h.
#include "igvm/vmm/context_check.h"

#include "igvm/format/context_fields.h"
#include "igvm/vmm/kernel_rules.h"
#include "x86/registers.h"
#include "x86/sev.h"

namespace vestibule::igvm {

namespace {
// SEV_STATUS mirrors SEV_FEATURES from bit 2.
constexpr u64 snp_feature = x86::SevStatus::snp >> 2;

void check_features(u64 features, PlatformType platform, const ContextOf& whose,
                    const ContextFaults& fault) {
    const auto add = [&](VmmRule rule) {
        fault({.rule    = rule,
               .offset  = offsetof(x86::Vmsa, sev_features),
               .found   = features,
               .becomes = std::nullopt,
               .effect  = nullptr});
    };
    const bool snp = platform == PlatformType::sev_snp;
    if (snp != ((features & snp_feature) != 0)) {
        add(VmmRule::vmsa_snp_bit);
    }
    // KVM_SEV_ES_INIT knows none at all, of which vmsa_effects tells.
    if (!snp && (legacy_qemu | legacy_kvm).has(whose.vmm)) {
        return;
    }
    const auto [by_some, by_all] =
        allowed_by(whose.kernel, snp ? &KernelRow::snp_features : &KernelRow::sev_es_features);
    const u64 asked = features & ~snp_feature;
    if ((asked & ~by_some) != 0) {
        add(VmmRule::vmsa_init2_features);
    } else if ((asked & ~by_all) != 0) {
        add(VmmRule::vmsa_features_by_kernel);
    }
}

/// OpenVMM's validate_snp_bsp_register_state: the first that does not hold.
void check_bsp(const x86::Vmsa& vmsa, const ContextFaults& fault) {
    using namespace x86;
    constexpr u16 present_long = 1u << 7 | 1u << 9;
    constexpr u64 paging       = cr0::pe | cr0::pg;
    constexpr u64 long_mode    = efer::lme | efer::lma | efer::nxe;

    struct Demand {
        bool holds;
        u64 offset;
        u64 found;
    };

    const Demand demands[] = {
        {(vmsa.cr0 & paging) == paging,                       offsetof(Vmsa, cr0),           vmsa.cr0 },
        {vmsa.cr3 != 0,                                       offsetof(Vmsa, cr3),           vmsa.cr3 },
        {(vmsa.cr4 & cr4::pae) != 0,                          offsetof(Vmsa, cr4),           vmsa.cr4 },
        {(vmsa.efer & long_mode) == long_mode,                offsetof(Vmsa, efer),          vmsa.efer},
        {(vmsa.cs.attributes & present_long) == present_long, offsetof(Vmsa, cs.attributes),
         vmsa.cs.attributes                                                                           },
        {vmsa.rip != 0,                                       offsetof(Vmsa, rip),           vmsa.rip },
    };
    for (const Demand& demand : demands) {
        if (!demand.holds) {
            fault({.rule    = VmmRule::bsp_in_64_bit_mode,
                   .offset  = demand.offset,
                   .found   = demand.found,
                   .becomes = std::nullopt,
                   .effect  = nullptr});
            return;
        }
    }
}

/// What a field's value is after an effect; none where it is an error.
std::optional<u64> result_of(const VmsaEffect& effect, u64 value, const x86::Vmsa& vmsa,
                             std::span<const u8> page) {
    switch (effect.effect) {
    case Effect::set_bits: return value | effect.value;
    case Effect::clear_bits: return value & ~effect.value;
    case Effect::drop: return 0;
    case Effect::replace: return effect.value;
    case Effect::copy: return load<u64>(page, effect.value);
    case Effect::ss_dpl: return (vmsa.ss.attributes >> 5) & 3;
    case Effect::refuse: return value == effect.value ? std::optional(value) : std::nullopt;
    case Effect::refuse_bits: break;
    }
    return (value & effect.value) == 0 ? std::optional(value) : std::nullopt;
}
} // namespace

void check_vmsa(std::span<const u8> page, PlatformType platform, const ContextOf& whose,
                const ContextFaults& fault) {
    const auto vmsa = load<x86::Vmsa>(page);
    check_features(vmsa.sev_features, platform, whose, fault);
    if (whose.vp_index == 0) {
        check_bsp(vmsa, fault);
    }
    const auto values = context_values(ContextKind::vmsa, page);
    for (const VmsaEffect& effect : vmsa_effects) {
        const bool applies = platform == PlatformType::sev_snp ? effect.sev_snp : effect.sev_es;
        if (!applies || !effect.vmms.has(whose.vmm)) {
            continue;
        }
        for (const ContextValue& field : values) {
            if (field.offset < effect.offset || field.offset >= u64{effect.offset} + effect.size) {
                continue;
            }
            const auto becomes = result_of(effect, field.value, vmsa, page);
            if (becomes != field.value) {
                fault({.rule    = VmmRule::vmsa_field,
                       .offset  = field.offset,
                       .found   = field.value,
                       .becomes = becomes,
                       .effect  = &effect});
            }
        }
    }
}

void check_native_context(const NativeVpContext& context, const ContextFaults& fault) {
    const auto add = [&](VmmRule rule, u64 offset, u64 found, std::optional<u64> becomes = {}) {
        fault({.rule    = rule,
               .offset  = offset,
               .found   = found,
               .becomes = becomes,
               .effect  = nullptr});
    };
    constexpr u16 executable = 1u << 3;
    constexpr u16 code_data  = 1u << 4; // S
    constexpr u16 present    = 1u << 7;
    const auto check         = [&](u16 attributes, u64 at, u16 wanted) {
        if ((attributes & (executable | code_data | present)) != wanted) {
            add(VmmRule::native_segments, at, attributes);
        }
    };
    check(context.code.attributes, offsetof(NativeVpContext, code.attributes),
          executable | code_data | present);
    check(context.data.attributes, offsetof(NativeVpContext, data.attributes), code_data | present);

    const bool long_mode = (context.efer & (x86::efer::lme | x86::efer::lma)) != 0;
    const bool paging    = (context.cr0 & x86::cr0::pg) != 0;
    if (long_mode && paging
        && ((context.cr4 & x86::cr4::pae) == 0 || (context.cr0 & x86::cr0::pe) == 0)) {
        add(VmmRule::native_pae, offsetof(NativeVpContext, cr4), context.cr4);
    }
    if (context.gs_base != context.data.base) {
        add(VmmRule::native_gs_base, offsetof(NativeVpContext, gs_base), context.gs_base,
            context.data.base);
    }
}

} // namespace vestibule::igvm
