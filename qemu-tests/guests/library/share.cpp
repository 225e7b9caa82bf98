// SPDX-License-Identifier: BSD-2-Clause-Patent
// Pages made shared and private again (include/vestibule/share.h), in place and by an alias; and
// what is refused. That a page is shared is proved by a call through it: the hypervisor reads it.
// Exit code 0 if all was as it should be.
#include "include/vestibule/share.h"

#include "boot/image.h"
#include "ghcb/call.h"
#include "ghcb/termination.h"
#include "include/vestibule/calls.h"
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"

using namespace vestibule;
using namespace vestibule::guests;
using x86::PageTableEntry;

namespace {

alignas(page_size) constinit u8 page[page_size]{};
alignas(page_size) constinit u8 alias[page_size]{}; // its addresses; its memory is not used
constinit unsigned maps = 0;

enum class Mapper : u8 { right, fails, forgets_c_bit, other_page };
constinit Mapper kind = Mapper::right;

constexpr vestibule_reason of(ghcb::Reason reason) {
    return static_cast<vestibule_reason>(reason.set << 8 | reason.code);
}

int map(void* opaque, u64 linear, u64 gpa, int is_shared) {
    check(opaque == &machine, "the mapper's opaque");
    ++maps;
    if (kind == Mapper::fails) {
        return 1;
    }
    const bool shared     = (is_shared != 0) != (kind == Mapper::forgets_c_bit);
    const u64 other       = kind == Mapper::other_page ? page_size : 0;
    PageTableEntry& entry = entry_of(reinterpret_cast<const void*>(linear));
    entry.value           = (gpa + other) | PageTableEntry::present | PageTableEntry::writable
                  | PageTableEntry::accessed | PageTableEntry::dirty
                  | (shared ? 0 : machine.platform.c_bit);
    x86::Cpu::set_cr3(x86::Cpu::cr3());
    return 0;
}

constinit vestibule_mapper mapper{}; // no pointers in it that would need relocating

u64 address(const u8* at) { return boot::address_of(at); }

volatile u64& word_at(const u8* at) { return *reinterpret_cast<volatile u64*>(address(at)); }

bool is_zero(const u8* at) {
    u64 any = 0;
    for (unsigned n = 0; n < page_size; n += sizeof(u64)) {
        any |= word_at(at + n);
    }
    return any == 0;
}

/// A CPUID through a GHCB there: served only where the hypervisor reads what is written.
bool serves_as_ghcb(const u8* linear, u64 gpa) {
    ghcb::Channel channel{};
    channel.page    = reinterpret_cast<ghcb::Page*>(address(linear));
    channel.gpa     = gpa;
    channel.version = 2;
    ghcb::Call<x86::Cpu> call{channel};
    call.put(ghcb::Field::rax, 0x8000'001F);
    call.put(ghcb::Field::rcx, 0);
    const ghcb::Answer answer = call.exit(x86::ExitCode::cpuid, 0, 0, ghcb::registers::rax);
    return answer.outcome.is_done() && (answer.reg[0] & 0xA) == 0xA;
}

void in_place() {
    word_at(page) = 0x5EC2E7;
    check(vestibule_share(&machine.cpu, address(page), address(page), address(page), &mapper) == 0,
          "share");
    check(is_zero(page), "zeros when shared");
    check(serves_as_ghcb(page, address(page)), "the hypervisor reads it");
    word_at(page) = 0x5A5A;
    check(vestibule_unshare(&machine.cpu, address(page), address(page), address(page), &mapper)
              == 0,
          "unshare");
    check(is_zero(page), "zeros when private");
    check(entry_of(page).value & machine.platform.c_bit, "the C-bit is back");
}

void by_an_alias() {
    check(vestibule_share(&machine.cpu, address(page), address(alias), address(page), &mapper) == 0,
          "share by an alias");
    check((entry_of(page).value & machine.platform.c_bit) != 0, "the direct map stays");
    check(is_zero(alias) && serves_as_ghcb(alias, address(page)), "the hypervisor reads the alias");
    check(vestibule_unshare(&machine.cpu, address(alias), address(page), address(page), &mapper)
              == 0,
          "unshare from an alias");
    check(is_zero(page), "zeros in the direct map");
}

vestibule_reason try_share(u64 now_at, u64 shared_at, u64 gpa) {
    return vestibule_share(&machine.cpu, now_at, shared_at, gpa, &mapper);
}

void refused() {
    const u64 at          = address(page);
    const unsigned before = maps;
    constexpr auto wrong  = of(ghcb::reason::share_address);
    check(try_share(at + 8, at, at) == wrong, "an address within a page");
    check(try_share(at, at + 8, at) == wrong, "a target within a page");
    check(try_share(at, at, at + 8) == wrong, "a guest-physical address within a page");
    check(try_share(at, at, at + page_size) == wrong, "another page's address");
    check(try_share(u64{1} << 40, at, at) == wrong, "an address that is not mapped");
    check(try_share(boot::address_of(machine.ghcb), at, boot::address_of(machine.ghcb)) == wrong,
          "a page that is shared");
    check(vestibule_unshare(&machine.cpu, at, at, at, &mapper) == wrong, "a page that is private");
    check(maps == before, "something was mapped");
    constexpr Mapper kinds[] = {Mapper::fails, Mapper::forgets_c_bit, Mapper::other_page};
    for (const Mapper each : kinds) {
        kind = each;
        check(try_share(at, address(alias), at) == of(ghcb::reason::share_mapping),
              "a mapper that maps something else");
    }
    kind = Mapper::right;
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    start_library(good_setup());
    mapper = {.map = map, .opaque = &machine};
    in_place();
    by_an_alias();
    refused();
    say("shared");
    end_run();
}
