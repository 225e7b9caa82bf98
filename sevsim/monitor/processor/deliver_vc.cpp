// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's EVENTINJ pushes no error code for vector 29, only for those that had one before SEV-ES. So
// vector 17 is injected, which has one, with the IDT moved so that slot 17 is the guest's slot 29;
// QEMU then does gate types, IST, stack switch and privilege change. The entry is made on the
// no-execute twin of the nested tables: the handler's first fetch comes straight back here, and the
// IDT register is put right before the guest has executed anything.
#include "sevsim/monitor/processor/deliver_vc.h"

#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/direct_delivery.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

namespace {

constexpr u8 vc_vector      = x86::exception::vmm_communication;
constexpr u8 carrier_vector = x86::exception::alignment_check;

unsigned gate_size(Vcpu& vcpu) {
    if (vcpu.is_long_mode()) {
        return 16;
    }
    return (vcpu.state().cr0 & x86::cr0::pe) != 0 ? 8 : 4;
}

/// For the time of the delivery: the moved IDT, and no event that would be taken through it.
class MovedIdt {
  public:
    explicit MovedIdt(Vcpu& own)
        : vcpu{own}, idtr{own.state().idtr}, exceptions{own.vmcb.intercept_exceptions},
          misc{own.vmcb.intercept_misc1} {
        const u32 distance = (vc_vector - carrier_vector) * gate_size(vcpu);
        vcpu.state().idtr.base += distance;
        vcpu.state().idtr.limit -= distance;
        vcpu.vmcb.intercept_exceptions = ~u32{0};
        vcpu.vmcb.intercept_misc1 |= intercept::intr | intercept::nmi | intercept::init;
    }

    ~MovedIdt() {
        vcpu.state().idtr              = idtr;
        vcpu.vmcb.intercept_exceptions = exceptions;
        vcpu.vmcb.intercept_misc1      = misc;
    }

    MovedIdt(const MovedIdt&)            = delete;
    MovedIdt& operator=(const MovedIdt&) = delete;

  private:
    Vcpu& vcpu;
    x86::Segment idtr;
    u32 exceptions;
    u32 misc;
};

enum class Attempt : u8 { delivered, again, double_fault };

Attempt judge(Vcpu& vcpu) {
    Vmcb& vmcb            = vcpu.vmcb;
    const bool unfinished = (vmcb.exitintinfo & event::valid) != 0;
    if (vmcb.exitcode == vmexit::npf) {
        const bool fetch = (vmcb.exitinfo1 & nested_fault::fetch) != 0;
        if (fetch && !unfinished) {
            return Attempt::delivered; // the handler's first fetch, on the twin
        }
        // The IDT, the GDT or the stack lie in memory that was not touched yet.
        switch (resolve_nested_fault(vcpu, vmcb.exitinfo1, vmcb.exitinfo2)) {
        case NestedFault::resolved: return Attempt::again;
        case NestedFault::not_validated: return Attempt::double_fault; // a #VC over a #VC
        default: break;
        }
        end_run_by_stop("#VC delivery touches an address where there is no memory");
    }
    if (!unfinished && vmcb.exitcode >= vmexit::intr && vmcb.exitcode <= vmexit::init) {
        return Attempt::delivered; // delivered, and something else is pending already
    }
    const bool is_exception =
        vmcb.exitcode >= vmexit::exception && vmcb.exitcode < vmexit::exception + 32;
    if (unfinished && is_exception) {
        const u64 vector = vmcb.exitcode - vmexit::exception;
        if (vector == x86::exception::page_fault) {
            vcpu.state().cr2 = vmcb.exitinfo2;
        }
        if (vector == x86::exception::double_fault) {
            end_run_by_shutdown("a fault while the double fault over a #VC was delivered");
        }
        return Attempt::double_fault; // #VC is contributory (APM volume 2, section 8.2.9)
    }
    end_run_by_monitor_error("#VC delivery came back with an exit that it cannot have");
}

} // namespace

bool deliver_vc(Vcpu& vcpu, u64 exit_code) {
    const unsigned size = gate_size(vcpu);
    const u32 limit     = vcpu.state().idtr.limit;
    if (limit < (vc_vector + 1) * size - 1) {
        // #GP over the missing gate, then #DF, for which there is no gate either unless the table
        // holds at least that.
        if (limit < (x86::exception::double_fault + 1) * size - 1) {
            end_run_by_shutdown("#VC without an IDT that could take it, nor its double fault");
        }
        inject(vcpu, event::exception(x86::exception::double_fault, 0));
        return false;
    }
    // A profile counts the instructions of the guest alone, and lies go by single steps and
    // entries.
    const bool is_plain = !vcpu.options.profile && !vcpu.options.may_lie();
    if (is_plain && deliver_directly(vcpu, exit_code)) {
        return true;
    }
    Attempt attempt = Attempt::again;
    while (attempt == Attempt::again) {
        const MovedIdt moved{vcpu};
        inject(vcpu, event::exception(carrier_vector, static_cast<u32>(exit_code)));
        enter(vcpu, nested_root(vcpu, true));
        attempt = judge(vcpu);
    }
    if (attempt == Attempt::double_fault) {
        inject(vcpu, event::exception(x86::exception::double_fault, 0));
    }
    return attempt == Attempt::delivered;
}

} // namespace vestibule::sevsim
