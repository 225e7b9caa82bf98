// SPDX-License-Identifier: BSD-2-Clause-Patent
// Ports and device memory without a #VC (include/vestibule/calls.h): the way of a driver that knows
// what it speaks to. One call each, by the same exchange as in the #VC handler (ghcb/call.h).
#include "ghcb/call.h"
#include "include/vestibule/calls.h"
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupts_off.h"
#include "library/per_cpu.h"
#include "vc/ioio.h"
#include "x86/cpu.h"

using namespace vestibule;
using ghcb::Outcome;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

using Call = ghcb::Call<library::Cpu>;

[[noreturn, gnu::noinline]] void refuse(const Outcome& outcome) {
    library::end(outcome.kind == Outcome::Kind::raise
                     ? ghcb::Reason{reason::set_exception, outcome.vector}
                     : outcome.reason);
}

[[gnu::always_inline]] inline ghcb::Channel& channel_of(vestibule_cpu* cpu) {
    ghcb::Channel& channel = PerCpu::of(*cpu).context.ghcb;
    if (!channel.has_room()) [[unlikely]] {
        library::end(reason::ghcb_reentered);
    }
    return channel;
}

[[gnu::always_inline]] inline void must(bool holds) {
    if (!holds) [[unlikely]] {
        library::end(reason::call_argument);
    }
}

bool is_port_size(unsigned size) { return size == 1 || size == 2 || size == 4; }

[[gnu::always_inline]] inline void must_be_register(u64 gpa, unsigned size) {
    must((is_port_size(size) || size == 8) && (gpa & (page_size - 1)) <= page_size - size);
}

constexpr u8 address_size = 8;

} // namespace

uint32_t vestibule_in(vestibule_cpu* cpu, uint16_t port, unsigned size) {
    must(is_port_size(size));
    const library::InterruptsOff off;
    Call call{channel_of(cpu)};
    const u64 access = vc::encode_port(1, static_cast<u8>(size), address_size, port);
    const Outcome outcome =
        call.leave(static_cast<u64>(x86::ExitCode::ioio), access, 0, ghcb::registers::rax);
    if (!outcome.is_done()) [[unlikely]] {
        refuse(outcome);
    }
    return static_cast<u32>(call.answered(0) & vc::size_mask(static_cast<u8>(size)));
}

void vestibule_out(vestibule_cpu* cpu, uint16_t port, unsigned size, uint32_t value) {
    must(is_port_size(size));
    const library::InterruptsOff off;
    Call call{channel_of(cpu)};
    const u64 access = vc::encode_port(0, static_cast<u8>(size), address_size, port);
    call.put_register(ghcb::registers::rax, value & vc::size_mask(static_cast<u8>(size)));
    const Outcome outcome =
        call.leave(static_cast<u64>(x86::ExitCode::ioio), access, 0, ghcb::registers::none);
    if (!outcome.is_done()) [[unlikely]] {
        refuse(outcome);
    }
}

uint64_t vestibule_mmio_read(vestibule_cpu* cpu, uint64_t gpa, unsigned size) {
    must_be_register(gpa, size);
    const library::InterruptsOff off;
    Call call{channel_of(cpu)};
    call.put_buffer();
    const Outcome outcome =
        call.leave(static_cast<u64>(x86::ExitCode::mmio_read), gpa, size, ghcb::registers::none);
    if (!outcome.is_done()) [[unlikely]] {
        refuse(outcome);
    }
    // All of it, whatever the size: eight bytes of the shared buffer are there to be read.
    return *reinterpret_cast<const volatile u64*>(call.buffer())
           & vc::size_mask(static_cast<u8>(size));
}

void vestibule_mmio_write(vestibule_cpu* cpu, uint64_t gpa, unsigned size, uint64_t value) {
    must_be_register(gpa, size);
    const library::InterruptsOff off;
    Call call{channel_of(cpu)};
    *reinterpret_cast<volatile u64*>(call.buffer()) = value & vc::size_mask(static_cast<u8>(size));
    call.put_buffer();
    const Outcome outcome =
        call.leave(static_cast<u64>(x86::ExitCode::mmio_write), gpa, size, ghcb::registers::none);
    if (!outcome.is_done()) [[unlikely]] {
        refuse(outcome);
    }
}

void vestibule_write(vestibule_cpu* cpu, uint16_t port, const void* bytes, size_t count) {
    constexpr u64 string_with_rep = bit(2) | bit(3);
    constexpr u64 ds              = u64{3} << 10;
    const auto* from              = static_cast<const u8*>(bytes);
    while (count != 0) {
        const size_t part = count < VESTIBULE_BUFFER_SIZE ? count : VESTIBULE_BUFFER_SIZE;
        const library::InterruptsOff off; // for each part: they may come in between
        Call call{channel_of(cpu)};
        for (size_t n = 0; n < part; ++n) {
            call.buffer()[n] = from[n];
        }
        const Outcome outcome = call.exit_with_buffer(
            x86::ExitCode::ioio, vc::encode_port(0, 1, address_size, port) | string_with_rep | ds,
            part);
        if (!outcome.is_done()) {
            refuse(outcome);
        }
        from += part;
        count -= part;
    }
}
