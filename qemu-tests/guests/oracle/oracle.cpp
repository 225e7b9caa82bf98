// SPDX-License-Identifier: BSD-2-Clause-Patent
// Runs every snippet of the table and dumps what it left. Natively the CPU executes it; under
// SEV-ES it raises #VC and the runtime handler serves it. Both dumps must be the same but for the
// number of #VCs (qemu-tests/snippet_compare.cpp).
#include "boot/boot_info.h"
#include "qemu-tests/guests/oracle/machine.h"
#include "qemu-tests/guests/oracle/row.h"
#include "qemu-tests/guests/oracle/testbed.h"
#include "qemu-tests/guests/oracle/world.h"
#include "vc/deliver.h"
#include "vc/handler.h"

using namespace vestibule;
using namespace vestibule::oracle;

#pragma GCC visibility push(hidden)
extern "C" {
extern const Row snippet_rows[]; // snippets.asm
extern const Row snippet_rows_end[];
}
#pragma GCC visibility pop

namespace {

constinit State state{};
constinit u64 vcs       = 0;
constinit u64 exit_code = 0;

constexpr u64 cr2_canary  = 0x5A5A'0000'5A5A'0000;
constexpr u32 port_canary = 0x8877'6655;

void set_cr4(u64 value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }

void set_xcr0(u64 value) {
    asm volatile("xsetbv" : : "c"(0), "a"(low_half(value)), "d"(high_half(value)));
}

/// Whether user mode may reach a port is decided before the intercept, by IOPL and the bitmap: what
/// gets here may.
bool user_may(const vc::Request&) { return true; }

class Oracle {
  public:
    explicit Oracle(const boot::BootInfo& boot_info)
        : info{boot_info}, devices{boot_info.platform == boot::Platform::native}, testbed{devices},
          cr4{x86::Cpu::cr4()} {}

    void run() {
        build_world(info.c_bit);
        fill_memory(devices);
        testbed.start();
        for (const Row* row = snippet_rows; row != snippet_rows_end; ++row) {
            run(*row);
        }
        devices.dump(Record::magic_end);
    }

  private:
    void run(const Row& row) {
        prepare(row);
        const Entry entry = entry_of(row);
        oracle_enter(entry);
        state.dr6 = x86::Cpu::dr6();
        asm volatile("mov %%cr2, %0" : "=r"(state.cr2));
        finish(row);
        dump(row);
    }

    void prepare(const Row& row) {
        devices.out32(port_storage, port_canary);
        testbed.rewind_text();
        if ((row.flags & Row::recorded) != 0) {
            say_name(row);
        }
        allow_ports((row.flags & Row::ports_allowed) != 0);
        use_interrupt_stack((row.flags & Row::own_stack) == 0);
        // Without CR4.OSXSAVE a guest cannot read XCR0, and says that it is what reset leaves (GHCB
        // specification, section 4.1.1): so it is then.
        constexpr u64 x87         = 1;
        constexpr u64 x87_sse_avx = 7;
        const bool has_states     = (row.flags & Row::osxsave) != 0;
        set_cr4(cr4 | x86::cr4::osxsave);
        set_xcr0(has_states ? x87_sse_avx : x87);
        u64 wanted = cr4 | (has_states ? x86::cr4::osxsave : 0);
        wanted |= (row.flags & Row::tsd) != 0 ? x86::cr4::tsd : 0;
        wanted |= (row.flags & Row::smap) != 0 ? x86::cr4::smap : 0;
        set_cr4(wanted);
        if ((row.flags & Row::interrupt) != 0) {
            testbed.raise_interrupt();
        }
        x86::Cpu::set_dr6(x86::dr6_reset);
        if (info.platform == boot::Platform::native) {
            asm volatile("mov %0, %%dr7" : : "r"(x86::dr7_reset));
        } else {
            vc::Context& context = boot::vc_context();
            context.dr7          = x86::dr7_reset;
            context.user_may     = user_may;
            context.ghcb.holders = 0; // whatever became of the row before
        }
        x86::Cpu::set_cr2(cr2_canary);
        vcs       = 0;
        exit_code = 0;
    }

    void finish(const Row& row) const {
        const bool has_interrupt = (row.flags & Row::interrupt) != 0;
        state.interrupts         = has_interrupt && testbed.lower_interrupt() ? 1 : 0;
        set_cr4(cr4);
        state.ports = devices.in32(port_storage);
    }

    static Entry entry_of(const Row& row) {
        Entry entry;
        for (unsigned n = 0; n < 16; ++n) {
            const_cast<volatile u64&>(entry.gpr[n]) = row.gpr[n];
        }
        entry.rip = place_code(row.code, row.code_length, (row.flags & Row::at_page_end) != 0,
                               (row.cs & 3) != 0);
        if (row.cs != selector::kernel_code32 && row.cs != selector::user_code32
            && row.code_size != 64) {
            entry.rip -= arena; // a segment with a base
        }
        entry.cs        = row.cs;
        entry.rflags    = row.rflags;
        entry.ss        = row.ss;
        entry.ds        = row.ds;
        entry.es        = row.es;
        entry.fs        = row.fs;
        entry.gs        = row.gs;
        entry.fs_base   = row.fs_base;
        entry.gs_base   = row.gs_base;
        entry.has_bases = row.code_size == 64 ? 1 : 0;
        return entry;
    }

    /// What is comparable of the registers: in 32- and 16-bit code, the low halves. IRET to a
    /// 16-bit stack restores SP and leaves the rest of RSP as it is, which a #VC handler cannot
    /// help.
    static void mask(const Row& row) {
        for (unsigned n = 0; n < 16; ++n) {
            u64 compared = n < 4 ? row.compared.gpr[n] : ~u64{0};
            if (row.code_size != 64 && n < 8) {
                compared &= 0xFFFF'FFFF;
            }
            if (n == vc::gpr::rsp && row.ss == selector::kernel_stack16) {
                compared &= 0xFFFF;
            }
            state.gpr[n] &= compared;
        }
        state.rflags &= row.compared.rflags;
        if ((row.cs & 3) == 0 && (row.flags & Row::own_stack) == 0) {
            state.handler_ss =
                0; // null where CPL changes; in QEMU, with IST, also where it does not
        }
    }

    void say_name(const Row& row) const {
        devices.out8(port_recorder, '\n');
        for (const char letter : row.name) {
            if (letter != '\0') {
                devices.out8(port_recorder, static_cast<u8>(letter));
            }
        }
        devices.out8(port_recorder, '\n');
    }

    void dump_words(const void* words, u64 size) const {
        const auto* word = static_cast<const volatile u64*>(words);
        for (u64 n = 0; n < size / sizeof(u64); ++n) {
            devices.dump(word[n]);
        }
    }

    void dump(const Row& row) {
        mask(row);
        // Counted first: the dump says how many there are before it names them.
        static constinit Change changed[2 * page_size / sizeof(u64)]{};
        u64 changes = 0;
        restore_memory(devices, [&](Change change) {
            if (changes < sizeof changed / sizeof(Change)) {
                const_cast<volatile u64&>(changed[changes].address) = change.address;
                const_cast<volatile u64&>(changed[changes].value)   = change.value;
                ++changes;
            }
        });
        devices.dump(Record::magic_row);
        dump_words(row.name, sizeof row.name);
        devices.dump(row.line);
        devices.dump(row.code_size);
        devices.dump(row.cs & 3);
        devices.dump(vcs);
        devices.dump(exit_code);
        devices.dump((row.flags & Row::unintercepted) != 0 ? 1 : 0);
        dump_words(&state, sizeof state);
        devices.dump(changes);
        dump_words(changed, changes * sizeof(Change));
    }

    const boot::BootInfo& info;
    Devices devices;
    Testbed testbed;
    u64 cr4;
};

void record_frame(const vc::Frame& frame, u64 vector, u64 error_code) {
    const auto* saved = reinterpret_cast<const volatile u64*>(&frame);
    for (unsigned n = 0; n < 16; ++n) {
        if (n != vc::gpr::rsp) {
            const_cast<volatile u64&>(state.gpr[n]) = saved[n - (n > vc::gpr::rsp ? 1 : 0)];
        }
    }
    state.gpr[vc::gpr::rsp] = frame.rsp;
    state.rip               = frame.rip;
    state.cs                = frame.cs;
    state.rflags            = frame.rflags;
    state.ss                = frame.ss;
    state.vector            = vector;
    state.error_code        = error_code;
    state.handler_rflags    = oracle_handler_rflags;
    state.handler_ss        = oracle_handler_ss;
}

} // namespace

void oracle_record(const vc::Frame& frame, u32 vector) {
    record_frame(frame, vector, frame.error_code);
    oracle_leave();
}

void oracle_vc_handler(vc::Frame& frame) {
    using Kind            = ghcb::Outcome::Kind;
    exit_code             = vcs++ == 0 ? frame.error_code : exit_code;
    ghcb::Outcome outcome = vc::handle<x86::Cpu>(frame, boot::vc_context());
    if (outcome.kind == Kind::raise) {
        outcome = vc::deliver<x86::Cpu>(frame, outcome.vector, outcome.error_code);
    }
    if (outcome.kind == Kind::terminate) {
        record_frame(frame, terminated, (u64{outcome.reason.set} << 8) | outcome.reason.code);
        oracle_leave();
    }
}

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    Oracle{info}.run();
    if (info.platform == boot::Platform::native) {
        x86::Cpu::out8(0xF4, 0);
    }
    guests::raw_out(0xF4, 0);
    x86::Cpu::halt();
}
