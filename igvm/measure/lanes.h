// SPDX-License-Identifier: BSD-2-Clause-Patent
// SHA-384 of many messages of one size side by side, in the lanes of vector registers: Intel's
// multi-buffer library (Debian's libipsec-mb), which chooses by the processor at run time. Where it
// was not there at build time, or the processor has no AVX2, OpenSSL does one after another.
#pragma once

#include "igvm/measure/digest.h"

#include <memory>
#include <string_view>

namespace vestibule::igvm {

enum class LaneWidth : u8 { none, avx2, avx512 };

/// The widest that this processor and build have.
LaneWidth lane_width();

std::string_view name_of(LaneWidth width);

/// One thread's.
class Lanes {
  public:
    /// No wider than there is.
    explicit Lanes(LaneWidth width = lane_width());
    Lanes(const Lanes&)            = delete;
    Lanes& operator=(const Lanes&) = delete;
    ~Lanes();

    /// Takes a message; its digest is there after finish(), and both stay in place until then.
    void add(std::span<const u8> message, Digest384& digest);
    void finish();

  private:
    struct Manager;

    std::unique_ptr<Manager> manager_; // none without lanes
};

} // namespace vestibule::igvm
