// SPDX-License-Identifier: BSD-2-Clause-Patent
// Models of the loaders of other monitors, for files that igvmtool has built: what of a file each
// of them accepts, which memory the guest has then, and what the launch measures. Written from what
// their sources do, and not from igvm/vmm or igvm/measure, which they judge: they walk the bytes of
// the file by themselves, keep digests by themselves, and share types of layouts alone.
#pragma once

#include "igvm/format/format.h"
#include "x86/vmsa.h"

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vestibule::igvm::test {

using LoaderBytes = std::vector<u8>;

/// What a loader is to do, and the machine that it has.
struct LoaderMachine {
    PlatformType platform = PlatformType::sev_snp;
    /// RAM, from 0 up to the devices of this monitor, and from 4 GiB on the rest.
    u64 memory = u64{256} << 20;
    u32 vcpus  = 1;
    LoaderBytes kernel_hashes; // cloud-hypervisor's, where it is given a kernel
};

struct LoadedGuest {
    std::string refusal;               // in words; empty: the guest starts
    std::map<u64, LoaderBytes> memory; // pages, by address
    std::map<u32, x86::Vmsa> vmsas;
    LoaderBytes native_context;
    LoaderBytes launch_digest; // SHA-384 under SEV-SNP, SHA-256 under SEV-ES
    std::vector<u64> launched; // pages in the launch's order, without VMSAs
    u64 ram_beyond = 0;        // pages that are RAM because the file has them
};

/// QEMU 11.1: backends/igvm.c and target/i386/sev.c. Its pc (hw/i386/pc_piix.c) has memory of less
/// than 3.5 GiB in one piece, and of more 3 GiB below the devices.
LoadedGuest load_as_qemu(std::span<const u8> file, const LoaderMachine& machine);

/// cloud-hypervisor with KVM: vmm/src/igvm/igvm_loader.rs, vmm/src/sev.rs. 3 GiB lie below the
/// devices (arch/src/x86_64/layout.rs).
LoadedGuest load_as_cloud_hypervisor(std::span<const u8> file, const LoaderMachine& machine);

/// OpenVMM with KVM: vmm_core/virt_kvm/src/snp.rs and its loader of IGVM files. Its devices have
/// the last 128 MiB below 4 GiB (openvmm_defs, DEFAULT_MMIO_GAPS_X86; there is one more gap, below
/// 64 GiB).
LoadedGuest load_as_openvmm(std::span<const u8> file, const LoaderMachine& machine);

} // namespace vestibule::igvm::test
