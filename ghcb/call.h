// SPDX-License-Identifier: BSD-2-Clause-Patent
// One exchange through the GHCB page (GHCB specification, section 4): fill in exactly what the
// event needs, VMGEXIT, copy the answer out once, judge the copy.
#pragma once

#include "ghcb/answer.h"
#include "ghcb/channel.h"
#include "ghcb/outcome.h"
#include "ghcb/page.h"
#include "x86/exit_code.h"
#include "x86/msr.h"
#include "x86/types.h"

namespace vestibule::ghcb {

/// The private copy of an answer. Registers that were not wanted are zero; after an outcome that is
/// not done they mean nothing.
struct Answer {
    static constexpr unsigned registers = 4;

    Outcome outcome;
    u64 reg[registers] = {}; // by number: RAX, RCX, RDX, RBX
};

/// One exchange through a page that nobody else is in the middle of using.
template <class Cpu>
class Exchange {
  public:
    explicit Exchange(Channel& channel) : channel{channel}, page{channel.page} {}

    Exchange(const Exchange&)            = delete;
    Exchange& operator=(const Exchange&) = delete;

    /// Writes an input and remembers that it is valid.
    void put(Field field, u64 value) {
        if (field == Field::cpl) { // a byte, its neighbours are reserved
            *const_cast<volatile u8*>(&page->cpl) = static_cast<u8>(value);
        } else {
            *at(field) = value;
        }
        valid = valid | FieldSet::of(field);
    }

    /// The same for one general register.
    void put_register(RegisterSet one, u64 value) {
        *at(field_of_register(one.lowest())) = value;
        valid                                = valid | one.fields();
    }

    /// Leaves to the hypervisor with everything put so far, and judges the answer. `wanted` are the
    /// registers (of RAX, RBX, RCX, RDX) that the event returns: each must be marked valid.
    ///
    /// One body for all events that are not in a hurry: it is the largest thing in any of them.
    [[gnu::noinline]] Answer exit(x86::ExitCode code, u64 exitinfo1, u64 exitinfo2,
                                  RegisterSet wanted) {
        Answer answer{.outcome = leave(static_cast<u64>(code), exitinfo1, exitinfo2, wanted)};
        for (RegisterSet rest = wanted; !rest.empty();) {
            const unsigned number = rest.take_lowest();
            answer.reg[number]    = answered(number);
        }
        return answer;
    }

    /// The same, but for the registers: `answered` gives them, if the outcome is done.
    [[gnu::always_inline]] Outcome leave(u64 code, u64 exitinfo1, u64 exitinfo2,
                                         RegisterSet wanted) {
        constexpr FieldSet always = FieldSet::of(Field::sw_exitcode)
                                    | FieldSet::of(Field::sw_exitinfo1)
                                    | FieldSet::of(Field::sw_exitinfo2);
        volatile Page& shared   = *page;
        shared.sw_exitcode      = code;
        shared.sw_exitinfo1     = exitinfo1;
        shared.sw_exitinfo2     = exitinfo2;
        shared.valid_bitmap[0]  = valid.low | always.low;
        shared.valid_bitmap[1]  = valid.high | always.high;
        shared.protocol_version = channel.version;
        shared.ghcb_usage       = 0;

        // The MSR is written each time: whoever used the MSR protocol in between (an NMI, an early
        // handler) left its own value there.
        Cpu::wrmsr(x86::Msr::ghcb, channel.gpa);
        Cpu::vmgexit_with(page);

        // SECURITY: the hypervisor can change the page at any moment. Each word is read once, into
        // private memory; only the copies are judged and used.
        const FieldSet marked{shared.valid_bitmap[0], shared.valid_bitmap[1]};
        const u32 info1 = low_half(shared.sw_exitinfo1);

        // VMGEXIT works at CPL 3 too: with nothing valid, user code that executes it asks nothing.
        shared.valid_bitmap[0] = 0;
        shared.valid_bitmap[1] = 0;

        answered_fields = marked;
        if (info1 != exitinfo1_done) [[unlikely]] {
            return judge_refusal(info1, shared.sw_exitinfo2);
        }
        return RegisterSet::in(marked).contains(wanted)
                   ? Outcome::done()
                   : Outcome::terminate(reason::ghcb_missing_output);
    }

    /// A register of the answer; to be read once, after an outcome that is done.
    [[gnu::always_inline]] u64 answered(unsigned number) { return *at(field_of_register(number)); }

    /// Whether the answer marks those registers valid, for who does not know before whether it
    /// wants them.
    bool has_answered(RegisterSet some) const {
        return RegisterSet::in(answered_fields).contains(some);
    }

    /// SW_EXITINFO2 of the answer, in which some events return something; false where it is not
    /// marked valid. To be read once, after an outcome that is done.
    bool answered_exitinfo2(u64& value) {
        value = *at(Field::sw_exitinfo2);
        return answered_fields.contains(FieldSet::of(Field::sw_exitinfo2));
    }

    /// Room for data of string I/O and memory-mapped I/O.
    volatile u8* buffer() { return page->shared_buffer; }

    /// Tells where that is.
    void put_buffer() { put(Field::sw_scratch, channel.gpa + offsetof(Page, shared_buffer)); }

    /// An exit whose data are there.
    [[gnu::noinline]] Outcome exit_with_buffer(x86::ExitCode code, u64 exitinfo1, u64 exitinfo2) {
        put_buffer();
        return exit(code, exitinfo1, exitinfo2, {}).outcome;
    }

  protected:
    Channel& channel;

  private:
    volatile u64* at(Field field) {
        auto* bytes = reinterpret_cast<unsigned char*>(page);
        return reinterpret_cast<volatile u64*>(bytes + static_cast<unsigned>(field));
    }

    Page* page;
    FieldSet valid{};
    FieldSet answered_fields{}; // what the answer marks valid
};

/// The same for who holds the page until all of the answer is copied out, and leaves it to the call
/// that this one interrupted, if there is one, as it was.
template <class Cpu>
class Call : public Exchange<Cpu> {
  public:
    /// The channel has room (Channel::has_room).
    explicit Call(Channel& channel) : Exchange<Cpu>{channel} {
        const u8 others = channel.holders;
        channel.holders = static_cast<u8>(others + 1);
        if (others != 0) {
            keeps = keep_page(channel);
        }
    }

    Call(const Call&)            = delete;
    Call& operator=(const Call&) = delete;

    ~Call() {
        Channel& channel = this->channel;
        const u8 others  = static_cast<u8>(channel.holders - 1);
        if (others != 0) {
            put_page_back(channel, keeps);
        }
        channel.holders = others;
    }

  private:
    bool keeps = false;
};

/// What is there during a call of who can be interrupted by nobody that makes calls. A kernel puts
/// something in its place that holds interrupts off.
struct Undisturbed {};

} // namespace vestibule::ghcb
