// SPDX-License-Identifier: BSD-2-Clause-Patent
// From a guest image to an IGVM file: which platform gets what, and in which order the headers
// stand so that every loader does the same with them. Where things lie is guest_layout.h's.
#pragma once

#include "igvm/format/writer.h"
#include "igvm/image/guest_layout.h"

#include <functional>

namespace vestibule::igvm {

/// Pages that one platform loads; where it measures, each costs about a millisecond at launch.
struct PageCount {
    PlatformType platform;
    unsigned page_tables = 0;
    unsigned stub        = 0;
    unsigned payload     = 0; // with what enters it
    unsigned initrd      = 0;
    unsigned snp         = 0; // CPUID and secrets page
    unsigned service     = 0; // at VMPL 0, with the guest's VMSA
    unsigned vmsa        = 0;
    unsigned volume      = 0; // of a flash image, in which the rest is, but for
    unsigned metadata    = 0; // what it has a launch for SEV-SNP validate

    [[nodiscard]] unsigned all() const {
        return page_tables + stub + payload + initrd + snp + service + vmsa + volume + metadata;
    }
};

struct BuiltFile {
    std::vector<u8> bytes;
    std::vector<PageCount> pages;
    Layout layout;
};

/// What of image, options and contents does not go together, if so.
std::optional<std::string> problem_of(const StubImage& image, const BuildOptions& options,
                                      const GuestContents& contents);

/// Called with the number of pages done, now and then.
using BuildProgress = std::function<void(u64 pages)>;

/// The file, or in words why there is none. Options have to be right (wrong_option()), and the
/// image to have an entry point for their mode.
std::expected<BuiltFile, std::string> build(const StubImage& image, const BuildOptions& options,
                                            const GuestContents& contents = {},
                                            const BuildProgress& progress = {});

} // namespace vestibule::igvm
