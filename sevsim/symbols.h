// SPDX-License-Identifier: BSD-2-Clause-Patent
// Names for addresses, out of the symbol tables of ELF64 files.
#pragma once

#include "x86/types.h"

#include <expected>
#include <map>
#include <string>

namespace vestibule::sevsim {

class Symbols {
  public:
    /// "FILE" or "FILE@0x200000": the number is added to the file's addresses, for an image that is
    /// linked elsewhere than where it runs. What is wrong, in words.
    std::expected<void, std::string> add(const std::string& file_and_base);

    /// "main+0x12"; empty where no symbol is near below.
    [[nodiscard]] std::string at(u64 address) const;

  private:
    struct Symbol {
        std::string name;
        u64 size; // 0: not known
    };

    std::map<u64, Symbol> symbols_;
};

} // namespace vestibule::sevsim
