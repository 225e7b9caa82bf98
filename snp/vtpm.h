// SPDX-License-Identifier: BSD-2-Clause-Patent
// The virtual TPM of an SVSM, by its vTPM protocol (58019): what it offers, and a TPM command there
// and back through a page of the guest's. Layouts as Linux has them (include/linux/tpm_svsm.h).
//
// SECURITY: the TPM is the service's, at VMPL 0, and the hypervisor sees neither page nor
// registers. What ties it to the launch is the service's attestation: the manifest of the vTPM
// names its key.
#pragma once

#include "crypto/bytes.h"
#include "snp/svsm.h"

namespace vestibule::snp {

/// Calls of the vTPM protocol.
enum class SvsmVtpm : u32 { query = 0, command = 1 };

/// What of the TPM simulator's platform commands it takes, a bit each, and no features so far.
struct VtpmOffers {
    u64 commands;
    u64 features;
};

/// The platform command by which TPM commands go.
inline constexpr u32 vtpm_send_command = 8;

template <class Cpu>
ghcb::Outcome query_vtpm(const Svsm& svsm, VtpmOffers& offers) {
    SvsmRegisters registers{};
    const ghcb::Outcome outcome =
        call_svsm<Cpu>(svsm, SvsmProtocol::vtpm, static_cast<u32>(SvsmVtpm::query), registers);
    if (!outcome.is_done() || registers.rax != svsm_result::success) {
        offers = {};
        return outcome.is_done() ? ghcb::Outcome::terminate(ghcb::reason::svsm_refused) : outcome;
    }
    offers = {.commands = registers.rcx, .features = registers.rdx};
    return outcome;
}

/// A page of the caller's for the way there and back, mapped private.
struct VtpmPage {
    volatile u8* at;
    u64 gpa;
};

/// Before the command stand the platform command, the locality and the size, packed; before the
/// response its size.
inline constexpr u32 vtpm_most_command  = page_size - 9;
inline constexpr u32 vtpm_most_response = page_size - 4;

/// `size` in: the room for the response; out: what there is, also where there is less room than
/// that, and then nothing is written; 0 where it is refused.
template <class Cpu>
ghcb::Outcome send_vtpm_command(const Svsm& svsm, const VtpmPage& page, u8 locality,
                                crypto::Bytes command, u8* response, u32& size) {
    const auto put = [&page](u64 offset, u32 value) {
        for (u64 n = 0; n < sizeof value; ++n) {
            page.at[offset + n] = static_cast<u8>(value >> (8 * n));
        }
    };
    if (command.size == 0 || command.size > vtpm_most_command) {
        return ghcb::Outcome::terminate(ghcb::reason::call_argument);
    }
    put(0, vtpm_send_command);
    page.at[4] = locality;
    put(5, static_cast<u32>(command.size));
    for (u64 n = 0; n < command.size; ++n) {
        page.at[9 + n] = command.data[n];
    }
    SvsmRegisters registers{.rcx = page.gpa};
    const ghcb::Outcome outcome =
        call_svsm<Cpu>(svsm, SvsmProtocol::vtpm, static_cast<u32>(SvsmVtpm::command), registers);
    if (!outcome.is_done()) {
        return outcome;
    }
    u32 answered = 0;
    for (u64 n = 0; n < sizeof answered; ++n) {
        answered |= u32{page.at[n]} << (8 * n);
    }
    const bool is_done = registers.rax == svsm_result::success && answered <= vtpm_most_response;
    const bool fits    = answered <= size;
    size               = is_done ? answered : 0;
    if (!is_done || !fits) {
        return ghcb::Outcome::terminate(ghcb::reason::svsm_refused);
    }
    for (u64 n = 0; n < answered; ++n) {
        response[n] = page.at[4 + n];
    }
    return outcome;
}

} // namespace vestibule::snp
