// SPDX-License-Identifier: BSD-2-Clause-Patent
// A file descriptor that closes itself.
#pragma once

#include <unistd.h>
#include <utility>

namespace vestibule::sevsim {

class Descriptor {
  public:
    Descriptor() = default;

    explicit Descriptor(int fd) : fd_{fd} {}

    Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}

    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }

    Descriptor(const Descriptor&)            = delete;
    Descriptor& operator=(const Descriptor&) = delete;

    ~Descriptor() { close(); }

    void close() {
        if (fd_ >= 0) {
            ::close(std::exchange(fd_, -1));
        }
    }

    int get() const { return fd_; }

    explicit operator bool() const { return fd_ >= 0; }

  private:
    int fd_ = -1;
};

} // namespace vestibule::sevsim
