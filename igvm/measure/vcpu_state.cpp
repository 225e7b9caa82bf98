// SPDX-License-Identifier: BSD-2-Clause-Patent
// See vcpu_state.h.
#include "igvm/measure/vcpu_state.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

namespace vestibule::igvm {

namespace {
constexpr unsigned dpl_shift = 5;
constexpr u8 dpl_mask        = 3;

using Page = std::array<u8, sizeof(x86::Vmsa)>;

u64 load_value(std::span<const u8> bytes) {
    u64 value = 0;
    std::memcpy(&value, bytes.data(), std::min(bytes.size(), sizeof(value)));
    return value;
}

/// What a field should hold in the end; zeros follow where it is longer.
u64 wanted(const VmsaEffect& effect, const Page& page, const x86::Vmsa& vmsa) {
    const auto bytes = std::span(page);
    const u64 held   = load_value(bytes.subspan(effect.offset, effect.size));
    switch (effect.effect) {
    case Effect::set_bits: return held | effect.value;
    case Effect::clear_bits: return held & ~effect.value;
    case Effect::drop: break;
    case Effect::replace:
    case Effect::refuse: return effect.value;
    case Effect::refuse_bits: return held & ~effect.value;
    case Effect::copy: return load_value(bytes.subspan(effect.value, effect.size));
    case Effect::ss_dpl: return (vmsa.ss.attributes >> dpl_shift) & dpl_mask;
    }
    return 0;
}

/// Where a field first differs from a value with zeros behind it. Most fields do not differ, and
/// explain asks a million times: memcmp() before anything that goes byte by byte.
std::optional<u64> first_difference(std::span<const u8> field, u64 value) {
    static constexpr Page zeros{};
    const u64 size = std::min(field.size(), sizeof(value));
    const auto end = field.subspan(size);
    if (std::memcmp(field.data(), &value, size) == 0
        && std::memcmp(end.data(), zeros.data(), end.size()) == 0) {
        return std::nullopt;
    }
    Page all{};
    std::memcpy(all.data(), &value, size);
    const auto first = std::ranges::mismatch(field, std::span(all).first(field.size())).in1;
    return static_cast<u64>(first - field.begin());
}
} // namespace

x86::Vmsa reset_vmsa(const ResetState& state, const ResetVcpu& vcpu) {
    constexpr u32 limit     = 0xFFFF;
    constexpr u16 ldt       = static_cast<u16>(x86::SegmentAttributes::ldt);
    const auto segment_with = [](u16 attributes) {
        return x86::Segment{.selector = 0, .attributes = attributes, .limit = limit, .base = 0};
    };
    x86::Vmsa vmsa{};
    vmsa.es = vmsa.ds = vmsa.fs = vmsa.gs = segment_with(state.data_attributes);
    vmsa.ss                               = segment_with(state.ss_attributes);
    vmsa.cs                               = {.selector   = 0xF000,
                                             .attributes = vcpu.start_address == reset_vector ? state.cs_attributes
                                                                                              : state.cs_attributes_ap,
                                             .limit      = limit,
                                             .base       = vcpu.start_address & 0xFFFF'0000};
    vmsa.gdtr = vmsa.idtr = segment_with(0);
    vmsa.ldtr             = segment_with(ldt);
    vmsa.tr               = segment_with(state.tr_attributes);
    vmsa.efer             = x86::efer::svme;
    vmsa.cr4              = x86::cr4::mce;
    vmsa.cr0              = x86::cr0::et;
    vmsa.dr7              = x86::dr7_reset;
    vmsa.dr6              = x86::dr6_reset;
    vmsa.rflags           = x86::rflags::reserved_one;
    vmsa.rip              = vcpu.start_address & 0xFFFF;
    vmsa.rdx              = state.rdx.value_or(vcpu.cpu_signature);
    vmsa.g_pat            = state.g_pat;
    vmsa.sev_features     = vcpu.sev_features;
    vmsa.xcr0             = 1;
    if (vcpu.has_fpu) {
        vmsa.mxcsr   = state.mxcsr;
        vmsa.x87_fcw = state.x87_fcw;
    }
    return vmsa;
}

std::vector<VmsaChange> pass_through(x86::Vmsa& vmsa, Vmm vmm, PlatformType platform) {
    std::vector<VmsaChange> changes;
    Page page;
    std::memcpy(page.data(), &vmsa, page.size());
    for (const VmsaEffect& effect : vmsa_effects) {
        const bool here = platform == PlatformType::sev_snp ? effect.sev_snp : effect.sev_es;
        if (!here || !effect.vmms.has(vmm)) {
            continue;
        }
        const u64 value  = wanted(effect, page, vmsa);
        const auto field = std::span(page).subspan(effect.offset, effect.size);
        const auto first = first_difference(field, value);
        if (!first) {
            continue;
        }
        Page after      = page;
        const auto into = std::span(after).subspan(effect.offset, effect.size);
        std::ranges::fill(into, u8{0});
        std::memcpy(into.data(), &value, std::min(into.size(), sizeof(value)));
        // Whole words, so that values read as the manual writes them.
        const u64 at     = std::max<u64>((effect.offset + *first) & ~u64{7}, effect.offset);
        const u64 length = effect.offset + effect.size - at;
        changes.push_back({.effect = &effect,
                           .offset = at,
                           .before = load_value(std::span(page).subspan(at, length)),
                           .after  = load_value(std::span(after).subspan(at, length))});
        if (!is_refusal(effect.effect)) {
            page = after;
        }
    }
    std::memcpy(&vmsa, page.data(), page.size());
    return changes;
}

} // namespace vestibule::igvm
