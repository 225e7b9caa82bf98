// SPDX-License-Identifier: BSD-2-Clause-Patent
// The GHCB MSR protocol: requests and answers in one 64-bit value in MSR 0xC0010130 (GHCB
// specification, section 2.3.1). It needs no shared memory, so it is all there is until the GHCB
// page is mapped. Requests are encoded and answers decoded here; nothing else knows the layout.
#pragma once

#include "ghcb/termination.h"
#include "x86/msr.h"
#include "x86/types.h"

namespace vestibule::ghcb::msr_protocol {

inline constexpr u64 info_mask = 0xFFF;

inline constexpr u64 sev_information_response = 0x001;
inline constexpr u64 sev_information_request  = 0x002;
inline constexpr u64 cpuid_request            = 0x004;
inline constexpr u64 cpuid_response           = 0x005;
inline constexpr u64 ap_reset_hold_request    = 0x006;
inline constexpr u64 register_ghcb_request    = 0x012;
inline constexpr u64 register_ghcb_response   = 0x013;
inline constexpr u64 page_state_request       = 0x014;
inline constexpr u64 page_state_response      = 0x015;
inline constexpr u64 run_vmpl_request         = 0x016; // the VMPL in [39:32]
inline constexpr u64 run_vmpl_response        = 0x017;
inline constexpr u64 features_request         = 0x080;
inline constexpr u64 features_response        = 0x081;
inline constexpr u64 termination_request      = 0x100;

/// SEV information (0x001): what the hypervisor says of the protocol and of the C-bit.
struct SevInformation {
    u16 max_version;
    u16 min_version;
    u8 c_bit_position;
    bool well_formed; // response code right, reserved bits clear

    static constexpr SevInformation decode(u64 value) {
        constexpr u64 reserved = 0xFF'F000;
        return {.max_version    = static_cast<u16>(value >> 48),
                .min_version    = static_cast<u16>(value >> 32),
                .c_bit_position = static_cast<u8>(value >> 24),
                .well_formed =
                    (value & info_mask) == sev_information_response && (value & reserved) == 0};
    }
};

/// The register that a CPUID request asks for, one a call.
enum class CpuidRegister : u8 { eax = 0, ebx = 1, ecx = 2, edx = 3 };

/// CPUID (0x004): function in [63:32], register in [31:30]. A sub-leaf cannot be said.
constexpr u64 encode_cpuid(u32 function, CpuidRegister wanted) {
    return (u64{function} << 32) | (static_cast<u64>(wanted) << 30) | cpuid_request;
}

/// True where `answer` is the answer to that register's request: response code, echoed register and
/// the reserved bits between them are right. Its value is then `high_half(answer)`.
constexpr bool answers_cpuid(u64 answer, CpuidRegister wanted) {
    return low_half(answer) == ((static_cast<u32>(wanted) << 30) | cpuid_response);
}

/// Termination (0x100): reason set in [15:12], reason code in [23:16].
constexpr u64 encode_termination(Reason reason) {
    return (u64{reason.code} << 16) | ((u64{reason.set} & 0xF) << 12) | termination_request;
}

/// One exchange: the request into the MSR, VMGEXIT, the answer out of it.
template <class Cpu>
u64 exchange(u64 request) {
    Cpu::wrmsr(x86::Msr::ghcb, request);
    Cpu::vmgexit();
    return Cpu::rdmsr(x86::Msr::ghcb);
}

/// Asks for one register of CPUID; false where the answer is not one, with `value` as it was. For
/// code that wants one or two of the four, which the instruction would fetch all.
template <class Cpu>
bool cpuid(u32 function, CpuidRegister wanted, u32& value) {
    const u64 answer = exchange<Cpu>(encode_cpuid(function, wanted));
    if (!answers_cpuid(answer, wanted)) {
        return false;
    }
    value = high_half(answer);
    return true;
}

/// Asks to be ended, and does not come back even from a hypervisor that does not obey.
template <class Cpu>
[[noreturn]] void terminate(Reason reason) {
    Cpu::wrmsr(x86::Msr::ghcb, encode_termination(reason));
    Cpu::vmgexit();
    Cpu::halt();
}

} // namespace vestibule::ghcb::msr_protocol
