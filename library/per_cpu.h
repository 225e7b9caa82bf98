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

    bool holds(u64 rsp) const {
        return rsp - reinterpret_cast<u64>(room) - 1 < bytes; // the end itself is where it is empty
    }

    u64 top() { return reinterpret_cast<u64>(room + bytes); }

    u64 bottom() const { return reinterpret_cast<u64>(room); }
};

inline constexpr unsigned exit_stack_size = 3072;

struct alignas(VESTIBULE_CPU_SIZE) PerCpu {
    vc::Context context; // first: vc::Request leads from it back to here
    vestibule_setup setup;
    alignas(1024) Stack<exit_stack_size> exit_stack; // where NMIs end (library/nmi.cpp)
    ghcb::Page backup;
    Stack<VESTIBULE_NMI_STACK_SIZE> nmi_stack;
    Stack<VESTIBULE_NMI_STACK_SIZE> vc_stack;

    volatile x86::TaskState& task() const {
        return *static_cast<volatile x86::TaskState*>(setup.tss);
    }

    static PerCpu& of(vestibule_cpu& cpu) { return reinterpret_cast<PerCpu&>(cpu); }
};

static_assert(offsetof(PerCpu, exit_stack) == 1024);
static_assert(sizeof(PerCpu) == VESTIBULE_CPU_SIZE);
static_assert(sizeof(vestibule_frame) == sizeof(vc::Frame)
              && offsetof(vestibule_frame, r15) == offsetof(vc::Frame, r15)
              && offsetof(vestibule_frame, error_code) == offsetof(vc::Frame, error_code)
              && offsetof(vestibule_frame, ss) == offsetof(vc::Frame, ss));

} // namespace vestibule::library
