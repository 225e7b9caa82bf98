// SPDX-License-Identifier: BSD-2-Clause-Patent
// For a debugger: functions within functions, a variable that it reads and alters, and an
// instruction that raises #VC (qemu-tests/gdb/source.gdb).
#include "boot/boot_info.h"
#include "x86/cpu.h"

using namespace vestibule;

namespace {

struct Wanted {
    u64 magic;
    u8 exit_code;
};

constinit volatile Wanted wanted{};

[[gnu::noinline]] void innermost() {
    x86::Cpu::out8(0xF4, wanted.exit_code); // #VC
}

[[gnu::noinline]] void middle(u64 magic) {
    wanted.magic     = magic;
    wanted.exit_code = 3;
    innermost();
    wanted.magic = 0; // so that the call is none in the tail
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    middle(info.magic);
    x86::Cpu::halt();
}
