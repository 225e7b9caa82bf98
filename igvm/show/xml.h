// SPDX-License-Identifier: BSD-2-Clause-Patent
// Text in a picture: what SVG, which is XML, must not have as it is.
#pragma once

#include <string>
#include <string_view>

namespace vestibule::igvm {

/// `text` as character data or as an attribute's value (XML 1.0, section 2.4). Control characters
/// and what may be no UTF-8 become '?'.
inline std::string xml_escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        switch (c) {
        case '&': result += "&amp;"; break;
        case '<': result += "&lt;"; break;
        case '>': result += "&gt;"; break;
        case '"': result += "&quot;"; break;
        default: result += c >= ' ' && c <= '~' ? c : '?';
        }
    }
    return result;
}

} // namespace vestibule::igvm
