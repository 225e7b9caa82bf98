// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a hook finds: GS, CR3 and RFLAGS.AC of the code that was interrupted, at CPL 3 and CPL 0,
// and `opaque`; and that code finds all of them as they were. NMI and #MC are sent by INT n, which
// takes the same gates. Exit code 0 if each hook was called for each row.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

#include "boot/gdt.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u64 gs_of_process = 0x7FFF'1234'5000;
constexpr u64 gs_of_kernel  = 0xFFFF'8000'0000'1000;
constexpr u8 machine_check  = 18;
constexpr u16 port          = 0x81;

/// What decides how a hook works.
struct State {
    u64 gs;
    u64 cr3;
    u64 flags; // AC alone
};

State state_now() {
    u64 flags = 0;
    asm volatile("pushfq; popq %0" : "=r"(flags));
    return {.gs    = x86::Cpu::rdmsr(x86::Msr::gs_base),
            .cr3   = x86::Cpu::cr3(),
            .flags = flags & x86::rflags::ac};
}

constinit State wanted{};
constinit unsigned calls = 0;

bool as_wanted(const State& state) {
    return state.gs == wanted.gs && state.cr3 == wanted.cr3 && state.flags == wanted.flags;
}

void look(void* opaque) {
    ++calls;
    check(as_wanted(state_now()), "GS, CR3 or AC in a hook");
    check(opaque == &machine, "a hook's argument");
}

int user_may(const vestibule_user_request* request) {
    look(request->opaque);
    return 1;
}

void on_event(const vestibule_frame*, void* opaque) { look(opaque); }

/// The tables of another process: the same memory by another root.
struct Root {
    alignas(page_size) u64 entry[page_size / sizeof(u64)];
};

constinit Root other_root{};

u64 make_other_root() {
    const u64 cr3    = x86::Cpu::cr3();
    const auto* from = reinterpret_cast<const volatile u64*>(cr3 & ~machine.platform.c_bit);
    for (u64& entry : other_root.entry) {
        entry = *from++;
    }
    return reinterpret_cast<u64>(&other_root) | machine.platform.c_bit;
}

/// How a hook is reached: instructions in front of INT 0x80.
struct Way {
    char what[16];
    u8 code[2];
    u8 length;
    bool for_process; // and not for the kernel
};

constexpr Way ways[] = {
    {"IN of a process", {0xEC},                1, true }, // user_may
    {"NMI",             {0xCD, 2},             2, false},
    {"#MC",             {0xCD, machine_check}, 2, false},
};

void go(const Way& way, bool process, u64 flags) {
    u8* to = machine.user_code;
    for (unsigned n = 0; n < way.length; ++n) {
        *to++ = way.code[n];
    }
    *to++ = 0xCD;
    *to   = 0x80;

    wanted.flags          = flags;
    const unsigned before = calls;
    u64 rax_rdx[2]        = {0x5A, port};
    // IRETQ and INT leave GS's base and CR3 alone. Supervisor code may not be on a page of user
    // mode's with SMEP, which is off here.
    enter_user(reinterpret_cast<u64>(machine.user_code), end_of(machine.user_stack),
               process ? user_code64 : boot::code64_selector,
               process ? user_data : boot::data_selector,
               x86::rflags::reserved_one | (process ? u64{3} << 12 : 0) | flags, rax_rdx);
    check(calls == before + 1, way.what);
    const State after = state_now();
    check(after.gs == wanted.gs && after.cr3 == wanted.cr3,
          "changed for the code that was interrupted");
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.nmi_ist         = nmi_ist;
    setup.mc_ist          = mc_ist;
    setup.user_may        = user_may;
    setup.nmi             = on_event;
    setup.mc              = on_event;
    setup.opaque          = &machine;
    start_library(setup);
    load_user_data();
    machine.idt[x86::exception::nmi].type |= 3 << 5; // DPL
    machine.idt[machine_check].type |= 3 << 5;
    say("hooks");
    const u64 bases[]     = {0, gs_of_process, gs_of_kernel};
    const u64 flag_sets[] = {0, x86::rflags::ac};
    const u64 roots[]     = {x86::Cpu::cr3(), make_other_root()};
    for (const u64 cr3 : roots) {
        x86::Cpu::set_cr3(cr3);
        wanted.cr3 = cr3;
        for (const u64 gs : bases) {
            x86::Cpu::wrmsr(x86::Msr::gs_base, gs);
            wanted.gs = gs;
            for (const u64 flags : flag_sets) {
                for (const Way& way : ways) {
                    go(way, true, flags);
                    if (!way.for_process) {
                        go(way, false, flags);
                    }
                }
            }
        }
    }
    check(calls == 2 * 3 * 2 * 5, "calls");
    say("done");
    end_run();
}
