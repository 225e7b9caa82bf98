// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls that have to succeed: whatever the kernel or the firmware refuses becomes a message that
// says what was asked, what came back, and what to do about it (KVM ABI, section 2: SEV_RET codes).
#pragma once

#include "kvm/abi.h"
#include "kvm/kernel.h"

#include <stdexcept>
#include <string>

namespace vestibule::kvm {

/// What was asked has failed; the message is for the user.
class Error : public std::runtime_error {
  public:
    using runtime_error::runtime_error;
};

/// A command that the firmware has refused, by its SEV_RET code.
class FirmwareError : public Error {
  public:
    FirmwareError(const std::string& text, u32 firmware_code) : Error(text), code(firmware_code) {}

    u32 code;
};

namespace sev_ret {
inline constexpr u32 bad_measurement = 0x0B;
inline constexpr u32 invalid_param   = 0x16;
} // namespace sev_ret

/// Where something is, in the interface's form.
inline u64 address_of(const void* memory) {
    return reinterpret_cast<u64>(memory); // NOLINT: a number is what the kernel takes
}

class Calls {
  public:
    explicit Calls(Kernel& own) : kernel(own) {}

    /// The descriptor of a device; Error where it cannot be opened.
    int open(const char* path);

    /// The kernel's answer; Error where it is an error.
    int call(int descriptor, u64 request, u64 argument = 0);

    template <class T>
        requires(!std::is_integral_v<T>)
    int call(int descriptor, u64 request, T& argument) {
        return call(descriptor, request, address_of(&argument));
    }

    /// A command of KVM_MEMORY_ENCRYPT_OP on the VM; `data` is an address, or 0. EAGAIN is for this
    /// function to deal with. Error, which is a FirmwareError where the firmware refused.
    void sev(int vm, int sev_device, abi::Sev command, u64 data = 0);

    template <class T>
    void sev(int vm, int sev_device, abi::Sev command, T& data) {
        sev(vm, sev_device, command, address_of(&data));
    }

    /// Zeroed memory, or a vCPU's kvm_run; Error where there is none.
    u8* map(u64 size, int descriptor = -1);

    Kernel& kernel; // NOLINT(cppcoreguidelines-avoid-const-or-ref-data-members)
};

} // namespace vestibule::kvm
