// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a monitor makes of the registers in a VP context. Part of check.h.
#pragma once

#include "igvm/format/vp_context.h"
#include "igvm/vmm/rules.h"

#include <functional>
#include <optional>
#include <span>

namespace vestibule::igvm {

struct ContextFault {
    VmmRule rule;
    u64 offset; // in the context's page
    u64 found;
    std::optional<u64> becomes;
    const VmsaEffect* effect; // of a vmsa_field
};

using ContextFaults = std::function<void(const ContextFault&)>;

struct ContextOf {
    Vmm vmm;
    Vmm kernel; // the same where it is not known
    u16 vp_index;
};

void check_vmsa(std::span<const u8> page, PlatformType platform, const ContextOf& whose,
                const ContextFaults& fault);
void check_native_context(const NativeVpContext& context, const ContextFaults& fault);

} // namespace vestibule::igvm
