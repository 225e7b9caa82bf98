// SPDX-License-Identifier: BSD-2-Clause-Patent
// Checks of VP_CONTEXT headers and of the registers that they bring, whose format depends on the
// platform (igvm_defs, IGVM_VHS_VP_CONTEXT).
#include "igvm/format/header_checks.h"
#include "igvm/format/vbs_registers.h"
#include "igvm/format/vp_context.h"

#include <bit>

namespace vestibule::igvm {

using Result = HeaderChecks::Result;

static constexpr u8 highest_vtl = 2;

Result HeaderChecks::vp_context(const Header& header) {
    const auto context  = load<VpContext>(header.content);
    const u64 at_offset = offsetof(VpContext, file_offset);
    if ((context.compatibility_mask & declared_) == 0) {
        return fault(Rule::context_platform, header, offsetof(VpContext, compatibility_mask),
                     context.compatibility_mask);
    }
    const auto platform = platform_of_bit_[std::countr_zero(context.compatibility_mask)];
    const bool vmsa     = platform == PlatformType::sev_snp || platform == PlatformType::sev_es;
    // A TD starts in the state that the architecture gives it.
    if (platform == PlatformType::tdx) {
        return fault(Rule::context_platform, header, offsetof(VpContext, compatibility_mask),
                     context.compatibility_mask);
    }
    if (vmsa && context.gpa % page_size != 0) {
        return fault(Rule::gpa_page_aligned, header, offsetof(VpContext, gpa), context.gpa);
    }
    if (!vmsa && context.gpa != 0) {
        if (auto error =
                judge(fault(Rule::context_gpa, header, offsetof(VpContext, gpa), context.gpa, 0))) {
            return error;
        }
    }
    if (context.file_offset == 0) {
        return fault(Rule::context_has_data, header, at_offset, 0);
    }

    if (platform == PlatformType::vsm_isolation) {
        if (context.vp_index != 0) {
            return fault(Rule::vbs_vp_index, header, offsetof(VpContext, vp_index),
                         context.vp_index, 0);
        }
        return vbs_context(header, at_offset, context);
    }
    if (platform == PlatformType::cca) {
        return cca_context(header, at_offset, context.file_offset);
    }
    if (auto error = data(header, at_offset, context.file_offset, page_size)) {
        return error;
    }
    return vmsa ? std::nullopt : native_context(header, context.file_offset);
}

/// The data's own faults are reported at their place in the data.
Result HeaderChecks::native_context(const Header& header, u32 file_offset) const {
    const auto page    = file_.subspan(file_offset, page_size);
    const auto context = load<NativeVpContext>(page);
    const auto in_data = [&](Rule rule, u64 field, u64 found) -> Error {
        return {.rule         = rule,
                .header_index = header.index,
                .offset       = file_offset + field,
                .found        = found,
                .wanted       = std::nullopt};
    };

    struct Field {
        Rule rule;
        u64 offset;
        u16 value;
        u16 forbidden;
    };

    const Field fields[] = {
        {Rule::native_reserved,   offsetof(NativeVpContext, reserved),               context.reserved[0], 0xFFFF                            },
        {Rule::native_reserved,   offsetof(NativeVpContext, reserved) + sizeof(u16),
         context.reserved[1],                                                                             0xFFFF                            },
        {Rule::native_attributes, offsetof(NativeVpContext, code.attributes),
         context.code.attributes,                                                                         NativeSegment::reserved_attributes},
        {Rule::native_attributes, offsetof(NativeVpContext, data.attributes),
         context.data.attributes,                                                                         NativeSegment::reserved_attributes},
    };
    for (const Field& field : fields) {
        if ((field.value & field.forbidden) != 0) {
            if (auto error = judge(in_data(field.rule, field.offset, field.value))) {
                return error;
            }
        }
    }
    for (u64 at = sizeof(NativeVpContext); at < page_size; ++at) {
        if (page[at] != 0) {
            return in_data(Rule::native_tail, at, page[at]);
        }
    }
    return std::nullopt;
}

Result HeaderChecks::vbs_context(const Header& header, u64 field, const VpContext& context) {
    const u32 file_offset = context.file_offset;
    if (auto error = data(header, field, file_offset, sizeof(u32))) {
        return error;
    }
    const u64 count = load<u32>(file_, file_offset);
    if (auto error = data(header, field, file_offset, sizeof(u32) + count * sizeof(VbsRegister))) {
        return error;
    }
    const auto in_data = [&](Rule rule, u64 at, u64 found) -> Error {
        return {.rule         = rule,
                .header_index = header.index,
                .offset       = at,
                .found        = found,
                .wanted       = std::nullopt};
    };
    if (count == 0) {
        return in_data(Rule::vbs_registers, file_offset, 0);
    }
    const u64 first = u64{file_offset} + sizeof(u32);
    for (u64 at = first; at < first + count * sizeof(VbsRegister); at += sizeof(VbsRegister)) {
        const auto own = load<VbsRegister>(file_, at);
        if (own.vtl > highest_vtl || own.vtl != load<VbsRegister>(file_, first).vtl) {
            return in_data(Rule::vbs_vtl, at, own.vtl);
        }
        if (find_vbs_register(own.register_name, architecture_) == nullptr) {
            return in_data(Rule::vbs_known_register, at + offsetof(VbsRegister, register_name),
                           own.register_name);
        }
        for (u64 byte = 0; byte < sizeof(own.reserved); ++byte) {
            if (own.reserved[byte] != 0) {
                if (auto error = judge(in_data(Rule::vbs_reserved,
                                               at + offsetof(VbsRegister, reserved) + byte,
                                               own.reserved[byte]))) {
                    return error;
                }
            }
        }
    }
    const u8 vtl = load<VbsRegister>(file_, first).vtl;
    for (NamedVp& vp : named_vps_) {
        vp.seen =
            vp.seen
            || ((vp.mask & context.compatibility_mask) != 0 && vp.vp_index == 0 && vp.vtl == vtl);
    }
    return std::nullopt;
}

Result HeaderChecks::cca_context(const Header& header, u64 field, u32 file_offset) const {
    if (auto error = data(header, field, file_offset, page_size)) {
        return error;
    }
    for (u64 at = file_offset + sizeof(CcaVpContext); at < u64{file_offset} + page_size; ++at) {
        if (file_[at] != 0) {
            return Error{.rule         = Rule::cca_tail,
                         .header_index = header.index,
                         .offset       = at,
                         .found        = file_[at],
                         .wanted       = std::nullopt};
        }
    }
    return std::nullopt;
}

} // namespace vestibule::igvm
