// Files in and out, with errors as sentences that name the file.
#pragma once

#include "x86/types.h"

#include <expected>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace vestibule::igvm {

/// A regular file of less than 4 GiB, mapped: what nobody looks at costs no memory. A file that
/// becomes shorter under the hands of its reader ends the program with a message and status 1.
class MappedFile {
  public:
    static std::expected<MappedFile, std::string> open(const std::string& path);

    MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

    MappedFile(const MappedFile&)            = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    MappedFile& operator=(MappedFile&&)      = delete;
    ~MappedFile();

    [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

  private:
    explicit MappedFile(std::span<const u8> bytes) : bytes_(bytes) {}

    std::span<const u8> bytes_;
};

/// The whole of a regular file of less than 4 GiB, which is all that an IGVM file can be.
std::expected<std::vector<u8>, std::string> read_file(const std::string& path);

/// Replaces a file in one step: whatever goes wrong, the old file or the new one is there.
std::expected<void, std::string> write_file(const std::string& path, std::span<const u8> bytes);

} // namespace vestibule::igvm
