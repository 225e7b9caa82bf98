// SPDX-License-Identifier: BSD-2-Clause-Patent
// \EFI\vestibule\vestibule.conf: lines of `key = value`, comments from # to the end of their line
// where nothing stands before them (docs/efi.md). Knows nothing of EFI, so that unit tests can feed
// it.
#pragma once

#include "efi/problem.h"
#include "kernel/form.h"

namespace vestibule::efi {

/// Which machine the payload is to be started on. SECURITY: a hypervisor that boots the same medium
/// without encryption gets a guest that keeps no secret; `sev_es` is for payloads that would have
/// one.
enum class Mode : u8 { any, native, sev_es };

enum class Verbose : u8 { off, console, com1 };

struct Config {
    Text payload; // a path, empty for the built-in selftest
    Text initrd;  // a path, empty for none
    Text command_line;
    kernel::Protocol protocol = kernel::Protocol::automatic; // by which the payload is entered
    u64 address               = 0; // of a payload that can be told where to lie; 0: not told
    Mode mode                 = Mode::any;
    Verbose verbose           = Verbose::console;
    u32 timeout               = 0; // seconds
};

/// What longer path no file system has (FAT's names have 255 characters), and longest wait.
inline constexpr u64 max_path    = 255;
inline constexpr u32 max_timeout = 3600;

/// Reads the file's text into `config`, which refers to it.
Problem read_config(Text file, Config& config);

} // namespace vestibule::efi
