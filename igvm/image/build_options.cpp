// SPDX-License-Identifier: BSD-2-Clause-Patent
// See build_options.h.
#include "igvm/image/build_options.h"

#include "boot/initial_tables.h"
#include "igvm/image/payload.h"
#include "kernel/memory_range.h"
#include "x86/sev.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

bool is_buildable(PlatformType platform) {
    return platform == PlatformType::native || platform == PlatformType::sev_es
           || platform == PlatformType::sev_snp;
}

std::optional<std::string> wrong_option(const BuildOptions& options) {
    if (options.platforms.empty()) {
        return "at least one platform is needed";
    }
    if (!std::ranges::all_of(options.platforms, is_buildable)) {
        return "images are built for the platforms native, sev-es and sev-snp";
    }
    for (const PlatformType platform : options.platforms) {
        if (std::ranges::count(options.platforms, platform) != 1) {
            return "a platform is named twice";
        }
    }
    if (!x86::is_plausible_c_bit(options.c_bit)) {
        return fmt::format("C-bit: found {}, expected one of the bits 32 to 51", options.c_bit);
    }
    if (options.base && !boot::is_loadable_base(*options.base)) {
        return fmt::format(
            "base: found {:#x}, expected a multiple of 2 MiB, from 2 MiB to below 4 GiB, "
            "whose bits 29:21 are neither 0 nor equal to its bits 38:30",
            *options.base);
    }
    constexpr u32 most_vcpus = 4096; // KVM_MAX_VCPUS
    if (options.vcpus == 0 || options.vcpus > most_vcpus) {
        return fmt::format("vCPUs: found {}, expected 1 to {}", options.vcpus, most_vcpus);
    }
    constexpr u64 must_be_one = bit(17); // SNP firmware ABI, "Guest Policy"
    if ((options.snp_policy & must_be_one) == 0) {
        return fmt::format("policy: found {:#x}, expected one with bit 17 set", options.snp_policy);
    }
    if (options.report_data && !options.is_for(PlatformType::sev_snp)) {
        return "an attestation report is an SEV-SNP guest's: expected the platform sev-snp among "
               "others";
    }
    if (options.vmpl != 0) {
        constexpr u8 lowest = 3;
        if (options.vmpl > lowest) {
            return fmt::format("VMPL: found {}, expected 0 to {}", options.vmpl, lowest);
        }
        if (options.platforms != std::vector{PlatformType::sev_snp}) {
            return "only an SEV-SNP guest has a service at VMPL 0: expected the platform sev-snp "
                   "alone";
        }
    }
    if (options.memory % page_size != 0 || options.memory <= kernel::high_memory_start
        || options.memory > payload_limit) {
        return fmt::format("memory: found {:#x} bytes, expected more than 1 MiB, up to 4 GiB, in "
                           "whole pages",
                           options.memory);
    }
    return std::nullopt;
}

} // namespace vestibule::igvm
