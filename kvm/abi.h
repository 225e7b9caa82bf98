// SPDX-License-Identifier: BSD-2-Clause-Patent
// KVM's interface for SEV-ES and SEV-SNP, and the older calls that a launch needs (Linux 7.1,
// include/uapi/linux/kvm.h and arch/x86/include/uapi/asm/kvm.h). A distribution's linux/kvm.h is
// older than the kernel that runs, so what Linux 6.1 does not declare is declared here, with sizes
// asserted; what it does declare comes from there.
#pragma once

#include "x86/types.h"

#include <linux/kvm.h>
#include <linux/psp-sev.h>
#include <sys/ioctl.h>

namespace vestibule::kvm::abi {

// Requests
inline constexpr u64 set_user_memory_region2 = 0x40A0'AE49;
inline constexpr u64 set_memory_attributes   = 0x4020'AED2;
inline constexpr u64 create_guest_memfd      = 0xC040'AED4;
// The header's macros take these from the size of a structure that is another one in C++, whose
// empty structures have a size.
inline constexpr u64 get_supported_cpuid = 0xC008'AE05;
inline constexpr u64 set_msrs            = 0x4008'AE89;
inline constexpr u64 set_cpuid2          = 0x4008'AE90;

// Capabilities
inline constexpr u32 cap_exit_hypercall    = 201;
inline constexpr u32 cap_memory_attributes = 233; // answers with the attributes that exist
inline constexpr u32 cap_guest_memfd       = 234;
inline constexpr u32 cap_vm_types          = 235; // answers with a bitmap; 0 before Linux 6.10

enum class VmType : u8 { standard = 0, sev_es = 3, snp = 4 };

/// Bit of KVM_CAP_EXIT_HYPERCALL, and the hypercall: KVM_HC_MAP_GPA_RANGE.
inline constexpr u64 map_gpa_range      = 12;
inline constexpr u64 map_private        = bit(4); // of its third argument
inline constexpr u64 attribute_private  = bit(3); // KVM_MEMORY_ATTRIBUTE_PRIVATE
inline constexpr u64 fault_private      = bit(3); // KVM_MEMORY_EXIT_FLAG_PRIVATE
inline constexpr u32 region_guest_memfd = 1u << 2;

// Exits and events that Linux 6.1 does not have
inline constexpr u32 exit_memory_fault  = 39;
inline constexpr u32 exit_snp_req_certs = 43;
inline constexpr u32 event_sev_term     = 6;

struct MemoryRegion2 {
    u32 slot;
    u32 flags;
    u64 guest_phys_addr;
    u64 memory_size;
    u64 userspace_addr;
    u64 guest_memfd_offset;
    u32 guest_memfd;
    u32 pad1;
    u64 pad2[14];
};

static_assert(sizeof(MemoryRegion2) == 160);
static_assert(offsetof(MemoryRegion2, guest_memfd) == 40);

struct GuestMemfd {
    u64 size;
    u64 flags;
    u64 reserved[6];
};

static_assert(sizeof(GuestMemfd) == 64);

struct MemoryAttributes {
    u64 address;
    u64 size;
    u64 attributes;
    u64 flags;
};

static_assert(sizeof(MemoryAttributes) == 32);

/// kvm_run's part for KVM_EXIT_MEMORY_FAULT.
struct MemoryFault {
    u64 flags;
    u64 gpa;
    u64 size;
};

static_assert(sizeof(MemoryFault) == 24);

inline MemoryFault memory_fault_of(const kvm_run& exit) {
    MemoryFault fault;
    __builtin_memcpy(&fault, &exit.mmio, sizeof(fault)); // where every member of the union starts
    return fault;
}

/// Commands of KVM_MEMORY_ENCRYPT_OP.
enum class Sev : u32 {
    init               = 0,
    es_init            = 1,
    launch_start       = 2,
    launch_update_data = 3,
    launch_update_vmsa = 4,
    launch_measure     = 6,
    launch_finish      = 7,
    init2              = 22,
    snp_launch_start   = 100,
    snp_launch_update  = 101,
    snp_launch_finish  = 102,
};

struct SevCommand {
    Sev id;
    u32 pad;
    u64 data;
    u32 error; // the firmware's answer
    u32 sev_fd;
};

static_assert(sizeof(SevCommand) == 24);

struct Init2 {
    u64 vmsa_features;
    u32 flags;
    u16 ghcb_version; // 0: the default
    u16 pad1;
    u32 pad2[8];
};

static_assert(sizeof(Init2) == 48);

struct SnpLaunchStart {
    u64 policy;
    u8 gosvw[16];
    u16 flags;
    u8 pad0[6];
    u64 pad1[4];
};

static_assert(sizeof(SnpLaunchStart) == 64);

struct SnpLaunchUpdate {
    u64 gfn_start;
    u64 uaddr;
    u64 len;
    u8 type;
    u8 pad0;
    u16 flags;
    u32 pad1;
    u64 pad2[4];
};

static_assert(sizeof(SnpLaunchUpdate) == 64);

struct SnpLaunchFinish {
    u64 id_block_uaddr;
    u64 id_auth_uaddr;
    u8 id_block_en;
    u8 auth_key_en;
    u8 vcek_disabled;
    u8 host_data[32];
    u8 pad0[3];
    u16 flags;
    u64 pad1[4];
};

static_assert(sizeof(SnpLaunchFinish) == 88);
static_assert(offsetof(SnpLaunchFinish, flags) == 54);

/// SET_CPUID2 and GET_SUPPORTED_CPUID with room for their entries.
inline constexpr u32 most_cpuid_entries = 256;

struct Cpuid {
    u32 count;
    u32 padding;
    kvm_cpuid_entry2 entries[most_cpuid_entries];
};

struct Msrs {
    u32 count;
    u32 pad;
    kvm_msr_entry entries[10];
};

static_assert(offsetof(Cpuid, entries) == 8);
static_assert(offsetof(Msrs, entries) == 8);

} // namespace vestibule::kvm::abi
