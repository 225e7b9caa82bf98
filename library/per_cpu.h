// SPDX-License-Identifier: BSD-2-Clause-Patent
// What is behind the public vestibule_cpu: one aligned block, in which the entries find themselves
// by cutting their stack pointer down to its alignment. No segment base is needed for that, which
// matters at an entry from user mode or in the middle of a SWAPGS.
#pragma once

#include "include/vestibule/vestibule.h"
#include "vc/context.h"
#include "vc/frame.h"
#include "x86/descriptor.h"

namespace vestibule::library {

/// A stack of the block; grows down from its end.
template <unsigned bytes>
struct alignas(16) Stack {
    u8 room[bytes];

    u64 top() { return reinterpret_cast<u64>(room + bytes); }

    /// Whether `rsp` is in the stack, with so much below it.
    bool has_room(u64 rsp, u64 below) const {
        return rsp - reinterpret_cast<u64>(room) - below <= bytes - below;
    }
};

inline constexpr unsigned exit_stack_size  = 2048;
inline constexpr unsigned latch_stack_size = 1024;
inline constexpr unsigned vc_stack_size    = 12288;

/// Which entries are under way, as their assembly keeps it (library/entries.asm). Stack pointers do
/// not say so: that of user mode, and of the kernel's first instructions after a SYSCALL, is
/// whatever a process put there. Volatile since an NMI looks at it at any moment.
struct UnderWay {
    volatile u8 vcs;     // #VCs on the #VC stack: one, and one each of an NMI's and a #MC's handler
    volatile u8 nmi;     // 1: an NMI's frame is on the NMI stack
    volatile u8 leaving; // 1: an NMI's frame is on the exit stack, and about to be returned to

    /// While an NMI's or a #MC's handler runs: the #VCs that it interrupted.
    volatile u8 vcs_beneath;

    volatile u8 latched;  // 1: an NMI came while another was handled, and is to be handled
    volatile u8 latching; // 1: its frame is on the latch stack
    volatile u8 mcs;      // 1: a #MC's frame is on the #MC stack
};

struct alignas(VESTIBULE_CPU_SIZE) PerCpu {
    vc::Context context; // first: vc::Request leads from it back to here
    vestibule_setup setup;
    UnderWay under_way;
    u64 interrupted_msr; // the GHCB MSR where an NMI came, to be put back when it is over
    alignas(1024) Stack<exit_stack_size> exit_stack; // where NMIs end (library/nmi.cpp)
    Stack<latch_stack_size> latch_stack;             // where a second one only leaves word
    ghcb::Page backup;
    Stack<VESTIBULE_NMI_STACK_SIZE> nmi_stack;
    Stack<VESTIBULE_MC_STACK_SIZE> mc_stack;
    Stack<vc_stack_size> vc_stack;

    volatile x86::TaskState& task() const {
        return *static_cast<volatile x86::TaskState*>(setup.tss);
    }

    /// What a stack must keep below an access, beside what that needs itself.
    u64 guarded() const { return setup.guard_pages != 0 ? page_size : 0; }

    static constexpr bool is_guard(u64 offset) {
        return offset == offsetof(PerCpu, nmi_stack) || offset == offsetof(PerCpu, vc_stack);
    }

    static PerCpu& of(vestibule_cpu& cpu) { return reinterpret_cast<PerCpu&>(cpu); }
};

static_assert(offsetof(PerCpu, exit_stack) == 1024);
// A kernel with entries of its own has the first two pages and no more.
static_assert(offsetof(PerCpu, nmi_stack) == VESTIBULE_CORE_SIZE);
static_assert(sizeof(PerCpu) == VESTIBULE_CPU_SIZE);
static_assert(sizeof(vestibule_frame) == sizeof(vc::Frame)
              && offsetof(vestibule_frame, r15) == offsetof(vc::Frame, r15)
              && offsetof(vestibule_frame, error_code) == offsetof(vc::Frame, error_code)
              && offsetof(vestibule_frame, ss) == offsetof(vc::Frame, ss));

} // namespace vestibule::library
