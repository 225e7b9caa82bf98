// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a file of igvmtool's own was built from, found again in the file alone: explain builds it
// again with something said otherwise, convert as a flash image. The file is hostile, and nothing
// here says that it really came about so: who needs that builds it again and compares.
#pragma once

#include "igvm/format/reader.h"
#include "igvm/image/guest_layout.h"

#include <optional>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct OwnInputs {
    BuildOptions options;
    std::optional<Payload> payload; // none: the selftest
    std::vector<u8> initrd;
    std::string command_line;
    std::vector<u8> kernel_file; // a Linux payload refers to it
    std::string missing;         // what of the guest cannot be found again, in words, if anything

    OwnInputs()                            = default;
    OwnInputs(OwnInputs&&)                 = default;
    OwnInputs& operator=(OwnInputs&&)      = default;
    OwnInputs(const OwnInputs&)            = delete;
    OwnInputs& operator=(const OwnInputs&) = delete;
    ~OwnInputs()                           = default;

    /// With the images of this igvmtool that go beside them.
    [[nodiscard]] GuestContents contents() const;
};

/// As this platform's guest has it; nothing where igvmtool has not made the file.
std::optional<OwnInputs> own_inputs(const File& file, PlatformType platform);

/// The stub of this igvmtool that is entered so, with the selftest or for a payload.
std::optional<StubImage> own_stub(boot::Entry entry, bool with_payload);

/// The name that --entry has for it.
std::string_view entry_name(boot::Entry entry);

} // namespace vestibule::igvm
