// SPDX-License-Identifier: BSD-2-Clause-Patent
// What monitors make of a launch: which pages are measured as what and in which order, and how an
// untouched vCPU looks. One row a monitor, stating where it differs from the first; what becomes of
// each field of a VMSA is the table in vmsa_effects.h. To add a monitor is to add rows. Each names
// its source; "by reading" is source code that nobody here has run on SEV hardware.
#pragma once

#include "igvm/format/format.h"
#include "igvm/format/page_type.h"
#include "x86/registers.h"

#include <optional>
#include <string_view>

namespace vestibule::igvm {

enum class Vmm : u8 {
    igvm,
    qemu,
    qemu_9_1,
    qemu_10_1,
    qemu_10_2,
    qemu_11_1,
    kvm_6_1,
    kvm_6_8,
    kvm_6_11,
    kvm_6_12,
    kvm_6_18,
    kvm_7_1,
    kvm_7_2,
    ec2,
    gce,
    cloud_hypervisor,
    cloud_hypervisor_mshv,
    openvmm,
};

/// A vCPU that was given no registers: the fields on which monitors differ.
struct ResetState {
    u16 data_attributes; // DS, ES, FS, GS
    u16 ss_attributes;
    u16 cs_attributes;    // of a vCPU at the architectural reset vector
    u16 cs_attributes_ap; // of one that starts where the firmware's reset block says
    u16 tr_attributes;
    std::optional<u32> rdx; // none: the CPU's signature, CPUID 1 EAX
    u64 g_pat;
    u32 mxcsr;
    u16 x87_fcw;
};

inline constexpr ResetState qemu_reset{.data_attributes  = 0x93,
                                       .ss_attributes    = 0x93,
                                       .cs_attributes    = 0x9B,
                                       .cs_attributes_ap = 0x9B,
                                       .tr_attributes    = 0x8B,
                                       .rdx              = std::nullopt,
                                       .g_pat            = x86::pat_reset,
                                       .mxcsr            = 0x1F80,
                                       .x87_fcw          = 0x37F};

/// What KVM's own reset leaves where a monitor sets nothing (arch/x86/kvm/svm/svm.c, init_vmcb).
inline constexpr ResetState kvm_reset{.data_attributes  = 0x92,
                                      .ss_attributes    = 0x92,
                                      .cs_attributes    = 0x9A,
                                      .cs_attributes_ap = 0x9A,
                                      .tr_attributes    = 0x83,
                                      .rdx              = 0x600,
                                      .g_pat            = x86::pat_reset,
                                      .mxcsr            = 0x1F80,
                                      .x87_fcw          = 0x37F};

inline constexpr ResetState ec2_reset{.data_attributes  = 0x93,
                                      .ss_attributes    = 0x92,
                                      .cs_attributes    = 0x9A,
                                      .cs_attributes_ap = 0x9B,
                                      .tr_attributes    = 0x83,
                                      .rdx              = 0x600,
                                      .g_pat            = x86::pat_reset,
                                      .mxcsr            = 0,
                                      .x87_fcw          = 0};

/// EC2 as it was before; sev-snp-measure's change log says when.
inline constexpr ResetState former_ec2_reset{.data_attributes  = 0x93,
                                             .ss_attributes    = 0x92,
                                             .cs_attributes    = 0x9A,
                                             .cs_attributes_ap = 0x9B,
                                             .tr_attributes    = 0x83,
                                             .rdx              = 0,
                                             .g_pat            = x86::pat_reset,
                                             .mxcsr            = 0,
                                             .x87_fcw          = 0};

inline constexpr ResetState gce_reset{.data_attributes  = 0x93,
                                      .ss_attributes    = 0x93,
                                      .cs_attributes    = 0x9B,
                                      .cs_attributes_ap = 0x9B,
                                      .tr_attributes    = 0x8B,
                                      .rdx              = 0x600,
                                      .g_pat            = 0x0007'0106,
                                      .mxcsr            = 0,
                                      .x87_fcw          = 0};

enum class Order : u8 {
    file,
    /// An insert behind an open run of pages is launched before that run: QEMU's order trap.
    inserts_before_open_run,
    by_address, // VMSAs too
};

enum class Contexts : u8 {
    in_file_order, // at its own GPA, where its directive stands
    every_vcpu,    // at x86::vmsa_gpa behind all pages, for every vCPU, in vCPU order
};

// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): rows are read in this order
struct VmmProfile {
    Vmm vmm;
    std::string_view name; // as on the command line
    std::string_view title;
    std::string_view source;
    bool loads_igvm         = true;
    bool loads_firmware     = false;
    bool has_sev_es         = true; // and plain SEV
    bool has_snp            = true;
    Order order             = Order::file;
    Contexts contexts       = Contexts::every_vcpu;
    PageType empty_page     = PageType::normal; // a NORMAL page without data, on SNP
    bool measures_shared    = false;            // takes no notice of a page's shared flag
    PageType firmware_ram   = PageType::zero;   // SEC_MEM sections of a firmware's metadata
    bool cpuid_pages_last   = false;            // of a firmware's metadata sections
    bool resets_ap_fpu      = true;             // where a reset block starts an AP; otherwise zeros
    bool only_first_vp      = false;            // VP contexts of other VPs are not loaded
    bool one_page_each      = false;            // of a parameter area or a 2 MiB page, its first
    u64 kernel_hashes_at    = 0;                // where the table goes in an IGVM guest; 0: nowhere
    const ResetState* reset = &kvm_reset;
};

inline constexpr VmmProfile vmm_profiles[] = {
    {.vmm      = Vmm::igvm,
     .name     = "igvm",
     .title    = "what the file itself says",
     .source   = "microsoft/igvm e6c3ff1, igvm_defs and igvm/src/measurement",
     .contexts = Contexts::in_file_order},

    {.vmm             = Vmm::qemu,
     .name            = "qemu",
     .title           = "any QEMU that uses KVM_SEV_INIT2 (for SEV-ES: legacy-vm-type=off)",
     .source          = "sev-snp-measure 8f2b337; QEMU 11.1.1 backends/igvm.c, by reading",
     .loads_firmware  = true,
     .order           = Order::inserts_before_open_run,
     .measures_shared = true,
     .reset           = &qemu_reset},

    {.vmm            = Vmm::qemu_9_1,
     .name           = "qemu-9.1",
     .title          = "QEMU 9.1 to 10.0 as it comes",
     .source         = "QEMU 10.0.13 target/i386/sev.c, by reading; sev-snp-measure 8f2b337",
     .loads_igvm     = false,
     .loads_firmware = true,
     .reset          = &qemu_reset},

    {.vmm             = Vmm::qemu_10_1,
     .name            = "qemu-10.1",
     .title           = "QEMU 10.1 as it comes",
     .source          = "taken to be as 10.2",
     .loads_firmware  = true,
     .order           = Order::inserts_before_open_run,
     .measures_shared = true,
     .resets_ap_fpu   = false,
     .reset           = &qemu_reset},

    {.vmm             = Vmm::qemu_10_2,
     .name            = "qemu-10.2",
     .title           = "QEMU 10.2 as it comes",
     .source          = "QEMU 10.2.2 backends/igvm.c and target/i386/sev.c, by reading",
     .loads_firmware  = true,
     .order           = Order::inserts_before_open_run,
     .measures_shared = true,
     .resets_ap_fpu   = false,
     .reset           = &qemu_reset},

    {.vmm             = Vmm::qemu_11_1,
     .name            = "qemu-11.1",
     .title           = "QEMU 11.1 as it comes",
     .source          = "QEMU 11.1.1 backends/igvm.c and target/i386/sev.c, by reading",
     .loads_firmware  = true,
     .order           = Order::inserts_before_open_run,
     .measures_shared = true,
     .resets_ap_fpu   = false,
     .reset           = &qemu_reset},

    // A launcher that keeps the file's order and alters nothing, on that kernel.
    {.vmm     = Vmm::kvm_6_1,
     .name    = "kvm-6.1",
     .title   = "Linux 6.1 KVM (KVM_SEV_ES_INIT)",
     .source  = "Linux 6.1.192 arch/x86/kvm/svm, by reading",
     .has_snp = false},

    {.vmm     = Vmm::kvm_6_8,
     .name    = "kvm-6.8",
     .title   = "Linux 6.8 KVM (KVM_SEV_ES_INIT)",
     .source  = "sev-snp-measure's change log; Linux commit 5abf6dceb066",
     .has_snp = false},

    {.vmm    = Vmm::kvm_6_11,
     .name   = "kvm-6.11",
     .title  = "Linux 6.11 KVM (KVM_SEV_INIT2)",
     .source = "taken to be as 6.12; the first with SEV-SNP"},

    {.vmm    = Vmm::kvm_6_12,
     .name   = "kvm-6.12",
     .title  = "Linux 6.12 KVM (KVM_SEV_INIT2)",
     .source = "Linux 6.12.117 arch/x86/kvm/svm, by reading"},

    {.vmm    = Vmm::kvm_6_18,
     .name   = "kvm-6.18",
     .title  = "Linux 6.18 KVM (KVM_SEV_INIT2)",
     .source = "Linux 6.18.15 arch/x86/kvm/svm, by reading"},

    {.vmm    = Vmm::kvm_7_1,
     .name   = "kvm-7.1",
     .title  = "Linux 7.1 KVM (KVM_SEV_INIT2)",
     .source = "Linux 7.1.13 arch/x86/kvm/svm, by reading"},

    {.vmm    = Vmm::kvm_7_2,
     .name   = "kvm-7.2",
     .title  = "Linux 7.2 KVM (KVM_SEV_INIT2)",
     .source = "Linux 7.2.8 arch/x86/kvm/svm, by reading"},

    {.vmm              = Vmm::ec2,
     .name             = "ec2",
     .title            = "Amazon EC2",
     .source           = "sev-snp-measure 8f2b337",
     .loads_igvm       = false,
     .loads_firmware   = true,
     .cpuid_pages_last = true,
     .reset            = &ec2_reset},

    {.vmm            = Vmm::gce,
     .name           = "gce",
     .title          = "Google Compute Engine",
     .source         = "sev-snp-measure 8f2b337",
     .loads_igvm     = false,
     .loads_firmware = true,
     .firmware_ram   = PageType::unmeasured,
     .reset          = &gce_reset},

    {.vmm        = Vmm::cloud_hypervisor,
     .name       = "cloud-hypervisor",
     .title      = "cloud-hypervisor on KVM",
     .source     = "cloud-hypervisor ae44c29, by reading; vCPUs without a context are taken to be "
                   "as KVM resets them", .has_sev_es = false,
     .empty_page = PageType::zero,
     .measures_shared  = true,
     .kernel_hashes_at = 0x1'0C00},

    {.vmm             = Vmm::cloud_hypervisor_mshv,
     .name            = "cloud-hypervisor-mshv",
     .title           = "cloud-hypervisor on Microsoft's hypervisor (MSHV)",
     .source          = "cloud-hypervisor 01f9376, vmm/src/igvm/igvm_loader.rs, by reading",
     .has_sev_es      = false,
     .order           = Order::by_address,
     .contexts        = Contexts::in_file_order,
     .measures_shared = true,
     .only_first_vp   = true,
     .one_page_each   = true},

    {.vmm           = Vmm::openvmm,
     .name          = "openvmm",
     .title         = "OpenVMM on KVM",
     .source        = "OpenVMM 1488a37, virt_kvm/src/snp.rs, by reading; APs as KVM resets them",
     .has_sev_es    = false,
     .only_first_vp = true},
};

constexpr const VmmProfile& profile_of(Vmm vmm) { return vmm_profiles[static_cast<unsigned>(vmm)]; }

constexpr const VmmProfile* find_profile(std::string_view name) {
    for (const VmmProfile& profile : vmm_profiles) {
        if (profile.name == name) {
            return &profile;
        }
    }
    return nullptr;
}

consteval bool profiles_in_order() {
    for (unsigned i = 0; i < sizeof(vmm_profiles) / sizeof(vmm_profiles[0]); ++i) {
        if (static_cast<unsigned>(vmm_profiles[i].vmm) != i) {
            return false;
        }
    }
    return sizeof(vmm_profiles) / sizeof(vmm_profiles[0])
           == static_cast<unsigned>(Vmm::openvmm) + 1;
}

static_assert(profiles_in_order());

} // namespace vestibule::igvm
