// SPDX-License-Identifier: BSD-2-Clause-Patent
// Every rule of the GHCB page that a call can break, broken: one row a call, with the reason code
// that the specification has for it. The hypervisor must tell the guest, and name the rule in the
// report (qemu-tests/machine.cmake counts how often).
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

using namespace vestibule;
using namespace vestibule::guests;
using x86::ExitCode;

namespace {

constexpr FieldSet none{};
constexpr FieldSet rax     = FieldSet::of(Field::rax);
constexpr FieldSet rcx     = FieldSet::of(Field::rcx);
constexpr FieldSet rdx     = FieldSet::of(Field::rdx);
constexpr FieldSet cpl     = FieldSet::of(Field::cpl);
constexpr FieldSet scratch = FieldSet::of(Field::sw_scratch);
constexpr FieldSet xcr0    = FieldSet::of(Field::xcr0);

/// SW_EXITINFO1 1 with #GP, or 2 with the reason: what the answer must be.
enum class Wanted : u64 {
    served    = 0,
    raises_gp = 0x8000'030D,
    scratch   = 3,
    missing   = 4,
    invalid   = 5,
    event     = 6
};

struct Row {
    char what[36]; // in the row: a pointer would need relocating
    ExitCode code;
    u64 info_1;
    u64 info_2;
    FieldSet valid;
    Wanted wanted;
    u64 rax     = 0;
    u64 rcx     = 0;
    u64 rdx     = 0;
    u64 scratch = 0x800; // from the GHCB page
    u8 cpl      = 0;
    u16 version = 2;
    u64 xcr0    = 1;
};

constexpr u64 outside   = 0x10'0000;
constexpr u64 com1      = u64{0x3F8} << 16;
constexpr u64 dma_page  = u64{0x81} << 16;
constexpr u64 rep_outsb = com1 | 0x0E1C;
constexpr u64 rep_insb  = dma_page | 0x021D;
constexpr u64 hpet      = 0xFED0'0000;

// clang-format off
constexpr Row rows[] = {
    // SW_SCRATCH: all of the area inside the shared buffer, 0x800 to 0xFEF.
    {"OUTS from outside the GHCB",      ExitCode::ioio, rep_outsb, 4,    scratch, Wanted::scratch, 0, 0, 0, outside},
    {"OUTS from the page's fields",     ExitCode::ioio, rep_outsb, 4,    scratch, Wanted::scratch, 0, 0, 0, 0x7FC},
    {"INS beyond the buffer",           ExitCode::ioio, rep_insb,  2033, scratch, Wanted::scratch},
    {"INS that ends beyond it",         ExitCode::ioio, rep_insb,  2,    scratch, Wanted::scratch, 0, 0, 0, 0xFEF},
    {"INS of a count that overflows",   ExitCode::ioio, (rep_insb ^ 0x50), ~u64{0}, scratch, Wanted::scratch},
    {"version 1: over 16 KiB",          ExitCode::ioio, rep_insb,  16385, scratch, Wanted::scratch, 0, 0, 0, outside, 0, 1},
    {"version 1: into the GHCB's page", ExitCode::ioio, rep_insb,  8,    scratch, Wanted::scratch, 0, 0, 0, ~u64{3}, 0, 1},
    {"version 1: beyond memory",        ExitCode::ioio, rep_insb,  8,    scratch, Wanted::scratch, 0, 0, 0, u64{1} << 40, 0, 1},
    {"MMIO into nowhere",               ExitCode::mmio_read, hpet, 4,    scratch, Wanted::scratch, 0, 0, 0, outside},
    {"MMIO beyond the buffer",          ExitCode::mmio_write, hpet, 8,   scratch, Wanted::scratch, 0, 0, 0, 0xFE9},
    // What an event needs.
    {"OUT without RAX",                 ExitCode::ioio, com1 | 0x210, 0,  none,      Wanted::missing},
    {"OUTS without SW_SCRATCH",         ExitCode::ioio, rep_outsb, 1,     rax,       Wanted::missing},
    {"RDMSR without RCX",               ExitCode::msr, 0, 0,              none,      Wanted::missing},
    {"WRMSR without RDX",               ExitCode::msr, 1, 0,              rcx | rax, Wanted::missing},
    {"RDPMC without RCX",               ExitCode::rdpmc, 0, 0,            none,      Wanted::missing},
    {"CPUID 0xD without XCR0",          ExitCode::cpuid, 0, 0,            rax | rcx, Wanted::missing, 0xD},
    {"VMMCALL without CPL",             ExitCode::vmmcall, 0, 0,          rax,       Wanted::missing},
    {"MONITOR without RDX",             ExitCode::monitor, 0, 0,          rax | rcx, Wanted::missing},
    {"MWAIT without RCX",               ExitCode::mwait, 0, 0,            rax,       Wanted::missing},
    {"DR7 write without RAX",           ExitCode::dr7_write, 0, 0,        none,      Wanted::missing},
    {"MMIO without SW_SCRATCH",         ExitCode::mmio_read, hpet, 4,     none,      Wanted::missing},
    // Values.
    {"two operand sizes",               ExitCode::ioio, com1 | 0x230, 0,      rax,     Wanted::invalid},
    {"two address sizes",               ExitCode::ioio, com1 | 0x310, 0,      rax,     Wanted::invalid},
    {"REP without a string",            ExitCode::ioio, com1 | 0x218, 0,      rax,     Wanted::invalid},
    {"a segment for INS",               ExitCode::ioio, rep_insb | 0xC00, 1,  scratch, Wanted::invalid},
    {"a segment that is none",          ExitCode::ioio, rep_outsb | 0x1800, 1, scratch, Wanted::invalid},
    {"two elements without REP",        ExitCode::ioio, rep_insb & ~u64{8}, 2, scratch, Wanted::invalid},
    {"neither RDMSR nor WRMSR",         ExitCode::msr, 2, 0,              rcx,       Wanted::invalid},
    {"XCR0 0",                          ExitCode::cpuid, 0, 0,            rax | rcx | xcr0, Wanted::invalid, 0xD, 0, 0, 0, 0, 2, 0},
    {"CPL 4",                           ExitCode::vmmcall, 0, 0,          rax | cpl, Wanted::invalid, 0, 0, 0, 0, 4},
    {"MMIO of 3 bytes",                 ExitCode::mmio_read, hpet, 3,     scratch,   Wanted::invalid},
    {"MMIO of no byte",                 ExitCode::mmio_read, hpet, 0,     scratch,   Wanted::invalid},
    {"MMIO of 16 bytes",                ExitCode::mmio_write, hpet, 16,   scratch,   Wanted::invalid},
    {"MMIO of memory",                  ExitCode::mmio_write, outside, 4, scratch,   Wanted::invalid},
    {"MMIO up to memory",               ExitCode::mmio_read, 0xBFFFC, 8,  scratch,   Wanted::invalid},
    {"MMIO with the C-bit",             ExitCode::mmio_read, hpet | (u64{1} << 47), 4, scratch, Wanted::invalid},
    {"AP jump table not a page",        ExitCode::ap_jump_table, 0, 0x9F008, none,   Wanted::invalid},
    {"AP jump table outside memory",    ExitCode::ap_jump_table, 0, hpet, none,      Wanted::invalid},
    {"AP jump table, a third verb",     ExitCode::ap_jump_table, 2, 0,    none,      Wanted::invalid},
    // Events.
    {"an event of version 2",           ExitCode::hv_features, 0, 0,      none,      Wanted::event, 0, 0, 0, 0, 0, 1},
    {"an event of SNP's",               static_cast<ExitCode>(0x8000'0010), 0, 0, none, Wanted::event},
    {"no event",                        static_cast<ExitCode>(0x1'0000'0072), 0, 0, none, Wanted::event},
    // Served, and held against the guest.
    {"information that means nothing",  ExitCode::rdtsc, 1, 0,            none,      Wanted::served},
    {"a count for a plain IN",          ExitCode::ioio, dma_page | 0x211, 1, none,   Wanted::served},
    {"a register nobody asked for",     ExitCode::rdtsc, 0, 0,            rdx,       Wanted::served, 0, 0, 1},
    {"one that tells nothing",          ExitCode::rdtsc, 0, 0,            rdx,       Wanted::served},
    {"all of RCX for RDMSR",            ExitCode::msr, 0, 0,              rcx,       Wanted::served, 0, 0x1'0000'02FF},
    {"all of RAX for CPUID",            ExitCode::cpuid, 0, 0,            rax | rcx, Wanted::served, ~u64{0}},
    {"more of RAX than OUT's operand",  ExitCode::ioio, dma_page | 0x210, 0, rax,    Wanted::served, 0x100},
    {"NMI complete without an NMI",     ExitCode::nmi_complete, 0, 0,     none,      Wanted::served},
    // Registers whose access raises no #VC.
    {"RDMSR of SEV_STATUS",             ExitCode::msr, 0, 0, rcx,             Wanted::raises_gp, 0, 0xC001'0131},
    {"RDMSR of the GHCB MSR",           ExitCode::msr, 0, 0, rcx,             Wanted::raises_gp, 0, 0xC001'0130},
    {"WRMSR of the GHCB MSR",           ExitCode::msr, 1, 0, rcx | rax | rdx, Wanted::raises_gp, 0, 0xC001'0130},
    {"WRMSR of EFER",                   ExitCode::msr, 1, 0, rcx | rax | rdx, Wanted::raises_gp, 0, 0xC000'0080},
    {"RDMSR of LSTAR",                  ExitCode::msr, 0, 0, rcx,             Wanted::raises_gp, 0, 0xC000'0082},
};
// clang-format on

bool answered_as_wanted(const volatile ghcb::Page& page, Wanted wanted) {
    const u64 info_1 = page.sw_exitinfo1;
    const u64 info_2 = page.sw_exitinfo2;
    switch (wanted) {
    case Wanted::served: return info_1 == 0 && info_2 == 0;
    case Wanted::raises_gp: return info_1 == 1 && info_2 == static_cast<u64>(wanted);
    default: return info_1 == 2 && info_2 == static_cast<u64>(wanted);
    }
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    Checks checks;
    for (const Row& row : rows) {
        ghcb::Page& page      = prepare(row.code, row.info_1, row.info_2, row.valid);
        page.rax              = row.rax;
        page.rcx              = row.rcx;
        page.rdx              = row.rdx;
        page.cpl              = row.cpl;
        page.xcr0             = row.xcr0;
        page.sw_scratch       = ghcb_gpa() + row.scratch;
        page.protocol_version = row.version;
        checks.that(answered_as_wanted(send(page), row.wanted), row.what);
    }
    checks.end();
}
