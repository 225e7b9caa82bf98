// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest that the examiner is: what boot info tells, memory that it makes shared and private,
// its exceptions, ports by calls of its own. Everything here but the page tables goes by vmgexit.h,
// so that host tests can play the other side.
#pragma once

#include "boot/boot_info.h"
#include "examiner/vmgexit.h"
#include "x86/cpu.h"

namespace vestibule::examiner {

using boot::BootInfo;

/// What the stub has told; to be set first.
const BootInfo& info();
void set_info(const BootInfo& info);

/// A further vCPU waits in the stub's mailbox.
bool has_second_vcpu();
bool is_snp();

// --- Ports, one byte, by calls through the GHCB page; by the instruction on a native machine ---

u8 read_port(u16 port);
void write_port(u16 port, u8 value);

// --- Memory (memory.cpp). Page numbers count the examiner's own pages, which start private ---

/// Pages of 4 KiB that cases may do with what they like, each of them zero and private at first.
inline constexpr u64 arena_pages = 24;

u64 arena_gpa(u64 number);
volatile u64& arena_word(u64 number, u64 index = 0);
void clear_arena_page(u64 number);

/// 2 MiB at a multiple of 2 MiB, of SEV-SNP guests; 0 where there is no such memory that is free.
u64 large_block();

/// Maps the page that holds `gpa` with or without the C-bit; what the RMP says is the caller's.
void map_page(u64 gpa, bool is_private);

/// The whole change, by the MSR protocol under SEV-SNP: false where PVALIDATE or the hypervisor
/// would not. A page that becomes shared is zeroed.
bool make_shared(u64 gpa);
bool make_private(u64 gpa);

/// PVALIDATE of a private mapping: EAX, and bit 8 for CF.
u64 pvalidate(u64 gpa, bool is_large, bool validate);
inline constexpr u64 pvalidate_unchanged = 0x100;

// --- Exceptions (exceptions.cpp, exceptions.asm) ---

/// An IDT in which NMI and #GP are counted, #VC is counted and then the stub's.
void install_idt();

u64 nmi_count();
u64 gp_count();
u64 vc_count();
u64 vc_code(); ///< of the last one

/// #VCs that cases raise on purpose, and all of them so far.
void expect_vcs(u64 count);
u64 expected_vcs();

/// #GPs that a case has told of, so that they are told once.
void expect_gps(u64 count);
u64 expected_gps();

/// Called within the next NMI, and no more.
void on_next_nmi(void (*handler)());

/// Spins, so that other vCPUs and the hypervisor come to their turn.
void wait_some(u64 rounds = 20'000);

/// Until a word has that value, or patience ends; whether it has.
bool wait_for(const volatile u64& word, u64 value);

} // namespace vestibule::examiner
