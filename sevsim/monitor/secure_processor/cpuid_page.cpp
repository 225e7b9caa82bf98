// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/secure_processor/cpuid_page.h"

#include "sevsim/monitor/hypervisor/cpuid.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/memory/memory.h"

namespace vestibule::sevsim {

namespace {

struct Function {
    u32 eax_in;
    u32 ecx_in;
    u64 xcr0_in;
    u64 xss_in;
    u32 eax;
    u32 ebx;
    u32 ecx;
    u32 edx;
    u64 reserved;
};

constexpr u32 most_functions = 64;

struct CpuidPage {
    u32 count;
    u32 reserved0;
    u64 reserved1;
    Function functions[most_functions];
    u8 rest[page_size - 16 - most_functions * sizeof(Function)];
};

static_assert(sizeof(Function) == 48);
static_assert(sizeof(CpuidPage) == page_size);

/// Leaves from the one to the other, each with so many subleaves.
struct Range {
    u32 first;
    u32 last;
    u32 subleaves;
};

constexpr Range ranges[] = {
    {0x0000'0000, 0x0000'0003, 1 },
    {0x0000'0004, 0x0000'0004, 3 },
    {0x0000'0005, 0x0000'000A, 1 },
    {0x0000'000B, 0x0000'000B, 2 },
    {0x0000'000C, 0x0000'000C, 1 },
    {0x0000'000D, 0x0000'000D, 10},
    {0x0000'000F, 0x0000'0010, 1 },
    {0x4000'0000, 0x4000'0001, 1 },
    {0x8000'0000, 0x8000'000A, 1 },
    {0x8000'0019, 0x8000'001C, 1 },
    {0x8000'001D, 0x8000'001D, 4 },
    {0x8000'001E, 0x8000'0021, 1 },
};

/// What the secure processor does not vouch for, since it belongs to the hypervisor's machine.
void withhold(Function& function) {
    constexpr u32 tsc_deadline = 1u << 24;
    constexpr u32 tsc_adjust   = 1u << 1;
    switch (function.eax_in) {
    case 1: function.ecx &= ~tsc_deadline; break;
    case 7:
        function.ebx &= ~tsc_adjust;
        function.edx = 0;
        break;
    default: break;
    }
}

/// QEMU's processor has neither XSAVEC nor XSAVES, without one of which Linux gives up as an
/// SEV-SNP guest (arch/x86/kernel/sev-shared.c, snp_cpuid_postprocess). So it is told of XSAVEC,
/// and that it has no XSAVE, nor anything that would need it: then it uses neither.
void without_xsave(Function& function) {
    constexpr u32 fma = 1u << 12, xsave = 1u << 26, osxsave = 1u << 27, avx = 1u << 28,
                  f16c        = 1u << 29;
    constexpr u32 avx2        = 1u << 5;
    constexpr u32 xsavec      = 1u << 1;
    constexpr u32 legacy_size = 0x240; // x87 and SSE, and the header
    switch (function.eax_in) {
    case 1: function.ecx &= ~(fma | xsave | osxsave | avx | f16c); break;
    case 7: function.ebx &= ~avx2; break;
    case 0xD:
        if (function.ecx_in <= 1) {
            function.xcr0_in = 1;
            function.ebx     = legacy_size;
            function.eax |= function.ecx_in == 1 ? xsavec : 0;
        }
        break;
    default: break;
    }
}

/// What a hypervisor can have in the page that the firmware does not look at, or an older one did
/// not.
void spoil(CpuidPage& table, u64 how) {
    Function* encryption = nullptr;
    Function* state      = nullptr; // of AVX
    for (Function& function : table.functions) {
        encryption = function.eax_in == 0x8000'001F ? &function : encryption;
        state      = function.eax_in == 0xD && function.ecx_in == 2 ? &function : state;
    }
    switch (how) {
    case 1: table.count = most_functions + 1; break;
    case 2:
        table.functions[table.count] = table.functions[0];
        table.functions[table.count++].ebx ^= 1;
        break;
    case 3: encryption->eax &= ~(1u << 4); break;
    case 4: encryption->ebx -= 1; break;
    case 5: table.functions[1].reserved = 1; break;
    case 6:
        if (state != nullptr) {
            state->eax = ~u32{0};
        }
        break;
    default: break;
    }
}

/// The N-th entry of a function.
void flip_entry(CpuidPage& table, const Hostility& lie) {
    u64 entries = 0;
    for (Function& function : table.functions) {
        if (function.eax_in == high_half(lie.code) && ++entries == lie.at) {
            x86::CpuidResult result{function.eax, function.ebx, function.ecx, function.edx};
            flip_register(result, lie);
            function.eax = result.eax;
            function.ebx = result.ebx;
            function.ecx = result.ecx;
            function.edx = result.edx;
            return;
        }
    }
}

} // namespace

void fill_cpuid_page(Vcpu& vcpu, u8* page) {
    auto& table = *reinterpret_cast<CpuidPage*>(page);
    memset(page, 0, page_size);
    for (const Range& range : ranges) {
        for (u32 leaf = range.first; leaf <= range.last; ++leaf) {
            for (u32 subleaf = 0; subleaf < range.subleaves; ++subleaf) {
                const x86::CpuidResult result = honest_cpuid(vcpu, leaf, subleaf);
                const bool is_empty = (result.eax | result.ebx | result.ecx | result.edx) == 0;
                if (is_empty || table.count == most_functions) {
                    continue; // a function that is missing reads as zero
                }
                Function& function = table.functions[table.count++];
                function           = {.eax_in   = leaf,
                                      .ecx_in   = subleaf,
                                      .xcr0_in  = 0,
                                      .xss_in   = 0,
                                      .eax      = result.eax,
                                      .ebx      = result.ebx,
                                      .ecx      = result.ecx,
                                      .edx      = result.edx,
                                      .reserved = 0};
                withhold(function);
                without_xsave(function);
            }
        }
    }
    if (tells(vcpu.options, Lie::cpuid_page)) {
        spoil(table, vcpu.options.hostile.find(Lie::cpuid_page)->code);
    }
    for (const Hostility& lie : vcpu.options.hostile) {
        if (lie.lie == Lie::cpuid_entry_flip) {
            (void)tells(vcpu.options, lie.lie);
            flip_entry(table, lie);
        }
    }
}

} // namespace vestibule::sevsim
