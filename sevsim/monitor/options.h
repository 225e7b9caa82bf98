// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the host command asks of the monitor, from the multiboot command line (sevsim/qemu_command.h
// writes it).
#pragma once

#include "sevsim/code_ranges.h"
#include "sevsim/from.h"
#include "sevsim/memory_map.h"
#include "sevsim/plan.h"
#include "x86/types.h"

namespace vestibule::sevsim {

/// Kept small: each has a stack and a page or two of the monitor's memory.
inline constexpr unsigned most_vcpus = 8;

enum class Platform : u8 { native, sev, sev_es, sev_snp };

/// As the host command writes them, by Platform.
inline constexpr const char* platform_names[] = {"native", "sev", "sev-es", "sev-snp"};

/// What the guest's file is.
enum class GuestKind : u8 { igvm, kernel, firmware };

struct Options {
    u64 memory              = 0; // bytes of guest memory
    Platform platform       = Platform::sev_es;
    u64 sev_features        = 0; // of every VMSA: what VMRUN lets the guest have
    GuestKind guest         = GuestKind::igvm;
    unsigned c_bit_position = 47;
    unsigned vcpus          = 1;
    u64 ap_start            = 0;     // linear: where firmware's second vCPU and further ones begin
    bool la57               = false; // CPUID offers the guest 5-level paging
    bool x2apic             = false; // CPUID offers it, and names a hypervisor that has it
    bool no_flash           = false; // all of the firmware's file is launched
    bool secret             = false; // the guest's owner has sent one (SEV and SEV-ES)
    bool counted_time       = false; // the machine's clock counts instructions (--repeatable)
    bool trace              = false;
    bool handlers           = false; // the trace says when handlers of #VCs end
    bool gdb                = false; // somebody may have breakpoints in the guest
    bool profile            = false;
    bool dump               = false;
    bool timeline           = false;
    bool rmp                = false; // the host draws the reverse map table
    bool batch              = false; // the last file is a text of plans, a run for each (batch.h)
    u64 limit               = 0;     // of entries of the guest, by each vCPU; 0: none
    u64 canary              = 0;     // what the guest's secret is made of (leaks.h); 0: it has none
    u64 tsc_offset          = 0;     // to the processor's, for the guest's time-stamp counter
    From from;                       // the VMGEXIT at which `hostile` is told (from_here_on.h)
    CodeRanges code;                 // none: the guest may execute what it likes
    Plan hostile;

    MemoryMap map() const { return memory_map(memory); }

    bool is_native() const { return platform == Platform::native; }

    /// Its registers are its own: what is intercepted becomes #VC.
    bool has_vc() const { return platform == Platform::sev_es || is_snp(); }

    bool is_snp() const { return platform == Platform::sev_snp; }

    /// Now or later: then no entry is spared that a lie could choose.
    bool may_lie() const { return from.is_given() || !hostile.is_honest(); }

    /// The one that lies about the C-bit name.
    unsigned wrong_c_bit_position() const { return c_bit_position - 1; }

    /// Whether SEV information is one of them. Who names a wrong C-bit there also maps the guest's
    /// memory where the guest, believing it, will look: shared.
    bool maps_wrong_c_bit() const {
        return hostile.has(Lie::cbit_position) || hostile.has(Lie::cbit_information);
    }
};

/// Fills `options` from the command line; false where a word is not understood.
bool parse_options(const char* command_line, Options& options);

} // namespace vestibule::sevsim
