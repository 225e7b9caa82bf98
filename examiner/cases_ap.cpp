// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV-SNP: a further vCPU from a VMSA that the guest makes, at once and at INIT, and its end (GHCB
// specification, exit 0x80000013; APM volume 2, section 15.36.7).
#include "boot/gdt.h"
#include "examiner/conversation.h"
#include "examiner/groups.h"
#include "examiner/machine.h"
#include "examiner/second_vcpu.h"
#include "snp/ap_creation.h"
#include "snp/vmsa.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;

constexpr u64 create_at_init = 0;
constexpr u64 create         = 1;
constexpr u64 destroy        = 2;
constexpr u32 second         = 1; // APIC ID
constexpr Wanted bad_input   = malformed(reason::input);

/// The VMSA of each start is a page of its own, with one behind it that is none.
constexpr u64 most_starts = 8;

struct Pages {
    x86::Vmsa vmsa;
    u8 behind[page_size];
};

alignas(page_size) constinit Pages pages[most_starts]{};
constinit u64 starts = 0;

constinit volatile u64 counter = 0;

/// Counts in what RDI points to, without end and without a stack.
[[gnu::naked]] void count() {
    asm volatile("1: lock incq (%rdi)\n"
                 "pause\n"
                 "jmp 1b");
}

u64 sev_features() { return info().sev_status >> x86::SevFeatures::status_shift; }

/// A page that is no multiple of 2 MiB, filled and made a VMSA.
x86::Vmsa* make_vmsa() {
    while (starts < most_starts) {
        x86::Vmsa& vmsa = pages[starts++].vmsa;
        const u64 at    = reinterpret_cast<u64>(&vmsa);
        if (!snp::may_be_vmsa(at)) {
            continue;
        }
        snp::make_vmsa<Cpu>(vmsa, {.rip           = reinterpret_cast<u64>(&count),
                                   .rsp           = 0,
                                   .rdi           = reinterpret_cast<u64>(&counter),
                                   .cr3           = Cpu::cr3(),
                                   .code_selector = boot::code64_selector,
                                   .vmpl          = 0});
        return snp::set_vmsa<Cpu>(at).is_done() ? &vmsa : nullptr;
    }
    return nullptr;
}

Call ask(u64 what, u64 gpa, u32 apic_id = second, u64 vmpl = 0) {
    return call_of(ExitCode::ap_creation, u64{apic_id} << 32 | vmpl << 16 | what, gpa)
        .with_rax(sev_features());
}

Call ask(u64 what, const x86::Vmsa* vmsa, u32 apic_id = second, u64 vmpl = 0) {
    return ask(what, reinterpret_cast<u64>(vmsa), apic_id, vmpl);
}

bool counts() {
    const u64 before = counter;
    for (unsigned n = 0; n < 200 && counter == before; ++n) {
        wait_some();
    }
    return counter != before;
}

/// RMPADJUST takes the page back, which it does not as long as a processor is in it.
bool is_free(const x86::Vmsa* vmsa) {
    return snp::release_vmsa<Cpu>(reinterpret_cast<u64>(vmsa)).is_done();
}

Verdict end_it(const x86::Vmsa* vmsa) {
    const Verdict answered = judge(perform(ask(destroy, u64{0})), done());
    const bool free        = is_free(vmsa);
    const u64 before       = counter;
    wait_some();
    return first_of(answered, holds("its VMSA is in use no more", free),
                    equal("what it counted behind its end", counter - before, 0));
}

Verdict no_vmsa() { return Verdict::failed("RMPADJUST makes a page a VMSA", 0, 1); }

Verdict starts_and_ends() {
    const x86::Vmsa* const vmsa = make_vmsa();
    if (vmsa == nullptr) {
        return no_vmsa();
    }
    const Answer answer = perform(ask(create, vmsa));
    const bool runs     = counts();
    return first_of(judge(answer, done()), holds("the vCPU runs from its VMSA", runs),
                    end_it(vmsa));
}

Verdict starts_again() { return starts_and_ends(); }

Verdict starts_at_init() {
    const x86::Vmsa* const vmsa = make_vmsa();
    if (vmsa == nullptr) {
        return no_vmsa();
    }
    const u64 before    = counter;
    const Answer answer = perform(ask(create_at_init, vmsa));
    wait_some();
    const u64 too_early = counter - before;
    send_init();
    send_startup();
    const bool runs = counts();
    return first_of(judge(answer, done()), equal("what it counted before INIT", too_early, 0),
                    holds("the vCPU runs from its VMSA behind INIT", runs), end_it(vmsa));
}

/// A vCPU that runs is given another VMSA.
Verdict is_replaced() {
    const x86::Vmsa* const first  = make_vmsa();
    const x86::Vmsa* const behind = make_vmsa();
    if (first == nullptr || behind == nullptr) {
        return no_vmsa();
    }
    (void)perform(ask(create, first));
    const bool ran      = counts();
    const Answer answer = perform(ask(create, behind));
    const bool free     = is_free(first);
    return first_of(holds("the first one ran", ran), judge(answer, done()),
                    holds("the first VMSA is in use no more", free),
                    holds("the vCPU runs from the second", counts()), end_it(behind));
}

// --- What is refused ---

Verdict refuses(const Call& call, const Wanted& wanted = bad_input) {
    return judge(perform(call), wanted);
}

/// One good VMSA for all that is wrong otherwise.
const x86::Vmsa* good_vmsa() {
    static constinit const x86::Vmsa* vmsa = nullptr;
    vmsa                                   = vmsa != nullptr ? vmsa : make_vmsa();
    return vmsa;
}

Verdict bad_request() { return refuses(ask(3, good_vmsa())); }

Verdict bad_request_high() { return refuses(ask(0x7FFF, good_vmsa())); }

Verdict bad_apic_id() { return refuses(ask(create, good_vmsa(), 0x7FFF'FFF0)); }

Verdict bad_apic_id_destroy() { return refuses(ask(destroy, good_vmsa(), 0x7FFF'FFF0)); }

Verdict bad_vmpl() { return refuses(ask(create, good_vmsa(), second, 4)); }

Verdict other_vmpl() { return refuses(ask(create, good_vmsa(), second, 1), refused); }

Verdict unaligned() { return refuses(ask(create, reinterpret_cast<u64>(good_vmsa()) + 0x10)); }

Verdict no_memory() { return refuses(ask(create, u64{1} << 40)); }

Verdict not_a_vmsa() { return refuses(ask(create, arena_gpa(23)), refused); }

Verdict shared_page() { return refuses(ask(create, page_gpa()), refused); }

Verdict missing_rax() {
    return refuses(ask(create, good_vmsa()).without(fields::rax), malformed(reason::missing));
}

Verdict other_features() {
    return refuses(ask(create, good_vmsa()).with_rax(sev_features() ^ bit(5)));
}

Verdict no_features() { return refuses(ask(create, good_vmsa()).with_rax(0)); }

/// Nothing runs by what was refused.
Verdict nothing_runs() {
    const u64 before = counter;
    wait_some();
    return equal("what a vCPU counted", counter - before, 0);
}

constexpr const char* section = "4.1";
constexpr u16 own             = need::snp | need::vmpl0 | need::second_vcpu;
constexpr u16 alone           = need::snp | need::vmpl0;

// clang-format off
constexpr CodeCase code_cases[] = {
    {{"ap.create.request.3",    section, "request 3 is none: reason 5",                   Level::must, alone}, bad_request},
    {{"ap.create.request.7fff", section, "nor is request 0x7FFF",                         Level::must, alone}, bad_request_high},
    {{"ap.create.apic-id",      section, "an APIC ID that nobody has: reason 5",          Level::must, alone}, bad_apic_id},
    {{"ap.destroy.apic-id",     section, "so it is to destroy",                           Level::must, alone}, bad_apic_id_destroy},
    {{"ap.create.vmpl-4",       section, "VMPL 4 is none: reason 5",                      Level::must, alone}, bad_vmpl},
    {{"ap.create.other-vmpl",   section, "a VMPL that is not the VMSA's is refused",      Level::should, alone}, other_vmpl},
    {{"ap.create.unaligned",    section, "a VMSA that begins in a page's middle: reason 5", Level::must, alone}, unaligned},
    {{"ap.create.no-memory",    section, "a VMSA that is no memory: reason 5",            Level::must, alone}, no_memory},
    {{"ap.create.not-vmsa",     section, "a page that RMPADJUST has not made one is refused", Level::may, alone}, not_a_vmsa},
    {{"ap.create.shared",       section, "a page that is shared is refused",              Level::should, alone}, shared_page},
    {{"ap.create.missing.rax",  section, "without RAX, SEV_FEATURES: reason 4",           Level::must, alone}, missing_rax},
    {{"ap.create.features",     section, "SEV_FEATURES that are not the VMSA's: reason 5", Level::should, alone}, other_features},
    {{"ap.create.no-features",  section, "SEV_FEATURES 0: reason 5",                      Level::should, alone}, no_features},
    {{"ap.create.nothing-runs", section, "what is refused starts nothing",                Level::must, alone}, nothing_runs},
    {{"ap.create.now",          section, "a vCPU starts from its VMSA, and ends",         Level::must, own}, starts_and_ends},
    {{"ap.create.again",        section, "it starts again, from another",                 Level::must, own}, starts_again},
    {{"ap.create.replace",      section, "one that runs is given another VMSA",           Level::must, own}, is_replaced},
    {{"ap.create.at-init",      section, "a vCPU that is created for INIT waits for it",  Level::must, own}, starts_at_init},
};
// clang-format on

} // namespace

constinit const Group ap_group = group_of("AP creation", code_cases);

} // namespace vestibule::examiner
