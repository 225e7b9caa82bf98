#include "boot/negotiation.h"

#include "boot/fatal.h"
#include "boot/interrupts.h"
#include "boot/sev_status.h"
#include "ghcb/msr_protocol.h"
#include "ghcb/version.h"
#include "x86/cpu.h"

namespace vestibule::boot {

namespace msr_protocol = ghcb::msr_protocol;
namespace reason       = ghcb::reason;
using x86::SevStatus;

namespace {

/// SEV_STATUS is the CPU's own word: its read is never intercepted. A CPU without it raises #GP,
/// and so could a hypervisor at this very instruction; either way the answer is "no SEV", and an
/// image measured for SEV-ES ends there.
SevStatus read_sev_status() {
    u64 value = 0;
    return {rdmsr_safely(x86::Msr::sev_status, value) ? value : 0};
}

/// EAX and EBX of CPUID 0x8000001F. By the MSR protocol rather than by the instruction, which would
/// be two VMGEXITs more for registers that nobody wants.
EncryptionLeaf ask_encryption() {
    using msr_protocol::CpuidRegister;
    constexpr u32 leaf = x86::cpuid_leaf::memory_encryption;
    EncryptionLeaf result;
    if (!msr_protocol::cpuid<x86::Cpu>(leaf, CpuidRegister::eax, result.eax)
        || !msr_protocol::cpuid<x86::Cpu>(leaf, CpuidRegister::ebx, result.ebx)) {
        fail(reason::msr_bad_response);
    }
    return result;
}

} // namespace

Machine identify_machine(u64 c_bit) {
    Machine machine;
    machine.sev_status = read_sev_status();
    machine.platform   = c_bit != 0 ? Platform::sev_es : Platform::native;
    if (const StatusVerdict verdict = judge_status(machine.sev_status, machine.platform);
        !verdict.right) {
        fail(verdict.reason);
    }
    if (c_bit == 0) {
        return machine;
    }

    const auto information = msr_protocol::SevInformation::decode(
        msr_protocol::exchange<x86::Cpu>(msr_protocol::sev_information_request));
    if (!information.well_formed) {
        fail(reason::msr_bad_response);
    }
    machine.ghcb_version =
        ghcb::negotiate_version(information.min_version, information.max_version);
    if (machine.ghcb_version == 0) {
        fail(reason::protocol_range);
    }

    machine.encryption       = ask_encryption();
    constexpr u32 sev_and_es = x86::cpuid_sev | x86::cpuid_sev_es;
    if ((machine.encryption.eax & sev_and_es) != sev_and_es) {
        fail(reason::cpuid_hides_sev);
    }
    if (c_bit != bit(x86::c_bit_position(machine.encryption.ebx))
        || information.c_bit_position >= 64 || c_bit != bit(information.c_bit_position)) {
        fail(reason::c_bit_mismatch);
    }
    return machine;
}

} // namespace vestibule::boot
