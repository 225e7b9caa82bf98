// SPDX-License-Identifier: BSD-2-Clause-Patent
// gdb's remote serial protocol (gdb manual, appendix E): packets in a stream of bytes, and the
// numbers in them.
#pragma once

#include "x86/types.h"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim {

/// What one side has sent.
struct GdbItem {
    enum class Kind : u8 {
        packet,
        acknowledgement, // '+'
        again,           // '-': the last packet came damaged
        interrupt,       // Ctrl-C
        damaged,         // a packet whose checksum is wrong
    };

    Kind kind;
    std::string body; // of a packet, as it was sent: with its escapes
};

/// Takes bytes as they come.
class GdbReader {
  public:
    std::vector<GdbItem> take(std::string_view bytes);

  private:
    enum class Expected : u8 { start, body, first_digit, second_digit };

    Expected expected_ = Expected::start;
    std::string body_;
    unsigned sum_   = 0;
    unsigned digit_ = 0;
};

/// The packet around a body.
std::string gdb_packet(std::string_view body);

/// A body without its escapes.
std::string gdb_unescape(std::string_view body);

std::string gdb_hex(std::span<const u8> bytes);

/// Two digits a byte; nothing where it is not that.
std::optional<std::vector<u8>> gdb_bytes(std::string_view hex);

/// The hexadecimal number that `text` begins with, which leaves it; nothing where there is none.
std::optional<u64> gdb_number(std::string_view& text);

} // namespace vestibule::sevsim
