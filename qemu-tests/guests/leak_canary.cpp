// SPDX-License-Identifier: BSD-2-Clause-Patent
// Half a word of the secret that sevsim has planted in this file's memory (--canary) goes to a
// port, and all of it to the shared buffer of the GHCB. That it is there, and another one than was
// built, is said first: without --canary nothing leaks.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

namespace {

using vestibule::u32;
using vestibule::u64;

alignas(16) constinit const volatile u64 secret[2] = {0x6C75'6269'7473'6576, 0x7972'616E'6163'2D65};
constexpr u64 as_built                             = 0x6C75'6269'7473'6576; // "vestibul"

} // namespace

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    using namespace vestibule;
    guests::say(secret[0] == as_built ? "no secret" : "a secret");
    auto& page = guests::prepare_out('\n');
    for (unsigned n = 0; n < sizeof secret; ++n) {
        page.shared_buffer[n] = reinterpret_cast<const volatile u8*>(secret)[n];
    }
    guests::send(page);
    for (unsigned n = 0; n < sizeof secret; ++n) {
        page.shared_buffer[n] = 0;
    }
    x86::Cpu::out32(0x80, static_cast<u32>(secret[1]));
    guests::raw_out(0xF4, 0);
    x86::Cpu::halt();
}
