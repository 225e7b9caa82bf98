// SPDX-License-Identifier: BSD-2-Clause-Patent
// Last words (ghcb/last_words.h) for those who show how a guest ended: sevsim and sevlaunch. On the
// host only; the bytes are the guest's and believed in nothing.
#pragma once

#include "ghcb/last_words.h"

#include <cstring>
#include <fmt/format.h>
#include <span>
#include <string>

namespace vestibule::ghcb {

/// Where in a page they are.
inline constexpr u64 last_words_offset = offsetof(Page, shared_buffer);

/// " at rip 0x..., address 0x...", or "" where the bytes are no last words, or of another reason
/// than the request's.
inline std::string last_words_text(std::span<const u8> bytes, u8 set, u8 code) {
    LastWords words{};
    if (bytes.size() < sizeof(words)) {
        return {};
    }
    std::memcpy(&words, bytes.data(), sizeof(words));
    if (words.magic != LastWords::magic_value || words.reason != (u64{set} << 8 | code)) {
        return {};
    }
    std::string text = fmt::format(" at rip {:#x}, error code {:#x}", words.rip, words.error_code);
    if (words.address != 0) {
        text += fmt::format(", address {:#x}", words.address);
    }
    return text;
}

} // namespace vestibule::ghcb
