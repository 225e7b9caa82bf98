// Calls of an SVSM by a kernel (include/vestibule/snp.h).
#include "library/svsm.h"

#include "library/end.h"

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
