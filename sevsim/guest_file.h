// SPDX-License-Identifier: BSD-2-Clause-Patent
// The files QEMU loads: the guest's, and the monitor, which is part of this program.
#pragma once

#include "igvm/measure/firmware.h"
#include "sevsim/descriptor.h"
#include "sevsim/options.h"
#include "x86/types.h"

#include <cstddef>
#include <expected>
#include <span>
#include <string>

namespace vestibule::sevsim {

struct OpenedFile {
    Descriptor descriptor;
    u64 size;
};

/// Opens the guest's file and sees that it can be what it is said to be: what is inside is the
/// monitor's to judge.
std::expected<OpenedFile, std::string> open_guest_file(const std::string& path, GuestKind kind);

/// All of it; less where it cannot be read.
std::string read_file(const OpenedFile& file);

/// What firmware says of itself. Refers to `content`.
std::expected<igvm::Firmware, std::string> parse_guest_firmware(const std::string& content,
                                                                const std::string& path);

/// Where firmware wants its second vCPU and further ones to start: the SEV-ES reset block of its
/// table of GUIDs.
std::expected<u32, std::string> ap_start(const OpenedFile& file, const std::string& path);

/// Opens an initrd, of whatever format.
std::expected<OpenedFile, std::string> open_initrd(const std::string& path);

/// An anonymous file with `bytes` in it.
std::expected<OpenedFile, std::string> memory_file(std::span<const std::byte> bytes);

} // namespace vestibule::sevsim
