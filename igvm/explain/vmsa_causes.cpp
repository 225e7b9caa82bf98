// SPDX-License-Identifier: BSD-2-Clause-Patent
// See vmsa_causes.h. Who does what: KVM and QEMU as in vmsa_effects.h, other producers of reference
// values (sev-snp-measure, igvmmeasure, one's own verifier) where they are known to differ. A row
// says in which vCPUs a monitor is known to do it; the other choices are tried too, but not in
// threes.
#include "igvm/explain/vmsa_causes.h"

#include "igvm/measure/cpu_types.h"
#include "x86/registers.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
using x86::Vmsa;

struct FeatureBit {
    unsigned number;
    std::string_view name;
    std::string_view who;
};

/// VMSA SEV_FEATURES (APM volume 2, table B-4 and section 15.34).
constexpr FeatureBit feature_bits[] = {
    {.number = 0,  .name = "SNPActive",             .who = "KVM sets it for SNP alone"            },
    {.number = 1,  .name = "vTOM",                  .who = "a paravisor's file"                   },
    {.number = 2,  .name = "ReflectVC",             .who = "a paravisor's file"                   },
    {.number = 3,  .name = "RestrictedInjection",   .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 4,  .name = "AlternateInjection",    .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 5,
     .name   = "DebugSwap",
     .who    = "Linux 6.6 and 6.7 set it unasked, later ones where KVM_SEV_INIT2 asks for it"     },
    {.number = 6,  .name = "PreventHostIBS",        .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 7,  .name = "BTBIsolation",          .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 8,  .name = "VmplSSS",               .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 9,  .name = "SecureTSC",             .who = "QEMU's or the VMM's secure-tsc option"},
    {.number = 10, .name = "VmgexitParameter",      .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 11, .name = "PMCVirtualization",     .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 12, .name = "IbsVirtualization",     .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 13, .name = "GuestInterceptControl", .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 14, .name = "VmsaRegProt",           .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 15, .name = "SmtProtection",         .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 16, .name = "SecureAVIC",            .who = "KVM_SEV_INIT2's vmsa_features"        },
    {.number = 21, .name = "IbpbOnEntry",           .who = "KVM_SEV_INIT2's vmsa_features"        },
};

enum class Where : u8 { all, first, others };

constexpr Where everywhere[] = {Where::all, Where::first, Where::others};

std::string_view name_of(Where where) {
    constexpr std::string_view names[] = {"in every vCPU", "in VP 0", "in APs"};
    return names[static_cast<unsigned>(where)];
}

struct Row {
    std::string_view name;
    std::string_view group;
    Where where;
    void (*edit)(Vmsa&);
    std::string_view field;
    u64 offset;
    u64 size;
    std::string_view who;
};

// NOLINTBEGIN(bugprone-macro-parentheses): members take none
#define FIELD(field)      #field, offsetof(Vmsa, field), sizeof(Vmsa::field)
#define ATTRIBUTES(field) #field ".attributes", offsetof(Vmsa, field.attributes), 2
#define LIMIT(field)      #field ".limit", offsetof(Vmsa, field.limit), 4
#define BASE(field)       #field ".base", offsetof(Vmsa, field.base), 8
// NOLINTEND(bugprone-macro-parentheses)

constexpr u16 accessed    = 1u << 0;
constexpr u16 long_tss    = 1u << 3; // tells a 32-bit TSS from a 16-bit one
constexpr u32 table_limit = 0xFFFF;

void no_fpu(Vmsa& vmsa) {
    vmsa.mxcsr   = 0;
    vmsa.x87_fcw = 0;
}

/// Where it has one.
void move_c_bit(Vmsa& vmsa) {
    constexpr u64 both = bit(47) | bit(51);
    vmsa.cr3 ^= (vmsa.cr3 & both) == bit(47) || (vmsa.cr3 & both) == bit(51) ? both : 0;
}

void touch_data(Vmsa& vmsa) {
    for (x86::Segment* segment : {&vmsa.ds, &vmsa.es, &vmsa.fs, &vmsa.gs}) {
        segment->attributes ^= accessed;
    }
}

// clang-format off
constexpr Row rows[] = {
    {"no FPU state",                 "fpu",     Where::all,    no_fpu, FIELD(mxcsr), "Linux before 6.10, QEMU's SEV-ES guests without KVM_SEV_INIT2, EC2 and GCE"},
    {"no FPU state",                 "fpu",     Where::others, no_fpu, FIELD(mxcsr), "QEMU 10.1 and later, in vCPUs from the firmware's reset block"},
    {"FPU as at reset",              "fpu",     Where::all,    [](Vmsa& v) { v.mxcsr = 0x1F80; v.x87_fcw = 0x37F; }, FIELD(mxcsr), "Linux from 6.10 with KVM_SEV_INIT2"},
    {"FCW 0",                        "fpu",     Where::all,    [](Vmsa& v) { v.x87_fcw = 0; }, FIELD(x87_fcw), "sev-snp-measure for guests with an SVSM"},
    {"MXCSR 0",                      "fpu",     Where::all,    [](Vmsa& v) { v.mxcsr = 0; }, FIELD(mxcsr), "a verifier's own VMSA"},
    {"G_PAT as at reset",            "g_pat",   Where::all,    [](Vmsa& v) { v.g_pat = x86::pat_reset; }, FIELD(g_pat), "QEMU, KVM and EC2 where nobody sets it"},
    {"G_PAT of GCE",                 "g_pat",   Where::all,    [](Vmsa& v) { v.g_pat = 0x0007'0106; }, FIELD(g_pat), "Google Compute Engine"},
    {"G_PAT 0",                      "g_pat",   Where::all,    [](Vmsa& v) { v.g_pat = 0; }, FIELD(g_pat), "a file that leaves it out"},
    {"DR6 as at reset",              "dr6",     Where::all,    [](Vmsa& v) { v.dr6 = x86::dr6_reset; }, FIELD(dr6), "KVM where nobody sets it"},
    {"DR6 0",                        "dr6",     Where::all,    [](Vmsa& v) { v.dr6 = 0; }, FIELD(dr6), "a file that leaves it out"},
    {"DR7 0x400",                    "dr7",     Where::all,    [](Vmsa& v) { v.dr7 = x86::dr7_reset; }, FIELD(dr7), "KVM, which takes no other value"},
    {"DR7 0",                        "dr7",     Where::all,    [](Vmsa& v) { v.dr7 = 0; }, FIELD(dr7), "a file that leaves it out"},
    {"CR0.ET the other way",         "cr0.et",  Where::all,    [](Vmsa& v) { v.cr0 ^= x86::cr0::et; }, FIELD(cr0), "QEMU forces it on"},
    {"CR0.NE the other way",         "cr0.ne",  Where::all,    [](Vmsa& v) { v.cr0 ^= x86::cr0::ne; }, FIELD(cr0), "igvmmeasure --check-kvm demands it"},
    {"CR0.CD and NW the other way",  "cr0.cd",  Where::all,    [](Vmsa& v) { v.cr0 ^= x86::cr0::cd | x86::cr0::nw; }, FIELD(cr0), "KVM clears them unless its CD_NW_CLEARED quirk is off"},
    {"CR4.MCE the other way",        "cr4.mce", Where::all,    [](Vmsa& v) { v.cr4 ^= x86::cr4::mce; }, FIELD(cr4), "KVM sets it as in the host"},
    {"EFER.SVME the other way",      "svme",    Where::all,    [](Vmsa& v) { v.efer ^= x86::efer::svme; }, FIELD(efer), "KVM forces it on"},
    {"TR base from LDTR",            "tr.base", Where::all,    [](Vmsa& v) { v.tr.base = v.ldtr.base; }, BASE(tr), "QEMU from 10.1 gives TR the base of LDTR"},
    {"TR base 0",                    "tr.base", Where::all,    [](Vmsa& v) { v.tr.base = 0; }, BASE(tr), "a monitor that does not load TR"},
    {"TR 16-bit against 32-bit",     "tr.attr", Where::all,    [](Vmsa& v) { v.tr.attributes ^= long_tss; }, ATTRIBUTES(tr), "KVM resets TR to 0x83, QEMU to 0x8b"},
    {"CS accessed the other way",    "cs.attr", Where::all,    [](Vmsa& v) { v.cs.attributes ^= accessed; }, ATTRIBUTES(cs), "KVM resets CS to 0x9a, QEMU to 0x9b"},
    {"CS accessed the other way",    "cs.attr", Where::first, [](Vmsa& v) { v.cs.attributes ^= accessed; }, ATTRIBUTES(cs), "EC2 leaves CS at KVM's 0x9a in VP 0 alone"},
    {"SS accessed the other way",    "ss.attr", Where::all,    [](Vmsa& v) { v.ss.attributes ^= accessed; }, ATTRIBUTES(ss), "KVM resets SS to 0x92, QEMU to 0x93"},
    {"data segments accessed the other way", "ds.attr", Where::all, touch_data, ATTRIBUTES(ds), "KVM resets DS, ES, FS, GS to 0x92, QEMU to 0x93"},
    {"GDTR and IDTR limit 0xffff",   "gdtr",    Where::all,    [](Vmsa& v) { v.gdtr.limit = v.idtr.limit = table_limit; }, LIMIT(gdtr), "what they hold at reset"},
    {"GDTR and IDTR limit 0",        "gdtr",    Where::all,    [](Vmsa& v) { v.gdtr.limit = v.idtr.limit = 0; }, LIMIT(gdtr), "a file that leaves them out"},
    {"RDX 0",                        "rdx",     Where::all,    [](Vmsa& v) { v.rdx = 0; }, FIELD(rdx), "EC2 before its change; a monitor that never sets it"},
    {"RDX 0",                        "rdx",     Where::others, [](Vmsa& v) { v.rdx = 0; }, FIELD(rdx), "a monitor that sets VP 0's alone"},
    {"RDX 0x600",                    "rdx",     Where::all,    [](Vmsa& v) { v.rdx = 0x600; }, FIELD(rdx), "KVM where CPUID is set after the vCPU's reset; EC2, GCE"},
    {"RDX 0x600",                    "rdx",     Where::others, [](Vmsa& v) { v.rdx = 0x600; }, FIELD(rdx), "KVM where CPUID is set after the vCPU's reset"},
    {"RDX 0",                        "rdx",     Where::first,  [](Vmsa& v) { v.rdx = 0; }, FIELD(rdx), "a file that leaves it out"},
    {"RDX 0x600",                    "rdx",     Where::first,  [](Vmsa& v) { v.rdx = 0x600; }, FIELD(rdx), "KVM where CPUID is set after the vCPU's reset; EC2, GCE"},
    {"XCR0 0",                       "xcr0",    Where::all,    [](Vmsa& v) { v.xcr0 = 0; }, FIELD(xcr0), "a file that leaves it out"},
    {"XCR0 7",                       "xcr0",    Where::all,    [](Vmsa& v) { v.xcr0 = 7; }, FIELD(xcr0), "a file that enables SSE and AVX"},
    {"C-bit 47 in CR3",              "cr3",     Where::all,    [](Vmsa& v) { v.cr3 ^= bit(47); }, FIELD(cr3), "the C-bit's position on EPYC Naples and Rome"},
    {"C-bit 51 in CR3",              "cr3",     Where::all,    [](Vmsa& v) { v.cr3 ^= bit(51); }, FIELD(cr3), "the C-bit's position from EPYC Milan on"},
    {"C-bit the other of 47 and 51 in CR3", "cr3", Where::all, move_c_bit, FIELD(cr3), "built for another processor (--cbit)"},
    {"start at the reset vector",    "start",   Where::others, [](Vmsa& v) { v.cs.base = 0xFFFF'0000; v.rip = 0xFFF0; }, FIELD(rip), "a monitor that does not read the firmware's reset block"},
};
// clang-format on
#undef FIELD
#undef ATTRIBUTES
#undef LIMIT
#undef BASE

/// A row of which the table has not every choice of vCPUs gets the others as well.
struct Choice {
    Where where;
    bool known;
};

Cause cause_of(const Row& row, std::string_view name, const Choice& choice,
               std::function<void(Vmsa&)> edit) {
    return {.name       = fmt::format("{} {}", name, name_of(choice.where)),
            .who        = choice.known ? std::string(row.who)
                                       : fmt::format("{}; of just these vCPUs nobody is known to "
                                                            "do it",
                                                     row.who),
            .group      = std::string(row.group),
            .plan       = {},
            .value      = {},
            .steps      = {},
            .vmsa       = std::move(edit),
            .first_vcpu = choice.where != Where::others,
            .others     = choice.where != Where::first,
            .narrower   = true,
            .rare       = !choice.known,
            .field      = row.field,
            .offset     = row.offset,
            .size       = row.size};
}

void add_features(std::vector<Cause>& causes) {
    for (const FeatureBit& feature : feature_bits) {
        const u64 mask   = bit(feature.number);
        const auto named = fmt::format("SEV_FEATURES bit {} ({})", feature.number, feature.name);
        Cause cause      = cause_of({.name   = {},
                                     .group  = named,
                                     .where  = Where::all,
                                     .edit   = nullptr,
                                     .field  = "sev_features",
                                     .offset = offsetof(Vmsa, sev_features),
                                     .size   = sizeof(u64),
                                     .who    = feature.who},
                                    named, {.where = Where::all, .known = true},
                                    [mask](Vmsa& vmsa) { vmsa.sev_features ^= mask; });
        cause.narrower   = false; // they are the guest's, not a vCPU's
        causes.push_back(std::move(cause));
    }
}

void add_rows(std::vector<Cause>& causes) {
    for (const Row& row : rows) {
        for (const Where where : everywhere) {
            const bool known = where == row.where;
            const bool other = std::ranges::any_of(rows, [&](const Row& each) {
                return each.name == row.name && each.where == where;
            });
            // What no row says is the first one's that has the name.
            const auto first = std::ranges::find(rows, row.name, &Row::name);
            if (known || (!other && first == &row)) {
                causes.push_back(
                    cause_of(row, row.name, {.where = where, .known = known}, row.edit));
            }
        }
    }
}

void add_signatures(std::vector<Cause>& causes) {
    constexpr Row row{.name   = {},
                      .group  = "rdx",
                      .where  = Where::first,
                      .edit   = nullptr,
                      .field  = "rdx",
                      .offset = offsetof(Vmsa, rdx),
                      .size   = sizeof(u64),
                      .who    = "the CPU model decides where the monitor sets RDX"};
    const auto add = [&](const std::string& name, u32 signature) {
        for (const Where where : everywhere) {
            causes.push_back(cause_of(row, name, {.where = where, .known = where == row.where},
                                      [signature](Vmsa& vmsa) { vmsa.rdx = signature; }));
        }
    };
    for (const CpuType& type : cpu_types) {
        if (type.name != "EPYC-IBPB") { // has EPYC's signature
            add(fmt::format("RDX of {}", type.name), type.signature);
        }
    }
    for (const CpuType& host : host_cpus) {
        add(fmt::format("RDX of the host, {},", host.name), host.signature);
    }
}
} // namespace

std::vector<Cause> vmsa_causes() {
    std::vector<Cause> causes;
    add_features(causes);
    add_rows(causes);
    add_signatures(causes);
    return causes;
}

} // namespace vestibule::igvm
