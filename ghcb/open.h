// SPDX-License-Identifier: BSD-2-Clause-Patent
// A GHCB page from "mapped shared" to "answered": emptied, named in the GHCB MSR, and its first
// call compared with what the MSR protocol said (GHCB specification, sections 2.3.1 and 4).
#pragma once

#include "ghcb/call.h"
#include "ghcb/identify.h"
#include "x86/sev.h"

namespace vestibule::ghcb {

/// Empties the page, which holds what was there before, and names it in the GHCB MSR.
template <class Cpu>
void announce(const Channel& channel) {
    volatile u64* words = reinterpret_cast<volatile u64*>(channel.page);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        words[n] = 0;
    }
    Cpu::wrmsr(x86::Msr::ghcb, channel.gpa);
}

/// The first call. `encryption` is what the MSR protocol answered for CPUID 0x8000001F: a
/// hypervisor that does not give the same answer through the page does not see our page.
template <class Cpu>
Outcome prove(Channel& channel, const EncryptionLeaf& encryption) {
    Call<Cpu> call{channel};
    call.put(Field::rax, x86::cpuid_leaf::memory_encryption);
    call.put(Field::rcx, 0);
    const Answer answer    = call.exit(x86::ExitCode::cpuid, 0, 0, registers::rax | registers::rbx);
    constexpr unsigned rax = 0;
    constexpr unsigned rbx = 3;
    if (!answer.outcome.is_done() || answer.reg[rax] != encryption.eax
        || answer.reg[rbx] != encryption.ebx) {
        return Outcome::terminate(reason::ghcb_not_answering);
    }
    return Outcome::done();
}

} // namespace vestibule::ghcb
