// Runs every snippet of the table and dumps what it left. Natively the CPU executes it; under
// SEV-ES it raises #VC and the runtime handler serves it. Both dumps must be the same but for the
// number of #VCs (qemu-tests/snippet_compare.cpp).
#include "boot/boot_info.h"
#include "qemu-tests/guests/oracle/machine.h"
#include "qemu-tests/guests/oracle/row.h"
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
constinit u64 vcs = 0;

constexpr u64 cr2_canary = 0x5A5A'0000'5A5A'0000;

// QEMU's configuration device, and the file that the test gives it.
constexpr u16 config_selector  = 0x510;
constexpr u16 config_directory = 0x19;
constexpr char text_name[]     = "opt/vestibule/text";

// The two PICs.
constexpr u16 pic_command[2] = {0x20, 0xA0};
constexpr u16 pic_data[2]    = {0x21, 0xA1};

/// pc-testdev raises and lowers interrupt lines.
constexpr u16 irq_lines   = 0x2000;
constexpr u8 irq          = 5;
constexpr u8 mask_all     = 0xFF;
constexpr u32 port_canary = 0x8877'6655;

u32 big_endian32(const Devices& devices) {
    u32 value = 0;
    for (unsigned n = 0; n < sizeof value; ++n) {
        value = (value << 8) | devices.in8(port_text);
    }
    return value;
}

/// The selector of the text, 0 where there is none.
u16 find_text(const Devices& devices) {
    devices.out16(config_selector, config_directory);
    for (u32 left = big_endian32(devices); left != 0; --left) {
        (void)big_endian32(devices); // its size
        const u16 selector = static_cast<u16>(big_endian32(devices) >> 16);
        bool is_text       = true;
        for (unsigned n = 0; n < 56; ++n) {
            const u8 byte = devices.in8(port_text);
            if (n < sizeof text_name && byte != static_cast<u8>(text_name[n])) {
                is_text = false;
            }
        }
        if (is_text) {
            return selector;
        }
    }
    return 0;
}

/// From scratch, so that nothing of an earlier row is pending: IRQ 0 to 15 at vectors 32 to 47.
void reset_pics(const Devices& devices, u8 mask) {
    constexpr u8 initialise      = 0x11;
    constexpr u8 vector[2]       = {first_irq, first_late_irq};
    constexpr u8 connected_at[2] = {1 << 2, 2};
    for (unsigned n = 0; n < 2; ++n) {
        devices.out8(pic_command[n], initialise);
        devices.out8(pic_data[n], vector[n]);
        devices.out8(pic_data[n], connected_at[n]);
        devices.out8(pic_data[n], 1);
        devices.out8(pic_data[n], n == 0 ? mask : mask_all);
    }
}

/// IRQs that were raised and not yet taken.
u8 pending_irqs(const Devices& devices) {
    constexpr u8 read_requests = 0x0A;
    devices.out8(pic_command[0], read_requests);
    return devices.in8(pic_command[0]);
}

void set_cr4(u64 value) { asm volatile("mov %0, %%cr4" : : "r"(value) : "memory"); }

void set_xcr0(u64 value) {
    asm volatile("xsetbv" : : "c"(0), "a"(low_half(value)), "d"(high_half(value)));
}

u64 dr6() {
    u64 value = 0;
    asm volatile("mov %%dr6, %0" : "=r"(value));
    return value;
}

/// Whether user mode may reach a port is decided before the intercept, by IOPL and the bitmap: what
/// gets here may.
bool user_may(const vc::Request&) { return true; }

class Oracle {
  public:
    explicit Oracle(const boot::BootInfo& boot_info)
        : info{boot_info}, devices{boot_info.platform == boot::Platform::native},
          cr4{x86::Cpu::cr4()} {}

    void run() {
        build_world(info.c_bit);
        fill_memory(devices);
        reset_pics(devices, mask_all);
        text = find_text(devices);
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
        state.dr6 = dr6();
        asm volatile("mov %%cr2, %0" : "=r"(state.cr2));
        finish(row);
        dump(row);
    }

    void prepare(const Row& row) {
        devices.out32(port_storage, port_canary);
        devices.out16(config_selector, text);
        if ((row.flags & Row::recorded) != 0) {
            say_name(row);
        }
        allow_ports((row.flags & Row::ports_allowed) != 0);
        use_interrupt_stack((row.flags & Row::own_stack) == 0);
        u64 wanted = cr4;
        if ((row.flags & Row::osxsave) != 0) {
            constexpr u64 x87_sse_avx = 7;
            wanted |= x86::cr4::osxsave;
            set_cr4(wanted);
            set_xcr0(x87_sse_avx);
        }
        wanted |= (row.flags & Row::tsd) != 0 ? x86::cr4::tsd : 0;
        wanted |= (row.flags & Row::smap) != 0 ? x86::cr4::smap : 0;
        set_cr4(wanted);
        if ((row.flags & Row::interrupt) != 0) {
            reset_pics(devices, static_cast<u8>(~(1u << irq)));
            devices.out8(irq_lines + irq, 1);
        }
        asm volatile("mov %0, %%dr6" : : "r"(x86::dr6_reset));
        if (info.platform == boot::Platform::native) {
            asm volatile("mov %0, %%dr7" : : "r"(x86::dr7_reset));
        } else {
            vc::Context& context = boot::vc_context();
            context.dr7          = x86::dr7_reset;
            context.user_may     = user_may;
            context.ghcb.holders = 0; // whatever became of the row before
        }
        x86::Cpu::set_cr2(cr2_canary);
        vcs = 0;
    }

    void finish(const Row& row) const {
        if ((row.flags & Row::interrupt) != 0) {
            state.events = pending_irqs(devices) & (1u << irq); // the timer ticks too
            devices.out8(irq_lines + irq, 0);
            reset_pics(devices, mask_all);
        } else {
            state.events = 0;
        }
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
        devices.dump(vcs);
        devices.dump((row.flags & Row::unintercepted) != 0 ? 1 : 0);
        dump_words(&state, sizeof state);
        devices.dump(changes);
        dump_words(changed, changes * sizeof(Change));
    }

    const boot::BootInfo& info;
    Devices devices;
    u64 cr4;
    u16 text = 0;
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
    using Kind = ghcb::Outcome::Kind;
    ++vcs;
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
