// SPDX-License-Identifier: BSD-2-Clause-Patent
// The second vCPU: it leaves the stub's mailbox (boot/boot_info.h) and does what it is told, by
// calls of its own. It has no IDT, so it does nothing that raises #VC.
#pragma once

#include "x86/types.h"

namespace vestibule::examiner {

enum class Order : u64 { none, hold_by_msr, hold_by_page };

/// Has it leave the mailbox, once; whether it is there.
bool start_second_vcpu();

/// Gives an order; whether it is taken up. What has come of the last one is another question.
bool give(Order what);

/// Whether the last order is done, after some patience or at once.
bool is_done_soon();
bool is_done_now();

/// What came of a hold: the GHCB MSR, or SW_EXITINFO1 and 2.
struct Held {
    u64 msr;
    u64 info_1;
    u64 info_2;
};

Held held();

/// INIT and SIPI, by the local APIC of this vCPU, asked for by calls.
void send_init();
void send_startup();

/// An NMI to this very vCPU, and how many were sent so far.
void send_nmi_to_self();
u64 nmis_sent();

} // namespace vestibule::examiner
