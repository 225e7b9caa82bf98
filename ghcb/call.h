// One exchange through the GHCB page (GHCB specification, section 4): fill in exactly what the
// event needs, VMGEXIT, copy the answer out once, judge the copy.
#pragma once

#include "ghcb/answer.h"
#include "ghcb/outcome.h"
#include "ghcb/page.h"
#include "x86/exit_code.h"
#include "x86/msr.h"
#include "x86/types.h"

namespace vestibule::ghcb {

/// A vCPU's GHCB: the page, where the hypervisor finds it, and the protocol version that was
/// negotiated.
struct Channel {
    Page* page  = nullptr; // mapped shared
    u64 gpa     = 0;
    u16 version = 0;
    bool in_use = false;
};

/// The private copy of an answer. Registers that were not wanted are zero.
struct Answer {
    Outcome outcome;
    u64 rax = 0;
    u64 rbx = 0;
    u64 rcx = 0;
    u64 rdx = 0;
};

template <class Cpu>
class Call {
  public:
    explicit Call(Channel& channel) : page{channel.page}, channel{channel} {
        channel.in_use = true; // until everything of the answer has been copied out
    }

    Call(const Call&)            = delete;
    Call& operator=(const Call&) = delete;

    ~Call() { channel.in_use = false; }

    /// Writes an input and remembers that it is valid.
    void put(Field field, u64 value) {
        *at<u64>(field) = value;
        valid           = valid | FieldSet::of(field);
    }

    /// The one input that is a byte.
    void put_cpl(u8 value) {
        *at<u8>(Field::cpl) = value;
        valid               = valid | FieldSet::of(Field::cpl);
    }

    /// Leaves to the hypervisor with everything put so far, and judges the answer. `wanted` are the
    /// registers (of RAX, RBX, RCX, RDX) that the event returns: each must be marked valid.
    template <FieldSet wanted>
    Answer exit(x86::ExitCode code, u64 exitinfo1, u64 exitinfo2) {
        return exit(code, exitinfo1, exitinfo2, wanted);
    }

    /// One body for all events: it is the largest thing in any of them.
    [[gnu::noinline]] Answer exit(x86::ExitCode code, u64 exitinfo1, u64 exitinfo2,
                                  FieldSet wanted) {
        put(Field::sw_exitcode, static_cast<u64>(code));
        put(Field::sw_exitinfo1, exitinfo1);
        put(Field::sw_exitinfo2, exitinfo2);
        volatile Page& shared   = *page;
        shared.valid_bitmap[0]  = valid.low;
        shared.valid_bitmap[1]  = valid.high;
        shared.protocol_version = channel.version;
        shared.ghcb_usage       = 0;

        // The MSR is written each time: whoever used the MSR protocol in between (an NMI, an early
        // handler) left its own value there.
        Cpu::wrmsr(x86::Msr::ghcb, channel.gpa);
        Cpu::vmgexit();

        // SECURITY: the hypervisor can change the page at any moment. Each word is read once, into
        // private memory; only the copies are judged and used.
        const FieldSet answered{shared.valid_bitmap[0], shared.valid_bitmap[1]};
        Answer answer{.outcome = judge(shared.sw_exitinfo1, shared.sw_exitinfo2)};
        answer.rax = take(wanted, Field::rax);
        answer.rbx = take(wanted, Field::rbx);
        answer.rcx = take(wanted, Field::rcx);
        answer.rdx = take(wanted, Field::rdx);

        // VMGEXIT works at CPL 3 too: with nothing valid, user code that executes it asks nothing.
        shared.valid_bitmap[0] = 0;
        shared.valid_bitmap[1] = 0;

        if (answer.outcome.is_done() && !answered.contains(wanted)) {
            answer.outcome = Outcome::terminate(reason::ghcb_missing_output);
        }
        return answer;
    }

  private:
    template <class Type>
    volatile Type* at(Field field) {
        auto* bytes = reinterpret_cast<unsigned char*>(page);
        return reinterpret_cast<volatile Type*>(bytes + static_cast<unsigned>(field));
    }

    u64 take(FieldSet wanted, Field field) {
        return wanted.contains(FieldSet::of(field)) ? *at<u64>(field) : 0;
    }

    Page* page;
    Channel& channel;
    FieldSet valid{};
};

} // namespace vestibule::ghcb
