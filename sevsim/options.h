// SPDX-License-Identifier: BSD-2-Clause-Patent
// What `sevsim run` was asked for, and the limits of it.
#pragma once

#include "sevsim/code_ranges.h"
#include "sevsim/from.h"
#include "sevsim/plan.h"
#include "x86/types.h"

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace vestibule::sevsim {

inline constexpr u64 mib = u64{1} << 20;
inline constexpr u64 gib = u64{1} << 30;

/// The monitor maps guest memory in 2 MiB pages.
inline constexpr u64 memory_step    = 2 * mib;
inline constexpr u64 smallest_guest = 32 * mib;
inline constexpr u64 largest_guest  = 16 * gib;

/// The monitor has room for so many.
inline constexpr unsigned most_vcpus = 8;

/// What the guest's file is, and so how the guest is entered.
enum class GuestKind : u8 {
    igvm,     ///< an IGVM file: its own pages and VP context
    kernel,   ///< a Linux bzImage, by the 32-bit boot protocol
    firmware, ///< a firmware volume, from the reset vector
};

/// How a trace is written (trace.h).
enum class TraceFormat : u8 { jsonl, perfetto, text };

struct RunOptions {
    GuestKind kind = GuestKind::igvm;
    std::string file;
    std::string kernel; ///< that firmware or an IGVM file boots directly; empty: none
    std::string initrd; ///< empty: none
    std::string append; ///< the kernel's command line
    std::string platform = "sev-es";
    u64 memory           = 256 * mib;
    unsigned vcpus       = 1;
    unsigned c_bit       = 47;    ///< 47 (Naples, Rome) or 51 (Milan and later)
    bool vcpus_given     = false; ///< by the user; otherwise an IGVM file says how many
    bool c_bit_given     = false; ///< likewise
    bool unjudged        = false; ///< an IGVM file is the monitor's to judge
    bool la57            = false; ///< CPUID offers the guest 5-level paging
    bool x2apic          = false; ///< CPUID offers it, and KVM's name with it
    bool no_flash        = false; ///< all of the firmware's file is launched
    // Of the secure processor of an SEV-SNP machine:
    std::string root;               ///< where its certificates are; empty: made for this run
    u32 report_version = 3;         ///< of its attestation reports
    bool secure_tsc    = false;     ///< SEV_FEATURES of firmware and kernels ask for it
    bool vlek          = false;     ///< they are signed by a VLEK, not by a VCEK
    std::array<u8, 32> host_data{}; ///< what the host has said at the launch
    // Of the launch of an SEV or SEV-ES guest:
    std::string session;           ///< names the owner's files; empty: launched without an owner
    u32 sev_policy    = 0;         ///< of LAUNCH_START
    bool takes_secret = false;     ///< the guest waits for its owner's packet
    std::optional<u64> secret_gpa; ///< where it goes; none: where the firmware says
    unsigned timeout_seconds = 60; ///< as it was said; 0: never
    std::chrono::milliseconds timeout{60'000}; ///< zero: never
    std::vector<std::string> allowed;          ///< rules whose breach does not fail the run
    std::string trace;                         ///< empty: no trace
    TraceFormat trace_format = TraceFormat::jsonl;
    std::vector<std::string> symbols; ///< ELF files, "@" and an address behind their names
    std::string timeline;             ///< empty: no picture
    std::string rmp;                  ///< empty: no picture
    u16 gdb         = 0;              ///< the port where gdb is waited for; 0: none
    bool repeatable = false;
    bool profile    = false;
    std::string dump;          ///< empty: no dump
    bool keeps_output = false; ///< the guest's output stays to be looked at
    Plan hostile;              ///< what the hypervisor does to the guest
    From from;                 ///< the VMGEXIT at which hostile and trace begin
    std::string snapshot;      ///< where the machine is kept as it is then; empty: nowhere
    CodeRanges code;           ///< where its code is; none: anywhere
    u64 canary       = 0; ///< what the secret is made of that is planted in the guest; 0: none is
    bool batch       = false; ///< the last file loaded is one of plans, a run for each (batch.h)
    u64 limit        = 0;     ///< the guest is ended after so many entries of a vCPU; 0: not
    std::string qemu = "qemu-system-x86_64";
    std::vector<std::string> qemu_arguments;
    int output = 1; ///< where the guest's serial output goes

    bool is_snp() const { return platform == "sev-snp"; }
};

} // namespace vestibule::sevsim
