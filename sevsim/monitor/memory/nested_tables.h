// SPDX-License-Identifier: BSD-2-Clause-Patent
// The nested page tables: what guest-physical addresses mean.
//
// In long mode the C-bit is an address bit of the nested walk. Below it lies the shared view,
// backed by low memory at its own address; from it upwards the private view, backed by the memory
// device. A guest without paging, or with legacy paging, has no C-bit to set: all it sees is the
// private view (APM volume 2, section 15.34.5). Both views begin with noise: what a guest or a
// hypervisor finds in memory that nobody encrypted for it. A write through one view destroys what
// the page held in the other; hardware does so by blocks of 16 bytes, this machine by pages.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"
#include "x86/types.h"

#include <span>

namespace vestibule::sevsim {

void build_nested_tables(const Options& options);

/// Puts firmware below 4 GiB, private but natively, to be read and executed; under SEV-SNP it is
/// memory, and can be written to as well. Whole pages, which become the guest's.
void map_firmware(const Options& options, std::span<u8> image);

/// Makes a page of memory at `gpa`, below 4 GiB and outside of the guest's own, for a native guest
/// that is loaded there; nothing tells the guest of it. Zeroed; nullptr where a PC has its APICs,
/// or where there are more such pages than the guest has memory.
u8* add_native_page(u64 gpa);

/// The flash in the shared view: its array, or nothing, so that reading it is MMIO.
void show_flash(u64 gpa, std::span<const u8> array, bool readable);

/// From here on the shared view begins with noise (shared_noise.h): everything is out of it that
/// the monitor needs.
void encrypt_shared_memory(const Options& options);

/// The table root for the vCPU's present mode. The no-execute twin has the same mappings, none of
/// them executable: an entry on it stops at the first instruction (deliver_vc.h).
u64 nested_root(Vcpu& vcpu, bool no_execute_twin);

/// VMPL 0's roots, physical: outside long mode, where all is private, and in it.
struct NestedRoots {
    u64 all_private;
    u64 long_mode;
};

NestedRoots nested_roots();

enum class NestedFault : u8 {
    resolved, // the guest goes on
    mmio,     // no memory there: a device, so #VC for the guest
    fetch_from_device,
    firmware_write,  // what is a ROM, and private
    not_validated,   // so #VC for the guest (SEV-SNP)
    vmpl_permission, // RMPADJUST has not given it to the vCPU's VMPL
};

/// A nested page fault at `gpa` (EXITINFO2) for the reason `exitinfo1`.
NestedFault resolve_nested_fault(Vcpu& vcpu, u64 exitinfo1, u64 gpa);

/// True where there is guest memory at a guest-physical address (without the C-bit).
bool is_guest_memory(u64 gpa);

/// True where there is firmware.
bool is_firmware(u64 gpa);

/// Its bytes at an address where there is.
u8* firmware_memory(u64 gpa);

/// The private view of a guest-physical address, for what the CPU does behind the hypervisor's
/// back: fetches, walks, launch updates. nullptr where there is no memory, or none that is
/// validated.
u8* private_memory(u64 gpa);

/// The shared view of a guest-physical address: what the hypervisor sees. nullptr where there is no
/// memory.
u8* shared_memory(u64 gpa);

/// The guest's private memory at `gpa`, where the nested tables let VMPL 0 write to it as it is;
/// otherwise nullptr.
u8* open_private_memory(u64 gpa);

/// One byte of guest memory for a hypervisor that reads or writes it without the guest's key: the
/// shared view, which a write makes the page's contents. nullptr where there is no memory.
u8* hypervisors_view(u64 gpa, bool write);

/// Puts a device's own page where a plain SEV guest looks for it; false where none can be.
bool map_device(u64 gpa, bool is_private);

/// True where the guest last wrote through its shared view; under SEV-SNP, where the page is
/// shared.
bool is_shared(u64 gpa);

/// How many pages the guest has touched through its shared view.
u64 shared_page_count();

} // namespace vestibule::sevsim
