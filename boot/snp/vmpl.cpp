// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/snp/vmpl.h"

#include "boot/fatal.h"
#include "boot/image.h"
#include "boot/snp/service.h"
#include "snp/pvalidate.h"
#include "snp/rmpadjust.h"

namespace vestibule::boot {

namespace {

using x86::Cpu;

constinit snp::Svsm svsm{};

} // namespace

const snp::Svsm& service() { return svsm; }

void find_vmpl(BootInfo& told) {
    // SECURITY: the secrets page is the secure processor's and the SVSM's, where the hypervisor can
    // write nothing. That it names no SVSM although one runs would have us take PVALIDATE's refusal
    // for the hypervisor's; so the processor is asked too.
    const auto& secrets         = *reinterpret_cast<const snp::SecretsPage*>(told.secrets_page);
    const ghcb::Outcome outcome = snp::find_svsm(secrets, svsm);
    if (!outcome.is_done()) {
        fail(outcome.reason);
    }
    if (snp::is_at_vmpl0<Cpu>(address_of(&told) & ~(page_size - 1)) != (svsm.vmpl == 0)) {
        fail(ghcb::reason::snp_not_vmpl0);
    }
    constexpr u64 mapped = u64{1} << 32;
    if (svsm.area_gpa >= mapped || svsm.area_gpa - told.image_base < told.image_size) {
        fail(ghcb::reason::svsm_area);
    }
    svsm.area = reinterpret_cast<volatile snp::SvsmCallingArea*>(svsm.area_gpa);
    told.vmpl = svsm.vmpl;
}

ghcb::Outcome set_validated(snp::Range range, bool validate) {
    if (svsm.vmpl != 0) {
        return set_validated_by_service(svsm, range, validate);
    }
    ghcb::Outcome outcome = ghcb::Outcome::done();
    while (range.base < range.end && outcome.is_done()) {
        const snp::RmpPageSize size = snp::largest_at(range.base, range.end);
        outcome                     = snp::set_validated<Cpu>(range.base, size, validate);
        range.base += snp::bytes_of(size);
    }
    return outcome;
}

} // namespace vestibule::boot
