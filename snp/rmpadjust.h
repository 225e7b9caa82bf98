// SPDX-License-Identifier: BSD-2-Clause-Patent
// RMPADJUST (APM volume 3; volume 2, section 15.36.7): a page becomes a VMSA, or none again; and
// whether this code runs at VMPL 0, which the instruction alone can tell without being lied to.
#pragma once

#include "ghcb/outcome.h"
#include "x86/cpu.h"

namespace vestibule::snp {

/// RDX of RMPADJUST.
struct RmpAttributes {
    u8 vmpl;
    u8 permissions = 0;
    bool vmsa      = false;

    static constexpr u8 read               = 1u << 0;
    static constexpr u8 write              = 1u << 1;
    static constexpr u8 execute_user       = 1u << 2;
    static constexpr u8 execute_supervisor = 1u << 3;

    constexpr u64 value() const { return vmpl | u64{permissions} << 8 | (vmsa ? bit(16) : 0); }
};

constexpr ghcb::Outcome judge_rmpadjust(x86::RmpResult result) {
    return result.code == x86::RmpResult::success
               ? ghcb::Outcome::done()
               : ghcb::Outcome::terminate(ghcb::reason::snp_rmpadjust);
}

/// Makes a page of 4 KiB at VMPL 0 a VMSA, with no rights for a VMPL below. A VMPL has to be named,
/// and it is one that may be named.
template <class Cpu>
ghcb::Outcome set_vmsa(u64 linear) {
    constexpr u8 some_vmpl = 1;
    return judge_rmpadjust(Cpu::rmpadjust(linear, x86::RmpPageSize::small,
                                          RmpAttributes{.vmpl = some_vmpl, .vmsa = true}.value()));
}

/// How often a VMSA is asked back that a processor is still in: hypervisors answer the request for
/// a vCPU's end before it has come out, and a hostile one leaves it in for ever.
inline constexpr u32 most_release_tries = 20'000;

/// Takes back what set_vmsa() has made, as soon as no processor is in it.
template <class Cpu>
ghcb::Outcome release_vmsa(u64 linear) {
    constexpr u8 some_vmpl = 1;
    x86::RmpResult result{.code = x86::RmpResult::fail_in_use};
    for (u32 n = 0; n != most_release_tries && result.code == x86::RmpResult::fail_in_use; ++n) {
        result = Cpu::rmpadjust(linear, x86::RmpPageSize::small,
                                RmpAttributes{.vmpl = some_vmpl, .vmsa = false}.value());
    }
    return judge_rmpadjust(result);
}

/// At VMPL 0 the rights of VMPL 1 to `own_page` may be set, here to none, which they are. At any
/// other, that is FAIL_PERMISSION.
template <class Cpu>
bool is_at_vmpl0(u64 own_page) {
    return Cpu::rmpadjust(own_page, x86::RmpPageSize::small, RmpAttributes{.vmpl = 1}.value()).code
           == x86::RmpResult::success;
}

} // namespace vestibule::snp
