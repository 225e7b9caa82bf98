// SPDX-License-Identifier: BSD-2-Clause-Patent
// See machine.h: an IDT of the examiner's own.
#include "examiner/finish.h"
#include "examiner/machine.h"
#include "x86/registers.h"

namespace vestibule::examiner {

namespace {

constexpr u64 most_gps = 100; // then it is no hypervisor's, but an instruction's that is repeated

constinit x86::InterruptGate idt[x86::exception::count]{};
constinit void (*next_nmi)() = nullptr;

} // namespace

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 examiner_vc_entry[];
extern u8 examiner_gp_entry[];
extern u8 examiner_nmi_entry[];

void examiner_take_nmi();
void examiner_take_gp();

extern volatile u64 examiner_nmis;
extern volatile u64 examiner_gps;
extern volatile u64 examiner_vcs;
extern volatile u64 examiner_vc_code;
extern u64 examiner_vc_handler;
}
#pragma GCC visibility pop

constinit volatile u64 examiner_nmis    = 0;
constinit volatile u64 examiner_gps     = 0;
constinit volatile u64 examiner_vcs     = 0;
constinit volatile u64 examiner_vc_code = 0;
constinit u64 examiner_vc_handler       = 0;

void examiner_take_nmi() {
    examiner_nmis           = examiner_nmis + 1;
    void (*const handler)() = next_nmi;
    next_nmi                = nullptr;
    if (handler != nullptr) {
        handler();
    }
}

void examiner_take_gp() {
    examiner_gps = examiner_gps + 1;
    if (examiner_gps == most_gps) {
        give_up("one #GP after the other");
    }
}

u64 nmi_count() { return examiner_nmis; }

u64 gp_count() { return examiner_gps; }

u64 vc_count() { return examiner_vcs; }

u64 vc_code() { return examiner_vc_code; }

void on_next_nmi(void (*handler)()) { next_nmi = handler; }

/// Whatever else there is stays the stub's: a coded termination.
void install_idt() {
    const x86::TableRegister old = x86::Cpu::sidt();
    const auto* const gates      = reinterpret_cast<const u64*>(old.base);
    for (unsigned vector = 0; vector < x86::exception::count; ++vector) {
        if (vector * sizeof(x86::InterruptGate) < old.limit) {
            idt[vector] =
                x86::InterruptGate::from(gates[u64{2} * vector], gates[u64{2} * vector + 1]);
        }
    }
    const u16 code     = info().vc_selector;
    const auto gate_to = [code](const u8* entry) {
        return x86::InterruptGate::to(reinterpret_cast<u64>(entry), code);
    };
    examiner_vc_handler                     = info().vc_handler;
    idt[x86::exception::nmi]                = gate_to(examiner_nmi_entry);
    idt[x86::exception::general_protection] = gate_to(examiner_gp_entry);
    idt[x86::exception::vmm_communication]  = gate_to(examiner_vc_entry);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = reinterpret_cast<u64>(&idt[0])});
}

} // namespace vestibule::examiner
