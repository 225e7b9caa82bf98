// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/profile.h"

#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/profile_samples.h"
#include "sevsim/monitor/recording/records.h"
#include "x86/exit_code.h"

#include <span>

namespace vestibule::sevsim {

namespace {

/// A #VC whose handler runs.
struct Handling {
    InterruptedCode interrupted;
    u64 frame; // RSP at the handler's entry: where the error code lies
    u64 before;
    u64 between;
    u64 current; // instructions since the entry or the last VMGEXIT
    u64 vmgexits;
};

constexpr unsigned deepest = 8;

/// Of one vCPU.
struct Handlers {
    Handling handlings[deepest]; // innermost last
    unsigned depth;
    u64 emulated;   // of Vcpu::emulated, what is counted already
    bool iret_free; // the next IRET is not to be seen
};

constinit Handlers handlers[most_vcpus]{};
constinit u64 overhead = 0; // what the clock shows of a VMRUN in which the guest does nothing
constinit u64 vcs      = 0;
constinit u64 sampled  = 0;
constinit u64 executed = 0; // the guest's instructions so far
constinit u64 to_port  = 0; // up to its first IN or OUT that raises #VC; 0: there was none

Handlers& of(const Vcpu& vcpu) { return handlers[vcpu.index]; }

u64 clock_difference(const Vcpu& vcpu) {
    return vcpu.registers.left_at - vcpu.registers.entered_at;
}

// --- Calibration ---

constinit Vcpu known_guest{};
constexpr u64 known_guest_gpa = 0x1000;

/// The clock's difference for a guest in 32-bit mode that runs `code`, which ends with VMMCALL.
u64 run_known_guest(std::span<const u8> code) {
    u8* const memory = private_memory(known_guest_gpa);
    memcpy(memory, code.data(), code.size());
    known_guest.state().rip = known_guest_gpa;
    enter(known_guest, nested_root(known_guest, false));
    if (known_guest.vmcb.exitcode != static_cast<u64>(x86::ExitCode::vmmcall)) {
        end_run_by_monitor_error("the guest that --profile calibrates with did not run");
    }
    return clock_difference(known_guest);
}

void set_up_known_guest(const Options& options) {
    initialise(known_guest, options);
    x86::Vmsa& state     = known_guest.state();
    constexpr u16 code32 = 0xC9B;
    state.cs             = {8, code32, 0xFFFF'FFFF, 0};
    state.ds             = {16, static_cast<u16>(x86::SegmentAttributes::data), 0xFFFF'FFFF, 0};
    state.es = state.ss = state.ds;
    state.cr0           = x86::cr0::pe | x86::cr0::et;
    state.efer          = x86::efer::svme;
    state.rflags        = x86::rflags::reserved_one;
    state.dr6           = x86::dr6_reset;
    state.dr7           = x86::dr7_reset;
    state.g_pat         = x86::pat_reset;
}

// --- IRET ---

/// The frame that IRET pops. In 64-bit mode always all of it.
struct ReturnFrame {
    u64 rip;
    u64 cs;
    u64 rflags;
    u64 rsp;
    u64 ss;
};

bool read_frame(Vcpu& vcpu, ReturnFrame& frame) {
    const u64 rsp = vcpu.state().rsp;
    if (vcpu.is_64_bit_code()) {
        return read_private(vcpu, rsp, &frame, sizeof frame);
    }
    u32 words[3];
    if (!read_private(vcpu, low_half(rsp), words, sizeof words)) {
        return false;
    }
    frame = {words[0], words[1], words[2], 0, 0};
    return true;
}

/// Is this IRET the one that ends the handler? Either it pops the very frame that the #VC pushed,
/// or the handler has moved to another stack, as Linux does, and returns to where the #VC was.
bool ends(const Handling& handling, Vcpu& vcpu, const ReturnFrame& frame) {
    constexpr u64 longest_instruction = 15;
    const bool is_64_bit              = vcpu.is_64_bit_code();
    const u64 after_error_code        = handling.frame + (is_64_bit ? 8 : 4);
    const bool returns_there          = frame.rip - handling.interrupted.rip <= longest_instruction
                               && (!is_64_bit || frame.rsp == handling.interrupted.rsp);
    return vcpu.state().rsp == after_error_code || returns_there;
}

/// The handling that this IRET ends, as how many there are with it; 0 where it ends none.
unsigned find_ended(Vcpu& vcpu, const ReturnFrame& frame) {
    const Handlers& own = of(vcpu);
    unsigned position   = own.depth;
    while (position > 0 && !ends(own.handlings[position - 1], vcpu, frame)) {
        --position;
    }
    return position;
}

void sample(const Handling& handling) {
    // Without a VMGEXIT all of the handler is before it.
    const bool left  = handling.vmgexits != 0;
    const u64 before = left ? handling.before : handling.current;
    const u64 after  = left ? handling.current : 0;
    if (add_sample({.exit_code = handling.interrupted.exit_code,
                    .name      = handling.interrupted.name,
                    .before    = before,
                    .after     = after,
                    .total     = before + handling.between + after,
                    .vmgexits  = handling.vmgexits})) {
        ++sampled;
    }
}

/// IRET within 64-bit code at one privilege, which changes no segment. The intercept can stay on
/// then, so that the outer handler's IRET is not missed.
bool emulate_iret(Vcpu& vcpu, const ReturnFrame& frame) {
    x86::Vmsa& state = vcpu.state();
    if (!vcpu.is_64_bit_code() || frame.cs != state.cs.selector || frame.ss != state.ss.selector) {
        return false;
    }
    constexpr u64 flags = 0x3F'7FD5; // all that IRET loads at CPL 0
    state.rip           = frame.rip;
    state.rflags        = (frame.rflags & flags) | x86::rflags::reserved_one;
    state.rsp           = frame.rsp;
    return true;
}

const char* access_name(const Vmcb& vmcb, u64 exit_code) {
    using x86::ExitCode;
    const u64 info = vmcb.exitinfo1;
    if (vmcb.exitcode != exit_code) {
        return x86::exit_name(exit_code); // injected, or reported by another code
    }
    switch (static_cast<ExitCode>(exit_code)) {
    case ExitCode::ioio: {
        constexpr const char* names[] = {"OUT", "IN", "OUTS", "INS"};
        return names[(info & 1) | ((info >> 1) & 2)];
    }
    case ExitCode::msr: return info != 0 ? "WRMSR" : "RDMSR";
    case ExitCode::npf: return (info & nested_fault::write) != 0 ? "MMIO write" : "MMIO read";
    default: return x86::exit_name(exit_code);
    }
}

} // namespace

void calibrate_profile(const Options& options) {
    u8 saved[128];
    constexpr u8 nop = 0x90;
    u8 nops[103];
    memset(nops, nop, sizeof nops);
    constexpr u8 vmmcall[] = {0x0F, 0x01, 0xD9};
    memcpy(nops + 100, vmmcall, sizeof vmmcall);
    // mov ecx, 1000; again: dec ecx; jnz again; vmmcall
    constexpr u8 loop[] = {0xB9, 0xE8, 0x03, 0, 0, 0x49, 0x75, 0xFD, 0x0F, 0x01, 0xD9};

    memcpy(saved, private_memory(known_guest_gpa), sizeof saved);
    set_up_known_guest(options);
    overhead = run_known_guest(vmmcall);
    if (run_known_guest(nops) != overhead + 100 || run_known_guest(loop) != overhead + 2001) {
        end_run_by_monitor_error("--profile: QEMU's clock does not count instructions");
    }
    memcpy(private_memory(known_guest_gpa), saved, sizeof saved);
}

void profile_entry(Vcpu& vcpu) {
    u32& misc     = vcpu.vmcb.intercept_misc1;
    Handlers& own = of(vcpu);
    misc = own.depth != 0 && !own.iret_free ? misc | intercept::iret : misc & ~intercept::iret;
    own.iret_free = false;
}

void profile_run(Vcpu& vcpu) {
    Handlers& own   = of(vcpu);
    const u64 count = clock_difference(vcpu) - overhead + (vcpu.emulated - own.emulated);
    executed += count;
    if (own.depth != 0) {
        own.handlings[own.depth - 1].current += count;
    }
    own.emulated = vcpu.emulated;
}

InterruptedCode interrupted_code(Vcpu& vcpu, u64 exit_code) {
    return {.exit_code = exit_code,
            .name      = access_name(vcpu.vmcb, exit_code),
            .rip       = vcpu.state().rip,
            .rsp       = vcpu.state().rsp};
}

void profile_vc(Vcpu& vcpu, const InterruptedCode& interrupted) {
    if (!vcpu.options.profile && !vcpu.options.handlers) {
        return;
    }
    ++vcs;
    if (to_port == 0 && interrupted.exit_code == static_cast<u64>(x86::ExitCode::ioio)) {
        to_port = executed;
    }
    Handlers& own = of(vcpu);
    if (own.depth == deepest) {
        own.depth = 0; // handlers that never return: whatever these were, they are not measured
    }
    own.handlings[own.depth++] = {.interrupted = interrupted,
                                  .frame       = vcpu.state().rsp,
                                  .before      = 0,
                                  .between     = 0,
                                  .current     = 0,
                                  .vmgexits    = 0};
}

void profile_vmgexit(Vcpu& vcpu) {
    Handlers& own = of(vcpu);
    if (own.depth == 0) {
        return;
    }
    Handling& handling = own.handlings[own.depth - 1];
    (handling.vmgexits++ == 0 ? handling.before : handling.between) += handling.current;
    handling.current = 0;
}

void profile_iret(Vcpu& vcpu) {
    Handlers& own         = of(vcpu);
    const unsigned before = own.depth;
    const u64 rip         = vcpu.state().rip;
    ReturnFrame frame{};
    const bool readable  = read_frame(vcpu, frame);
    const unsigned ended = readable ? find_ended(vcpu, frame) : 0;
    if (ended != 0) {
        if (vcpu.options.profile) {
            sample(own.handlings[ended - 1]);
        }
        own.depth = ended - 1;
    }
    if (own.depth != 0 && readable && emulate_iret(vcpu, frame)) {
        vcpu.emulated += ended == 0 ? 1 : 0;
    } else {
        // Let through with the intercept off: the next exit may come after the IRET of a handler
        // further out, so none of these can be measured any more.
        own.depth     = 0;
        own.iret_free = true;
    }
    if (vcpu.options.handlers && own.depth != before) {
        Record record("iret");
        add_moment(record);
        record.hex("rip", rip).hex("to", frame.rip).number("depth", own.depth).end();
    }
}

void send_profile(const Options& options) {
    if (vcs != 0 && options.profile) {
        send_samples();
        Record("profile-rest").number("count", vcs - sampled).end();
        Record("instructions").number("all", executed).number("to_port", to_port).end();
    }
}

} // namespace vestibule::sevsim
