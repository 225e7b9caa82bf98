// SPDX-License-Identifier: BSD-2-Clause-Patent
// See build_options.h.
#include "igvm/image/build_options.h"

#include "boot/initial_tables.h"
#include "kernel/memory_range.h"
#include "x86/sev.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

/// QEMU's pc has memory of less than 3.5 GiB in one piece, and of more 3 GiB below its devices
/// (hw/i386/pc_piix.c).
static constexpr u64 usual_below_4g(u64 memory) {
    constexpr u64 one_piece = u64{7} << 29;
    return memory < one_piece ? memory : u64{3} << 30;
}

u64 BuildOptions::below_4g() const { return memory_below_4g.value_or(usual_below_4g(memory)); }

std::vector<boot::MemoryRange> BuildOptions::ram() const {
    const u64 low                      = below_4g();
    std::vector<boot::MemoryRange> ram = {
        {.base = 0,                         .size = kernel::low_memory_end         },
        {.base = kernel::high_memory_start, .size = low - kernel::high_memory_start}
    };
    if (low < memory) {
        ram.push_back({.base = four_gib, .size = memory - low});
    }
    return ram;
}

bool is_buildable(PlatformType platform) {
    return platform == PlatformType::native || platform == PlatformType::sev_es
           || platform == PlatformType::sev_snp;
}

static std::optional<std::string> wrong_memory(const BuildOptions& options) {
    const u64 low = options.below_4g();
    if (options.memory % page_size != 0 || options.memory <= kernel::high_memory_start
        || options.memory > most_memory) {
        return fmt::format("memory: found {:#x} bytes, expected more than 1 MiB, up to 1 TiB, in "
                           "whole pages",
                           options.memory);
    }
    if (low % page_size != 0 || low <= kernel::high_memory_start || low > options.memory
        || low > most_memory_below_4g) {
        return fmt::format("memory below 4 GiB: found {:#x} bytes, expected more than 1 MiB, in "
                           "whole pages, no more than all of it, {:#x}, and than {:#x}, where a PC "
                           "has its APICs",
                           low, options.memory, most_memory_below_4g);
    }
    return std::nullopt;
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
    return wrong_memory(options);
}

} // namespace vestibule::igvm
