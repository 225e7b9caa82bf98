// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload of an SEV-SNP guest that has no code for the secure processor: it sends on what boot
// info says of an attestation report, to sevsim's --dump. Exit code 1 where there is none.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/say.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

void dump(u64 address, u64 size) {
    constexpr u16 dump_port = 0x5EA;
    const auto* bytes       = reinterpret_cast<const u8*>(address);
    for (u64 n = 0; n < size; ++n) {
        x86::Cpu::out8(dump_port, bytes[n]);
    }
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    tell("attested: report ", info.report_size);
    write(info.certificates != 0 ? "attested: certificates\n" : "attested: no certificates\n");
    dump(info.report, info.report_size);
    dump(info.certificates, info.certificates_size);
    x86::Cpu::out8(boot::port::debug_exit, info.report != 0 ? 0 : 1);
    x86::Cpu::halt();
}
