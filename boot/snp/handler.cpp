// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/snp/handler.h"

#include "boot/fatal.h"
#include "boot/gdt.h"
#include "boot/image.h"
#include "boot/interrupts.h"
#include "x86/descriptor.h"
#include "x86/exit_code.h"

using namespace vestibule;

#pragma GCC visibility push(hidden) // no address of these through a table that needs relocating
extern "C" {
extern u8 snp_vc_entry[]; // boot/snp/entry64.asm

[[clang::preserve_none]] void vc_runtime_handler(vc::Frame& frame); // boot/interrupts.cpp
[[clang::preserve_none]] void snp_vc_handler(vc::Frame& frame);
[[clang::preserve_none]] void snp_serve_cpuid(vc::Frame& frame);
[[clang::preserve_none]] void snp_fail_early(vc::Frame& frame);
}
#pragma GCC visibility pop

namespace vestibule::boot {

namespace {

constinit snp::CpuidTable table{};
constinit bool has_ghcb_page = false;

/// The reason why this #VC is no CPUID to be served from the page; its set is 0 where it is one.
ghcb::Reason refusal(const vc::Frame& frame) {
    // SECURITY: a #VC without an error code (vc::is_whole) has each word one place off.
    if (!vc::is_whole(frame)) {
        return ghcb::reason::bad_frame;
    }
    // The stub and its payload, in flat code of either width: both read the bytes alike.
    if ((frame.cs & 3) != 0) {
        return ghcb::reason::vc_code_segment;
    }
    // SECURITY (WeSee): both bytes, whatever the exit code says.
    const auto* code = reinterpret_cast<const volatile u8*>(frame.rip);
    if (code[0] != 0x0F || code[1] != 0xA2) {
        return ghcb::reason::vc_opcode_mismatch;
    }
    return {};
}

} // namespace

void install_snp_handler() {
    auto* const gate = reinterpret_cast<x86::InterruptGate*>(x86::Cpu::sidt().base)
                       + x86::exception::vmm_communication;
    *gate         = x86::InterruptGate::to(address_of(snp_vc_entry), code64_selector);
    has_ghcb_page = vc_context().ghcb.page != nullptr;
}

const snp::CpuidTable& open_cpuid_table(u64 c_bit) {
    table.page = reinterpret_cast<const snp::CpuidPage*>(image_end); // igvmtool puts it there
    const ghcb::Outcome opened = snp::open_cpuid_page(*table.page, table.index, c_bit);
    if (!opened.is_done()) {
        fail(opened.reason);
    }
    return table;
}

} // namespace vestibule::boot

/// Apart, so that what is not CPUID pays for no register of it.
[[gnu::noinline, clang::preserve_none]] void snp_serve_cpuid(vc::Frame& frame) {
    using namespace boot;
    if (const ghcb::Reason reason = refusal(frame); reason.set != 0) {
        fail_at(frame, reason);
    }
    x86::CpuidResult answer{};
    if (!snp::answer_cpuid<x86::Cpu>(table, low_half(frame.rax), low_half(frame.rcx), 0, answer)) {
        fail_at(frame, ghcb::reason::snp_cpuid_conflict);
    }
    if ((frame.rflags & x86::rflags::tf) != 0) { // the trap is due, and the stub handles none
        fail_at(frame, {ghcb::reason::set_exception, x86::exception::debug});
    }
    frame.rax = answer.eax;
    frame.rbx = answer.ebx;
    frame.rcx = answer.ecx;
    frame.rdx = answer.edx;
    frame.rip += 2;
    frame.rflags &= ~x86::rflags::rf;
}

/// Ends the guest over a #VC that comes before there is a GHCB page.
[[gnu::noinline, clang::preserve_none]] void snp_fail_early(vc::Frame& frame) {
    const bool taken = frame.error_code == static_cast<u64>(x86::ExitCode::page_not_validated);
    boot::fail_at(frame, taken ? ghcb::reason::vc_page_unvalidated
                               : ghcb::Reason{ghcb::reason::set_early_exit,
                                              ghcb::exit_as_reason_code(frame.error_code)});
}

void snp_vc_handler(vc::Frame& frame) {
    if (frame.error_code == static_cast<u64>(x86::ExitCode::cpuid)) {
        [[clang::musttail]] return snp_serve_cpuid(frame);
    }
    if (boot::has_ghcb_page) [[likely]] {
        [[clang::musttail]] return vc_runtime_handler(frame);
    }
    [[clang::musttail]] return snp_fail_early(frame);
}
