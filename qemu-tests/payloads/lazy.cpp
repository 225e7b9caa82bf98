// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload that accepts memory when it needs it (`igvmtool build --accept payload`): it goes on
// with the library, on the stub's page tables and GHCB page, takes RAM 8 MiB at a time, and uses
// each page. At any VMPL. Exit code: how many promises were not kept.
#include "boot/boot_info.h"
#include "qemu-tests/payloads/library.h"
#include "qemu-tests/payloads/say.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

using namespace vestibule;
using namespace vestibule::payloads;

#pragma GCC visibility push(hidden)
extern "C" [[noreturn]] void payload_start(const vestibule_boot_info& info);
#pragma GCC visibility pop

namespace {

constexpr u64 step     = u64{8} << 20;
constexpr u64 low_size = u64{1} << 20;

constinit Library library{};

/// What was there before is other than free memory, and so are the stub's 2 MiB, on whose page
/// tables this runs.
bool was_there(const vestibule_boot_info& info, u64 at) {
    if ((at & ~u64{x86::large_page_size - 1}) == info.image_base) {
        return true;
    }
    const auto* validated = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    for (u64 n = 0; n < info.validated_count; ++n) {
        if (at >= validated[n].base && at < validated[n].base + validated[n].size) {
            return true;
        }
    }
    return false;
}

/// In pages.
u64 use(const vestibule_boot_info& info, u64 base, u64 end) {
    u64 lost = 0;
    for (u64 at = base; at < end; at += page_size) {
        if (!was_there(info, at)) {
            word(at)                           = mark_of(at);
            word(at + page_size - sizeof(u64)) = ~mark_of(at);
        }
    }
    for (u64 at = base; at < end; at += page_size) {
        if (!was_there(info, at)) {
            const bool kept =
                word(at) == mark_of(at) && word(at + page_size - sizeof(u64)) == ~mark_of(at);
            lost += kept ? 0 : 1;
        }
    }
    return lost;
}

} // namespace

void payload_start(const vestibule_boot_info& info) {
    library.start(info);
    tell("lazy: VMPL ", info.vmpl);
    const auto* validated = reinterpret_cast<const vestibule_memory_range*>(info.validated);
    u64 before            = 0;
    for (u64 n = 0; n < info.validated_count; ++n) {
        before += validated[n].size;
    }
    tell("lazy: KiB validated at first ", before >> 10);
    const auto* ram = reinterpret_cast<const vestibule_memory_range*>(info.ram);
    u64 lost        = 0;
    u64 taken       = 0;
    for (u64 n = 0; n < info.ram_count; ++n) {
        const u64 end = ram[n].base + ram[n].size;
        for (u64 at = ram[n].base; at < end && ram[n].base >= low_size;) {
            u64 next = (at + step) & ~(step - 1);
            next     = next < end ? next : end;
            library.accept(at, at, next - at);
            lost += use(info, at, next);
            taken += next - at;
            at = next;
        }
    }
    tell("lazy: MiB taken in steps ", taken >> 20);
    tell("lazy: pages lost ", lost);
    x86::Cpu::out8(0xF4, lost == 0 ? 0 : 1); // by #VC, which the library serves
    x86::Cpu::halt();
}
