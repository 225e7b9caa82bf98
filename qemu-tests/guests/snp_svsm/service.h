// A service at VMPL 0 for the tests: it serves VMPL 1 by the core protocol of an SVSM (Secure VM
// Service Module specification, 58019). Written against the specifications alone, as all of
// qemu-tests/guests/snp. Whom it serves says who starts it: the kernel of its own image
// (above_kernel.cpp), or the stub (above_stub.cpp).
#pragma once

#include "qemu-tests/guests/snp/machine.h"
#include "x86/vmsa.h"

namespace vestibule::snp_guest {

inline constexpr u64 all_permissions = 0xF00;
inline constexpr u64 guest_vmpl      = 1;
inline constexpr u64 make_vmsa_of_it = bit(16) | guest_vmpl;

/// The service's own.
struct alignas(page_size) Own {
    u8 vmpck0[32];
    u64 calling_area;
    u64 calls;
    u64 vmsa; // of VMPL 1
};

[[gnu::visibility("hidden")]] extern Own own; // no table of addresses

/// Whether it is a page that VMPL 1 may have the service deal with.
bool is_the_kernels(u64 gpa);

/// VMPL 1 finds the service in its secrets page, and VMPCK0 does not.
void fill_secrets_page(u64 page, u64 base, u64 area);

/// The page of own.vmsa is filled.
[[noreturn]] void run_guest();

} // namespace vestibule::snp_guest
