// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls of an SVSM by a kernel (include/vestibule/snp.h).
#include "library/svsm.h"

#include "library/end.h"
#include "snp/vtpm.h"

using namespace vestibule;
namespace reason = ghcb::reason;

vestibule_reason vestibule_svsm_find(vestibule_svsm* svsm, const void* secrets) {
    snp::Svsm found{};
    const ghcb::Outcome outcome =
        snp::find_svsm(*static_cast<const snp::SecretsPage*>(secrets), found);
    *svsm = {.area = 0, .area_gpa = found.area_gpa, .vmpl = found.vmpl};
    return library::as_reason(outcome);
}

vestibule_reason vestibule_svsm_call(const vestibule_svsm* svsm, uint32_t protocol, uint32_t call,
                                     vestibule_svsm_registers* registers) {
    snp::SvsmRegisters inner{.rax = 0,
                             .rcx = registers->rcx,
                             .rdx = registers->rdx,
                             .r8  = registers->r8,
                             .r9  = registers->r9};
    const library::InterruptsOff off;
    const ghcb::Outcome outcome = snp::call_svsm<library::Cpu>(
        library::svsm_of(*svsm), static_cast<snp::SvsmProtocol>(protocol), call, inner);
    if (outcome.is_done()) {
        *registers = {
            .rax = inner.rax, .rcx = inner.rcx, .rdx = inner.rdx, .r8 = inner.r8, .r9 = inner.r9};
    }
    return library::as_reason(outcome);
}

vestibule_reason vestibule_svsm_remap(vestibule_svsm* svsm, uint64_t area, uint64_t gpa) {
    if (((area | gpa) & (page_size - 1)) != 0) {
        return library::public_reason(reason::svsm_area);
    }
    snp::Svsm inner = library::svsm_of(*svsm);
    const library::InterruptsOff off;
    const ghcb::Outcome outcome = snp::remap_calling_area<library::Cpu>(
        inner, reinterpret_cast<volatile snp::SvsmCallingArea*>(area), gpa);
    if (outcome.is_done()) {
        svsm->area     = area;
        svsm->area_gpa = gpa;
    }
    return library::as_reason(outcome);
}

vestibule_reason vestibule_svsm_versions(const vestibule_svsm* svsm, uint32_t protocol,
                                         uint32_t* lowest, uint32_t* highest) {
    snp::SvsmVersions versions{};
    const library::InterruptsOff off;
    const ghcb::Outcome outcome = snp::query_svsm<library::Cpu>(
        library::svsm_of(*svsm), static_cast<snp::SvsmProtocol>(protocol), versions);
    if (outcome.is_done()) {
        *lowest  = versions.lowest;
        *highest = versions.highest;
    }
    return library::as_reason(outcome);
}

namespace {

snp::SvsmBuffer buffer_of(const vestibule_svsm_buffer& buffer) {
    return {.gpa = buffer.gpa, .size = buffer.size, .reserved = 0};
}

} // namespace

vestibule_reason vestibule_svsm_attest(const vestibule_svsm* svsm,
                                       vestibule_svsm_attestation* attestation) {
    if ((attestation->report.reserved | attestation->nonce.reserved | attestation->manifest.reserved
         | attestation->certificates.reserved)
        != 0) {
        return library::public_reason(reason::call_argument);
    }
    const bool is_single = attestation->is_single != 0;
    snp::SvsmAttestationRequest request{.report       = buffer_of(attestation->report),
                                        .nonce        = buffer_of(attestation->nonce),
                                        .manifest     = buffer_of(attestation->manifest),
                                        .certificates = buffer_of(attestation->certificates),
                                        .service      = {},
                                        .manifest_version =
                                            is_single ? attestation->manifest_version : 0,
                                        .reserved = 0};
    for (unsigned n = 0; n < sizeof request.service; ++n) {
        request.service[n] = is_single ? attestation->service[n] : u8{0};
    }
    const library::InterruptsOff off;
    const ghcb::Outcome outcome = snp::attest_by_svsm<library::Cpu>(
        library::svsm_of(*svsm),
        is_single ? snp::SvsmAttestation::single_service : snp::SvsmAttestation::services, request);
    attestation->report.size       = request.report.size;
    attestation->manifest.size     = request.manifest.size;
    attestation->certificates.size = request.certificates.size;
    return library::as_reason(outcome);
}

vestibule_reason vestibule_svsm_vtpm_query(const vestibule_svsm* svsm, uint64_t* commands,
                                           uint64_t* features) {
    snp::VtpmOffers offers{};
    const library::InterruptsOff off;
    const ghcb::Outcome outcome = snp::query_vtpm<library::Cpu>(library::svsm_of(*svsm), offers);
    *commands                   = offers.commands;
    *features                   = offers.features;
    return library::as_reason(outcome);
}

vestibule_reason vestibule_svsm_vtpm_command(const vestibule_svsm* svsm,
                                             const vestibule_svsm_page* page, uint8_t locality,
                                             const void* command, uint32_t command_size,
                                             void* response, uint32_t* response_size) {
    if (((page->linear | page->gpa) & (page_size - 1)) != 0) {
        return library::public_reason(reason::call_argument);
    }
    const library::InterruptsOff off;
    return library::as_reason(snp::send_vtpm_command<library::Cpu>(
        library::svsm_of(*svsm), {reinterpret_cast<volatile u8*>(page->linear), page->gpa},
        locality, {static_cast<const u8*>(command), command_size}, static_cast<u8*>(response),
        *response_size));
}
