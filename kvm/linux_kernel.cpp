// SPDX-License-Identifier: BSD-2-Clause-Patent
// See linux_kernel.h.
#include "kvm/linux_kernel.h"

#include <cerrno>
#include <fcntl.h>
#include <fstream>
#include <iterator>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace vestibule::kvm {

int LinuxKernel::open(const char* path) {
    const int descriptor = ::open(path, O_RDWR | O_CLOEXEC);
    return descriptor < 0 ? -errno : descriptor;
}

void LinuxKernel::close(int descriptor) { ::close(descriptor); }

int LinuxKernel::ioctl(int descriptor, u64 request, u64 argument) {
    const int answer = ::ioctl(descriptor, request, argument);
    return answer < 0 ? -errno : answer;
}

u8* LinuxKernel::map(u64 size, int descriptor) {
    const int flags    = descriptor < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    void* const memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, flags, descriptor, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<u8*>(memory);
}

void LinuxKernel::unmap(u8* memory, u64 size) { munmap(memory, size); }

void LinuxKernel::discard(int descriptor, u64 at, u64 size) {
    // Either only saves memory: a kernel that refuses has lost nothing.
    if (descriptor >= 0) {
        static_cast<void>(fallocate(descriptor, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
                                    static_cast<off_t>(at), static_cast<off_t>(size)));
    } else {
        static_cast<void>(madvise(reinterpret_cast<void*>(at), size, MADV_DONTNEED)); // NOLINT
    }
}

std::string LinuxKernel::read(const char* path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace vestibule::kvm
