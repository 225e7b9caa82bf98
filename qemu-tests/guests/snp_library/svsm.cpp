// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls of an SVSM by the library, beside those that memory and vCPUs need: which protocols it
// speaks, what it refuses, and VMPL 1's own report. Exit code 0 if all was as it should be.
#include "qemu-tests/guests/snp_library/machine.h"

using namespace vestibule;
using namespace vestibule::snp_kernel;
namespace reason = ghcb::reason;

namespace {

alignas(page_size) constinit u8 request_page[page_size]{};
alignas(page_size) constinit u8 response_page[page_size]{};
alignas(page_size) constinit u8 tpm_page[page_size]{};
alignas(8) constinit u8 report[VESTIBULE_SNP_REPORT_SIZE]{};
constinit vestibule_snp_messages messages{};

void query() {
    u32 lowest  = 9;
    u32 highest = 9;
    check_reason(vestibule_svsm_versions(&own_svsm(), 0, &lowest, &highest), 0, "core protocol");
    check(lowest == 1 && highest == 1, "its version");
    check_reason(vestibule_svsm_versions(&own_svsm(), 1, &lowest, &highest), 0, "attestation");
    check(lowest == 1 && highest == 1, "its version");
    check_reason(vestibule_svsm_versions(&own_svsm(), 2, &lowest, &highest), 0, "vTPM");
    check(lowest == 1 && highest == 1, "its version");
    check_reason(vestibule_svsm_versions(&own_svsm(), 3, &lowest, &highest), 0, "no protocol");
    check(lowest == 0 && highest == 0, "a protocol that it does not speak");
}

/// By the attestation protocol, with too little room first. Report, nonce and manifest are sent on,
/// for who verifies them (qemu-tests/svsm_attestation.cmake).
void attested() {
    constexpr u32 nonce_size = 48;
    for (u32 n = 0; n < nonce_size; ++n) {
        request_page[n] = static_cast<u8>(n + 1);
    }
    vestibule_svsm_attestation attestation{};
    attestation.report   = {.gpa = address_of(report), .size = 16, .reserved = 0};
    attestation.nonce    = {.gpa = address_of(request_page), .size = nonce_size, .reserved = 0};
    attestation.manifest = {.gpa = address_of(response_page), .size = 64, .reserved = 0};
    check_reason(vestibule_svsm_attest(&own_svsm(), &attestation), of(reason::svsm_refused),
                 "too little room");
    check(attestation.report.size == sizeof report, "how much it takes");
    constexpr u32 manifest_size = 72;
    check(attestation.manifest.size == manifest_size, "how much the manifest takes");
    check_reason(vestibule_svsm_attest(&own_svsm(), &attestation), 0, "all services");
    check(report[0x30] == 0 && report[0x31] == 0, "by VMPL 0");
    check(attestation.manifest.size == manifest_size && response_page[48] == 't', "the manifest");
    dump(report, sizeof report);
    dump(request_page, nonce_size);
    dump(response_page, manifest_size);
    attestation.manifest.size = 64;
    attestation.is_single     = 1;
    check_reason(vestibule_svsm_attest(&own_svsm(), &attestation), of(reason::svsm_refused),
                 "a service that there is not");
    attestation.manifest.size = 64;
    attestation.service[0]    = 7;
    check_reason(vestibule_svsm_attest(&own_svsm(), &attestation), 0, "one service");
    check(attestation.manifest.size == 19 && response_page[0] == 't', "what it says of itself");
    dump(report, sizeof report);
    dump(request_page, nonce_size);
    dump(response_page, 20); // and a zero
    attestation.nonce.reserved = 1;
    check_reason(vestibule_svsm_attest(&own_svsm(), &attestation), of(reason::call_argument),
                 "a reserved word");
}

/// TPM2_GetRandom, twice; and a command that the service's TPM has not.
void tpm() {
    u64 commands = 0;
    u64 features = 9;
    check_reason(vestibule_svsm_vtpm_query(&own_svsm(), &commands, &features), 0,
                 "what its TPM takes");
    check(commands == 1u << 8 && features == 0, "TPM commands");
    const vestibule_svsm_page page{.linear = address_of(tpm_page), .gpa = address_of(tpm_page)};
    u8 command[] = {0x80, 0x01, 0, 0, 0, 12, 0, 0, 0x01, 0x7B, 0, 16};
    u8 responses[2][28]{};
    for (u8(&response)[28] : responses) {
        u32 size = sizeof response;
        check_reason(vestibule_svsm_vtpm_command(&own_svsm(), &page, 0, command, sizeof command,
                                                 response, &size),
                     0, "TPM2_GetRandom");
        check(size == sizeof response && response[9] == 0 && response[11] == 16, "16 bytes");
    }
    bool differ = false;
    for (u32 n = 12; n < sizeof responses[0]; ++n) {
        differ = differ || responses[0][n] != responses[1][n];
    }
    check(differ, "others each time");
    u32 size = 8;
    check_reason(vestibule_svsm_vtpm_command(&own_svsm(), &page, 0, command, sizeof command,
                                             responses[0], &size),
                 of(reason::svsm_refused), "too little room for the response");
    check(size == sizeof responses[0], "how much it takes");
    command[9] = 0x7C;
    size       = sizeof responses[0];
    check_reason(vestibule_svsm_vtpm_command(&own_svsm(), &page, 0, command, sizeof command,
                                             responses[0], &size),
                 0, "a command that it has not");
    check(size == 10 && responses[0][8] == 0x01 && responses[0][9] == 0x43, "TPM_RC_COMMAND_CODE");
    const vestibule_svsm_page none{.linear = page.linear + 8, .gpa = page.gpa + 8};
    check_reason(vestibule_svsm_vtpm_command(&own_svsm(), &none, 0, command, sizeof command,
                                             responses[0], &size),
                 of(reason::call_argument), "no page");
}

void refused() {
    vestibule_svsm_registers registers{};
    check_reason(vestibule_svsm_call(&own_svsm(), 7, 0, &registers), 0, "an unknown protocol");
    check(registers.rax == 0x8000'0001, "unsupported protocol");
    check_reason(vestibule_svsm_call(&own_svsm(), 0, 99, &registers), 0, "an unknown call");
    check(registers.rax == 0x8000'0002, "unsupported call");
    vestibule_svsm other = own_svsm();
    check_reason(vestibule_svsm_remap(&other, 0x1008, 0x1008), of(reason::svsm_area),
                 "an area that is no page");
    check_reason(vestibule_svsm_remap(&other, address_of(report) & ~u64{0xFFF}, u64{1} << 40),
                 of(reason::svsm_refused), "an area that is no memory");
    check(other.area == own_svsm().area, "the area stays");
    check_reason(vestibule_snp_share_early(0, 0, &own_svsm()), of(reason::svsm_refused),
                 "a page that is not the kernel's");
}

/// By VMPCK1; VMPCK0 is the service's.
void own_report() {
    share(request_page, 1);
    share(response_page, 1);
    const vestibule_snp_pages pages{.request      = address_of(request_page),
                                    .request_gpa  = address_of(request_page),
                                    .response     = address_of(response_page),
                                    .response_gpa = address_of(response_page)};
    check_reason(vestibule_snp_open_messages(cpu(), &messages, image_end + page_size, 0, &pages),
                 of(reason::request_no_key), "VMPCK0");
    check_reason(
        vestibule_snp_open_messages(cpu(), &messages, image_end + page_size, vmpl(), &pages), 0,
        "VMPCK1");
    vestibule_snp_report_request request{};
    size_t size = sizeof report;
    check_reason(vestibule_snp_report(cpu(), &messages, &request, report, &size),
                 of(reason::request_status), "a report for VMPL 0");
    request.vmpl = vmpl();
    check_reason(vestibule_snp_report(cpu(), &messages, &request, report, &size), 0,
                 "a report for VMPL 1");
    check(report[0x30] == 1, "its VMPL");
}

} // namespace

void guest_main() {
    start();
    check(vmpl() == 1, "VMPL 1");
    query();
    refused();
    attested();
    tpm();
    own_report();
    say("SVSM");
    end_run();
}
