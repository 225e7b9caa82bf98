// SPDX-License-Identifier: BSD-2-Clause-Patent
// The fields of a VMSA (AMD64 APM volume 2, table B-4) and of a native VP context by name, and
// which of them are not zero.
#include "igvm/format/context_fields.h"

#include "igvm/format/header_fields.h"
#include "igvm/format/vbs_registers.h"
#include "igvm/format/vp_context.h"
#include "x86/vmsa.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
// Offsets from the types alone: a field's name here is its name there.
#define FIELD(T, field) {.name = #field, .offset = offsetof(T, field), .size = sizeof(T::field)}
#define VMSA(field)     FIELD(x86::Vmsa, field)
#define NATIVE(field)   FIELD(NativeVpContext, field)
#define CCA(field)      FIELD(CcaVpContext, field)

constexpr ContextField vmsa_segments[] = {VMSA(es), VMSA(cs),   VMSA(ss),   VMSA(ds),   VMSA(fs),
                                          VMSA(gs), VMSA(gdtr), VMSA(ldtr), VMSA(idtr), VMSA(tr)};

constexpr ContextField vmsa_registers[] = {
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

constexpr ContextField native_segments[] = {NATIVE(code), NATIVE(data)};

constexpr ContextField native_registers[] = {
    NATIVE(rax),        NATIVE(rcx),       NATIVE(rdx),     NATIVE(rbx),       NATIVE(rsp),
    NATIVE(rbp),        NATIVE(rsi),       NATIVE(rdi),     NATIVE(r8),        NATIVE(r9),
    NATIVE(r10),        NATIVE(r11),       NATIVE(r12),     NATIVE(r13),       NATIVE(r14),
    NATIVE(r15),        NATIVE(rip),       NATIVE(rflags),  NATIVE(idtr_base), NATIVE(idtr_limit),
    NATIVE(gdtr_limit), NATIVE(gdtr_base), NATIVE(gs_base), NATIVE(cr0),       NATIVE(cr3),
    NATIVE(cr4),        NATIVE(efer),
};

constexpr ContextField cca_registers[] = {CCA(x0), CCA(x1), CCA(x2), CCA(x3), CCA(x4),
                                          CCA(x5), CCA(x6), CCA(x7), CCA(pc), CCA(flags)};

/// Every byte of the VMSA is shown by some field.
consteval bool whole_vmsa() {
    u64 at = 0;
    for (const ContextField& field : vmsa_segments) {
        if (field.offset != at) {
            return false;
        }
        at += field.size;
    }
    for (const ContextField& field : vmsa_registers) {
        if (field.offset != at) {
            return false;
        }
        at += field.size;
    }
    return at == sizeof(x86::Vmsa);
}

static_assert(whole_vmsa());

/// The parts of a segment. A native one has the base before the limit.
constexpr ContextField vmsa_segment_parts[] = {
    FIELD(x86::Segment, selector), FIELD(x86::Segment, attributes), FIELD(x86::Segment, limit),
    FIELD(x86::Segment, base)};
constexpr ContextField native_segment_parts[] = {
    FIELD(NativeSegment, selector), FIELD(NativeSegment, attributes), FIELD(NativeSegment, base),
    FIELD(NativeSegment, limit)};
#undef CCA
#undef NATIVE
#undef VMSA
#undef FIELD

struct Layout {
    std::span<const ContextField> segments;
    std::span<const ContextField> segment_parts;
    std::span<const ContextField> registers;
};

constexpr Layout vmsa_layout{
    .segments = vmsa_segments, .segment_parts = vmsa_segment_parts, .registers = vmsa_registers};
constexpr Layout native_layout{.segments      = native_segments,
                               .segment_parts = native_segment_parts,
                               .registers     = native_registers};

constexpr Layout cca_layout{.segments = {}, .segment_parts = {}, .registers = cca_registers};

const Layout& layout_of(ContextKind kind) {
    switch (kind) {
    case ContextKind::vmsa: return vmsa_layout;
    case ContextKind::native: return native_layout;
    case ContextKind::cca: break;
    }
    return cca_layout;
}

/// Arrays are taken word by word. Names are made when they are asked for: there are hundreds.
template <class Body>
void for_each_word(const ContextField& field, Body body) {
    const u64 step = field.size % sizeof(u64) == 0 ? sizeof(u64) : field.size;
    for (u64 at = 0; at < field.size; at += step) {
        const auto name = [&] {
            return field.size > step ? fmt::format("{}+{:#x}", field.name, at)
                                     : std::string(field.name);
        };
        body(name, field.offset + at, step);
    }
}

template <class Body>
void for_each_part(const Layout& layout, Body body) {
    for (const ContextField& segment : layout.segments) {
        for (const ContextField& part : layout.segment_parts) {
            const auto name = [&] { return fmt::format("{}.{}", segment.name, part.name); };
            body(name, segment.offset + part.offset, part.size);
        }
    }
    for (const ContextField& field : layout.registers) {
        for_each_word(field, body);
    }
}
} // namespace

std::optional<ContextKind> context_kind(PlatformType platform) {
    switch (platform) {
    case PlatformType::sev_snp:
    case PlatformType::sev_es: return ContextKind::vmsa;
    case PlatformType::native:
    case PlatformType::sev: return ContextKind::native;
    case PlatformType::cca: return ContextKind::cca;
    default: return std::nullopt;
    }
}

std::vector<ContextValue> context_values(ContextKind kind, std::span<const u8> page) {
    std::vector<ContextValue> values;
    for_each_part(layout_of(kind), [&](const auto&, u64 offset, u64 size) {
        values.push_back({.offset = offset, .value = load_number(page.subspan(offset, size))});
    });
    return values;
}

std::string context_field_at(ContextKind kind, u64 offset) {
    std::string found;
    for_each_part(layout_of(kind), [&](const auto& name, u64 first, u64 size) {
        if (offset >= first && offset - first < size) {
            found = name();
        }
    });
    return found;
}

std::span<const ContextField> context_segments(ContextKind kind) {
    return layout_of(kind).segments;
}

std::vector<ContextRegister> vbs_registers(const File& file, const VpContext& context) {
    std::vector<ContextRegister> registers;
    const u32 count = load<u32>(file.data(context.file_offset, sizeof(u32)));
    const auto list = file.data(static_cast<u32>(context.file_offset + sizeof(u32)),
                                u64{count} * sizeof(VbsRegister));
    for (u64 at = 0; at < list.size(); at += sizeof(VbsRegister)) {
        const auto own  = load<VbsRegister>(list, at);
        const auto* row = find_vbs_register(own.register_name, file.fixed_header().architecture);
        const std::span<const u8> value(own.value);
        const auto part = [&](std::string_view name, u64 offset, u64 size) {
            registers.push_back({.name  = fmt::format("{}.{}", row->name, name),
                                 .value = load_number(value.subspan(offset, size))});
        };
        switch (row->kind) {
        case VbsValue::number:
            registers.push_back({.name = std::string(row->name), .value = load_number(value)});
            break;
        case VbsValue::segment:
            part("selector", 12, 2);
            part("attributes", 14, 2);
            part("limit", 8, 4);
            part("base", 0, 8);
            break;
        case VbsValue::table: part("limit", 6, 2); part("base", 8, 8);
        }
    }
    return registers;
}

std::vector<ContextRegister> set_registers(ContextKind kind, std::span<const u8> page) {
    std::vector<ContextRegister> registers;
    for (const ContextField& field : layout_of(kind).registers) {
        for_each_word(field, [&](const auto& name, u64 offset, u64 size) {
            if (const u64 value = load_number(page.subspan(offset, size)); value != 0) {
                registers.push_back({.name = name(), .value = value});
            }
        });
    }
    return registers;
}

} // namespace vestibule::igvm
