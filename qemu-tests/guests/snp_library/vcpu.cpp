// SPDX-License-Identifier: BSD-2-Clause-Patent
// A further vCPU by the library: made, started, ended, and started again from another page; and the
// pages that are refused. The second vCPU starts the library for itself.
#include "qemu-tests/guests/snp_library/machine.h"
#include "x86/cpu.h"
#include "x86/registers.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;
namespace reason = ghcb::reason;

namespace {

alignas(page_size) constinit u8 vmsas[2][page_size]{};
alignas(page_size) constinit u8 stack[2][page_size]{};
alignas(page_size) constinit u8 svsm_area[page_size]{};

volatile u64 told  = 0; // the argument of the vCPU that has started
volatile u64 beats = 0;

void second_vcpu(u64 argument) {
    start_cpu(1);
    // By #VC, from the page, on its own stack.
    const x86::CpuidResult vendor = x86::Cpu::cpuid(0);
    told                          = vendor.ebx == 0x6874'7541 ? argument : ~u64{0};
    for (;;) {
        beats = beats + 1;
        x86::Cpu::pause();
    }
}

vestibule_snp_vcpu vcpu_from(unsigned n, u64 argument) {
    return {.apic_id       = 1,
            .reserved      = 0,
            .vmsa          = address_of(vmsas[n]),
            .vmsa_gpa      = address_of(vmsas[n]),
            .cr3           = root(),
            .rsp           = address_of(stack[n] + page_size) - 8,
            .argument      = argument,
            .entry         = second_vcpu,
            .svsm_area_gpa = address_of(svsm_area)};
}

bool wait_for(u64 wanted) {
    for (u64 n = 0; n < 100'000'000 && told != wanted; ++n) {
        x86::Cpu::pause();
    }
    return told == wanted;
}

bool stands_still() {
    u64 features = 0;
    for (u64 n = 0; n < 200; ++n) { // out of the guest, where the other's processor can come in
        vestibule_hypervisor_features(cpu(), &features);
    }
    const u64 before = beats;
    for (u64 n = 0; n < 200; ++n) {
        vestibule_hypervisor_features(cpu(), &features);
    }
    return beats == before;
}

void refused() {
    const auto refuses = [](const vestibule_snp_vcpu& vcpu, const char* what) {
        check_reason(vestibule_snp_vcpu_create(cpu(), &vcpu), of(reason::call_argument), what);
    };
    vestibule_snp_vcpu vcpu = vcpu_from(0, 1);
    vcpu.vmsa += 8;
    vcpu.vmsa_gpa += 8;
    refuses(vcpu, "no page's address");
    vcpu = vcpu_from(0, 1);
    vcpu.vmsa_gpa += page_size;
    refuses(vcpu, "another page's address");
    vcpu          = vcpu_from(0, 1);
    vcpu.reserved = 1;
    refuses(vcpu, "a reserved field");
    // The first of 2 MiB, which is private, mapped, accepted and zero, but for the erratum.
    vestibule_snp_range ranges[1]{};
    vestibule_snp_record record{.ranges = ranges, .most = 1, .count = 0};
    check_reason(vestibule_snp_accept(cpu(), &record, small_memory, small_memory, page_size), 0,
                 "a page");
    for (u64 n = 0; n < page_size; n += sizeof(u64)) {
        *reinterpret_cast<volatile u64*>(small_memory + n) = 0;
    }
    vcpu      = vcpu_from(0, 1);
    vcpu.vmsa = vcpu.vmsa_gpa = small_memory;
    refuses(vcpu, "a VMSA at 2 MiB");
    share(stack[1], 1);
    vcpu      = vcpu_from(0, 1);
    vcpu.vmsa = vcpu.vmsa_gpa = address_of(stack[1]);
    refuses(vcpu, "a shared page");
    check_reason(vestibule_unshare(cpu(), address_of(stack[1]), address_of(stack[1]),
                                   address_of(stack[1]), &mapper()),
                 0, "unshare");
    vmsas[0][4000] = 1;
    refuses(vcpu_from(0, 1), "a page that is not zero");
    vmsas[0][4000] = 0;
}

} // namespace

void guest_main() {
    start();
    share_ghcb_of(1);
    refused();
    const vestibule_snp_vcpu first = vcpu_from(0, 0xA5A5);
    check_reason(vestibule_snp_vcpu_create(cpu(), &first), 0, "create");
    check(wait_for(0xA5A5), "the vCPU runs");
    check(!stands_still(), "and runs on");
    check_reason(vestibule_snp_vcpu_destroy(cpu(), &first), 0, "destroy");
    check(stands_still(), "it stands still");
    // A page that was one is not zero: from another.
    check_reason(vestibule_snp_vcpu_create(cpu(), &first), of(reason::call_argument),
                 "the same VMSA again");
    const vestibule_snp_vcpu second = vcpu_from(1, 0x5A5A);
    check_reason(vestibule_snp_vcpu_create(cpu(), &second), 0, "create again");
    check(wait_for(0x5A5A), "it runs again");
    say("vcpu");
    end_run();
}
