// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/selftest/cases.h"

#include "boot/interrupts.h"
#include "boot/ports.h"
#include "boot/selftest/console.h"
#include "boot/selftest/registers.h"
#include "boot/selftest/snp_cases.h"
#include "boot/selftest/tap.h"
#include "ghcb/msr_protocol.h"
#include "x86/cpu.h"
#include "x86/page_table.h"
#include "x86/registers.h"
#include "x86/sev.h"

namespace vestibule::selftest {

using boot::BootInfo;
using x86::Cpu;
using x86::CpuidResult;
using x86::Msr;
using x86::PageTable;
using x86::PageTableEntry;

namespace {

Difference compare(const char* what, u64 seen, u64 wanted) {
    return seen == wanted ? Difference{} : Difference{what, seen, wanted};
}

Difference first_of(Difference a, Difference b) { return a.found() ? a : b; }

// --- Running one instruction ---

alignas(16) constinit u64 snippet_stack[512]{};

/// A value of its own for every register, upper halves not zero. Interrupts stay off; the stack is
/// a real one, since #VC is delivered on it.
Registers patterns(u64 flags) {
    Registers registers{};
    u64* words = &registers.rax;
    for (unsigned n = 0; n < register_count; ++n) {
        words[n] = 0xA5A5'0000'5A5A'0000 + n * 0x0001'0001'0001'0001;
    }
    registers.rsp    = reinterpret_cast<u64>(snippet_stack + 484);
    registers.rflags = x86::rflags::reserved_one | flags;
    return registers;
}

Registers run(Snippet snippet, Registers registers) {
    selftest_run_snippet(registers, snippet);
    return registers;
}

Difference compare(const Registers& seen, const Registers& wanted) {
    const u64* seen_words   = &seen.rax;
    const u64* wanted_words = &wanted.rax;
    for (unsigned n = 0; n < register_count; ++n) {
        if (seen_words[n] != wanted_words[n]) {
            return {register_names[n], seen_words[n], wanted_words[n]};
        }
    }
    return {};
}

// --- CPUID against what is known by another road ---

/// The same leaf through the MSR protocol, which shares nothing with the handler under test; under
/// SEV-SNP from the CPUID page.
bool cpuid_by_other_road(const BootInfo& info, u32 leaf, CpuidResult& result) {
    if (info.platform == boot::Platform::sev_snp) {
        return cpuid_by_page(info, leaf, result);
    }
    namespace msr_protocol = ghcb::msr_protocol;
    u32* const words[]     = {&result.eax, &result.ebx, &result.ecx, &result.edx};
    for (unsigned n = 0; n < 4; ++n) {
        const auto wanted = static_cast<msr_protocol::CpuidRegister>(n);
        const u64 answer  = msr_protocol::exchange<Cpu>(msr_protocol::encode_cpuid(leaf, wanted));
        if (!msr_protocol::answers_cpuid(answer, wanted)) {
            return false;
        }
        *words[n] = high_half(answer);
    }
    return true;
}

Difference compare(const CpuidResult& seen, const CpuidResult& wanted) {
    Difference difference = compare("eax", seen.eax, wanted.eax);
    difference            = first_of(difference, compare("ebx", seen.ebx, wanted.ebx));
    difference            = first_of(difference, compare("ecx", seen.ecx, wanted.ecx));
    return first_of(difference, compare("edx", seen.edx, wanted.edx));
}

struct LeafCase {
    char name[52];
    u32 leaf;
};

constexpr LeafCase leaf_cases[] = {
    {"CPUID 0x0 is what another road says",        0x0000'0000},
    {"CPUID 0x1 is what another road says",        0x0000'0001},
    {"CPUID 0x80000000 is what another road says", 0x8000'0000},
    {"CPUID 0x80000002 is what another road says", 0x8000'0002},
    {"CPUID 0x80000008 is what another road says", 0x8000'0008},
};

void test_cpuid_leaves(Tap& tap, const BootInfo& info) {
    for (const LeafCase& leaf_case : leaf_cases) {
        CpuidResult wanted{};
        if (info.platform == boot::Platform::native) {
            tap.skip(leaf_case.name, "native machine: there is no other road");
        } else if (!cpuid_by_other_road(info, leaf_case.leaf, wanted)) {
            tap.result(leaf_case.name, {"answer by the other road", 0, 1});
        } else {
            tap.result(leaf_case.name, compare(Cpu::cpuid(leaf_case.leaf), wanted));
        }
    }
}

void test_cpuid_encryption(Tap& tap, const BootInfo& info) {
    constexpr const char* name = "CPUID 0x8000001F agrees with SEV_STATUS and with the page tables";
    if (info.platform == boot::Platform::native) {
        tap.skip(name, "native machine");
        return;
    }
    const CpuidResult leaf = Cpu::cpuid(x86::cpuid_leaf::memory_encryption);
    Difference difference  = compare("eax, bit SEV", leaf.eax & x86::cpuid_sev, x86::cpuid_sev);
    difference =
        first_of(difference, compare("C-bit", bit(x86::c_bit_position(leaf.ebx)), info.c_bit));
    u64 status          = 0;
    const bool readable = boot::rdmsr_safely(Msr::sev_status, status);
    tap.result(name,
               first_of(difference, compare("SEV_STATUS", readable ? status : 0, info.sev_status)));
}

/// With only the x87 state enabled in XCR0, its save area takes the legacy 512 bytes and the
/// header's 64, on every CPU (APM volume 2, section 11.5.2).
void test_cpuid_xcr0(Tap& tap, const boot::BootInfo& info) {
    constexpr const char* name = "CPUID 0xD knows XCR0";
    // A processor with SEV-ES has it, whatever a CPUID page says.
    if (info.platform == boot::Platform::native
        && (Cpu::cpuid(x86::cpuid_leaf::features).ecx & x86::cpuid_xsave) == 0) {
        tap.skip(name, "no XSAVE");
        return;
    }
    const CpuidResult leaf = Cpu::cpuid(x86::cpuid_leaf::extended_state, 0);
    tap.result(name, compare("ebx", leaf.ebx, 576));
}

// --- Values there and back ---

struct RoundTrip {
    char name[36];
    Snippet out;
    Snippet in;
    u16 port; // for the forms with DX
    u64 value;
};

constexpr RoundTrip round_trips[] = {
    {"OUT 0x81, AL and IN AL, 0x81", Snippet::out_imm8_al, Snippet::in_al_imm8, 0,                        0x3C  },
    {"OUT 0x81, AX and IN AX, 0x81", Snippet::out_imm8_ax, Snippet::in_ax_imm8, 0,                        0x5AC3},
    {"OUT DX, AL and IN AL, DX",     Snippet::out_dx_al,   Snippet::in_al_dx,   boot::port::com1_scratch,
     0xA7                                                                                                       },
    {"OUT DX, AX and IN AX, DX",     Snippet::out_dx_ax,   Snippet::in_ax_dx,   boot::port::dma_page2,
     0x1EE1                                                                                                     },
    {"OUT DX, EAX and IN EAX, DX",   Snippet::out_dx_eax,  Snippet::in_eax_dx,  boot::port::pci_address,
     0x8000'FF44                                                                                                },
    {"OUT 0x81, AX and IN AX, DX",   Snippet::out_imm8_ax, Snippet::in_ax_dx,   boot::port::dma_page2,
     0xB44B                                                                                                     },
};

void test_port_round_trips(Tap& tap) {
    for (const RoundTrip& trip : round_trips) {
        Registers registers = patterns(0);
        registers.rdx       = trip.port;
        registers.rax       = 0xFFFF'FFFF'0000'0000 | trip.value;
        (void)run(trip.out, registers);
        registers.rax = 0;
        tap.result(trip.name, compare("rax", run(trip.in, registers).rax, trip.value));
    }
}

/// A memory range register that is switched off: any address will do as its value, and no one else
/// looks at it.
void test_msr_round_trip(Tap& tap) {
    constexpr u64 value = 0x0000'0012'3456'7006; // write-back from an address of our choice
    const u64 before    = Cpu::rdmsr(Msr::mtrr_phys_base7);
    Cpu::wrmsr(Msr::mtrr_phys_base7, value);
    const u64 seen = Cpu::rdmsr(Msr::mtrr_phys_base7);
    Cpu::wrmsr(Msr::mtrr_phys_base7, before);
    tap.result("WRMSR and RDMSR", compare("MTRRphysBase7", seen, value));
}

void test_unknown_msr(Tap& tap, const BootInfo& info) {
    constexpr const char* name = "RDMSR of an MSR that does not exist raises #GP";
    if (info.platform == boot::Platform::native) {
        tap.skip(name, "native machine: an emulator may let it pass");
        return;
    }
    constexpr auto missing = static_cast<Msr>(0xC001'0FFF);
    u64 value              = 0;
    tap.result(name, compare("value instead of #GP", boot::rdmsr_safely(missing, value), 0));
}

// --- Registers unharmed ---

struct FormCase {
    char name[40];
    Snippet snippet;
    u16 port; // 0: RDX keeps its pattern (the port, if any, is an immediate)
};

constexpr FormCase form_cases[] = {
    {"CPUID writes RAX RBX RCX RDX only", Snippet::cpuid,        0                      },
    {"RDMSR writes RAX RDX only",         Snippet::rdmsr,        0                      },
    {"WRMSR writes no register",          Snippet::wrmsr,        0                      },
    {"IN AL, imm8 writes AL only",        Snippet::in_al_imm8,   0                      },
    {"IN AX, imm8 writes AX only",        Snippet::in_ax_imm8,   0                      },
    {"IN EAX, imm8 writes RAX only",      Snippet::in_eax_imm8,  0                      },
    {"IN AL, DX writes AL only",          Snippet::in_al_dx,     boot::port::dma_page2  },
    {"IN AX, DX writes AX only",          Snippet::in_ax_dx,     boot::port::dma_page2  },
    {"IN EAX, DX writes RAX only",        Snippet::in_eax_dx,    boot::port::pci_address},
    {"OUT imm8, AL writes no register",   Snippet::out_imm8_al,  0                      },
    {"OUT imm8, AX writes no register",   Snippet::out_imm8_ax,  0                      },
    {"OUT imm8, EAX writes no register",  Snippet::out_imm8_eax, 0                      },
    {"OUT DX, AL writes no register",     Snippet::out_dx_al,    boot::port::dma_page2  },
    {"OUT DX, AX writes no register",     Snippet::out_dx_ax,    boot::port::dma_page2  },
    {"OUT DX, EAX writes no register",    Snippet::out_dx_eax,   boot::port::pci_address},
};

static_assert(sizeof(form_cases) / sizeof(form_cases[0]) == snippet_count);

/// What the instruction may write, taken from `seen`; what it must leave alone or clear, as the
/// architecture says.
Registers allowed_result(Snippet snippet, const Registers& before, const Registers& seen) {
    Registers wanted = before;
    switch (snippet) {
    case Snippet::cpuid:
        wanted.rax = low_half(seen.rax);
        wanted.rbx = low_half(seen.rbx);
        wanted.rcx = low_half(seen.rcx);
        wanted.rdx = low_half(seen.rdx);
        break;
    case Snippet::rdmsr:
        wanted.rax = low_half(seen.rax);
        wanted.rdx = low_half(seen.rdx);
        break;
    case Snippet::in_al_imm8:
    case Snippet::in_al_dx: wanted.rax = (before.rax & ~u64{0xFF}) | (seen.rax & 0xFF); break;
    case Snippet::in_ax_imm8:
    case Snippet::in_ax_dx: wanted.rax = (before.rax & ~u64{0xFFFF}) | (seen.rax & 0xFFFF); break;
    case Snippet::in_eax_imm8:
    case Snippet::in_eax_dx: wanted.rax = low_half(seen.rax); break;
    default: break;
    }
    return wanted;
}

void test_registers_unharmed(Tap& tap) {
    constexpr u64 flag_patterns[] = {0, x86::rflags::status | x86::rflags::df};
    for (const FormCase& form : form_cases) {
        Difference difference;
        for (const u64 flags : flag_patterns) {
            Registers before = patterns(flags);
            if (form.port != 0) {
                before.rdx = (before.rdx & ~u64{0xFFFF}) | form.port;
            }
            if (form.snippet == Snippet::cpuid) {
                before.rax = 0xFFFF'FFFF'0000'0001; // leaf 1, with dirt above
            }
            if (form.snippet == Snippet::rdmsr || form.snippet == Snippet::wrmsr) {
                before.rcx = 0xFFFF'FFFF'0000'0000 | static_cast<u32>(Msr::mtrr_phys_base7);
                before.rax = 0xFFFF'FFFF'0000'0006;
                before.rdx = 0xFFFF'FFFF'0000'0000;
            }
            const Registers after = run(form.snippet, before);
            difference =
                first_of(difference, compare(after, allowed_result(form.snippet, before, after)));
        }
        tap.result(form.name, difference);
    }
}

// --- What is shared ---

struct LeafCount {
    u64 shared       = 0;
    u64 shared_pages = 0; // address of the last one
};

void count_shared_leaves(const PageTable& table, unsigned level, u64 c_bit, LeafCount& count) {
    for (const PageTableEntry entry : table.entry) {
        if (!entry.is_present()) {
            continue;
        }
        if (level > 1 && !entry.is_large()) {
            count_shared_leaves(*reinterpret_cast<const PageTable*>(entry.address(c_bit)),
                                level - 1, c_bit, count);
        } else if ((entry.value & c_bit) == 0) {
            ++count.shared;
            count.shared_pages = entry.address(c_bit);
        }
    }
}

void test_sharing(Tap& tap, const BootInfo& info) {
    constexpr const char* name = "the GHCB page is shared and every other page private";
    if (info.platform == boot::Platform::native) {
        tap.skip(name, "native machine");
        return;
    }
    LeafCount count;
    const auto* root =
        reinterpret_cast<const PageTable*>(Cpu::cr3() & PageTableEntry::address_mask & ~info.c_bit);
    count_shared_leaves(*root, 4, info.c_bit, count);
    const Difference difference = compare("number of shared pages", count.shared, 1);
    tap.result(name,
               first_of(difference, compare("shared page", count.shared_pages, info.ghcb_gpa)));
}

template <class T, unsigned n>
constexpr unsigned count_of(const T (&)[n]) {
    return n;
}

constexpr unsigned case_count =
    count_of(leaf_cases) + count_of(round_trips) + count_of(form_cases) + 5;

} // namespace

bool run_all_cases(const BootInfo& info) {
    const bool is_snp = info.platform == boot::Platform::sev_snp;
    Tap tap{case_count + (is_snp ? snp_case_count() : 0)};
    test_cpuid_leaves(tap, info);
    test_cpuid_encryption(tap, info);
    test_cpuid_xcr0(tap, info);
    test_port_round_trips(tap);
    test_msr_round_trip(tap);
    test_unknown_msr(tap, info);
    test_registers_unharmed(tap);
    test_sharing(tap, info);
    if (is_snp) {
        test_snp(tap, info);
    }
    return tap.all_ok();
}

} // namespace vestibule::selftest
