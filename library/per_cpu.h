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

inline constexpr unsigned exit_stack_size = 3072;

/// Which entries are under way, as their assembly keeps it (library/entries.asm). Stack pointers do
/// not say so: that of user mode, and of the kernel's first instructions after a SYSCALL, is
/// whatever a process put there. Volatile since an NMI looks at it at any moment.
struct UnderWay {
    volatile u8 vcs;     // #VCs on the #VC stack: one, and one of an NMI's handler
    volatile u8 nmi;     // 1: an NMI's frame is on the NMI stack
    volatile u8 leaving; // 1: an NMI's frame is on the exit stack, and about to be returned to

    /// While an NMI's handler runs: the #VCs that it interrupted.
    volatile u8 vcs_beneath;
};

struct alignas(VESTIBULE_CPU_SIZE) PerCpu {
    vc::Context context; // first: vc::Request leads from it back to here
    vestibule_setup setup;
    UnderWay under_way;
    alignas(1024) Stack<exit_stack_size> exit_stack; // where NMIs end (library/nmi.cpp)
    ghcb::Page backup;
    Stack<VESTIBULE_NMI_STACK_SIZE> nmi_stack;
    Stack<VESTIBULE_NMI_STACK_SIZE> vc_stack;

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
