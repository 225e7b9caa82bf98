// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which QEMU there is, and whether its SVM emulation is good enough.
#pragma once

#include <compare>
#include <expected>
#include <string>
#include <string_view>

namespace vestibule::sevsim {

struct QemuVersion {
    unsigned major, minor, micro;

    auto operator<=>(const QemuVersion&) const = default;
};

/// Before 7.2.15 nested paging is not applied to a guest that has paging off, so that such a guest
/// would read and write the monitor's memory.
inline constexpr QemuVersion oldest_qemu{7, 2, 15};

/// The version in what `qemu-system-x86_64 --version` prints.
std::expected<QemuVersion, std::string> parse_qemu_version(std::string_view text);

/// An error if `qemu` is not there, is not QEMU, or is too old.
std::expected<QemuVersion, std::string> check_qemu(const std::string& qemu);

} // namespace vestibule::sevsim
