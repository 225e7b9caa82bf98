// SPDX-License-Identifier: BSD-2-Clause-Patent
// What becomes of each field of a VMSA between a file and the page that is measured, as a table:
// KVM copies its own view of the registers into the VMSA (arch/x86/kvm/svm/sev.c,
// sev_es_sync_vmsa), and before that QEMU takes over what it knows and refuses the rest
// (target/i386/sev.c, check_vmsa_supported and sev_apply_cpu_context).
#pragma once

#include "igvm/vmm/profiles.h"
#include "x86/vmsa.h"

namespace vestibule::igvm {

/// A set of rows of vmm_profiles.
struct VmmSet {
    u32 bits;

    [[nodiscard]] constexpr bool has(Vmm vmm) const {
        return ((bits >> static_cast<unsigned>(vmm)) & 1) != 0;
    }

    constexpr VmmSet operator|(VmmSet other) const { return {bits | other.bits}; }

    constexpr VmmSet operator-(VmmSet other) const { return {bits & ~other.bits}; }
};

template <class... V>
constexpr VmmSet vmm_set(V... vmm) {
    return {((u32{1} << static_cast<unsigned>(vmm)) | ...)};
}

/// QEMU as it comes makes SEV-ES guests of the old kind: KVM_SEV_ES_INIT, no FPU in the VMSA.
inline constexpr VmmSet legacy_qemu =
    vmm_set(Vmm::qemu_9_1, Vmm::qemu_10_1, Vmm::qemu_10_2, Vmm::qemu_11_1);
inline constexpr VmmSet legacy_kvm = vmm_set(Vmm::kvm_6_1, Vmm::kvm_6_8);
inline constexpr VmmSet any_qemu   = legacy_qemu | vmm_set(Vmm::qemu);
inline constexpr VmmSet any_kvm =
    any_qemu | legacy_kvm
    | vmm_set(Vmm::kvm_6_11, Vmm::kvm_6_12, Vmm::kvm_6_18, Vmm::kvm_7_1, Vmm::kvm_7_2, Vmm::ec2,
              Vmm::gce, Vmm::cloud_hypervisor, Vmm::openvmm);
inline constexpr VmmSet plain_kvm        = any_kvm - any_qemu;
inline constexpr VmmSet cloud_hypervisor = vmm_set(Vmm::cloud_hypervisor);
inline constexpr VmmSet openvmm          = vmm_set(Vmm::openvmm);
/// They load what KVM lets them, and what it does not is lost without a word.
inline constexpr VmmSet silent_kvm = plain_kvm - openvmm;

enum class Effect : u8 {
    set_bits,    // of `value`
    clear_bits,  // of `value`
    drop,        // the field is measured as zeros, whatever it held
    replace,     // the field is measured as `value`, whatever it held
    refuse,      // any value but `value` is an error
    refuse_bits, // any bit of `value` is an error
    copy,        // from the field at offset `value`
    ss_dpl,      // takes the DPL of SS
};

constexpr bool is_refusal(Effect effect) {
    return effect == Effect::refuse || effect == Effect::refuse_bits;
}

struct VmsaEffect {
    VmmSet vmms;
    bool sev_es;
    bool sev_snp;
    Effect effect;
    u64 value;
    std::string_view field; // a name of x86::Vmsa, or the first and last of several
    u16 offset;
    u16 size;
    std::string_view who; // does it, and why
};

// Offsets from the type alone: a field's name here is its name there.
// NOLINTBEGIN(bugprone-macro-parentheses): members take none
#define FIELD(field) #field, offsetof(x86::Vmsa, field), sizeof(x86::Vmsa::field)
#define FIELDS(first, last)                                                                        \
    #first ".." #last, offsetof(x86::Vmsa, first),                                                 \
        offsetof(x86::Vmsa, last) + sizeof(x86::Vmsa::last) - offsetof(x86::Vmsa, first)
#define ATTRIBUTES(segment) #segment ".attributes", offsetof(x86::Vmsa, segment.attributes), 2
#define SELECTOR(segment)   #segment ".selector", offsetof(x86::Vmsa, segment.selector), 2
#define LIMIT(segment)      #segment ".limit", offsetof(x86::Vmsa, segment.limit), 4
#define BASE(segment)       #segment ".base", offsetof(x86::Vmsa, segment.base), 8

// NOLINTEND(bugprone-macro-parentheses)

// clang-format off
inline constexpr VmsaEffect vmsa_effects[] = {
    // What every KVM forces
    {any_kvm,     true,  true,  Effect::set_bits,   x86::efer::svme,               FIELD(efer),                        "KVM sets EFER.SVME, which VMRUN demands"},
    {any_kvm,     true,  true,  Effect::set_bits,   x86::cr4::mce,                 FIELD(cr4),                         "KVM sets CR4.MCE as in the host"},
    {any_kvm,     true,  true,  Effect::clear_bits, x86::cr0::cd | x86::cr0::nw,   FIELD(cr0),                         "KVM clears CR0.CD and CR0.NW (quirk CD_NW_CLEARED)"},
    {any_kvm - cloud_hypervisor,
                  true,  true,  Effect::refuse,     x86::dr7_reset,                FIELD(dr7),                         "KVM refuses debug registers in use"},
    {any_kvm,     false, true,  Effect::set_bits,   1,                             FIELD(sev_features),                "KVM sets the SNP bit"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(es),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(cs),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(ss),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(ds),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(fs),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(gs),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(ldtr),                   "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xF000,                        ATTRIBUTES(tr),                     "a VMCB's segment has 12 bits of attributes"},
    {any_kvm,     true,  true,  Effect::drop,       0,                             ATTRIBUTES(gdtr),                   "KVM takes base and limit of GDTR only"},
    {any_kvm,     true,  true,  Effect::drop,       0,                             SELECTOR(gdtr),                     "KVM takes base and limit of GDTR only"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xFFFF'0000,                   LIMIT(gdtr),                        "KVM takes 16 bits of GDTR's limit"},
    {any_kvm,     true,  true,  Effect::drop,       0,                             ATTRIBUTES(idtr),                   "KVM takes base and limit of IDTR only"},
    {any_kvm,     true,  true,  Effect::drop,       0,                             SELECTOR(idtr),                     "KVM takes base and limit of IDTR only"},
    {any_kvm,     true,  true,  Effect::clear_bits, 0xFFFF'0000,                   LIMIT(idtr),                        "KVM takes 16 bits of IDTR's limit"},

    // What QEMU does on the way
    {any_qemu,    true,  true,  Effect::set_bits,   x86::cr0::et,                  FIELD(cr0),                         "QEMU forces CR0.ET"},
    {any_qemu,    true,  true,  Effect::clear_bits, 0xFFFF'FFFF'0000'0000,         FIELD(cr0),                         "QEMU takes 32 bits of CR0"},
    {any_qemu,    true,  true,  Effect::clear_bits, 0xFFFF'FFFF'0000'0000,         FIELD(cr4),                         "QEMU takes 32 bits of CR4"},
    {any_qemu,    true,  true,  Effect::copy,       offsetof(x86::Vmsa, ldtr.base), BASE(tr),                          "QEMU gives TR the base of LDTR"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(pl0_ssp, reserved1),         "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(reserved2, xss),             "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(dr, reserved3),              "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(s_cet, isst_address),        "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(star, reserved4),            "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(debug_ctl, reg_prot_nonce),  "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELD(reserved6),                   "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(reserved7, guest_nrip),      "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(vintr_ctrl, event_inj),      "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(reserved8, x87_dp),          "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(x87_ftw, x87_fsw),           "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::refuse,     0,                             FIELDS(x87_fop, fpreg_ymm),         "QEMU refuses fields that it does not load"},
    {any_qemu,    true,  true,  Effect::drop,       0,                             FIELDS(lbr_stack, reserved9),       "QEMU reads the first 0x670 bytes of a VMSA"},
    {legacy_qemu, true,  false, Effect::refuse,     0,                             FIELD(sev_features),                "KVM_SEV_ES_INIT knows no SEV_FEATURES"},

    // OpenVMM compares the file's VMSA with what it can load
    {openvmm,     true,  true,  Effect::refuse_bits, 0xFFFF'0000,                  LIMIT(gdtr),                        "OpenVMM refuses limits that KVM cannot hold"},
    {openvmm,     true,  true,  Effect::refuse_bits, 0xFFFF'0000,                  LIMIT(idtr),                        "OpenVMM refuses limits that KVM cannot hold"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(pl0_ssp, reserved1),         "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELD(reserved2),                   "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(dr_address_mask, reserved3), "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(s_cet, isst_address),        "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELD(reserved4),                   "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(debug_ctl, reserved5),       "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELD(pkru),                        "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(guest_tsc_scale, reg_prot_nonce), "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELD(reserved6),                   "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(reserved7, guest_nrip),      "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(vintr_ctrl, event_inj),      "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELD(reserved8),                   "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELD(x87_ftw),                     "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(x87_ds, x87_cs),             "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::refuse,     0,                             FIELDS(fpreg_x87, fpreg_ymm),       "OpenVMM refuses fields that it cannot load"},
    {openvmm,     true,  true,  Effect::drop,       0,                             FIELD(dr),                          "KVM has no ioctl to set it"},
    {openvmm,     true,  true,  Effect::drop,       0,                             FIELD(cr2),                         "KVM writes CR2 at VM entry only"},
    {openvmm,     true,  true,  Effect::drop,       0,                             FIELD(spec_ctrl),                   "KVM has no ioctl to set it in a VMSA"},
    {openvmm,     true,  true,  Effect::drop,       0,                             FIELD(tsc_aux),                     "KVM does not copy it into the VMSA"},
    {openvmm,     true,  true,  Effect::drop,       0,                             FIELDS(lbr_stack, reserved9),       "OpenVMM reads the first 0x670 bytes of a VMSA"},

    // cloud-hypervisor sets KVM_SET_SREGS and KVM_SET_REGS alone
    {cloud_hypervisor, true, true, Effect::replace, x86::dr7_reset,                FIELD(dr7),                         "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::replace, x86::dr6_reset,                FIELD(dr6),                         "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::replace, x86::pat_reset,                FIELD(g_pat),                       "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::replace, 1,                             FIELD(xcr0),                        "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::replace, kvm_reset.mxcsr,               FIELD(mxcsr),                       "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::replace, kvm_reset.x87_fcw,             FIELD(x87_fcw),                     "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELD(xss),                         "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELDS(star, sysenter_eip),         "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELD(pkru),                        "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELD(x87_dp),                      "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELDS(x87_ftw, x87_fsw),           "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELD(x87_fop),                     "cloud-hypervisor leaves it as at reset"},
    {cloud_hypervisor, true, true, Effect::drop,    0,                             FIELDS(x87_rip, fpreg_ymm),         "cloud-hypervisor leaves it as at reset"},

    // What no ioctl of KVM can set
    {plain_kvm,   true,  true,  Effect::ss_dpl,     0,                             FIELD(cpl),                         "KVM takes CPL from SS"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(pl0_ssp, vmpl),              "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELD(reserved1),                   "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELD(reserved2),                   "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(dr, reserved3),              "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(s_cet, isst_address),        "KVM has no ioctl to set it before Linux 6.18, and sevlaunch uses none"},
    {plain_kvm,   true,  true,  Effect::clear_bits, 0xFFFF'FFFF'0000'0000,         FIELD(sysenter_esp),                "KVM keeps 32 bits of SYSENTER_ESP"},
    {plain_kvm,   true,  true,  Effect::clear_bits, 0xFFFF'FFFF'0000'0000,         FIELD(sysenter_eip),                "KVM keeps 32 bits of SYSENTER_EIP"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(cr2, reserved4),             "KVM writes CR2 at VM entry only"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(debug_ctl, spec_ctrl),       "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(tsc_aux, reg_prot_nonce),    "KVM does not copy it into the VMSA"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELD(reserved6),                   "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(reserved7, guest_nrip),      "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(vintr_ctrl, event_inj),      "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELD(reserved8),                   "KVM has no ioctl to set it"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(x87_ds, x87_cs),             "KVM zeroes the FPU's segments"},
    {silent_kvm,  true,  true,  Effect::drop,       0,                             FIELDS(lbr_stack, reserved9),       "KVM has no ioctl to set it"},

    // SEV-ES guests of the old kind (no KVM_SEV_INIT2)
    {legacy_kvm,  true,  false, Effect::drop,       0,                             FIELD(sev_features),                "KVM_SEV_ES_INIT knows no SEV_FEATURES"},
    {legacy_qemu | legacy_kvm,
                  true,  false, Effect::drop,       0,                             FIELDS(x87_dp, fpreg_ymm),          "without KVM_SEV_INIT2 KVM puts no FPU state into the VMSA"},
};
// clang-format on
#undef FIELD
#undef FIELDS
#undef ATTRIBUTES
#undef SELECTOR
#undef LIMIT
#undef BASE

} // namespace vestibule::igvm
