// SPDX-License-Identifier: BSD-2-Clause-Patent
// See vmgexit.h.
#include "examiner/vmgexit.h"

#include "x86/cpu.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;

constinit volatile ghcb::Page* current = nullptr;
constinit u64 current_gpa              = 0;

} // namespace

volatile ghcb::Page& page() { return *current; }

u64 page_gpa() { return current_gpa; }

void use_page(volatile ghcb::Page* page, u64 gpa) {
    current     = page;
    current_gpa = gpa;
}

u64 exchange(u64 request) {
    Cpu::wrmsr(x86::Msr::ghcb, request);
    Cpu::vmgexit();
    return Cpu::rdmsr(x86::Msr::ghcb);
}

void call_by_page() {
    Cpu::wrmsr(x86::Msr::ghcb, current_gpa);
    Cpu::vmgexit();
}

} // namespace vestibule::examiner
