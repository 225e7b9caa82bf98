// SPDX-License-Identifier: BSD-2-Clause-Patent
// PVALIDATE (APM volume 3; volume 2, section 15.36.6): the guest takes a page as its own, or gives
// it back. What the hypervisor does before and after is page_state.h's.
//
// SECURITY: a page that is validated a second time may be another one: the hypervisor moves the
// first away, puts a fresh page in its place, and has the guest validate that; from then on it can
// show either. The instruction tells by its carry flag that a page was validated already; so no
// answer counts but "changed", and whoever calls keeps a record of what it has accepted
// (acceptance.h), since a page that the hypervisor has replaced is not validated either.
#pragma once

#include "ghcb/outcome.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

namespace vestibule::snp {

using x86::RmpPageSize;

constexpr u64 bytes_of(RmpPageSize size) {
    return size == RmpPageSize::large ? x86::large_page_size : page_size;
}

/// What an answer of PVALIDATE comes to.
constexpr ghcb::Outcome judge_pvalidate(x86::RmpResult result) {
    if (result.code != x86::RmpResult::success) {
        return ghcb::Outcome::terminate(ghcb::reason::snp_pvalidate);
    }
    return result.unchanged ? ghcb::Outcome::terminate(ghcb::reason::snp_validated_twice)
                            : ghcb::Outcome::done();
}

/// One page of 4 KiB, mapped private at `linear`. Contents are undefined behind it.
template <class Cpu>
ghcb::Outcome validate_page(u64 linear) {
    return judge_pvalidate(Cpu::pvalidate(linear, RmpPageSize::small, true));
}

/// The reverse, before the hypervisor may have the page.
template <class Cpu>
ghcb::Outcome rescind_page(u64 linear) {
    return judge_pvalidate(Cpu::pvalidate(linear, RmpPageSize::small, false));
}

/// 2 MiB at once, or page by page where the reverse map table has them so (FAIL_SIZEMISMATCH): what
/// the guest was told by the hypervisor, in a page state change, may have been another size.
template <class Cpu>
ghcb::Outcome set_validated(u64 linear, RmpPageSize size, bool validate) {
    const x86::RmpResult whole = Cpu::pvalidate(linear, size, validate);
    if (size == RmpPageSize::small || whole.code != x86::RmpResult::fail_size_mismatch) {
        return judge_pvalidate(whole);
    }
    for (u64 done = 0; done < x86::large_page_size; done += page_size) {
        const ghcb::Outcome outcome =
            judge_pvalidate(Cpu::pvalidate(linear + done, RmpPageSize::small, validate));
        if (!outcome.is_done()) {
            return outcome;
        }
    }
    return ghcb::Outcome::done();
}

} // namespace vestibule::snp
