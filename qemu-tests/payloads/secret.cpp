// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that looks where its owner's secret was to be put (LAUNCH_SECRET), and sends on to
// sevsim's
// --dump what it finds there: of a table of secrets (QEMU's docs/specs/sev-guest-firmware.rst) the
// first. Exit code 1 where there is no table, 2 where another secret stands in it.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/say.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

constexpr u64 secret_at = 0x60'0000; // as qemu-tests/owner_launch has it

/// A header, of the table and of each secret in it: a GUID as in memory, and its size with itself.
struct Header {
    u8 guid[16];
    u32 size;
};

// 1e74f542-71dd-4d66-963e-ef4287ff173b and 736869e5-84f0-4973-92ec-06879ce3da0b
constexpr u8 table_guid[16] = {0x42, 0xF5, 0x74, 0x1E, 0xDD, 0x71, 0x66, 0x4D,
                               0x96, 0x3E, 0xEF, 0x42, 0x87, 0xFF, 0x17, 0x3B};
constexpr u8 wanted[16]     = {0xE5, 0x69, 0x68, 0x73, 0xF0, 0x84, 0x73, 0x49,
                               0x92, 0xEC, 0x06, 0x87, 0x9C, 0xE3, 0xDA, 0x0B};

bool is(const Header& header, const u8 (&guid)[16]) {
    for (unsigned n = 0; n < sizeof guid; ++n) {
        if (header.guid[n] != guid[n]) {
            return false;
        }
    }
    return true;
}

[[noreturn]] void end(u8 exit_code) {
    x86::Cpu::out8(boot::port::debug_exit, exit_code);
    x86::Cpu::halt();
}

} // namespace

void payload_start(const vestibule_boot_info&) {
    constexpr u16 dump_port = 0x5EA;
    const auto* table       = reinterpret_cast<const Header*>(secret_at);
    const auto* secret      = table + 1;
    if (!is(*table, table_guid) || table->size < 2 * sizeof(Header)) {
        end(1);
    }
    if (!is(*secret, wanted) || secret->size < sizeof(Header)
        || secret->size > table->size - sizeof(Header)) {
        end(2);
    }
    const auto* bytes = reinterpret_cast<const u8*>(secret + 1);
    for (u64 n = 0; n < secret->size - sizeof(Header); ++n) {
        x86::Cpu::out8(dump_port, bytes[n]);
    }
    end(0);
}
