// QEMU's rules for the registers in a VP context (target/i386/sev.c, check_vmsa_supported and what
// KVM makes of the values; target/i386/igvm.c). Part of qemu_rules.h.
#pragma once

#include "igvm/qemu_rules.h"
#include "igvm/vp_context.h"
#include "x86/vmsa.h"

#include <functional>

namespace vestibule::igvm {

/// Takes the rule, the offset of the field within the context, and the value found there.
using ContextFault = std::function<void(QemuRule, u64, u64)>;

void check_vmsa(std::span<const u8> page, PlatformType platform, const ContextFault& fault);
void check_native_context(const NativeVpContext& context, const ContextFault& fault);

} // namespace vestibule::igvm
