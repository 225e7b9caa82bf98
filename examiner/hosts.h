// SPDX-License-Identifier: BSD-2-Clause-Patent
// What known hosts answer otherwise than the specification has it: `expect=HOST` makes "known" of a
// failure that stands here, and leaves out what ends the guest there. By reading sources, unless a
// row says that it could not be: nobody has run these here.
#pragma once

#include "x86/types.h"

namespace vestibule::examiner {

/// Of a host's kernel the version that was read: what lies between two of them goes as the older.
enum class Host : u8 { none, kvm_6_1, kvm_6_12, kvm_7_1, vmm, mshv };

struct HostName {
    Host host;
    const char* name;   ///< of `expect=`
    const char* source; ///< what was read
};

// clang-format off
inline constexpr HostName host_names[] = {
    {Host::kvm_6_1,  "kvm-6.1",  "Linux 6.1.192, arch/x86/kvm/svm/sev.c"},
    {Host::kvm_6_12, "kvm-6.12", "Linux 6.12.117, arch/x86/kvm/svm/sev.c"},
    {Host::kvm_7_1,  "kvm-7.1",  "Linux 7.1.8, arch/x86/kvm/svm/sev.c"},
    {Host::vmm,      "openbsd-vmm", "OpenBSD vmm_machdep.c 1.64"},
    {Host::mshv,     "mshv",     "cloud-hypervisor of 2026-08, hypervisor/src/mshv/mod.rs"},
};
// clang-format on

constexpr const char* name_of(Host host) {
    for (const HostName& row : host_names) {
        if (row.host == host) {
            return row.name;
        }
    }
    return "no host";
}

/// A set of hosts.
constexpr u8 on(Host host) { return static_cast<u8>(1u << static_cast<unsigned>(host)); }

namespace hosts {
inline constexpr u8 kvm_6_1 = on(Host::kvm_6_1);
inline constexpr u8 kvm_new = on(Host::kvm_6_12) | on(Host::kvm_7_1);
inline constexpr u8 kvm     = kvm_6_1 | kvm_new;
inline constexpr u8 vmm     = on(Host::vmm);
inline constexpr u8 mshv    = on(Host::mshv);
} // namespace hosts

enum class Effect : u8 { differs, ends_guest };

struct DeviationRow {
    u8 hosts;
    const char* ids; ///< an id, or the beginning of some and a *
    Effect effect;
    bool is_sourced; ///< false: from memory, or from what the source makes likely
    const char* answer;
};

// clang-format off
inline constexpr DeviationRow deviations[] = {
    // The protocol's version 1: INIT of old, and all of 6.1 (sev_handle_vmgexit_msr_protocol).
    {hosts::kvm_6_1, "msr.features.*",         Effect::differs,    true,  "leaves request 0x080 as it is: protocol version 1"},
    {hosts::kvm_6_1, "event.features.*",       Effect::differs,    true,  "has no exit 0x8000FFFD: protocol version 1"},
    // Requests of SEV-SNP by a guest that is none.
    {hosts::kvm_new, "msr.snp-only.*",         Effect::ends_guest, true,  "takes SEV-SNP's requests of other guests for the end"},
    // svm_set_msr and kvm_emulate_*: answers that are no exact ones.
    {hosts::kvm,     "rdpmc.bad-index",        Effect::differs,    true,  "injects #GP behind VMGEXIT (kvm_emulate_rdpmc)"},
    {hosts::kvm,     "rdpmc.counter-0",        Effect::differs,    false, "may have no counters for the guest"},
    {hosts::kvm,     "ioio.size.none",         Effect::differs,    true,  "takes an access of no size for done"},
    {hosts::kvm,     "ioio.*.reserved*",       Effect::differs,    false, "does not look at reserved bits"},
    {hosts::kvm,     "mmio.read.length.0",     Effect::differs,    true,  "takes a length of 0 for done"},
    {hosts::kvm,     "mmio.write.length.0",    Effect::differs,    true,  "takes a length of 0 for done"},
    {hosts::kvm_6_1, "mmio.*.length.*",        Effect::differs,    false, "passes on every length: protocol version 1"},
    {hosts::kvm_6_1, "*.scratch.outside",      Effect::differs,    true,  "allows a scratch area anywhere: protocol version 1"},
    {hosts::kvm,     "call.clean.*",           Effect::differs,    true,  "marks RAX to RDX valid in every answer (sev_es_sync_to_ghcb)"},
    {hosts::kvm,     "snp-only.*",             Effect::differs,    false, "answers reason 4 to SEV-SNP's events by other guests (sev_es_validate_vmgexit)"},
    {hosts::kvm,     "nmi.masked",             Effect::differs,    true,  "with vNMI unmasks at IRET, not at NMI complete"},
    {hosts::kvm_new, "psc.list.bad-operation*", Effect::differs,   false, "completes operations that it does not know"},
    {on(Host::kvm_6_12), "ap.create.features", Effect::differs,    true,  "looks at the bits of injection in RAX alone"},
    {on(Host::kvm_6_12), "ap.create.no-features", Effect::differs, true,  "looks at the bits of injection in RAX alone"},
    {hosts::kvm_new, "ap.create.not-vmsa",     Effect::differs,    false, "cannot see what RMPADJUST has done"},
    // OpenBSD: CPUID and termination by MSR, a handful of events by page.
    {hosts::vmm,     "msr.info.*",             Effect::ends_guest, true,  "ends the guest at SEV information"},
    {hosts::vmm,     "msr.features.*",         Effect::ends_guest, true,  "ends the guest at hypervisor features"},
    {hosts::vmm,     "msr.unknown.*",          Effect::ends_guest, true,  "ends the guest at a request that it does not know"},
    {hosts::vmm,     "msr.snp-only.*",         Effect::ends_guest, true,  "ends the guest at a request that it does not know"},
    {hosts::vmm,     "hold.*",                 Effect::ends_guest, true,  "ends the guest at AP reset hold"},
    {hosts::vmm,     "nmi.*",                  Effect::ends_guest, true,  "ends the guest at NMI complete"},
    {hosts::vmm,     "mmio.*",                 Effect::ends_guest, true,  "ends the guest at MMIO"},
    {hosts::vmm,     "event.*",                Effect::ends_guest, false, "has no events beyond those of instructions"},
    {hosts::vmm,     "unknown-event.*",        Effect::ends_guest, false, "ends the guest at an exit that it does not know"},
    {hosts::vmm,     "snp-only.*",             Effect::ends_guest, false, "ends the guest at an exit that it does not know"},
    {hosts::vmm,     "jump-table.*",           Effect::ends_guest, false, "has no AP jump table"},
    {hosts::mshv,    "doorbell.*",             Effect::differs,    false, "serves the #HV doorbell page its own way"},
};
// clang-format on

/// What is known of a host's answer to one case.
struct Deviation {
    Host host;
    Effect effect;
    bool is_sourced;
    const char* answer;
};

/// Whether an id is meant by a pattern: `*` stands for any characters, and may stand twice.
constexpr bool is_meant(const char* pattern, const char* id) {
    for (; *pattern != '\0' && *pattern != '*'; ++pattern, ++id) {
        if (*pattern != *id) {
            return false;
        }
    }
    if (*pattern == '\0') {
        return *id == '\0';
    }
    for (;; ++id) {
        if (is_meant(pattern + 1, id)) {
            return true;
        }
        if (*id == '\0') {
            return false;
        }
    }
}

/// False where nothing is known.
constexpr bool find_deviation(Host host, const char* id, Deviation& found) {
    for (const DeviationRow& row : deviations) {
        if (host != Host::none && (row.hosts & on(host)) != 0 && is_meant(row.ids, id)) {
            found = {host, row.effect, row.is_sourced, row.answer};
            return true;
        }
    }
    return false;
}

} // namespace vestibule::examiner
