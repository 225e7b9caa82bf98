// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID by the GHCB page: inputs by leaf, outputs, and what the leaves of memory encryption and of
// extended state say (GHCB specification, section 4.1, exit 0x72).
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "snp/cpuid_page.h"
#include "x86/registers.h"
#include "x86/sev.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;
namespace leaf = x86::cpuid_leaf;

constexpr Call cpuid(u32 number, u32 subleaf = 0) {
    return call_of(ExitCode::cpuid).with_rax(number).with_rcx(subleaf);
}

constexpr Call extended_state = cpuid(leaf::extended_state).with_xcr0(1);

Answer ask(u32 number) { return perform(cpuid(number)); }

Verdict registers_are_32_bits() {
    const Answer answer = ask(1);
    return equal("bits above 31 of RAX, RBX, RCX and RDX",
                 high_half(answer.rax) | high_half(answer.rbx) | high_half(answer.rcx)
                     | high_half(answer.rdx),
                 0);
}

Verdict says_hypervisor() { return holds("CPUID 1 ECX[31]", (ask(1).rcx & bit(31)) != 0); }

Verdict mirrors_osxsave() {
    constexpr u64 osxsave = bit(27);
    return equal("CPUID 1 ECX[27] and CR4.OSXSAVE", (ask(1).rcx & osxsave) != 0 ? 1 : 0,
                 (Cpu::cr4() & x86::cr4::osxsave) != 0 ? 1 : 0);
}

Verdict apic_id_is_0() {
    return equal("CPUID 1 EBX[31:24], the first vCPU's APIC ID", (ask(1).rbx >> 24) & 0xFF, 0);
}

Verdict c_bit_is_the_guests() {
    return equal("CPUID 0x8000001F EBX[5:0]", ask(leaf::memory_encryption).rbx & 0x3F,
                 static_cast<u64>(__builtin_ctzll(info().c_bit)));
}

Verdict shows_sev() {
    return holds("CPUID 0x8000001F EAX[1]",
                 (ask(leaf::memory_encryption).rax & x86::cpuid_sev) != 0);
}

Verdict beyond_is_answered() { return judge(ask(0x8FFF'FFFF), done(fields::four)); }

bool has_xsave() { return (ask(1).rcx & x86::cpuid_xsave) != 0; }

/// Legacy area and header: all that XCR0 1 has.
Verdict state_of_x87() {
    if (!has_xsave()) {
        return Verdict::skipped("no XSAVE");
    }
    return equal("CPUID 0xD EBX with XCR0 1", perform(extended_state).rbx, 0x240);
}

Verdict state_of_sse() {
    if (!has_xsave()) {
        return Verdict::skipped("no XSAVE");
    }
    return equal("CPUID 0xD EBX with XCR0 3", perform(extended_state.with_xcr0(3)).rbx, 0x240);
}

Verdict state_grows() {
    if (!has_xsave() || (perform(extended_state).rax & 4) == 0) {
        return Verdict::skipped("no AVX");
    }
    const u64 narrow = perform(extended_state.with_xcr0(3)).rbx;
    return holds("CPUID 0xD EBX is more with AVX in XCR0 than without",
                 perform(extended_state.with_xcr0(7)).rbx > narrow);
}

/// The size that CPUID 0xD names of a state is the processor's own, whoever answers.
Verdict state_sizes_of_the_page() {
    if (info().cpuid_page == 0) {
        return Verdict::skipped("no CPUID page");
    }
    const auto& known = *reinterpret_cast<const snp::CpuidPage*>(info().cpuid_page);
    for (u32 n = 0; n < known.count && n < 64; ++n) {
        const snp::CpuidFunction& function = known.functions[n];
        if (function.leaf != leaf::extended_state || function.subleaf < 2) {
            continue;
        }
        const Answer answer = perform(cpuid(function.leaf, function.subleaf).with_xcr0(1));
        const Verdict same =
            equal("CPUID 0xD EAX of a sub-leaf in the CPUID page", function.eax, answer.rax);
        if (same.is_failure()) {
            return same;
        }
    }
    return Verdict::passed();
}

constexpr const char* section = "4.1";

// clang-format off
constexpr CallCase call_cases[] = {
    {{"cpuid.0",              section, "CPUID 0 gives four registers",              Level::must}, cpuid(0), done(fields::four)},
    {{"cpuid.1",              section, "CPUID 1 gives four registers",              Level::must}, cpuid(1), done(fields::four)},
    {{"cpuid.7",              section, "CPUID 7 gives four registers",              Level::must}, cpuid(7), done(fields::four)},
    {{"cpuid.40000000",       section, "CPUID 0x40000000 gives four registers",     Level::must}, cpuid(0x4000'0000), done(fields::four)},
    {{"cpuid.80000000",       section, "CPUID 0x80000000 gives four registers",     Level::must}, cpuid(0x8000'0000), done(fields::four)},
    {{"cpuid.80000008",       section, "CPUID 0x80000008 gives four registers",     Level::must}, cpuid(0x8000'0008), done(fields::four)},
    {{"cpuid.8000001f",       section, "CPUID 0x8000001F gives four registers",     Level::must}, cpuid(0x8000'001F), done(fields::four)},
    {{"cpuid.d.0",            section, "CPUID 0xD with XCR0 gives four registers",  Level::must}, extended_state, done(fields::four)},
    {{"cpuid.d.1",            section, "CPUID 0xD, 1 with XCR0 gives four registers", Level::must}, cpuid(0xD, 1).with_xcr0(1), done(fields::four)},
    {{"cpuid.d.1.xss",        section, "CPUID 0xD, 1 with XSS gives four registers", Level::must}, cpuid(0xD, 1).with_xcr0(1).with_xss(0), done(fields::four)},
    {{"cpuid.d.2",            section, "CPUID 0xD, 2 with XCR0 gives four registers", Level::must}, cpuid(0xD, 2).with_xcr0(1), done(fields::four)},
    {{"cpuid.with-xcr0",      section, "XCR0 with another leaf does no harm",       Level::must}, cpuid(1).with_xcr0(1), done(fields::four)},
    {{"cpuid.missing.rax",    section, "CPUID without RAX: reason 4",               Level::must}, cpuid(0).without(fields::rax), malformed(reason::missing)},
    {{"cpuid.missing.rcx",    section, "CPUID without RCX: reason 4",               Level::must}, cpuid(0).without(fields::rcx), malformed(reason::missing)},
    {{"cpuid.missing.both",   section, "CPUID without both: reason 4",              Level::must}, cpuid(0).without(fields::rax | fields::rcx), malformed(reason::missing)},
    {{"cpuid.missing.xcr0",   section, "CPUID 0xD without XCR0: reason 4",          Level::must}, cpuid(0xD), malformed(reason::missing)},
    {{"cpuid.missing.xcr0.1", section, "CPUID 0xD, 1 without XCR0: reason 4",       Level::must}, cpuid(0xD, 1), malformed(reason::missing)},
    {{"cpuid.d.bad-xcr0",     section, "CPUID 0xD with XCR0 0, which no CPU holds, is refused", Level::may}, extended_state.with_xcr0(0), refused},
};

constexpr CodeCase code_cases[] = {
    {{"cpuid.halves",         section, "CPUID gives 32 bits in each register",      Level::should}, registers_are_32_bits},
    {{"cpuid.beyond",         section, "CPUID beyond the last leaf is answered",    Level::must}, beyond_is_answered},
    {{"cpuid.hypervisor",     section, "CPUID 1 says that there is a hypervisor",   Level::should}, says_hypervisor},
    {{"cpuid.osxsave",        section, "CPUID 1 mirrors CR4.OSXSAVE",               Level::should}, mirrors_osxsave},
    {{"cpuid.apic-id",        section, "CPUID 1 has the vCPU's APIC ID",            Level::should}, apic_id_is_0},
    {{"cpuid.1f.c-bit",       section, "CPUID 0x8000001F names the C-bit that memory shows", Level::must}, c_bit_is_the_guests},
    {{"cpuid.1f.sev",         section, "CPUID 0x8000001F shows SEV",                Level::must}, shows_sev},
    {{"cpuid.d.x87",          section, "CPUID 0xD goes by the XCR0 of the call: 1", Level::should}, state_of_x87},
    {{"cpuid.d.sse",          section, "CPUID 0xD goes by the XCR0 of the call: 3", Level::should}, state_of_sse},
    {{"cpuid.d.avx",          section, "CPUID 0xD goes by the XCR0 of the call: 7", Level::should}, state_grows},
    {{"cpuid.d.page",         section, "CPUID 0xD has the sizes of the CPUID page", Level::should, need::snp}, state_sizes_of_the_page},
};
// clang-format on

} // namespace

constinit const Group cpuid_group = group_of("CPUID", call_cases, code_cases);

} // namespace vestibule::examiner
