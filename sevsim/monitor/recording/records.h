// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the monitor tells the host: JSON objects, one a line, on a debug port that only it uses. The
// host command reads them (sevsim/records.h) and names the kinds.
#pragma once

#include "x86/types.h"

#include <string_view>

namespace vestibule::sevsim {

/// The debug port. Firmware's own (0x402) and the usual 0xE9 are left to the guest.
inline constexpr u16 record_port = 0x5E9;

/// One line, sent as it is built: members, then end().
class Record {
  public:
    explicit Record(const char* kind);

    Record& text(const char* name, std::string_view value);
    Record& number(const char* name, u64 value);
    Record& hex(const char* name, u64 value);
    /// Bytes in hexadecimal, separated by spaces.
    Record& bytes(const char* name, const u8* values, u64 count);
    Record& begin_object(const char* name);
    Record& end_object();
    void end();

  private:
    void key(const char* name);

    bool first = false;
};

} // namespace vestibule::sevsim
