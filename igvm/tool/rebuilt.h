// SPDX-License-Identifier: BSD-2-Clause-Patent
// A file of igvmtool's own, built again from itself with something said otherwise: what explain
// holds against a digest that somebody else's build gave.
#pragma once

#include "igvm/format/reader.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

struct Rebuilt {
    std::string options; // that build was given, those that are not as in the file: "--vcpus 3"
    std::vector<u8> bytes;
};

/// What the guest may have been given instead.
struct OtherInputs {
    struct Initrd {
        std::string name;
        std::vector<u8> bytes;
    };

    std::vector<Initrd> initrds;
    std::vector<std::string> command_lines;
};

/// The guest of this file as this igvmtool builds it, with these inputs, each alone and in pairs,
/// and with other counts of vCPUs, another way in, another C-bit, alone and then together, none
/// twice and none that is the file itself. Empty where igvmtool has not made it, or not all of its
/// contents can be found in it again (a service at another VMPL).
std::vector<Rebuilt> rebuilt(const File& file, PlatformType platform, const OtherInputs& others);

} // namespace vestibule::igvm
