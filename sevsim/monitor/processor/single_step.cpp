// SPDX-License-Identifier: BSD-2-Clause-Patent
// The trap flag brings the guest back behind the instruction (APM volume 2, section 13.1.4). Until
// then whatever would leave that flag on the guest's stack is intercepted.
#include "sevsim/monitor/processor/single_step.h"

#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

class TrapFlag {
  public:
    explicit TrapFlag(Vcpu& own)
        : vcpu{own}, cr_read{own.vmcb.intercept_cr_read}, cr_write{own.vmcb.intercept_cr_write},
          exceptions{own.vmcb.intercept_exceptions}, misc1{own.vmcb.intercept_misc1},
          flag{own.state().rflags & x86::rflags::tf} {
        vcpu.vmcb.intercept_cr_read    = 0;
        vcpu.vmcb.intercept_cr_write   = 0;
        vcpu.vmcb.intercept_exceptions = ~u32{0};
        vcpu.vmcb.intercept_misc1 &= ~intercept::cr0_sel;
        vcpu.vmcb.intercept_misc1 |= intercept::intr | intercept::nmi | intercept::init;
        vcpu.state().rflags |= x86::rflags::tf;
    }

    ~TrapFlag() {
        vcpu.vmcb.intercept_cr_read    = cr_read;
        vcpu.vmcb.intercept_cr_write   = cr_write;
        vcpu.vmcb.intercept_exceptions = exceptions;
        vcpu.vmcb.intercept_misc1      = misc1;
        vcpu.state().rflags            = (vcpu.state().rflags & ~x86::rflags::tf) | flag;
    }

    TrapFlag(const TrapFlag&)            = delete;
    TrapFlag& operator=(const TrapFlag&) = delete;

    bool is_guests_own() const { return flag != 0; }

  private:
    Vcpu& vcpu;
    u16 cr_read;
    u16 cr_write;
    u32 exceptions;
    u32 misc1;
    u64 flag;
};

/// The exception that the instruction has raised instead of being done, or the guest's own trap.
void pass_on(Vcpu& vcpu, u8 vector) {
    if (vector == x86::exception::page_fault) {
        vcpu.state().cr2 = vcpu.vmcb.exitinfo2;
    }
    inject(vcpu, x86::exception::pushes_error_code(vector)
                     ? event::exception(vector, low_half(vcpu.vmcb.exitinfo1))
                     : event::exception(vector));
}

} // namespace

bool step_instruction(Vcpu& vcpu) {
    constexpr u64 breakpoints = 0xF; // of DR6, those that were met
    const u64 rip             = vcpu.state().rip;
    const u64 dr6             = vcpu.state().dr6;
    const TrapFlag trap_flag{vcpu};
    enter(vcpu, nested_root(vcpu, false));
    const u64 code  = vcpu.vmcb.exitcode;
    const bool done = vcpu.state().rip != rip;
    vcpu.emulated += done ? 1 : 0; // since this run is none of those that --profile counts
    if (code == vmexit::npf) {
        if (resolve_nested_fault(vcpu, vcpu.vmcb.exitinfo1, vcpu.vmcb.exitinfo2)
            != NestedFault::resolved) {
            end_run_by_stop("an instruction that is executed alone reaches an address where there "
                            "is no memory");
        }
    } else if (code >= vmexit::exception && code < vmexit::exception + x86::exception::count) {
        const auto vector = static_cast<u8>(code - vmexit::exception);
        const bool met    = (vcpu.state().dr6 & ~dr6 & breakpoints) != 0;
        if (vector == x86::exception::debug && done && !met && !trap_flag.is_guests_own()) {
            vcpu.state().dr6 = dr6;
        } else {
            pass_on(vcpu, vector);
        }
        return vector == x86::exception::debug;
    } // else something is pending, which the guest takes on its next entry
    return done;
}

void step_over_intercepts(Vcpu& vcpu) { (void)step_instruction(vcpu); }

} // namespace vestibule::sevsim
