// SPDX-License-Identifier: BSD-2-Clause-Patent
// Asking QEMU for its version.
#include "sevsim/qemu_version.h"

#include "sevsim/process.h"

#include <charconv>
#include <fmt/format.h>

namespace vestibule::sevsim {

std::expected<QemuVersion, std::string> parse_qemu_version(std::string_view text) {
    constexpr std::string_view before = "QEMU emulator version ";
    QemuVersion version{};
    if (text.starts_with(before)) {
        const char* at        = text.data() + before.size();
        const char* const end = text.data() + text.size();
        for (unsigned* part : {&version.major, &version.minor, &version.micro}) {
            const auto [rest, what] = std::from_chars(at, end, *part);
            const bool last         = part == &version.micro;
            if (what != std::errc{} || (!last && (rest == end || *rest != '.'))) {
                break;
            }
            if (last) {
                return version;
            }
            at = rest + 1;
        }
    }
    return std::unexpected(fmt::format("expected '{}7.2.15' or newer, got '{}'", before,
                                       text.substr(0, std::min(text.find('\n'), 80uz))));
}

std::expected<QemuVersion, std::string> check_qemu(const std::string& qemu) {
    constexpr std::size_t enough = 4096;
    auto pipe                    = Pipe::open();
    if (!pipe) {
        return std::unexpected(pipe.error());
    }
    std::string text;
    Command command;
    command.arguments       = {qemu, "--version"};
    command.timeout         = std::chrono::seconds{20};
    command.standard_output = std::move(pipe->write);
    command.streams.push_back({.from = std::move(pipe->read), .take = [&](std::string_view bytes) {
                                   text += bytes;
                                   return text.size() < enough;
                               }});
    const auto end = run_process(std::move(command));
    if (!end) {
        return std::unexpected(fmt::format("cannot run QEMU: {}; it is in Debian's package "
                                           "qemu-system-x86 (or give its path with --qemu)",
                                           end.error()));
    }
    if (end->how != Ending::exited || end->value != 0) {
        return std::unexpected(fmt::format("{} --version failed", qemu));
    }
    const auto version = parse_qemu_version(text);
    if (!version) {
        return std::unexpected(fmt::format("{} --version: {}", qemu, version.error()));
    }
    if (*version < oldest_qemu) {
        return std::unexpected(fmt::format(
            "{} is QEMU {}.{}.{}; {}.{}.{} or newer is needed, since older versions do not apply "
            "nested paging to a guest without paging",
            qemu, version->major, version->minor, version->micro, oldest_qemu.major,
            oldest_qemu.minor, oldest_qemu.micro));
    }
    return version;
}

} // namespace vestibule::sevsim
