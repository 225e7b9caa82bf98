// The launch digest that a verb is about: given as --digest, or computed for a monitor.
#pragma once

#include "igvm/tool/verbs.h"

#include <optional>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct DigestOptions {
    std::string digest;
    std::string vmm = "qemu";
    std::optional<u32> vcpus;
};

void add_digest_options(CLI::App& verb, DigestOptions& options);

/// 48 bytes, of an SNP launch.
std::vector<u8> snp_digest(const std::string& path, const File& file, const DigestOptions& options);

/// A number of bytes in hexadecimal digits; wrong use where it is not just that.
std::vector<u8> bytes_of_option(const std::string& option, const std::string& text, u64 size);

} // namespace vestibule::igvm
