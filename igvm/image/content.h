// SPDX-License-Identifier: BSD-2-Clause-Patent
// Bytes that stay in the file they came from, or were made here: a guest's initrd is not copied to
// be laid out. What is borrowed must outlive its borrowers; copies share what was made.
#pragma once

#include "x86/types.h"

#include <memory>
#include <span>
#include <vector>

namespace vestibule::igvm {

class Content {
  public:
    Content() = default;

    explicit Content(std::span<const u8> borrowed) : bytes_(borrowed) {}

    explicit Content(std::vector<u8>&& made)
        : made_(std::make_shared<const std::vector<u8>>(std::move(made))), bytes_(*made_) {}

    [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

    [[nodiscard]] u64 size() const { return bytes_.size(); }

  private:
    std::shared_ptr<const std::vector<u8>> made_;
    std::span<const u8> bytes_;
};

} // namespace vestibule::igvm
