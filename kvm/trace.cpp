// SPDX-License-Identifier: BSD-2-Clause-Patent
// See trace.h.
#include "kvm/trace.h"

#include "kvm/call_text.h"
#include "kvm/linux_kernel.h"

#include <fmt/format.h>
#include <string_view>

namespace vestibule::kvm {

int TracedKernel::open(const char* path) {
    const int answer = inner_.open(path);
    tell_(fmt::format("open({})", path), answer);
    return answer;
}

void TracedKernel::close(int descriptor) { inner_.close(descriptor); }

int TracedKernel::ioctl(int descriptor, u64 request, u64 argument) {
    if (request == KVM_RUN) {
        return inner_.ioctl(descriptor, request, argument);
    }
    const std::lock_guard lock(mutex_);
    // Before the call, which writes its answers over what was asked.
    const auto text  = call_text(request, argument, [this](u64 where) { return place(where); });
    const int answer = inner_.ioctl(descriptor, request, argument);
    tell_(fmt::format("{} on {}", text, descriptor), answer);
    return answer;
}

u8* TracedKernel::map(u64 size, int descriptor) {
    u8* const memory = inner_.map(size, descriptor);
    const auto at    = reinterpret_cast<u64>(memory); // NOLINT: only to be compared
    numbers_[at]     = maps_.size();
    maps_[at]        = size;
    tell_(descriptor < 0 ? fmt::format("mmap({:#x} bytes): memory {}", size, numbers_[at])
                         : fmt::format("mmap({:#x} bytes of {})", size, descriptor),
          memory == nullptr ? -1 : 0);
    return memory;
}

void TracedKernel::unmap(u8* memory, u64 size) { inner_.unmap(memory, size); }

void TracedKernel::discard(int descriptor, u64 at, u64 size) {
    inner_.discard(descriptor, at, size);
}

std::string TracedKernel::read(const char* path) { return inner_.read(path); }

/// Addresses differ from run to run; places in memory do not.
std::string TracedKernel::place(u64 address) const {
    const auto next = maps_.upper_bound(address);
    if (next == maps_.begin() || address - std::prev(next)->first >= std::prev(next)->second) {
        return address == 0 ? "0" : "a buffer";
    }
    const auto& [start, size] = *std::prev(next);
    return fmt::format("memory {}+{:#x}", numbers_.at(start), address - start);
}

int DryKernel::open(const char* /*path*/) { return next_++; }

int DryKernel::ioctl(int /*descriptor*/, u64 request, u64 argument) {
    constexpr int all_types = 0x1F; // of VMs, as Linux 7.1 has them
    switch (request) {
    case KVM_GET_API_VERSION: return KVM_API_VERSION;
    case KVM_CHECK_EXTENSION: return argument == abi::cap_vm_types ? all_types : 0;
    case KVM_GET_VCPU_MMAP_SIZE: return 3 * page_size;
    case abi::get_supported_cpuid:
        reinterpret_cast<abi::Cpuid*>(argument)->count = 0; // NOLINT: the kernel's convention
        return 0;
    case abi::set_msrs:
        return static_cast<int>(reinterpret_cast<abi::Msrs*>(argument)->count); // NOLINT: as above
    case KVM_MEMORY_ENCRYPT_OP: {
        const auto& command = *reinterpret_cast<abi::SevCommand*>(argument); // NOLINT: as above
        if (command.id == abi::Sev::snp_launch_update) {
            reinterpret_cast<abi::SnpLaunchUpdate*>(command.data)->len = 0; // NOLINT: as above
        }
        return 0;
    }
    case KVM_CREATE_VM:
    case KVM_CREATE_VCPU:
    case abi::create_guest_memfd: return next_++;
    default: return 0;
    }
}

u8* DryKernel::map(u64 size, int /*descriptor*/) { return LinuxKernel().map(size, -1); }

void DryKernel::unmap(u8* memory, u64 size) { LinuxKernel().unmap(memory, size); }

std::string DryKernel::read(const char* path) {
    return std::string_view(path).ends_with("osrelease") ? release : "Y\n";
}

} // namespace vestibule::kvm
