// SPDX-License-Identifier: BSD-2-Clause-Patent
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
#include "vc/undecoded.h"
#include "vc/vmmcall.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

/// What the table says of an intercepted instruction, by its mnemonic.
struct EventRow {
    u8 exit_code = 0;
    Quick quick  = Quick::never;
    u8 exitinfo1 = 0;
    Exchanged exchanged;
};

template <class... Event>
struct EventTable {
    /// Serves the event that the request's instruction raises, if that is the one its exit code
    /// claims and its code may have it.
    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        const Mnemonic mnemonic = request.instruction.mnemonic;
        const EventRow& row     = row_of(mnemonic);
        // SECURITY (WeSee, CVE-2024-25742): the hypervisor may inject #VC with any exit code at any
        // instruction, to have the handler "emulate" one that is not there.
        const u64 raised = is_mmio(mnemonic) ? mmio_exit : row.exit_code;
        if (raised != request.frame.error_code
            || (!Cpu::serves_kernel && row.quick == Quick::msr
                && is_forged_msr<Cpu>(request.frame, row.exitinfo1))) {
            return refuse_instruction<Cpu>(request.frame, request.context);
        }
        ghcb::Outcome outcome = ghcb::Outcome::done();
        if (request.code.cpl != 0) {
            outcome = judge_user_mode<Cpu>(request);
            if (!outcome.is_done()) {
                return outcome;
            }
        }
        if (row.quick == Quick::always || row.quick == Quick::msr) {
            if (Cpu::serves_kernel && row.quick == Quick::msr
                && is_forged_msr<Cpu>(request.frame, row.exitinfo1)) {
                return ghcb::Outcome::terminate(ghcb::reason::vc_msr_not_intercepted);
            }
            return exchange<Cpu>(request, row.exchanged, row.exitinfo1);
        }
        (void)(... || serve_as<Cpu, Event>(request, outcome));
        return outcome;
    }

    /// For an instruction that does not raise the exit it is said to have raised.
    template <class Cpu>
    [[gnu::noinline]] static ghcb::Outcome refuse_instruction(const Frame& frame,
                                                              Context& context) {
        return serves(frame.error_code) ? refuse(frame, ghcb::reason::vc_opcode_mismatch)
                                        : report_unsupported<Cpu>(frame, context);
    }

    /// Mnemonics from MOV on are known for one exit only.
    static constexpr bool is_mmio(Mnemonic mnemonic) { return mnemonic >= Mnemonic::mov; }

    /// Of MMIO: that of no instruction.
    static constexpr const EventRow& row_of(Mnemonic mnemonic) {
        return rows.of[is_mmio(mnemonic) ? 0 : static_cast<u8>(mnemonic)];
    }

    /// False for exits for which vc/quick.h need not look at the instruction, and must not where
    /// there may be none to look at.
    static constexpr bool may_be_quick(u64 error_code) {
        return error_code - quick_codes.first <= quick_codes.last - quick_codes.first;
    }

    static constexpr bool serves(u64 error_code) {
        if (error_code == mmio_exit) {
            return true;
        }
        for (const EventRow& row : rows.of) {
            if (row.exit_code == error_code) {
                return error_code != 0;
            }
        }
        return false;
    }

  private:
    static constexpr u64 mmio_exit = static_cast<u64>(x86::ExitCode::npf);

    struct Rows {
        EventRow of[static_cast<u8>(Mnemonic::write_dr7) + 1];
    };

    template <class One>
    static consteval void enter(Rows& table) {
        for (u8 n = 0; n <= static_cast<u8>(Mnemonic::btc); ++n) {
            if (!One::is_raised_by(static_cast<Mnemonic>(n))) {
                continue;
            }
            if (is_mmio(static_cast<Mnemonic>(n))) {
                static_assert(!One::is_raised_by(Mnemonic::mov)
                              || static_cast<u64>(One::exit_code) == mmio_exit);
                continue;
            }
            table.of[n].exit_code = static_cast<u8>(One::exit_code);
            if constexpr (requires { One::quick; }) {
                table.of[n].quick = One::quick;
            }
            if constexpr (requires { One::exchanged; }) {
                table.of[n].exchanged = One::exchanged;
                table.of[n].exitinfo1 = One::exitinfo1;
            }
        }
    }

    static consteval Rows make_rows() {
        Rows table{};
        (..., enter<Event>(table));
        return table;
    }

    static constexpr Rows rows = make_rows();

    struct Range {
        u64 first = ~u64{0};
        u64 last  = 0;
    };

    static consteval Range range_of_quick_codes() {
        Range range{};
        for (const EventRow& row : rows.of) {
            if (row.quick != Quick::never) {
                range.first = row.exit_code < range.first ? row.exit_code : range.first;
                range.last  = row.exit_code > range.last ? row.exit_code : range.last;
            }
        }
        return range;
    }

    static constexpr Range quick_codes = range_of_quick_codes();

    template <class One>
    static consteval bool exchanges_only() {
        if constexpr (requires { One::quick; }) {
            return One::quick == Quick::always || One::quick == Quick::msr;
        }
        return false;
    }

    template <class Cpu, class One>
    static bool serve_as(const Request& request, ghcb::Outcome& outcome) {
        if constexpr (!exchanges_only<One>()) {
            if (One::is_raised_by(request.instruction.mnemonic)) {
                outcome = One::template serve<Cpu>(request);
                return true;
            }
        }
        return false;
    }
};

// clang-format off
using Events = EventTable<
    OutEvent,
    InEvent,
    CpuidEvent,
    RdmsrEvent,
    WrmsrEvent,
    MmioEvent,
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
