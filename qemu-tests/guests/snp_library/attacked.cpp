// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the library says under a hypervisor that lies about the secure processor and about vCPUs: a
// line for each answer.
#include "qemu-tests/guests/snp_library/machine.h"
#include "x86/cpu.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;

namespace {

alignas(page_size) constinit u8 request_page[page_size]{};
alignas(page_size) constinit u8 response_page[page_size]{};
alignas(page_size) constinit u8 shared_page[page_size]{};
alignas(page_size) constinit u8 table[page_size]{};
alignas(page_size) constinit u8 vmsa[page_size]{};
alignas(page_size) constinit u8 stack[page_size]{};
alignas(8) constinit u8 report[VESTIBULE_SNP_REPORT_SIZE]{};
constinit vestibule_snp_messages messages{};
volatile u64 started = 0;

void ask_four_times() {
    for (unsigned n = 0; n < 4; ++n) {
        const vestibule_snp_report_request request{};
        size_t size = sizeof report;
        tell(vestibule_snp_report(cpu(), &messages, &request, report, &size));
    }
}

void ask_with_certificates() {
    const vestibule_snp_report_request request{};
    vestibule_snp_certificates certificates{.shared     = address_of(shared_page),
                                            .shared_gpa = address_of(shared_page),
                                            .table      = table,
                                            .pages      = 1,
                                            .reserved   = 0,
                                            .size       = 0};
    size_t size = sizeof report;
    tell(vestibule_snp_extended_report(cpu(), &messages, &request, report, &size, &certificates));
    check(certificates.size <= sizeof table, "a size beyond the table");
    say(certificates.pages == 0 ? "no pages would do" : "pages would do");
}

void start_vcpu() {
    const vestibule_snp_vcpu vcpu{.apic_id  = 1,
                                  .reserved = 0,
                                  .vmsa     = address_of(vmsa),
                                  .vmsa_gpa = address_of(vmsa),
                                  .cr3      = root(),
                                  .rsp      = address_of(stack + page_size) - 8,
                                  .argument = 0,
                                  .entry =
                                      [](u64) {
                                          for (;;) {
                                              started = started + 1;
                                              x86::Cpu::pause();
                                          }
                                      },
                                  .svsm_area_gpa = 0};
    tell(vestibule_snp_vcpu_create(cpu(), &vcpu));
    for (u64 n = 0; n < 3'000'000 && started == 0; ++n) {
        x86::Cpu::pause();
    }
    say(started == 0 ? "no vCPU" : "a vCPU");
    tell(vestibule_snp_vcpu_destroy(cpu(), &vcpu));
}

} // namespace

void guest_main() {
    start();
    share(request_page, 1);
    share(response_page, 1);
    share(shared_page, 1);
    const vestibule_snp_pages pages{.request      = address_of(request_page),
                                    .request_gpa  = address_of(request_page),
                                    .response     = address_of(response_page),
                                    .response_gpa = address_of(response_page)};
    check_reason(vestibule_snp_open_messages(cpu(), &messages, image_end + page_size, 0, &pages), 0,
                 "open");
    ask_four_times();
    ask_with_certificates();
    start_vcpu();
    end_run();
}
