// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID as the last instruction below the hole in the address space, or of a code segment: it is
// done, and the next fetch is a #GP of the process. An IRET to there would be one of the kernel's.
// Exit code 0 if that is so.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u64 hole = 0x0000'8000'0000'0000;

/// CPUID that ends at `end`; the vendor's EAX comes back by way of INT 0x80 at `after`.
void run(u64 end, u64 cs, u64 after, u64 after_cs, const char* what) {
    const unsigned before = machine.seen.count;
    machine.go_on         = after;
    machine.go_on_cs      = after_cs;
    u64 rax_rdx[2]        = {0, 0};
    enter_user(end - 2, reinterpret_cast<u64>(machine.user_stack) + page_size, cs, user_data,
               x86::rflags::reserved_one, rax_rdx);
    check(machine.seen.count == before + 1
              && machine.seen.vector == x86::exception::general_protection
              && machine.seen.frame.rip == end && machine.seen.frame.cs == cs
              && rax_rdx[0] == x86::Cpu::cpuid(0).eax,
          what);
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    map_for_user(hole - page_size, machine.user_code);
    vestibule_setup setup = good_setup();
    start_library(setup);
    load_user_data();
    say("segment end");
    machine.user_code[page_size - 2] = 0x0F;
    machine.user_code[page_size - 1] = 0xA2;
    machine.user_code[0]             = 0xCD;
    machine.user_code[1]             = 0x80;
    const auto code                  = reinterpret_cast<u64>(machine.user_code);
    run(hole, user_code64, code, user_code64, "CPUID below the hole");
    // A 32-bit segment from the page on that ends with it.
    constexpr u64 code32        = 0x0040'FB00'0000'0000;
    machine.gdt[short_code / 8] = {code32 | (page_size - 1) | (code & 0xFF'FFFF) << 16
                                   | (code >> 24 & 0xFF) << 56};
    run(page_size, short_code, code, user_code64, "CPUID at a segment's end");
    say("done");
    end_run();
}
