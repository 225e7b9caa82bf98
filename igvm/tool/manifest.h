// SPDX-License-Identifier: BSD-2-Clause-Patent
// A manifest that `igvmtool build --manifest` has written (build_manifest.h), read again.
#pragma once

#include "cli/json.h"
#include "igvm/show/named_range.h"

#include <map>

namespace vestibule::igvm {

class Manifest {
  public:
    /// Failure where it is none.
    static Manifest read(const std::string& path);

    /// The parts of one platform's memory.
    [[nodiscard]] std::vector<NamedRange> names(PlatformType platform) const;

    /// What went into the file: by its name in words, two of which are the same where what went in
    /// is.
    [[nodiscard]] std::map<std::string, std::string> inputs() const;

  private:
    explicit Manifest(cli::Json object) : object_(std::move(object)) {}

    cli::Json object_;
};

} // namespace vestibule::igvm
