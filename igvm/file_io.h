// Files in and out, with errors as sentences that name the file.
#pragma once

#include "x86/types.h"

#include <expected>
#include <span>
#include <string>
#include <vector>

namespace vestibule::igvm {

/// The whole of a regular file of less than 4 GiB, which is all that an IGVM file can be.
std::expected<std::vector<u8>, std::string> read_file(const std::string& path);

/// Replaces a file in one step: whatever goes wrong, the old file or the new one is there.
std::expected<void, std::string> write_file(const std::string& path, std::span<const u8> bytes);

} // namespace vestibule::igvm
