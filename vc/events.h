// The events that the runtime handler serves, the most frequent first. Each is one file; adding one
// is writing that file and its line here. The table is a list of types, not of function pointers:
// pointers would need relocating, and would be something to overwrite.
#pragma once

#include "vc/cpuid.h"
#include "vc/ioio.h"
#include "vc/msr.h"

namespace vestibule::vc {

template <class... Event>
struct EventTable {
    /// Serves the event whose exit code is `error_code`, if the instruction is one that raises it.
    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        const u64 error_code  = request.frame.error_code;
        ghcb::Outcome outcome = ghcb::Outcome::terminate(
            {ghcb::reason::set_runtime_exit, ghcb::exit_as_reason_code(error_code)});
        (void)(... || try_one<Cpu, Event>(request, outcome));
        return outcome;
    }

    static constexpr bool serves(u64 error_code) {
        return (... || (static_cast<u64>(Event::exit_code) == error_code));
    }

  private:
    template <class Cpu, class One>
    static bool try_one(const Request& request, ghcb::Outcome& outcome) {
        if (static_cast<u64>(One::exit_code) != request.frame.error_code) {
            return false;
        }
        // SECURITY (WeSee, CVE-2024-25742): the hypervisor may inject #VC with any exit code at any
        // instruction, to have the handler "emulate" one that is not there.
        outcome = One::is_raised_by(request.instruction.mnemonic)
                      ? One::template serve<Cpu>(request)
                      : ghcb::Outcome::terminate(ghcb::reason::vc_opcode_mismatch);
        return true;
    }
};

using Events = EventTable<IoioEvent, CpuidEvent, MsrEvent>;

} // namespace vestibule::vc
