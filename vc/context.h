// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the #VC handler needs to know of the vCPU it runs on; one for each. The program that links
// the handler fills it in once and hands it over at every #VC.
#pragma once

#include "ghcb/call.h"
#include "x86/page_table.h"
#include "x86/types.h"

namespace vestibule::snp {
struct CpuidTable;
}

namespace vestibule::vc {

struct Request;

struct Context {
    ghcb::Channel ghcb;
    u64 c_bit         = 0; // mask in page-table entries
    u64 direct_map    = 0; // add to a guest-physical address to read page tables there
    u64 dr7           = 0; // as the interrupted code last wrote it, x86::dr7_reset at first
    u16 kernel_code64 = 0; // selector of the 64-bit code segment at CPL 0

    /// The bits of a page-table entry that are an address (page_addresses below).
    u64 page_addresses = 0;
    /// XSAVES is in use, so IA32_XSS exists and CPUID 0xD depends on it.
    bool uses_xss = false;
    /// The hypervisor intercepts IA32_XSS, as KVM did before Linux 6.7: it knows what is in there,
    /// and to read it would be a #VC in the handler.
    bool asks_for_xss = false;
    /// The program's handlers of #GP and #PF come back to where these were reckoned with.
    bool fixes_up = false;
    /// DR7 is the guest's own, and nobody intercepts it.
    bool debug_swap = false;
    /// The program has executed SWAPGS since: what the interrupted code had as GS's base is in
    /// KERNEL_GS_BASE.
    bool gs_is_swapped = false;
    /// What a hypercall shows beside RAX and CPL. KVM's need RBX, RCX, RDX and RSI. Never RSP.
    ghcb::RegisterSet vmmcall_registers = {};
    /// The linear address that the end of the guest is about, where it is about one.
    u64 culprit = 0;
    /// What CPUID gives in an SEV-SNP guest; nullptr elsewhere, and in the stub, whose SEV-SNP
    /// handler is its own.
    const snp::CpuidTable* cpuid_table = nullptr;
    /// Asked where vc/policy.h leaves it to the program whether user mode is served.
    bool (*user_may)(const Request&) = nullptr;
};

/// Where guest-physical addresses have `physical_bits`, or 0: as many as there are below the C-bit.
constexpr u64 page_addresses(u8 physical_bits, u64 c_bit) {
    const u64 beyond = physical_bits != 0 ? bit(physical_bits) : c_bit;
    return beyond - page_size; // a page's own bits are no address of a page
}

/// Whether a guest-physical address is in the GHCB page.
constexpr bool is_in_ghcb(const Context& context, u64 gpa) {
    return gpa - context.ghcb.gpa < page_size;
}

} // namespace vestibule::vc
