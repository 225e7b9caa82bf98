// SPDX-License-Identifier: BSD-2-Clause-Patent
// A service at VMPL 0 for the tests: it serves one VMPL below by the core protocol of an SVSM
// (Secure VM Service Module specification, 58019). Written against the specifications alone, as all
// of qemu-tests/guests/snp. Whom it serves says who starts it: the kernel of its own image
// (above_kernel.cpp), or the stub (above_stub.cpp).
#pragma once

#include "qemu-tests/guests/snp/machine.h"
#include "x86/vmsa.h"

namespace vestibule::snp_guest {

inline constexpr u64 all_permissions = 0xF00;

inline constexpr u32 most_vcpus = 4;

/// A vCPU of the guest.
struct Client {
    u64 vmsa;
    u64 calling_area;
};

/// The service's own.
struct alignas(page_size) Own {
    u8 vmpck0[32];
    Client clients[most_vcpus]; // by APIC ID
    u8 vmpl;                    // which the guest runs at
};

[[gnu::visibility("hidden")]] extern Own own; // no table of addresses

/// All rights to a page, for the guest.
inline u64 for_guest() { return all_permissions | own.vmpl; }

/// RAX of an answer that is not 0: this and what is wrong.
inline constexpr u64 result        = 0x8000'0000;
inline constexpr u64 unknown_call  = 2;
inline constexpr u64 bad_address   = 3;
inline constexpr u64 bad_parameter = 5;
inline constexpr u64 busy          = 7;

/// A call of the attestation protocol; RAX of the answer.
u64 serve_attestation(u32 code, x86::Vmsa& registers, const Client& client);

/// A call of the vTPM protocol.
u64 serve_vtpm(u32 code, x86::Vmsa& registers);

/// Whether it is a page that the guest may have the service deal with.
bool is_the_kernels(u64 gpa);

/// The guest finds the service in its secrets page, and no VMPCK0. own.vmpl says for whom.
void fill_secrets_page(u64 page, u64 base, u64 area);

/// All rights to a page of the service's.
void give_to_guest(u64 page);

/// The VMSA of own.clients[0] is filled.
[[noreturn]] void run_guest();

} // namespace vestibule::snp_guest
