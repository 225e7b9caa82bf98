// SPDX-License-Identifier: BSD-2-Clause-Patent
// Guests of one page and one VMSA, for probe.h: what was measured of them cannot be read, but of
// any guess it can be said whether it is right. On SEV-ES LAUNCH_MEASURE tells it under the owner's
// key (SEV API specification, section 6.5). On SNP the firmware compares: it refuses
// SNP_LAUNCH_FINISH with an ID block over another digest by BAD_MEASUREMENT (SEV-SNP firmware
// ABI, 8.18), so that a guess is a launch. A report would tell the digest at once, but only code in
// the guest can fetch one, and the guest whose registers are tried cannot run it.
#pragma once

#include "igvm/explain/vmsa_solver.h"
#include "igvm/measure/ecdsa.h"
#include "igvm/measure/launch_digest.h"
#include "launcher/launch.h"

namespace vestibule::launcher {

class ProbedGuests {
  public:
    /// The session is SEV-ES's and needed there. All must outlive it.
    ProbedGuests(Calls& calls, const kvm::Host& host, igvm::PlatformType platform,
                 const std::optional<Session>& session);

    /// Launches one with this VMSA; LaunchError where the kernel refuses it. The answer says of a
    /// VMSA whether it is the one that was measured, for as long as this object lives.
    igvm::VmsaMatch launch(const x86::Vmsa& given);

    [[nodiscard]] unsigned launches() const { return launches_; }

  private:
    std::optional<Measured> launch_file(const std::vector<u8>& file,
                                        const std::optional<igvm::SnpIdBlock>& block);
    bool is_measured(const std::vector<u8>& file, std::span<const u8> digest);
    [[nodiscard]] std::vector<u8> digest_with(const x86::Vmsa& vmsa) const;

    Calls& calls_;
    const kvm::Host& host_;
    igvm::PlatformType platform_;
    const std::optional<Session>& session_;
    igvm::PrivateKey id_key_; // anybody's will do: nobody asks whose it is
    igvm::Chain before_;      // the digest before the VMSA
    unsigned launches_ = 0;
};

} // namespace vestibule::launcher
