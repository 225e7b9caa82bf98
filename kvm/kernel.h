// SPDX-License-Identifier: BSD-2-Clause-Patent
// The kernel as a launcher sees it: everything that is asked of the host passes through here, so
// that a model of KVM and the secure processor, or a plan that only prints, can stand in its place.
#pragma once

#include "x86/types.h"

#include <string>

namespace vestibule::kvm {

class Kernel {
  public:
    Kernel()                         = default;
    Kernel(const Kernel&)            = delete;
    Kernel& operator=(const Kernel&) = delete;
    virtual ~Kernel()                = default;

    /// A device, for reading and writing. The descriptor, or a negative errno.
    virtual int open(const char* path) = 0;

    virtual void close(int descriptor) = 0;

    /// The argument is a number or an address, as the request has it (abi.h). The kernel's
    /// answer, or a negative errno.
    virtual int ioctl(int descriptor, u64 request, u64 argument) = 0;

    /// Memory of zeros, or with a descriptor a vCPU's kvm_run. Null where there is none to have.
    virtual u8* map(u64 size, int descriptor) = 0;

    virtual void unmap(u8* memory, u64 size) = 0;

    /// Gives pages back: `size` bytes at an offset of a guest_memfd, or with descriptor -1 at an
    /// address of map(). What is read there next is zero.
    virtual void discard(int descriptor, u64 at, u64 size) = 0;

    /// The text of a small file of /proc or /sys; empty where there is none.
    virtual std::string read(const char* path) = 0;
};

} // namespace vestibule::kvm
