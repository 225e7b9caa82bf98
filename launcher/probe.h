// SPDX-License-Identifier: BSD-2-Clause-Patent
// What this host's KVM does to a VMSA. No call of the kernel's shows one, but of any guess it can
// be told whether it is right (probed_guest.h): guests of one page are launched, each with one
// register changed, and each is solved for (igvm/explain/vmsa_solver.h). What comes out is a
// monitor's profile.
#pragma once

#include "igvm/vmm/kernel_profile.h"
#include "kvm/host.h"
#include "launcher/interface.h"
#include "launcher/session.h"

#include <nlohmann/json.hpp>

namespace vestibule::launcher {

enum class Fate : u8 {
    taken,    // measured as it was given
    dropped,  // measured as at the start, whatever was given
    altered,  // measured as something else
    refused,  // the kernel refuses it
    unsolved, // no guess is right
};

struct ProbedField {
    std::string name;
    u64 offset; // in the VMSA
    Fate fate;
    u64 given;
    u64 measured;      // of those that are not refused or unsolved
    std::string words; // the kernel's, where it refuses
    bool as_predicted; // the nearest profile says the same
};

struct ProbeOptions {
    igvm::PlatformType platform = igvm::PlatformType::sev_es; // or sev_snp
    std::optional<Session> session;                           // SEV-ES's
    std::vector<std::string> fields;                          // by name; all where there are none
};

struct Probe {
    std::string release;
    igvm::PlatformType platform;
    igvm::KernelProfile profile;     // the nearest
    std::vector<ProbedField> forced; // what differs from it though nobody has touched it
    std::vector<ProbedField> fields;
    unsigned launches;
};

/// LaunchError where there is no such launch or field, or where the first measurement cannot be
/// solved.
Probe probe(Calls& calls, const kvm::Host& host, const ProbeOptions& options);

/// For people; for programs; rows for igvm/vmm/vmsa_effects.h.
std::string text_of(const Probe& probe);
nlohmann::ordered_json json_of(const Probe& probe);
std::string rows_of(const Probe& probe);

} // namespace vestibule::launcher
