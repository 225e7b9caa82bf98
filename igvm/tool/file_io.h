// SPDX-License-Identifier: BSD-2-Clause-Patent
// Files in and out, with errors as sentences that name the file.
#pragma once

#include "x86/types.h"

#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vestibule::igvm {

/// A file of less than 4 GiB. A regular one is mapped: what nobody looks at costs no memory. One
/// that becomes shorter under the hands of its reader ends the program with a message and status 1.
/// A pipe, or "-" for standard input, is read to its end.
class MappedFile {
  public:
    static std::expected<MappedFile, std::string> open(const std::string& path);

    MappedFile(MappedFile&& other) noexcept
        : bytes_(std::exchange(other.bytes_, {})), read_(std::move(other.read_)) {}

    MappedFile(const MappedFile&)            = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    MappedFile& operator=(MappedFile&&)      = delete;
    ~MappedFile();

    [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

  private:
    explicit MappedFile(std::span<const u8> bytes) : bytes_(bytes) {}

    explicit MappedFile(std::vector<u8>&& read) : bytes_(read), read_(std::move(read)) {}

    std::span<const u8> bytes_;
    std::vector<u8> read_; // of a pipe
};

/// The whole of a file of less than 4 GiB, which is all that an IGVM file can be; of a pipe or, for
/// "-", of standard input as well.
std::expected<std::vector<u8>, std::string> read_file(const std::string& path);

/// Replaces a file in one step: whatever goes wrong, the old file or the new one is there. "-" is
/// standard output.
std::expected<void, std::string> write_file(const std::string& path, std::span<const u8> bytes);

} // namespace vestibule::igvm
