// SPDX-License-Identifier: BSD-2-Clause-Patent
// The running kernel behind the seam.
#pragma once

#include "kvm/kernel.h"

namespace vestibule::kvm {

class LinuxKernel : public Kernel {
  public:
    int open(const char* path) override;
    void close(int descriptor) override;
    int ioctl(int descriptor, u64 request, u64 argument) override;
    u8* map(u64 size, int descriptor) override;
    void unmap(u8* memory, u64 size) override;
    void discard(int descriptor, u64 at, u64 size) override;
    std::string read(const char* path) override;
};

} // namespace vestibule::kvm
