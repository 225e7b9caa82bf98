// SPDX-License-Identifier: BSD-2-Clause-Patent
// A further vCPU that is made, ended, and made again from another page, by a kernel that ends over
// every reason and waits for the vCPU's own word, as promises.cpp does for the rest. A vCPU that
// does not come is the hypervisor's choice, and ends the kernel by a code of its own.
#include "qemu-tests/guests/snp_library/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;
namespace reason = ghcb::reason;

namespace {

alignas(page_size) constinit u8 vmsas[2][page_size]{};
alignas(page_size) constinit u8 stack[page_size]{};

volatile u64 told = 0; // the argument of the vCPU that has started

void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

void second_vcpu(u64 argument) {
    start_cpu(1);
    const x86::CpuidResult vendor = x86::Cpu::cpuid(0); // by #VC, from the page
    told                          = vendor.ebx == 0x6874'7541 ? argument : ~u64{0};
    for (;;) {
        x86::Cpu::pause();
    }
}

void wait_for(u64 wanted) {
    for (u64 n = 0; n < 3'000'000 && told != wanted; ++n) {
        x86::Cpu::pause();
    }
    must(told == wanted ? 0 : of(reason::snp_ap_creation));
}

} // namespace

void guest_main() {
    start();
    share_ghcb_of(1);
    for (unsigned n = 0; n < 2; ++n) {
        const u64 argument            = 0xA5A5 + n;
        const vestibule_snp_vcpu vcpu = {.apic_id       = 1,
                                         .reserved      = 0,
                                         .vmsa          = address_of(vmsas[n]),
                                         .vmsa_gpa      = address_of(vmsas[n]),
                                         .cr3           = root(),
                                         .rsp           = address_of(stack + page_size) - 8,
                                         .argument      = argument,
                                         .entry         = second_vcpu,
                                         .svsm_area_gpa = 0};
        must(vestibule_snp_vcpu_create(cpu(), &vcpu));
        wait_for(argument);
        say("a vCPU");
        must(vestibule_snp_vcpu_destroy(cpu(), &vcpu));
        say("no vCPU");
    }
    end_run();
}
