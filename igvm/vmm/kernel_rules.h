// SPDX-License-Identifier: BSD-2-Clause-Patent
// What each Linux lets a monitor ask for, as a table: bits of SEV_FEATURES (KVM_SEV_INIT2, by
// KVM_X86_SEV_VMSA_FEATURES) and of an SNP policy (snp_launch_start's mask). Monitors pass both on;
// which kernel is below them is not in their own row.
#pragma once

#include "igvm/format/guest_policy.h"
#include "igvm/vmm/vmsa_effects.h"

namespace vestibule::igvm {

struct KernelRow {
    Vmm kernel;
    u64 sev_es_features;
    u64 snp_features; // beside SNP's own bit, which KVM sets
    u64 snp_policy;
};

namespace kernel_bits {
inline constexpr u64 debug_swap = bit(5);
inline constexpr u64 secure_tsc = bit(9);
/// The ABI's version, SMT, the bit that is one, DEBUG, SINGLE_SOCKET. Bit 18 is taken by none.
inline constexpr u64 old_policy = bit(18) - 1 + bit(19) + bit(20);
/// And bits 21 to 25, as far as the firmware has them.
inline constexpr u64 new_policy = old_policy | (bit(26) - bit(21));
} // namespace kernel_bits

// clang-format off
inline constexpr KernelRow kernel_rows[] = {
    {Vmm::kvm_6_11, kernel_bits::debug_swap, kernel_bits::debug_swap,                           kernel_bits::old_policy},
    {Vmm::kvm_6_12, kernel_bits::debug_swap, kernel_bits::debug_swap,                           kernel_bits::old_policy},
    {Vmm::kvm_6_18, kernel_bits::debug_swap, kernel_bits::debug_swap | kernel_bits::secure_tsc, kernel_bits::old_policy},
    {Vmm::kvm_7_1,  kernel_bits::debug_swap, kernel_bits::debug_swap | kernel_bits::secure_tsc, kernel_bits::new_policy},
    {Vmm::kvm_7_2,  kernel_bits::debug_swap, kernel_bits::debug_swap | kernel_bits::secure_tsc, kernel_bits::new_policy},
};
// clang-format on

/// What some kernel takes, and what all of them do, of those that can be below a monitor.
struct Allowed {
    u64 by_some;
    u64 by_all;
};

/// `kernel` is the row of the kernel, or of a monitor whose kernel is not known.
constexpr Allowed allowed_by(Vmm kernel, u64 KernelRow::* bits) {
    Allowed allowed{.by_some = 0, .by_all = ~u64{0}};
    bool is_kernel = false;
    for (const KernelRow& row : kernel_rows) {
        if (row.kernel == kernel) {
            allowed   = {.by_some = row.*bits, .by_all = row.*bits};
            is_kernel = true;
        }
    }
    for (const KernelRow& row : kernel_rows) {
        if (!is_kernel) {
            allowed.by_some |= row.*bits;
            allowed.by_all &= row.*bits;
        }
    }
    return allowed;
}

static_assert(kernel_bits::old_policy == 0x1B'FFFF);
static_assert(kernel_bits::new_policy == 0x3FB'FFFF);

} // namespace vestibule::igvm
