// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the hypervisor says of itself and of encryption before there is a GHCB page: SEV information
// and CPUID 0x8000001F, both by the MSR protocol (GHCB specification, section 2.3.1), held against
// each other.
#pragma once

#include "ghcb/msr_protocol.h"
#include "ghcb/outcome.h"
#include "ghcb/version.h"
#include "x86/sev.h"

namespace vestibule::ghcb {

/// CPUID 0x8000001F, as far as anyone here wants to know.
struct EncryptionLeaf {
    u32 eax = 0;
    u32 ebx = 0;

    constexpr u64 c_bit() const { return bit(x86::c_bit_position(ebx)); }
};

/// EAX and EBX of that leaf; by the MSR protocol rather than by the instruction, which would be two
/// VMGEXITs more for registers that nobody wants.
template <class Cpu>
bool ask_encryption(EncryptionLeaf& leaf) {
    using msr_protocol::CpuidRegister;
    return msr_protocol::cpuid<Cpu>(x86::cpuid_leaf::memory_encryption, CpuidRegister::eax,
                                    leaf.eax)
           && msr_protocol::cpuid<Cpu>(x86::cpuid_leaf::memory_encryption, CpuidRegister::ebx,
                                       leaf.ebx);
}

/// Asks for the protocol version to speak and for encryption. SECURITY: the C-bit that comes out is
/// a claim of the hypervisor, with which it contradicts itself nowhere; what it is worth the caller
/// has to find out, from what was measured or by trying.
///
/// Where the MSR is zero, as no hypervisor leaves it that gives SEV information at reset, it is not
/// asked for: there are some whose guests end over the question (OpenBSD's vmm). Version 1 is what
/// such a one speaks.
///
/// That SEV-ES is on is SEV_STATUS's to say; CPUID may leave it out.
template <class Cpu>
Outcome identify(u16& version, EncryptionLeaf& encryption) {
    msr_protocol::SevInformation information{};
    const bool is_given = Cpu::rdmsr(x86::Msr::ghcb) != 0;
    version             = own_min_version;
    if (is_given) {
        information = msr_protocol::SevInformation::decode(
            msr_protocol::exchange<Cpu>(msr_protocol::sev_information_request));
        if (!information.well_formed) {
            return Outcome::terminate(reason::msr_bad_response);
        }
        version = negotiate_version(information.min_version, information.max_version);
        if (version == 0) {
            return Outcome::terminate(reason::protocol_range);
        }
    }
    if (!ask_encryption<Cpu>(encryption)) {
        return Outcome::terminate(reason::msr_bad_response);
    }
    if ((encryption.eax & x86::cpuid_sev) == 0) {
        return Outcome::terminate(reason::cpuid_hides_sev);
    }
    if (is_given
        && (information.c_bit_position >= 64
            || encryption.c_bit() != bit(information.c_bit_position))) {
        return Outcome::terminate(reason::c_bit_mismatch);
    }
    return Outcome::done();
}

} // namespace vestibule::ghcb
