// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/gdt.h"
#include "boot/snp/further_vcpu.h"
#include "snp/vmsa.h"

namespace vestibule::boot {

void fill_vmsa(const FurtherVcpu& vcpu, u8 vmpl) {
    snp::make_vmsa<x86::Cpu>(*reinterpret_cast<x86::Vmsa*>(vcpu.vmsa),
                             {.rip           = vcpu.entry,
                              .rsp           = 0, // it has none before it is given one
                              .rdi           = vcpu.argument,
                              .cr3           = x86::Cpu::cr3(),
                              .code_selector = code64_selector,
                              .vmpl          = vmpl});
}

} // namespace vestibule::boot
