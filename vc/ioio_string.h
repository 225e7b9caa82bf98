// SPDX-License-Identifier: BSD-2-Clause-Patent
// INS and OUTS (exit 0x7B): up to 2032 bytes an exit through the shared buffer (GHCB specification,
// section 4.1.2). Where memory faults in the middle, the elements before it are done, and the rest
// faults when the instruction is executed again, rCX, rSI and rDI at the faulting element.
#pragma once

#include "vc/ioio.h"
#include "vc/memory.h"
#include "vc/string_step.h"

namespace vestibule::vc {

struct IoioStringEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::ioio;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::ins || mnemonic == Mnemonic::outs;
    }

    template <class Cpu>
    [[clang::minsize]] static ghcb::Outcome serve(const Request& request) {
        using ghcb::Outcome;
        const Instruction& instruction = request.instruction;
        const bool in                  = instruction.mnemonic == Mnemonic::ins;
        const u8 size                  = instruction.operand_size;
        const u64 mask                 = size_mask(instruction.address_size);
        const u64 step                 = element_step(request);
        const u8 pointer               = in ? gpr::rdi : gpr::rsi;
        const u64 start                = whole_register(request.frame, pointer);

        constexpr u64 capacity = sizeof(ghcb::Page::shared_buffer);
        u64 count              = elements_left(request);
        if (count == 0) {
            return Outcome::done();
        }
        const u64 elements = capacity >> (size / 2); // of 1, 2 or 4 bytes
        if (count > elements) {
            count = elements;
        }
        // Single-stepped, the trap comes after each iteration (APM volume 2, section 13.1.4).
        if ((request.frame.rflags & x86::rflags::tf) != 0) {
            count = 1;
        }
        const UserAccess<Cpu> user_access;
        Reach<Cpu> reach{request, in ? Segment::es : instruction.segment, in};
        ghcb::Call<Cpu> call{request.context.ghcb};
        volatile u8* buffer = call.buffer();
        Place place;
        // Memory first, both ways: what was read from a port cannot be given back.
        for (u64 n = 0; n < count; ++n) {
            Outcome outcome = reach.find((start + n * step) & mask, size, place);
            // SECURITY: a device's memory that a process has mapped would raise #VC here. So would
            // the kernel's, which knows better.
            if (Cpu::serves_kernel && outcome.is_done() && request.code.cpl != 0
                && !place.is_private) {
                outcome = Outcome::raise(x86::exception::general_protection);
            }
            u64 value = 0;
            if (outcome.is_done() && !in && !try_load<Cpu>(place.linear, size, value)) {
                outcome = reach.lost(place);
            }
            if (!outcome.is_done()) {
                if (n == 0) {
                    return outcome;
                }
                count = n;
                break;
            }
            if (!in) {
                store(buffer + n * size, size, value);
            }
        }
        const Outcome outcome = call.exit_with_buffer(exit_code, encode_ioio(request, in), count);
        if (!outcome.is_done()) {
            return outcome;
        }
        for (u64 n = 0; in && n < count; ++n) {
            (void)reach.linear((start + n * step) & mask, size, place.linear);
            // Memory that is gone meanwhile: what was to go there is lost, as the process wanted
            // it.
            if (!try_store<Cpu>(place.linear, size, load(buffer + n * size, size))) {
                if (n == 0) {
                    return reach.lost(place);
                }
                count = n;
            }
        }
        move_on(request, pointer, count * step);
        return count_down(request, count);
    }
};

} // namespace vestibule::vc
