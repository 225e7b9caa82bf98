// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a monitor would ignore, alter or reject in a file, directive by directive and field by
// field. A file without findings is launched there as it stands. The knowledge is in tables:
// rules.h. That a parameter stands before its area's insert is a rule of the reader:
// area_not_inserted.
#pragma once

#include "igvm/format/reader.h"
#include "igvm/vmm/rules.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

struct Finding {
    VmmRule rule;
    Verdict verdict;
    std::optional<PlatformType> platform; // none where it holds for the file
    u32 header_index;                     // or Error::no_header
    std::string_view header;              // its type by name
    u64 offset;                           // in the file
    std::string field;                    // of a VP context, by name
    u64 found;
    std::optional<u64> becomes; // what is launched instead
    std::string detail;         // what there is to say of this one: the other directive, an option
    VmmSet vmms;                // that do so
    std::string_view text;
    std::string_view source;
};

/// "found 0x1, becomes 0x0"
std::string values_of(const Finding& finding);

/// "expected: a policy with bit 17", or what becomes of a register and why.
std::string reason_of(const Finding& finding);

struct CheckResult {
    std::vector<PlatformType> launched; // of the file's platforms, those that the monitor launches
    std::vector<PlatformType> others;   // of the file's platforms
    std::vector<Finding> findings;
    u64 unlisted = 0; // beyond those, in a file that is wrong all over
};

/// Platform by platform: the monitor picks one, and each has to work.
CheckResult check_for(const File& file, const VmmProfile& vmm, const VmmProfile* kernel = nullptr);

} // namespace vestibule::igvm
