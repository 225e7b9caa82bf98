// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an SEV-SNP guest of the tests needs: page tables with and without the C-bit, exceptions that
// come back, the MSR protocol and a GHCB page filled in by hand. Written against the specifications
// alone: these guests are what the emulated machine is held against, so they use none of the
// project's own runtime, but for the names of its ends. To start they believe no hypervisor.
#pragma once

#include "ghcb/termination.h"
#include "x86/page_table.h"
#include "x86/types.h"
#include "x86/vmsa.h"

extern "C" {
// linker/snp_guest.ld: behind the image, where igvmtool puts the CPUID page and then the secrets
// page
[[gnu::visibility("hidden")]] extern const vestibule::u8 image_end[];

void* memcpy(void* destination, const void* source, size_t count);
void* memmove(void* destination, const void* source, size_t count);
void* memset(void* destination, int value, size_t count);
int memcmp(const void* left, const void* right, size_t count);

// entry.asm
vestibule::u64 probe_read(const volatile void* address);
vestibule::u64 probe_write(volatile void* address, vestibule::u64 value);
vestibule::u64 probe_call(vestibule::u64 (*function)(vestibule::u64), vestibule::u64 argument);
vestibule::u64 pvalidate(vestibule::u64 linear, vestibule::u32 size, vestibule::u32 validate);
vestibule::u64 rmpadjust(vestibule::u64 linear, vestibule::u64 size, vestibule::u64 attributes);
vestibule::u64 rmpquery(vestibule::u64 linear, vestibule::u64& attributes, vestibule::u64& size);
}

namespace vestibule::snp_guest {

// What probes and instructions of entry.asm return.
inline constexpr u64 carry              = u64{1} << 32; // of PVALIDATE
inline constexpr u64 fail_input         = 1;
inline constexpr u64 fail_permission    = 2;
inline constexpr u64 fail_in_use        = 3;
inline constexpr u64 fail_size_mismatch = 6;

constexpr u64 fault(u64 vector, u64 code) { return bit(63) | vector << 32 | code; }

inline constexpr u64 not_validated = fault(29, 0x404); // #VC

/// Page tables, exceptions and the GHCB. To be called first.
void start();

/// start() in pieces, for guests that break a rule in between.
void start_without_ghcb();
void share_ghcb();
void register_ghcb();

/// A page of the image becomes the hypervisor's too, full of zeros.
void share(u8* page);

u64 c_bit();

/// Free memory that was not launched, 2 MiB at each multiple, mapped private in 4 KiB pages.
inline constexpr u64 free_memory = u64{16} << 20;
inline constexpr u64 free_blocks = 4;

/// Maps a 4 KiB page of the image or of free memory, without the C-bit where it is not private.
void map_page(u64 gpa, bool is_private);

/// Maps a 4 KiB page beyond the first GiB; those that are mapped so at one time lie in the same 2
/// MiB.
void map_far_page(u64 gpa, bool is_private);

/// Maps the rest of the first GiB too, private, by 2 MiB.
void map_all();

/// And what lies from 4 GiB on, up to 512 GiB, by 1 GiB.
void map_above();

inline u64 address_of(const volatile void* object) { return reinterpret_cast<u64>(object); }

template <class T = u64>
volatile T& at(u64 gpa) {
    return *reinterpret_cast<volatile T*>(gpa);
}

// --- The MSR protocol ---

u64 msr_request(u64 request);

inline constexpr u64 to_private = 1;
inline constexpr u64 to_shared  = 2;

/// Page state change of one page; the error of the answer.
u64 change_state(u64 gpa, u64 operation);

// --- The GHCB page ---

namespace field {
inline constexpr u64 rax         = 0x1F8;
inline constexpr u64 rcx         = 0x308;
inline constexpr u64 rdx         = 0x310;
inline constexpr u64 rbx         = 0x318;
inline constexpr u64 exit_code   = 0x390;
inline constexpr u64 exit_info_1 = 0x398;
inline constexpr u64 exit_info_2 = 0x3A0;
inline constexpr u64 scratch     = 0x3A8;
inline constexpr u64 bitmap      = 0x3F0;
inline constexpr u64 buffer      = 0x800;
} // namespace field

u64 ghcb_gpa();
u64 get(u64 offset);
void put(u64 offset, u64 value); // and marks it valid

/// Makes the call; SW_EXITINFO1 and 2 of the answer.
struct Answer {
    u64 info_1; // of SW_EXITINFO1 31:0 counts
    u64 info_2;
};

Answer call(u64 exit_code, u64 info_1, u64 info_2);

inline constexpr u64 refused = 2; // SW_EXITINFO1 of what is malformed

/// Entries of a page state change list.
u64 list_entry(u64 gpa, u64 operation, bool is_large = false);
void put_list(u16 current, u16 last);
void put_entry(unsigned index, u64 entry);
u16 list_current();
u64 get_entry(unsigned index);

// --- Further vCPUs and VMPLs ---

/// Fills a page with the state of code in this very image: at `entry`, on a stack of its own.
void make_vmsa(void* page, void (*entry)(), void* stack_end, u8 vmpl);

// --- Ends ---

/// By a termination request of the MSR protocol.
[[noreturn]] void end(ghcb::Reason reason);

inline void require(bool good, ghcb::Reason reason) {
    if (!good) {
        end(reason);
    }
}

/// Ends the guest with the number of the first check that failed, 0 where none did.
[[noreturn]] void finish();

/// Numbers go from 1 on, by the order of calls.
void check(bool good);

/// Sends bytes to sevsim's --dump.
void dump(const void* bytes, u64 size);

} // namespace vestibule::snp_guest

extern "C" void guest_main();
