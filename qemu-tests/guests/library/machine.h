// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the guests that link the library have in common: a small kernel without the boot stub, which
// does for itself what include/vestibule/vestibule.h asks of a kernel. Its one CPU has a page for
// user code and one for user data; everything else is the kernel's alone.
#pragma once

#include "boot/gdt.h"
#include "include/vestibule/vestibule.h"
#include "vc/frame.h"
#include "x86/cpu.h"
#include "x86/page_table.h"
#include "x86/registers.h"

namespace vestibule::guests {

inline constexpr u16 user_code32 = 4 * 8 | 3;
inline constexpr u16 user_data   = 5 * 8 | 3;
inline constexpr u16 user_code64 = 6 * 8 | 3;
inline constexpr u16 task        = 7 * 8;
inline constexpr u16 short_code  = 9 * 8 | 3; // as a guest likes

inline constexpr u8 vc_ist    = 1;
inline constexpr u8 nmi_ist   = 2;
inline constexpr u8 fault_ist = 3;
inline constexpr u8 mc_ist    = 4;

/// An exception that came, with what its handler saw.
struct Seen {
    unsigned count;
    u32 vector;
    vc::Frame frame;
    u64 handler_rsp; // on entry, where the CPU would have left it
};

/// The CPU's memory.
struct Machine {
    vestibule_cpu cpu;
    alignas(page_size) u8 ghcb[page_size];
    alignas(page_size) u8 user_code[page_size];
    alignas(page_size) u8 user_stack[page_size];
    alignas(16) u8 fault_stack[4096];
    alignas(16) u8 kernel_stack[8192]; // from user mode
    alignas(16) x86::TaskState task;
    u8 io_map[8193]; // right behind it; not in use unless a guest says so (limit_task)
    x86::SegmentDescriptor gdt[10];
    alignas(16) x86::InterruptGate idt[256]; // a handler for each: the hypervisor has them all
    vestibule_platform platform;
    Seen seen;
    unsigned fixed_up;
    u64 go_on; // where the next exception's handler goes on instead, if not 0
    u64 go_on_cs;
    u64 skip; // bytes that the next exception's handler steps over; 0: it ends the guest
};

#pragma GCC visibility push(hidden) // no address of it through a table that needs relocating
extern Machine machine;
#pragma GCC visibility pop

/// GDT, IDT, page tables, and the early #VC entry.
void start_machine();

/// The TSS, with so many bytes of its I/O permission map.
void limit_task(unsigned io_map_bytes);
/// The same in two steps, with the TSS behind.
void start_machine_without_task();
void load_task();

/// A setup that is right.
vestibule_setup good_setup();

/// The library on this CPU, by that setup.
void start_library(const vestibule_setup& setup);

/// DS and ES that user mode may use; to the kernel they mean nothing.
void load_user_data();

/// The #VC of these registers, as an entry of the kernel's own would hand it over.
u8 serve(vestibule_frame& frame, bool gs_is_swapped = false);

/// The page-table entry of a page of the image.
x86::PageTableEntry& entry_of(const void* page);

/// Page tables apart for the library to look at, so that it sees something else than the CPU: what
/// to add to an address of the real ones, and a page's entry there.
u64 shadow_tables();
x86::PageTableEntry& shadow_entry_of(const void* page);
x86::PageTableEntry& shadow_top_entry(); // of the image

/// User code at an address outside the image: a page of the image, private, for both.
void map_for_user(u64 linear, const void* page);
/// Unmaps the lowest page of each of the block's stacks (vestibule_setup::guard_pages).
void unmap_guards();

/// The byte behind an array: where a stack begins that is made of it.
template <unsigned size>
u64 end_of(const u8 (&bytes)[size]) {
    return reinterpret_cast<u64>(bytes) + size;
}

/// A line on the serial port, by OUT.
void say(const char* text);

/// Says so where something is not as it should be.
void check(bool holds, const char* what);

/// Exit code: how many did not hold.
[[noreturn]] void end_run();

} // namespace vestibule::guests
