// SPDX-License-Identifier: BSD-2-Clause-Patent
// The local APIC by MSRs (APM volume 2, sections 16.9 and 16.11): which registers there are, what
// can be written to them, which changes of mode there are, and that an interrupt which the guest
// sends itself arrives. Exit code: how many answers were not as they should be.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

#include <initializer_list>

using namespace vestibule;
using namespace vestibule::guests;
using x86::ExitCode;

namespace {

constexpr FieldSet rcx = FieldSet::of(Field::rcx);
constexpr FieldSet rax = FieldSet::of(Field::rax);
constexpr FieldSet rdx = FieldSet::of(Field::rdx);

constexpr u32 apic_base = 0x1B;
constexpr u64 extended  = bit(10);
constexpr u64 enabled   = bit(11);

constinit Checks checks{};

struct Read {
    bool served;
    u64 value;
};

bool is_served(const volatile ghcb::Page& page) {
    return ghcb::judge(page.sw_exitinfo1, page.sw_exitinfo2).kind == ghcb::Outcome::Kind::done;
}

Read read(u32 msr) {
    ghcb::Page& page                    = prepare(ExitCode::msr, 0, 0, rcx);
    page.rcx                            = msr;
    const volatile ghcb::Page& answered = send(page);
    return {is_served(answered), from_halves(low_half(answered.rdx), low_half(answered.rax))};
}

bool write(u32 msr, u64 value) {
    ghcb::Page& page = prepare(ExitCode::msr, 1, 0, rcx | rax | rdx);
    page.rcx         = msr;
    page.rax         = low_half(value);
    page.rdx         = high_half(value);
    return is_served(send(page));
}

bool reads_as(u32 msr, u64 value) {
    const Read answer = read(msr);
    return answer.served && answer.value == value;
}

u32 read_mmio(u64 gpa) {
    ghcb::Page& page = prepare(ExitCode::mmio_read, gpa, 4, FieldSet::of(Field::sw_scratch));
    page.sw_scratch  = ghcb_gpa() + 0x800;
    const volatile ghcb::Page& answered = send(page);
    u32 value                           = 0;
    for (unsigned n = 0; n < 4; ++n) {
        value |= u32{answered.shared_buffer[n]} << (8 * n);
    }
    return value;
}

void write_mmio(u64 gpa, u32 value) {
    ghcb::Page& page = prepare(ExitCode::mmio_write, gpa, 4, FieldSet::of(Field::sw_scratch));
    page.sw_scratch  = ghcb_gpa() + 0x800;
    for (unsigned n = 0; n < 4; ++n) {
        page.shared_buffer[n] = static_cast<u8>(value >> (8 * n));
    }
    send(page);
}

void check_modes() {
    const u64 at_reset = read(apic_base).value;
    checks.that((at_reset & (enabled | extended)) == enabled, "APIC_BASE is not as at reset");
    checks.that(!read(0x802).served, "x2APIC is there in xAPIC mode");
    checks.that(!write(0x808, 0), "x2APIC is written in xAPIC mode");
    checks.that(!write(apic_base, (at_reset & ~enabled) | extended), "x2APIC without an APIC");
    checks.that(write(apic_base, at_reset & ~enabled), "the APIC cannot be switched off");
    checks.that(!write(apic_base, at_reset | extended), "from no APIC to x2APIC in one step");
    checks.that(write(apic_base, at_reset), "the APIC cannot be switched on");
    checks.that(write(apic_base, at_reset | extended), "no x2APIC mode");
    checks.that(reads_as(apic_base, at_reset | extended), "APIC_BASE does not say x2APIC");
    checks.that(!write(apic_base, at_reset), "from x2APIC to xAPIC in one step");
    checks.that(read_mmio(0xFEE0'0030) == 0xFFFF'FFFF, "xAPIC answers in x2APIC mode");
}

void check_registers() {
    checks.that(reads_as(0x802, 0), "the APIC ID");
    checks.that((read(0x803).value & 0xFF) >= 0x10, "the version");
    checks.that(write(0x808, 0x20) && reads_as(0x808, 0x20), "the task priority");
    checks.that(reads_as(0x80A, 0x20), "the processor priority");
    checks.that(write(0x808, 0), "the task priority is not taken back");
    checks.that(reads_as(0x80D, 1), "the logical ID: the first of cluster 0");
    for (const u32 only_read : {0x802u, 0x803u, 0x80Au, 0x80Du, 0x810u, 0x820u, 0x839u}) {
        checks.that(!write(only_read, 0), "a register that can only be read is written");
    }
    for (const u32 missing : {0x800u, 0x804u, 0x80Eu, 0x831u, 0x83Cu, 0x840u, 0x8FFu}) {
        checks.that(!read(missing).served && !write(missing, 0), "a register that is not there");
    }
    for (const u32 only_written : {0x80Bu, 0x83Fu}) {
        checks.that(!read(only_written).served, "a register that can only be written is read");
    }
    for (const u32 zero : {0x80Bu, 0x828u}) {
        checks.that(write(zero, 0) && !write(zero, 1), "a register that only zero is written to");
    }
    checks.that(!write(0x838, bit(32)), "more than 32 bits are written");
}

/// What is requested of the APIC and waits, since interrupts are off.
bool is_requested(u32 vector) { return (read(0x820 + vector / 32).value & bit(vector % 32)) != 0; }

void check_command(u64 command, u32 vector, bool arrives, const char* what) {
    checks.that(write(0x830, command) && is_requested(vector) == arrives, what);
    checks.that(reads_as(0x830, command), "the command register");
}

void check_interrupts() {
    checks.that(write(0x80F, 0x1FF), "the spurious vector, with the APIC software-enabled");
    checks.that(write(0x83F, 0x41) && is_requested(0x41), "the self IPI");

    check_command(0x0004'0042 | (u64{0x100} << 32), 0x42, true, "by shorthand: self");
    check_command(0x0000'0043, 0x43, true, "to APIC ID 0");
    check_command(0x0000'0844 | (u64{1} << 32), 0x44, true, "to logical ID 1 of cluster 0");
    check_command(0xFFFF'FFFF'0000'0045, 0x45, true, "to all");
    check_command(0x0000'0046 | (u64{0x100} << 32), 0x46, false, "to an APIC ID that is not there");
    check_command(0x0000'0847 | (u64{2} << 32), 0x47, false, "to logical ID 2 of cluster 0");
    check_command(0x0000'0848 | (u64{0x1'0001} << 32), 0x48, false, "to cluster 1");
    write_mmio(0xFEE0'0300, 0x0004'0049);
    checks.that(!is_requested(0x49), "xAPIC's command register is obeyed in x2APIC mode");
    checks.that(write(0x832, 0x0001'0050) && write(0x83E, 0xB) && write(0x838, 0x4000'0000)
                    && read(0x839).value - 1 < 0x4000'0000,
                "the timer does not count");
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    check_modes();
    check_registers();
    check_interrupts();
    checks.end();
}
