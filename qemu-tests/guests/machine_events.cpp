// SPDX-License-Identifier: BSD-2-Clause-Patent
// Every event that the emulated machine serves, asked for by hand and answered as the specification
// says: what is checked here is sevsim, and the #VC runtime has no part in it.
#include "boot/boot_info.h"
#include "ghcb/msr_protocol.h"
#include "qemu-tests/guests/raw_call.h"

using namespace vestibule;
using namespace vestibule::guests;
using x86::ExitCode;

namespace {

constexpr FieldSet rax     = FieldSet::of(Field::rax);
constexpr FieldSet rcx     = FieldSet::of(Field::rcx);
constexpr FieldSet rdx     = FieldSet::of(Field::rdx);
constexpr FieldSet cpl     = FieldSet::of(Field::cpl);
constexpr FieldSet scratch = FieldSet::of(Field::sw_scratch);

constinit Checks checks{};

bool is_valid(const volatile ghcb::Page& page, FieldSet wanted) {
    return FieldSet{page.valid_bitmap[0], page.valid_bitmap[1]}.contains(wanted);
}

/// Done, with these registers in the answer and this in SW_EXITINFO2.
const volatile ghcb::Page& done(ghcb::Page& call, FieldSet outputs, const char* what,
                                u64 info_2 = 0) {
    const volatile ghcb::Page& page = send(call);
    checks.that(page.sw_exitinfo1 == 0 && page.sw_exitinfo2 == info_2, what);
    checks.that(is_valid(page, outputs), what);
    return page;
}

/// The #GP that the interrupted code gets.
void general_protection(ghcb::Page& call, const char* what) {
    const volatile ghcb::Page& page = send(call);
    checks.that(page.sw_exitinfo1 == 1 && page.sw_exitinfo2 == 0x8000'030D, what);
}

void counters() {
    const u64 before   = x86::Cpu::rdtsc();
    const auto& answer = done(prepare(ExitCode::rdtsc, 0, 0, {}), rax | rdx, "RDTSC");
    const u64 told     = from_halves(low_half(answer.rdx), low_half(answer.rax));
    const u64 after    = x86::Cpu::rdtsc();
    checks.that(before <= told && told <= after, "RDTSC's time");

    x86::Cpu::wrmsr(x86::Msr::tsc_aux, 0x1234'5678);
    const auto& with_aux = done(prepare(ExitCode::rdtscp, 0, 0, {}), rax | rcx | rdx, "RDTSCP");
    checks.that(with_aux.rcx == 0x1234'5678, "RDTSCP's TSC_AUX");

    prepare(ExitCode::rdpmc, 0, 0, rcx).rcx = 0;
    done(prepare(ExitCode::rdpmc, 0, 0, rcx), rax | rdx, "RDPMC");
    prepare(ExitCode::rdpmc, 0, 0, rcx).rcx = 6;
    general_protection(prepare(ExitCode::rdpmc, 0, 0, rcx), "RDPMC of a counter that is not there");
}

void instructions() {
    done(prepare(ExitCode::invd, 0, 0, {}), {}, "INVD");
    done(prepare(ExitCode::wbinvd, 0, 0, {}), {}, "WBINVD");
    ghcb::Page& monitor = prepare(ExitCode::monitor, 0, 0, rax | rcx | rdx);
    monitor.rax         = 0x1000;
    monitor.rcx         = 0;
    monitor.rdx         = 0;
    done(monitor, {}, "MONITOR");
    done(prepare(ExitCode::mwait, 0, 0, rax | rcx), {}, "MWAIT");

    ghcb::Page& write = prepare(ExitCode::dr7_write, 0, 0, rax);
    write.rax         = 0x455;
    done(write, {}, "DR7 write");
    checks.that(done(prepare(ExitCode::dr7_read, 0, 0, {}), rax, "DR7 read").rax == 0x455,
                "DR7 as written");
    prepare(ExitCode::dr7_write, 0, 0, rax).rax = bit(32);
    general_protection(prepare(ExitCode::dr7_write, 0, 0, rax), "DR7 with a high bit");

    ghcb::Page& call = prepare(ExitCode::vmmcall, 0, 0, rax | cpl);
    call.rax         = 1;
    call.cpl         = 0;
    checks.that(done(call, rax, "VMMCALL").rax == static_cast<u64>(-1000), "VMMCALL at CPL 0");
    ghcb::Page& user = prepare(ExitCode::vmmcall, 0, 0, rax | cpl);
    user.cpl         = 3;
    checks.that(done(user, rax, "VMMCALL").rax == static_cast<u64>(-1), "VMMCALL at CPL 3");
}

/// SW_EXITINFO1 of a byte-wise REP INS or OUTS with 64-bit addresses.
constexpr u64 rep_outsb = 0x0E1C;
constexpr u64 rep_insb  = 0x021D;

void strings() {
    constexpr char text[] = "by OUTS\n";
    ghcb::Page& out = prepare(ExitCode::ioio, (0x3F8u << 16) | rep_outsb, sizeof text - 1, scratch);
    out.sw_scratch  = ghcb_gpa() + 0x800;
    for (unsigned n = 0; n < sizeof text - 1; ++n) {
        out.shared_buffer[n] = static_cast<u8>(text[n]);
    }
    done(out, {}, "REP OUTSB");

    x86::Cpu::out8(0x81, 0x5A); // the DMA controller keeps it
    ghcb::Page& in         = prepare(ExitCode::ioio, (0x81u << 16) | rep_insb, 2032, scratch);
    in.sw_scratch          = ghcb_gpa() + 0x800;
    in.shared_buffer[2031] = 0;
    checks.that(done(in, {}, "REP INSB").shared_buffer[2031] == 0x5A, "REP INSB's last byte");

    ghcb::Page& one = prepare(ExitCode::ioio, (0x81u << 16) | (rep_insb & ~bit(3)), 1, scratch);
    one.sw_scratch  = ghcb_gpa() + 0xFEF;
    one.shared_buffer[2031] = 0;
    checks.that(done(one, {}, "INSB").shared_buffer[2031] == 0x5A, "INSB's byte");

    ghcb::Page& none = prepare(ExitCode::ioio, (0x81u << 16) | rep_insb, 0, scratch);
    done(none, {}, "REP INSB of nothing");

    // Version 1 lets the scratch area lie anywhere that is shared, which here is nothing but the
    // GHCB: private memory shows the hypervisor something else, and it is to notice nothing.
    ghcb::Page& elsewhere      = prepare(ExitCode::ioio, (0x81u << 16) | rep_insb, 16384, scratch);
    elsewhere.protocol_version = 1;
    elsewhere.sw_scratch       = 0x0100'0FFC;
    done(elsewhere, {}, "REP INSB of version 1, outside the GHCB");
}

constexpr u64 hpet           = 0xFED0'0000;
constexpr u64 local_apic_ldr = 0xFEE0'00D0; // logical destination

ghcb::Page& mmio(ExitCode code, u64 gpa, u64 length) {
    ghcb::Page& page = prepare(code, gpa, length, scratch);
    page.sw_scratch  = ghcb_gpa() + 0x800;
    for (unsigned n = 0; n < 16; ++n) {
        page.shared_buffer[n] = 0xCC;
    }
    return page;
}

void devices() {
    const auto& id = done(mmio(ExitCode::mmio_read, hpet, 8), {}, "MMIO read of 8 bytes");
    checks.that(id.shared_buffer[2] == 0x86 && id.shared_buffer[3] == 0x80
                    && id.shared_buffer[8] == 0xCC,
                "the HPET's vendor, 0x8086, and not a byte more than 8");

    ghcb::Page& write      = mmio(ExitCode::mmio_write, local_apic_ldr, 4);
    write.shared_buffer[3] = 0x42;
    done(write, {}, "MMIO write");
    const auto& back = done(mmio(ExitCode::mmio_read, local_apic_ldr, 4), {}, "MMIO read");
    checks.that(back.shared_buffer[3] == 0x42 && back.shared_buffer[4] == 0xCC, "what was written");

    const auto& byte = done(mmio(ExitCode::mmio_read, hpet + 2, 1), {}, "MMIO read of a byte");
    checks.that(byte.shared_buffer[1] == 0xCC, "one byte and no more");

    constexpr u64 nowhere = u64{4} << 30; // what the monitor hides
    const auto& nothing =
        done(mmio(ExitCode::mmio_read, nowhere, 2), {}, "MMIO read where nothing is");
    checks.that(nothing.shared_buffer[0] == 0xFF && nothing.shared_buffer[1] == 0xFF
                    && nothing.shared_buffer[2] == 0xCC,
                "nothing reads as ones");
}

void the_rest() {
    done(prepare(ExitCode::hv_features, 0, 0, {}), {}, "hypervisor features");
    checks.that(ghcb::msr_protocol::exchange<x86::Cpu>(0x080) == 0x081,
                "hypervisor features by the MSR protocol");
    done(prepare(ExitCode::ap_jump_table, 1, 0, {}), {}, "AP jump table not set");
    done(prepare(ExitCode::ap_jump_table, 0, 0x9'F000, {}), {}, "AP jump table set");
    done(prepare(ExitCode::ap_jump_table, 1, 0, {}), {}, "AP jump table get", 0x9'F000);

    ghcb::Page& call      = prepare(ExitCode::cpuid, 0, 0, rax | rcx);
    call.rax              = 1;
    call.rcx              = 0;
    constexpr u32 osxsave = 1u << 27;
    const bool told       = (done(call, rax | rcx | rdx, "CPUID").rcx & osxsave) != 0;
    checks.that(told == ((x86::Cpu::cr4() & bit(18)) != 0), "CPUID mirrors CR4.OSXSAVE");

    ghcb::Page& msr = prepare(ExitCode::msr, 0, 0, rcx);
    msr.rcx         = 0x2FF;
    done(msr, rax | rdx, "RDMSR");
    prepare(ExitCode::msr, 0, 0, rcx).rcx = 0x1234;
    general_protection(prepare(ExitCode::msr, 0, 0, rcx), "RDMSR of a register that is not there");
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    counters();
    instructions();
    strings();
    devices();
    the_rest();
    checks.end();
}
