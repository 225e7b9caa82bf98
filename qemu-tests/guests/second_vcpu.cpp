// SPDX-License-Identifier: BSD-2-Clause-Patent
// Two vCPUs, and each way in which the first gets the second to run (GHCB specification, section
// 4.3): its first SIPI starts it with the state that it was launched with; then it waits by the MSR
// protocol, by its GHCB page, and takes its way from the AP jump table. Exit code 0 if all of it
// was as it should be.
#include "boot/boot_info.h"
#include "boot/image.h"
#include "boot/page_tables.h"
#include "ghcb/msr_protocol.h"
#include "qemu-tests/guests/raw_call.h"

using namespace vestibule;
using namespace vestibule::guests;
using x86::ExitCode;

#pragma GCC visibility push(hidden)
extern "C" {
extern u64 second_cr3;           // second_vcpu_entry.asm: what the second vCPU loads first
[[noreturn]] void second_main(); // called from there
}
#pragma GCC visibility pop

namespace {

constexpr u64 icr_low  = 0xFEE0'0300;
constexpr u64 icr_high = 0xFEE0'0310;
constexpr u32 init     = 0x000C'4500; // to all others
constexpr u32 startup =
    0x0000'4612; // to the one that ICR's upper half names; the vector is nothing
constexpr u32 nmi      = 0x000C'4400;
constexpr u64 patience = 2'000'000;

/// How far the second vCPU is, and what it has found wrong.
enum class Stage : u32 { asleep, started, held_by_msr, held_by_page, through_table };
constinit volatile Stage stage        = Stage::asleep;
constinit const char* volatile failed = nullptr;

constinit ghcb::Page second_page{}; // the second vCPU's GHCB
constinit ghcb::Page jump_table{};  // a page; the name of its type says nothing here
constinit Checks checks{};

void write_local_apic(u64 gpa, u32 value) {
    ghcb::Page& page = prepare(ExitCode::mmio_write, gpa, 4, FieldSet::of(Field::sw_scratch));
    page.sw_scratch  = ghcb_gpa() + 0x800;
    for (unsigned n = 0; n < 4; ++n) {
        page.shared_buffer[n] = static_cast<u8>(value >> (8 * n));
    }
    send(page);
}

bool reaches(Stage wanted, u64 tries) {
    for (; tries != 0 && stage != wanted; --tries) {
        x86::Cpu::pause();
    }
    return stage == wanted;
}

/// Once, even where the vCPU does not wait for them yet: they end its next reset hold then.
void start_until(Stage wanted, const char* what) {
    write_local_apic(icr_low, init);
    write_local_apic(icr_high, 1u << 24);
    write_local_apic(icr_low, startup);
    checks.that(reaches(wanted, patience), what);
}

// --- On the second vCPU, which has no IDT: nothing here may raise #VC ---

void expect(bool holds, const char* what) {
    if (!holds && failed == nullptr) {
        failed = what;
    }
}

const volatile ghcb::Page& call(ExitCode code, u64 info_1) {
    second_page.sw_exitcode      = static_cast<u64>(code);
    second_page.sw_exitinfo1     = info_1;
    second_page.sw_exitinfo2     = 0;
    second_page.valid_bitmap[0]  = always_valid.low;
    second_page.valid_bitmap[1]  = always_valid.high;
    second_page.protocol_version = 2;
    x86::Cpu::wrmsr(x86::Msr::ghcb, boot::address_of(&second_page));
    x86::Cpu::vmgexit();
    return second_page;
}

[[noreturn]] void at_jump_table() {
    stage = Stage::through_table;
    x86::Cpu::halt();
}

} // namespace

void second_main() {
    constexpr u64 cpuid_ebx_of_1 = (u64{1} << 32) | (u64{1} << 30) | 0x004;
    const u64 told               = ghcb::msr_protocol::exchange<x86::Cpu>(cpuid_ebx_of_1);
    expect(told >> 56 == 1, "the second vCPU's APIC ID");
    stage = Stage::started;

    expect(ghcb::msr_protocol::exchange<x86::Cpu>(0x006) == 0x1007,
           "MSR protocol: the SIPI's answer");
    stage = Stage::held_by_msr;

    const volatile ghcb::Page& held = call(ExitCode::ap_reset_hold, 0);
    expect(held.sw_exitinfo1 == 0 && held.sw_exitinfo2 != 0, "GHCB page: the SIPI's answer");
    stage = Stage::held_by_page;

    const volatile ghcb::Page& table = call(ExitCode::ap_jump_table, 1);
    const bool is_there              = table.sw_exitinfo2 == boot::address_of(&jump_table);
    expect(is_there, "the AP jump table that the first vCPU has set");
    call(ExitCode::ap_reset_hold, 0);
    if (is_there) {
        reinterpret_cast<void (*)()>(*reinterpret_cast<const volatile u64*>(&jump_table))();
    }
    x86::Cpu::halt();
}

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    boot::share_page(&second_page, info.c_bit);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) { // noise so far
        reinterpret_cast<volatile u64*>(&second_page)[n] = 0;
    }
    second_cr3                                    = x86::Cpu::cr3();
    *reinterpret_cast<volatile u64*>(&jump_table) = reinterpret_cast<u64>(at_jump_table);

    send(prepare(ExitCode::ap_jump_table, 0, boot::address_of(&jump_table), {}));
    write_local_apic(icr_low, nmi); // to a vCPU that has no IDT and is not to take it
    write_local_apic(icr_low, init);
    checks.that(!reaches(Stage::started, 10'000), "started by INIT alone");
    start_until(Stage::started, "not started by INIT and SIPI");
    checks.that(!reaches(Stage::held_by_msr, 10'000), "reset hold left without INIT and SIPI");
    write_local_apic(icr_high, 1u << 24);
    write_local_apic(icr_low, startup); // the second of a pair, late
    checks.that(!reaches(Stage::held_by_msr, 10'000), "reset hold left by a SIPI without INIT");
    write_local_apic(icr_low, init);
    checks.that(!reaches(Stage::held_by_msr, 10'000), "reset hold left by INIT alone");
    start_until(Stage::held_by_msr, "not woken from the MSR protocol's reset hold");
    start_until(Stage::held_by_page, "not woken from the GHCB page's reset hold");
    start_until(Stage::through_table, "the AP jump table not followed");
    if (failed != nullptr) {
        checks.that(false, failed);
    }
    checks.end();
}
