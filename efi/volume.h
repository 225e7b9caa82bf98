// SPDX-License-Identifier: BSD-2-Clause-Patent
// Files of the volume that the application was started from (UEFI specification 2.10, sections 9.1,
// 13.4 and 13.5).
#pragma once

#include "efi/pages.h"
#include "efi/problem.h"

namespace vestibule::efi {

class Volume {
  public:
    Volume() = default;

    Volume(const Volume&)            = delete;
    Volume& operator=(const Volume&) = delete;

    ~Volume() { close(); }

    Problem open();
    void close();

    /// Reads a whole file into memory that it allocates below `limit`. A path without a \ or / in
    /// front is that of a file beside the configuration.
    Problem read(Text path, Pages& memory, u64& size, u64 limit = four_gib);

  private:
    [[maybe_unused]] EFI_FILE_PROTOCOL* root_ = nullptr; // examiner.efi carries its files
};

inline constexpr Text own_folder  = R"(\EFI\vestibule\)";
inline constexpr Text config_name = "vestibule.conf";

} // namespace vestibule::efi
