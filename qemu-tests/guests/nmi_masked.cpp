// SPDX-License-Identifier: BSD-2-Clause-Patent
// An NMI when a call lies filled in the GHCB page, and one more that must wait until the first is
// said to be complete. Run with --hostile nmi@N; exit code 0 if both came when they should.
#include "boot/boot_info.h"
#include "boot/gdt.h"
#include "boot/image.h"
#include "qemu-tests/guests/raw_call.h"
#include "x86/registers.h"

using namespace vestibule;
using guests::Checks;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 nmi_entry[]; // nmi_entry.asm
void nmi_handler();    // called from there
}
#pragma GCC visibility pop

namespace {

constinit x86::InterruptGate idt[x86::exception::count]{};
constinit ghcb::Page saved[2]{};
constinit volatile unsigned nmis = 0;
constinit Checks checks{};

/// Word by word: the compiler would make a call to memcpy of it, which nobody has here.
void copy(ghcb::Page& to, const ghcb::Page& from) {
    auto* target       = reinterpret_cast<volatile u64*>(&to);
    const auto* source = reinterpret_cast<const volatile u64*>(&from);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        target[n] = source[n];
    }
}

} // namespace

void nmi_handler() {
    const unsigned before = nmis;
    nmis                  = before + 1;
    if (before == 2) {
        return; // one too many
    }
    ghcb::Page& page = *boot::vc_context().ghcb.page;
    copy(saved[before], page);
    guests::raw_out(0x3F8, before == 0 ? '1' : '2');
    checks.that(nmis == before + 1, "an NMI came while NMIs were masked");
    guests::send(guests::prepare(x86::ExitCode::nmi_complete, 0, 0, {}));
    checks.that(nmis == 2, "the NMI that was pending did not come at NMI complete");
    copy(page, saved[before]);
}

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    idt[x86::exception::nmi] =
        x86::InterruptGate::to(boot::address_of(nmi_entry), boot::code64_selector);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = boot::address_of(idt)});
    guests::say("abcdefghijkl");
    checks.that(nmis == 2, "other than two NMIs");
    checks.end();
}
