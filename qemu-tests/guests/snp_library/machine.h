// SPDX-License-Identifier: BSD-2-Clause-Patent
// What SEV-SNP guests that link the library have in common: a small kernel without the boot stub,
// which does for itself what include/vestibule/snp.h asks of a kernel. All memory of its image is
// validated by the launch; beside it there is memory that nobody has accepted.
#pragma once

#include "ghcb/termination.h"
#include "include/vestibule/calls.h"
#include "include/vestibule/share.h"
#include "include/vestibule/snp.h"
#include "x86/page_table.h"
#include "x86/types.h"

extern "C" {
// linker/snp_guest.ld: behind the image, where igvmtool puts the CPUID page and then the secrets
// page
[[gnu::visibility("hidden")]] extern vestibule::u8 image_end[];

void guest_main();
}

namespace vestibule::snp_kernel {

inline constexpr unsigned most_cpus = 2;

/// Memory that was not launched, mapped private from here on: first by pages of 4 KiB, then by such
/// of 2 MiB.
inline constexpr u64 small_memory     = u64{16} << 20;
inline constexpr u64 small_memory_end = u64{20} << 20;
inline constexpr u64 large_memory_end = u64{64} << 20;

inline u64 address_of(const volatile void* object) { return reinterpret_cast<u64>(object); }

/// Tables, gates and the library on the first CPU, with this handler of NMIs where one is given.
void start(void (*nmi)(const vestibule_frame*, void*) = nullptr);

/// The library on a further one; its GHCB page is shared already.
void start_cpu(unsigned n);
void share_ghcb_of(unsigned n);

vestibule_cpu* cpu(unsigned n = 0);

/// The page tables, as the library is to change them.
const vestibule_mapper& mapper();
x86::PageTableEntry& entry_of(u64 linear); // of what is mapped by 4 KiB

/// Makes pages of the image shared, where they are.
void share(void* first, u64 pages);

u64 c_bit();
u64 root();

/// Of this kernel, and how it calls the service at VMPL 0, if there is one.
u8 vmpl();
const vestibule_svsm& own_svsm();

void say(const char* text);

/// "done", or the reason's set and code.
void tell(vestibule_reason reason);

constexpr vestibule_reason of(ghcb::Reason reason) {
    return static_cast<vestibule_reason>(reason.set << 8 | reason.code);
}

/// Says so where something is not as it should be.
void check(bool holds, const char* what);
void check_reason(vestibule_reason is, vestibule_reason wanted, const char* what);

/// Exit code: how many did not hold.
[[noreturn]] void end_run();

/// Sends bytes to sevsim's --dump.
void dump(const void* bytes, u64 size);

} // namespace vestibule::snp_kernel
