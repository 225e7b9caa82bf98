// The fields of a VMSA (AMD64 APM volume 2, table B-4) and of a native VP context by name, and
// which of them are not zero.
#include "igvm/describe.h"
#include "igvm/vp_context.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
struct Field {
    std::string_view name;
    u64 offset;
    u64 size;
};

// Offsets from the types alone: a field's name here is its name there.
#define FIELD(T, field) {.name = #field, .offset = offsetof(T, field), .size = sizeof(T::field)}
#define VMSA(field)     FIELD(x86::Vmsa, field)
#define NATIVE(field)   FIELD(NativeVpContext, field)

constexpr Field vmsa_segments[] = {VMSA(es), VMSA(cs),   VMSA(ss),   VMSA(ds),   VMSA(fs),
                                   VMSA(gs), VMSA(gdtr), VMSA(ldtr), VMSA(idtr), VMSA(tr)};

constexpr Field vmsa_registers[] = {
    VMSA(pl0_ssp),
    VMSA(pl1_ssp),
    VMSA(pl2_ssp),
    VMSA(pl3_ssp),
    VMSA(u_cet),
    VMSA(reserved0),
    VMSA(vmpl),
    VMSA(cpl),
    VMSA(reserved1),
    VMSA(efer),
    VMSA(reserved2),
    VMSA(xss),
    VMSA(cr4),
    VMSA(cr3),
    VMSA(cr0),
    VMSA(dr7),
    VMSA(dr6),
    VMSA(rflags),
    VMSA(rip),
    VMSA(dr),
    VMSA(dr_address_mask),
    VMSA(reserved3),
    VMSA(rsp),
    VMSA(s_cet),
    VMSA(ssp),
    VMSA(isst_address),
    VMSA(rax),
    VMSA(star),
    VMSA(lstar),
    VMSA(cstar),
    VMSA(sfmask),
    VMSA(kernel_gs_base),
    VMSA(sysenter_cs),
    VMSA(sysenter_esp),
    VMSA(sysenter_eip),
    VMSA(cr2),
    VMSA(reserved4),
    VMSA(g_pat),
    VMSA(debug_ctl),
    VMSA(branch_from),
    VMSA(branch_to),
    VMSA(last_exception_from),
    VMSA(last_exception_to),
    VMSA(reserved5),
    VMSA(spec_ctrl),
    VMSA(pkru),
    VMSA(tsc_aux),
    VMSA(guest_tsc_scale),
    VMSA(guest_tsc_offset),
    VMSA(reg_prot_nonce),
    VMSA(rcx),
    VMSA(rdx),
    VMSA(rbx),
    VMSA(reserved6),
    VMSA(rbp),
    VMSA(rsi),
    VMSA(rdi),
    VMSA(r8),
    VMSA(r9),
    VMSA(r10),
    VMSA(r11),
    VMSA(r12),
    VMSA(r13),
    VMSA(r14),
    VMSA(r15),
    VMSA(reserved7),
    VMSA(guest_exitinfo1),
    VMSA(guest_exitinfo2),
    VMSA(guest_exitintinfo),
    VMSA(guest_nrip),
    VMSA(sev_features),
    VMSA(vintr_ctrl),
    VMSA(guest_exit_code),
    VMSA(virtual_tom),
    VMSA(tlb_id),
    VMSA(pcpu_id),
    VMSA(event_inj),
    VMSA(xcr0),
    VMSA(reserved8),
    VMSA(x87_dp),
    VMSA(mxcsr),
    VMSA(x87_ftw),
    VMSA(x87_fsw),
    VMSA(x87_fcw),
    VMSA(x87_fop),
    VMSA(x87_ds),
    VMSA(x87_cs),
    VMSA(x87_rip),
    VMSA(fpreg_x87),
    VMSA(fpreg_xmm),
    VMSA(fpreg_ymm),
    VMSA(lbr_stack),
    VMSA(lbr_select),
    VMSA(ibs),
    VMSA(reserved9),
};

constexpr Field native_registers[] = {
    NATIVE(rax),        NATIVE(rcx),       NATIVE(rdx),     NATIVE(rbx),       NATIVE(rsp),
    NATIVE(rbp),        NATIVE(rsi),       NATIVE(rdi),     NATIVE(r8),        NATIVE(r9),
    NATIVE(r10),        NATIVE(r11),       NATIVE(r12),     NATIVE(r13),       NATIVE(r14),
    NATIVE(r15),        NATIVE(rip),       NATIVE(rflags),  NATIVE(idtr_base), NATIVE(idtr_limit),
    NATIVE(gdtr_limit), NATIVE(gdtr_base), NATIVE(gs_base), NATIVE(cr0),       NATIVE(cr3),
    NATIVE(cr4),        NATIVE(efer),
};
#undef NATIVE
#undef VMSA
#undef FIELD

/// Every byte of the VMSA is shown by some field.
consteval bool whole_vmsa() {
    u64 at = 0;
    for (const Field& field : vmsa_segments) {
        if (field.offset != at) {
            return false;
        }
        at += field.size;
    }
    for (const Field& field : vmsa_registers) {
        if (field.offset != at) {
            return false;
        }
        at += field.size;
    }
    return at == sizeof(x86::Vmsa);
}

static_assert(whole_vmsa());

std::string line(std::string_view name, std::string_view value) {
    return fmt::format("{:<16} {}", name, value);
}

void add_registers(std::span<const u8> page, std::span<const Field> fields,
                   std::vector<std::string>& lines) {
    for (const Field& field : fields) {
        // Arrays are shown word by word.
        const u64 step = field.size % sizeof(u64) == 0 ? sizeof(u64) : field.size;
        for (u64 at = 0; at < field.size; at += step) {
            u64 value = 0;
            for (u64 i = 0; i < std::min(step, sizeof(u64)); ++i) {
                value |= u64{page[field.offset + at + i]} << (8 * i);
            }
            if (value != 0) {
                const std::string name = field.size > step ? fmt::format("{}+{:#x}", field.name, at)
                                                           : std::string(field.name);
                lines.push_back(line(name, fmt::format("{:#x}", value)));
            }
        }
    }
}
} // namespace

std::vector<std::string> vmsa_fields(std::span<const u8> page) {
    std::vector<std::string> lines;
    for (const Field& field : vmsa_segments) {
        const auto segment = load<x86::Segment>(page, field.offset);
        if (segment.selector != 0 || segment.attributes != 0 || segment.limit != 0
            || segment.base != 0) {
            lines.push_back(line(field.name, describe(segment)));
        }
    }
    add_registers(page, vmsa_registers, lines);
    return lines;
}

std::vector<std::string> native_fields(std::span<const u8> page) {
    const auto context             = load<NativeVpContext>(page);
    std::vector<std::string> lines = {line("code", describe(context.code)),
                                      line("data", describe(context.data))};
    add_registers(page, native_registers, lines);
    return lines;
}

} // namespace vestibule::igvm
