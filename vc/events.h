// The events that the runtime handler serves, the most frequent first. Each is one file; adding one
// is writing that file and its line here. The table is a list of types, not of function pointers:
// pointers would need relocating, and would be something to overwrite.
#pragma once

#include "vc/cache.h"
#include "vc/counters.h"
#include "vc/cpuid.h"
#include "vc/dr7.h"
#include "vc/ioio.h"
#include "vc/ioio_string.h"
#include "vc/mmio.h"
#include "vc/monitor.h"
#include "vc/msr.h"
#include "vc/policy.h"
#include "vc/refuse.h"
#include "vc/vmmcall.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

template <class... Event>
struct EventTable {
    /// Serves the event whose exit code, one of the table's, the request has, if the instruction is
    /// one that raises it and its code may have it.
    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        const Mnemonic mnemonic = request.instruction.mnemonic;
        // SECURITY (WeSee, CVE-2024-25742): the hypervisor may inject #VC with any exit code at any
        // instruction, to have the handler "emulate" one that is not there.
        if (raised.code[static_cast<u8>(mnemonic)] != static_cast<u16>(request.frame.error_code)) {
            return refuse(request.frame, ghcb::reason::vc_opcode_mismatch);
        }
        ghcb::Outcome outcome = ghcb::Outcome::done();
        if (request.code.cpl != 0) {
            outcome = judge_user_mode<Cpu>(request);
        }
        if (outcome.is_done()) {
            (void)(... || serve_as<Cpu, Event>(request, outcome));
        }
        return outcome;
    }

    static constexpr bool serves(u64 error_code) {
        return (... || (static_cast<u64>(Event::exit_code) == error_code));
    }

  private:
    /// The exit code that an instruction raises, by its mnemonic.
    struct Raised {
        u16 code[static_cast<u8>(Mnemonic::btc) + 1];
    };

    template <class One>
    static consteval void enter(Raised& table) {
        for (unsigned n = 0; n <= static_cast<u8>(Mnemonic::btc); ++n) {
            if (One::is_raised_by(static_cast<Mnemonic>(n))) {
                table.code[n] = static_cast<u16>(One::exit_code);
            }
        }
    }

    static consteval Raised make_raised() {
        Raised table{};
        (..., enter<Event>(table));
        return table;
    }

    static constexpr Raised raised = make_raised();

    template <class Cpu, class One>
    static bool serve_as(const Request& request, ghcb::Outcome& outcome) {
        if (!One::is_raised_by(request.instruction.mnemonic)) {
            return false;
        }
        outcome = One::template serve<Cpu>(request);
        return true;
    }
};

// clang-format off
using Events = EventTable<
    IoioEvent,
    CpuidEvent,
    MsrEvent,
    MmioEvent,
    MmioStringEvent,
    IoioStringEvent,
    RdtscEvent,
    RdtscpEvent,
    RdpmcEvent,
    WbinvdEvent,
    InvdEvent,
    VmmcallEvent,
    Dr7ReadEvent,
    Dr7WriteEvent,
    MonitorEvent,
    MwaitEvent>;
// clang-format on

} // namespace vestibule::vc
