// SPDX-License-Identifier: BSD-2-Clause-Patent
// What monitors make of an IGVM file beyond the format's own rules, as a table: a row a rule, with
// the monitors that it holds for and where it is known from. What becomes of the fields of a VMSA
// is in vmsa_effects.h, what differs between whole launches in profiles.h; none of it is said
// twice.
#pragma once

#include "igvm/vmm/vmsa_effects.h"

namespace vestibule::igvm {

enum class Verdict : u8 {
    rejects, // the file is not loaded
    alters,  // something else is launched than the file says
    ignores, // it has no effect
    depends, // rejects on some hosts, the text says on which
};

enum class VmmRule : u8 {
    igvm_loader,
    format,
    platform,
    snp_host,
    optional_header,
    directive_type,
    directive_type_panics,
    initialization_type,
    unknown_to_crate,
    no_relocation,
    single_vtl,
    platform_fields,
    guest_policy_unused,
    snp_policy_reserved_one,
    snp_policy_known_bits,
    snp_policy_no_migration,
    snp_policy_kernel,
    snp_policy_by_kernel,
    policy_of_object,
    policy_of_object_signed,
    policy_last_counts,
    policy_first_counts,
    policy_demanded,
    page_twice,
    page_twice_in_place,
    placement_before_pages,
    pages_before_vmsas,
    area_initial_data,
    usage_offset,
    usage_inside_area,
    device_tree_machine,
    id_block_once,
    id_block_version,
    id_block_ignored,
    page_type_needs_snp,
    unmeasured_needs_snp,
    shared_flag,
    cpuid_xf,
    cpuid_content,
    empty_page_type,
    vmsa_once,
    vmsa_gpa,
    vmsa_gpa_moved,
    only_first_vp,
    single_vp,
    vmsa_snp_bit,
    vmsa_init2_features,
    vmsa_features_by_kernel,
    bsp_in_64_bit_mode,
    vmsa_field,
    native_context,
    native_vp_index,
    native_segments,
    native_pae,
    native_gs_base,
};

struct VmmRuleRow {
    VmmRule rule;
    VmmSet vmms;
    Verdict verdict;
    std::string_view id;
    std::string_view
        text; // what holds of a file that is loaded as it stands, and what else happens
    std::string_view source;
};

inline constexpr VmmSet igvm_qemu   = any_qemu - vmm_set(Vmm::qemu_9_1);
inline constexpr VmmSet native_qemu = igvm_qemu - vmm_set(Vmm::qemu_10_1);
inline constexpr VmmSet newest_qemu = vmm_set(Vmm::qemu, Vmm::qemu_11_1);
inline constexpr VmmSet init2_kvm =
    vmm_set(Vmm::kvm_6_11, Vmm::kvm_6_12, Vmm::kvm_6_18, Vmm::kvm_7_1, Vmm::kvm_7_2);
inline constexpr VmmSet mshv                 = vmm_set(Vmm::cloud_hypervisor_mshv);
inline constexpr VmmSet any_cloud_hypervisor = cloud_hypervisor | mshv;
/// All but what the file itself says.
inline constexpr VmmSet launchers = any_kvm | mshv;
/// Their SEV_FEATURES go to KVM_SEV_INIT2, and their SNP policy to LAUNCH_START.
inline constexpr VmmSet init2_users  = init2_kvm | igvm_qemu | cloud_hypervisor | openvmm;
inline constexpr VmmSet policy_users = init2_kvm | cloud_hypervisor | openvmm;
/// They load files by the igvm crate, of which QEMU's libigvm is the C interface.
inline constexpr VmmSet crate_users = igvm_qemu | any_cloud_hypervisor | openvmm;
/// By what vmm_profiles says of each.
inline constexpr VmmSet by_profile{~u32{0}};

namespace sources {
inline constexpr std::string_view profile =
    "igvm/vmm/profiles.h, by the monitor's own source there";
inline constexpr std::string_view loader   = "QEMU backends/igvm.c, read in 10.2.2 and 11.1.1";
inline constexpr std::string_view sev      = "QEMU target/i386/sev.c, read in 10.2.2 and 11.1.1";
inline constexpr std::string_view i386     = "QEMU target/i386/igvm.c, read in 11.1.1";
inline constexpr std::string_view observed = "observed by running QEMU 11.1.1";
inline constexpr std::string_view crate    = "igvm crate 0.4, read; observed in QEMU 11.1.1";
inline constexpr std::string_view crate_source =
    "igvm crate, IgvmFile::new_from_binary and IgvmFile::new, read in 2026";
inline constexpr std::string_view kvm     = "Linux arch/x86/kvm/svm/sev.c, read in 6.12 and 7.1";
inline constexpr std::string_view kvm_7_1 = "Linux arch/x86/kvm/svm/sev.c, read in 7.1";
inline constexpr std::string_view kvm_all =
    "Linux arch/x86/kvm/svm/sev.c, read in 6.12, 6.17, 6.18, 7.1 and 7.2";
inline constexpr std::string_view gmem =
    "Linux arch/x86/kvm/svm/sev.c, sev_gmem_post_populate, read in 6.12 to 7.2";
inline constexpr std::string_view ch =
    "cloud-hypervisor, features sev_snp and igvm, read in ae44c29";
inline constexpr std::string_view openvmm = "OpenVMM vmm_core/virt_kvm/src/snp.rs, read in 1488a37";
inline constexpr std::string_view changelog = "Linux change log; KVM ABI";
} // namespace sources

// clang-format off
inline constexpr VmmRuleRow vmm_rules[] = {
    {VmmRule::igvm_loader,             by_profile,       Verdict::rejects, "igvm-loader",
     "the monitor loads IGVM files: none is known to be loaded by this one", sources::profile},
    {VmmRule::format,                  by_profile,       Verdict::ignores, "format",
     "each rule of the format holds: loaders that read files by the igvm crate do not look at all of them",
     sources::crate_source},
    {VmmRule::platform,                launchers,        Verdict::rejects, "platform",
     "the file supports a platform that the monitor launches", sources::profile},
    {VmmRule::snp_host,                any_kvm,       Verdict::rejects, "snp-host",
     "KVM_SNP_LAUNCH needs Linux 6.11", sources::changelog},
    {VmmRule::optional_header,         crate_users,      Verdict::rejects, "optional-header",
     "no header has the optional bit 31: the igvm crate refuses what it does not know", sources::crate},
    {VmmRule::directive_type,          igvm_qemu,        Verdict::rejects, "directive-type",
     "every directive is of a type that this version knows, whatever platform it is for", sources::loader},
    {VmmRule::directive_type_panics,   any_cloud_hypervisor, Verdict::rejects, "directive-type-panics",
     "every directive is of a type that is implemented: others end the program", sources::ch},
    {VmmRule::initialization_type,     igvm_qemu,        Verdict::rejects, "initialization-type",
     "GUEST_POLICY is the only initialization header", sources::loader},
    {VmmRule::unknown_to_crate,        any_cloud_hypervisor, Verdict::rejects, "unknown-to-crate",
     "no CoRIM and no CCA headers: the igvm crate 0.4.0 that is built in knows none", sources::ch},
    {VmmRule::no_relocation,           openvmm,          Verdict::rejects, "no-relocation",
     "on KVM nothing is relocated", sources::openvmm},
    {VmmRule::single_vtl,              openvmm,          Verdict::rejects, "single-vtl",
     "on KVM the highest VTL and the shared GPA boundary are 0", sources::openvmm},
    {VmmRule::platform_fields,         igvm_qemu,        Verdict::ignores, "platform-fields",
     "the highest VTL and the shared GPA boundary are 0: neither is looked at", sources::loader},
    {VmmRule::guest_policy_unused,     igvm_qemu,        Verdict::ignores, "guest-policy-unused",
     "GUEST_POLICY is for SNP: elsewhere the policy comes from the sev-guest object", sources::loader},
    {VmmRule::snp_policy_reserved_one, policy_users,     Verdict::rejects, "snp-policy-reserved-one",
     "bit 17 of an SNP policy is set", sources::kvm},
    {VmmRule::snp_policy_known_bits,   policy_users,     Verdict::rejects, "snp-policy-known-bits",
     "an SNP policy has no bits above 25", sources::kvm_all},
    {VmmRule::snp_policy_no_migration, policy_users,     Verdict::rejects, "snp-policy-no-migration",
     "an SNP policy does not allow a migration agent, bit 18: no Linux takes it", sources::kvm_all},
    {VmmRule::snp_policy_kernel,       policy_users,     Verdict::rejects, "snp-policy-kernel",
     "before Linux 7.1, an SNP policy has bits 0 to 17, 19 and 20 only", sources::kvm_all},
    {VmmRule::snp_policy_by_kernel,    policy_users,     Verdict::depends, "snp-policy-by-kernel",
     "bits 21 to 25 of an SNP policy want Linux 7.1, and a firmware that has them: --kernel says which "
     "one there is", sources::kvm_all},
    {VmmRule::policy_of_object,        igvm_qemu,        Verdict::alters,  "policy-of-object",
     "the policy is 0x30000, or the sev-snp-guest object has the same: the launch starts with the "
     "object's before the file is read, and the file's is not applied", sources::sev},
    {VmmRule::policy_of_object_signed, igvm_qemu,        Verdict::rejects, "policy-of-object-signed",
     "the policy is 0x30000, or the sev-snp-guest object has the same: the launch starts with the "
     "object's, and with an SNP_ID_BLOCK over another SNP_LAUNCH_FINISH ends in POLICY_FAILURE", sources::sev},
    {VmmRule::policy_last_counts,      igvm_qemu,        Verdict::ignores, "policy-last-counts",
     "there is one GUEST_POLICY a platform: of several the last counts", sources::loader},
    {VmmRule::policy_first_counts,     launchers - any_qemu, Verdict::ignores, "policy-first-counts",
     "there is one GUEST_POLICY a platform: of several the first counts", sources::profile},
    {VmmRule::policy_demanded,         openvmm,          Verdict::rejects, "policy-demanded",
     "there is a GUEST_POLICY for SNP", sources::openvmm},
    {VmmRule::page_twice,              any_kvm,          Verdict::rejects, "page-twice",
     "each page is launched once: the second time KVM answers -EIO, with firmware error 0 and no address",
     sources::gmem},
    {VmmRule::page_twice_in_place,     any_kvm,          Verdict::alters,  "page-twice-in-place",
     "each page is launched once: it is encrypted in place, and the second time what is encrypted "
     "already is", sources::sev},
    {VmmRule::placement_before_pages,  igvm_qemu,        Verdict::alters,  "placement-before-pages",
     "PARAMETER_INSERT and REQUIRED_MEMORY stand before the first PAGE_DATA: pages are written late, "
     "so that these would take effect before pages that precede them", sources::loader},
    {VmmRule::pages_before_vmsas,      any_kvm,          Verdict::alters,  "pages-before-vmsas",
     "VMSAs stand behind all pages: they are measured last", sources::kvm},
    {VmmRule::area_initial_data,       igvm_qemu,        Verdict::ignores, "area-without-initial-data",
     "a PARAMETER_AREA has no initial data: zeros are used", sources::loader},
    {VmmRule::usage_offset,            igvm_qemu,        Verdict::ignores, "usage-offset-honoured",
     "MEMORY_MAP, MADT and DEVICE_TREE are at offset 0 of their area: another is ignored", sources::loader},
    {VmmRule::usage_inside_area,       igvm_qemu,        Verdict::alters,  "usage-inside-area",
     "VP_COUNT and ENVIRONMENT_INFO end within their area: the offset is not checked, so that memory "
     "of the monitor behind the area is written", sources::loader},
    {VmmRule::device_tree_machine,     newest_qemu,      Verdict::rejects, "device-tree-machine",
     "DEVICE_TREE loads on the microvm machine only, not on q35 and pc", sources::observed},
    {VmmRule::id_block_once,           igvm_qemu | cloud_hypervisor, Verdict::rejects, "id-block-once",
     "there is at most one SNP_ID_BLOCK", sources::loader},
    {VmmRule::id_block_version,        igvm_qemu | cloud_hypervisor, Verdict::alters, "id-block-version",
     "the version of an SNP_ID_BLOCK is 1: it is given to the firmware as 1", sources::loader},
    {VmmRule::id_block_ignored,        openvmm,          Verdict::ignores, "id-block-ignored",
     "there is no SNP_ID_BLOCK: SNP_LAUNCH_FINISH is called without one", sources::openvmm},
    {VmmRule::page_type_needs_snp,     any_kvm,          Verdict::rejects, "es-page-type",
     "without SNP, pages are of type NORMAL", sources::sev},
    {VmmRule::unmeasured_needs_snp,    igvm_qemu,        Verdict::alters,  "es-page-measured",
     "without SNP, every page is measured: an unmeasured one stays unencrypted, and the guest reads "
     "garbage", sources::sev},
    {VmmRule::shared_flag,             by_profile,       Verdict::ignores, "shared-flag",
     "no page is flagged as shared: it is launched as a private one", sources::profile},
    {VmmRule::cpuid_xf,                any_cloud_hypervisor | openvmm, Verdict::rejects, "cpuid-xf",
     "no page is of type CPUID_XF", sources::ch},
    {VmmRule::cpuid_content,           igvm_qemu,        Verdict::alters,  "cpuid-content",
     "a CPUID page brings no data: KVM's CPUID table takes its place", sources::sev},
    {VmmRule::empty_page_type,         by_profile,       Verdict::alters,  "empty-page-type",
     "every normal page brings data: one without is measured as of type ZERO, by which the digest "
     "differs from that of other monitors", sources::profile},
    {VmmRule::vmsa_once,               igvm_qemu,        Verdict::alters,  "vmsa-once",
     "each vCPU has one VMSA: a later one replaces it", sources::sev},
    {VmmRule::vmsa_gpa,                igvm_qemu | openvmm, Verdict::rejects, "vmsa-gpa",
     "a VMSA is at 0xFFFFFFFFF000", sources::sev},
    {VmmRule::vmsa_gpa_moved,          plain_kvm - openvmm, Verdict::alters, "vmsa-gpa-moved",
     "a VMSA is at 0xFFFFFFFFF000: it is measured there, wherever the file has it", sources::kvm},
    {VmmRule::only_first_vp,           mshv,             Verdict::alters,  "only-first-vp",
     "only VP 0 has a context: others are measured as pages of zeros", sources::ch},
    {VmmRule::single_vp,               openvmm,          Verdict::rejects, "single-vp",
     "there is one VP context, for VP 0", sources::openvmm},
    {VmmRule::vmsa_snp_bit,            igvm_qemu,        Verdict::rejects, "vmsa-snp-bit",
     "SEV_FEATURES has the SNP bit on SNP and only there", sources::sev},
    {VmmRule::vmsa_init2_features,     init2_users,      Verdict::rejects, "vmsa-init2-features",
     "SEV_FEATURES has no bits but SNP, DebugSwap and, on SNP from Linux 6.18, SecureTSC: KVM_SEV_INIT2 "
     "refuses them", sources::kvm_all},
    {VmmRule::vmsa_features_by_kernel, init2_users,      Verdict::depends, "vmsa-features-by-kernel",
     "SecureTSC in SEV_FEATURES wants Linux 6.18: --kernel says which one there is", sources::kvm_all},
    {VmmRule::bsp_in_64_bit_mode,      openvmm,          Verdict::rejects, "bsp-in-64-bit-mode",
     "VP 0 starts in 64-bit mode with paging: CR0.PE and PG, CR3, CR4.PAE, EFER.LME, LMA and NXE, CS.P "
     "and L, RIP", sources::openvmm},
    {VmmRule::vmsa_field,              by_profile,       Verdict::alters,  "vmsa-field",
     "a VMSA's field holds what reaches the VMSA that is measured", "vmsa_effects.h"},
    {VmmRule::native_context,          vmm_set(Vmm::qemu_10_1), Verdict::rejects, "native-context",
     "there is no native VP context: it came with QEMU 10.2", sources::i386},
    {VmmRule::native_vp_index,         native_qemu,      Verdict::rejects, "native-vp-index",
     "a native VP context is for VP 0", sources::i386},
    {VmmRule::native_segments,         native_qemu,      Verdict::alters,  "native-segments",
     "segments are present, code executable and data not, attributes as in bits 8 to 23 of a "
     "descriptor: others misbehave without an error", sources::observed},
    {VmmRule::native_pae,              native_qemu,      Verdict::alters,  "native-pae",
     "long mode has CR4.PAE and CR0.PE: otherwise TCG drops CR0 without a word and KVM fails", sources::observed},
    {VmmRule::native_gs_base,          native_qemu,      Verdict::ignores, "native-gs-base",
     "GS base is that of the data segment: gs_base is not loaded", sources::i386},
};
// clang-format on

constexpr const VmmRuleRow& row_of(VmmRule rule) { return vmm_rules[static_cast<unsigned>(rule)]; }

consteval bool vmm_rules_in_order() {
    for (unsigned i = 0; i < sizeof(vmm_rules) / sizeof(vmm_rules[0]); ++i) {
        if (static_cast<unsigned>(vmm_rules[i].rule) != i) {
            return false;
        }
    }
    return sizeof(vmm_rules) / sizeof(vmm_rules[0])
           == static_cast<unsigned>(VmmRule::native_gs_base) + 1;
}

static_assert(vmm_rules_in_order());

/// Platforms that a monitor launches from an IGVM file, beside those of which its profile says so.
/// KVM's launcher may be for any that KVM has.
struct LaunchedPlatform {
    VmmSet vmms;
    PlatformType platform;
};

inline constexpr LaunchedPlatform launched_platforms[] = {
    {.vmms = igvm_qemu | legacy_kvm | init2_kvm, .platform = PlatformType::native},
};

constexpr bool launches(const VmmProfile& vmm, PlatformType platform) {
    switch (platform) {
    case PlatformType::sev_snp: return vmm.has_snp;
    case PlatformType::sev_es: return vmm.has_sev_es;
    // sevlaunch launches none without its registers encrypted.
    case PlatformType::sev: return vmm.has_sev_es && !(legacy_kvm | init2_kvm).has(vmm.vmm);
    default:
        for (const LaunchedPlatform& row : launched_platforms) {
            if (row.platform == platform && row.vmms.has(vmm.vmm)) {
                return true;
            }
        }
        return vmm.vmm == Vmm::igvm; // what the file itself says
    }
}

/// Directives that a monitor knows, where unknown ones end the launch.
struct KnownDirective {
    VmmSet vmms;
    HeaderType type;
};

inline constexpr KnownDirective known_directives[] = {
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::page_data                 },
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::vp_context                },
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::parameter_area            },
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::parameter_insert          },
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::memory_map                },
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::vp_count_parameter        },
    {.vmms = igvm_qemu,                        .type = HeaderType::environment_info_parameter},
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::required_memory           },
    {.vmms = igvm_qemu | any_cloud_hypervisor, .type = HeaderType::snp_id_block              },
    {.vmms = newest_qemu,                      .type = HeaderType::madt                      },
    {.vmms = newest_qemu,                      .type = HeaderType::device_tree               },
    {.vmms = any_cloud_hypervisor,             .type = HeaderType::command_line              },
};

} // namespace vestibule::igvm
