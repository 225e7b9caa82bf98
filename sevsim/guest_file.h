// The two files QEMU loads: the guest's IGVM file, and the monitor, which is part of this program.
#pragma once

#include "sevsim/descriptor.h"
#include "x86/types.h"

#include <expected>
#include <span>
#include <string>

namespace vestibule::sevsim {

struct OpenedFile {
    Descriptor descriptor;
    u64 size;
};

/// Opens `path` and sees that it can be an IGVM file: what is inside is the monitor's to judge.
std::expected<OpenedFile, std::string> open_igvm_file(const std::string& path);

/// An anonymous file with `bytes` in it.
std::expected<OpenedFile, std::string> memory_file(std::span<const unsigned char> bytes);

} // namespace vestibule::sevsim
