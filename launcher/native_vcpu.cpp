// SPDX-License-Identifier: BSD-2-Clause-Patent
// See native_vcpu.h.
#include "launcher/native_vcpu.h"

#include "kvm/registers.h"
#include "x86/registers.h"

namespace vestibule::launcher {

static kvm_segment segment_from(const igvm::NativeSegment& from, u64 base) {
    return kvm::segment_of({.selector   = from.selector,
                            .attributes = x86::vmsa_attributes(from.attributes),
                            .limit      = from.limit,
                            .base       = base});
}

void set_registers(Calls& calls, int vcpu, const igvm::NativeVpContext& context) {
    kvm_sregs sregs{};
    calls.call(vcpu, KVM_GET_SREGS, sregs); // TR and LDTR stay as at reset
    sregs.cs = segment_from(context.code, context.code.base);
    sregs.ds = sregs.es = sregs.fs = sregs.ss = segment_from(context.data, context.data.base);
    sregs.gs                                  = segment_from(context.data, context.gs_base);
    sregs.gdt  = {.base = context.gdtr_base, .limit = context.gdtr_limit, .padding = {}};
    sregs.idt  = {.base = context.idtr_base, .limit = context.idtr_limit, .padding = {}};
    sregs.cr0  = context.cr0;
    sregs.cr3  = context.cr3;
    sregs.cr4  = context.cr4;
    sregs.efer = context.efer;
    // A file need not say what follows from the rest; KVM insists on it.
    if ((context.efer & x86::efer::lme) != 0 && (context.cr0 & x86::cr0::pg) != 0) {
        sregs.efer |= x86::efer::lma;
    }
    calls.call(vcpu, KVM_SET_SREGS, sregs);
    kvm_regs regs = kvm::regs_of(context);
    calls.call(vcpu, KVM_SET_REGS, regs);
}

} // namespace vestibule::launcher
