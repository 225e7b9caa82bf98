// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an honest run of the guest tells an attacker: how often it leaves the guest, by which
// exits, at which instructions, and what it uses. Lies that are aimed at these places hit.
#pragma once

#include "sevsim/attack/ended.h"

#include <set>
#include <string_view>
#include <vector>

namespace vestibule::sevsim::attack {

/// Moments of one kind, as `@N` counts them: the exit is the same and so is the instruction, and
/// what is learned at one of them is likely what is learned at all.
struct Moments {
    u64 code = 0;
    u64 rip  = 0;
    std::vector<u64> at; ///< from 1
};

/// A #VC that no instruction has raised.
struct Forged {
    u64 code = 0;
    u64 rip  = 0; ///< of the instruction that is said to have raised it
};

struct Places {
    std::vector<Moments> vcs;         ///< #VCs
    std::vector<Moments> vmgexits;    ///< with a GHCB page and by the MSR protocol
    std::vector<Moments> answers;     ///< through a GHCB page
    std::vector<Moments> msr_answers; ///< of the MSR protocol
    u64 entries        = 0;           ///< VMRUNs
    u64 entries_before = 0;           ///< those before `--from`, of which the trace says nothing
    std::set<u64> exits;              ///< exit codes of #VCs
    std::set<u64> pages;              ///< SEV-SNP: that the guest has validated; 4 KiB each
    std::set<u64> blocks;             ///< of 2 MiB, in which the guest was left: where its code is
    std::set<u64> leaves;             ///< CPUID functions that the guest asks for
    PlaceSet seen;
    /// Forged #VCs that the guest asked the hypervisor about: its next call has their exit code.
    std::vector<Forged> believed;
};

/// Of a run's trace, vestibule.trace/1. Lines that cannot be read are passed over.
Places places_of(std::string_view trace);

/// Whether honest runs take that #VC at that instruction: then it is none that was forged.
bool raises(const Places& honest, const Forged& vc);

/// The 2 MiB in which an address lies.
constexpr u64 block_of(u64 address) { return address >> 21; }

} // namespace vestibule::sevsim::attack
