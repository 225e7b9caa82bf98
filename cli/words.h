// SPDX-License-Identifier: BSD-2-Clause-Patent
// Options that more than one of igvmtool, sevsim and sevlaunch have, by the same words in each; the
// first name is the one that messages begin with.
#pragma once

namespace vestibule::cli::words {

inline constexpr const char* output       = "-o,--out,--output";
inline constexpr const char* vcpus        = "--vcpus,--smp";
inline constexpr const char* command_line = "--cmdline,--append";
inline constexpr const char* quiet        = "-q,--quiet";
inline constexpr const char* append       = "--append,--cmdline"; // where it is QEMU's -append

} // namespace vestibule::cli::words
