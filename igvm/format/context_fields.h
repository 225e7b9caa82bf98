// SPDX-License-Identifier: BSD-2-Clause-Patent
// The registers of a VP context by name, each with its place in the context's page: what a listing
// shows, a comparison names and a monitor's rule is about. A VMSA's names cover its whole page.
#pragma once

#include "igvm/format/reader.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

enum class ContextKind : u8 { vmsa, native, cca };

/// None where a platform's context has no page of a fixed layout.
std::optional<ContextKind> context_kind(PlatformType platform);

/// A field of the context's page by the name that its type gives it.
struct ContextField {
    std::string_view name;
    u64 offset;
    u64 size;
};

/// The segments, GDTR, LDTR, IDTR and TR among them: x86::Segment in a VMSA, NativeSegment in a
/// native context, none on Arm.
std::span<const ContextField> context_segments(ContextKind kind);

struct ContextRegister {
    std::string name; // of an array's word, with its place: "dr+0x8"
    u64 value;
};

/// What is not zero beside the segments, in the page's order.
std::vector<ContextRegister> set_registers(ContextKind kind, std::span<const u8> page);

/// One register, or a part of one: parts of segments and words of arrays count each.
struct ContextValue {
    u64 offset; // in the page
    u64 value;
};

std::vector<ContextValue> context_values(ContextKind kind, std::span<const u8> page);

/// Of a VP context of platform VSM_ISOLATION, whose data is a list: its registers in its order, a
/// segment's parts by name, "cs.base".
std::vector<ContextRegister> vbs_registers(const File& file, const VpContext& context);

/// The name of what stands at an offset of the page: "cs.attributes", "rip", "dr+0x8".
std::string context_field_at(ContextKind kind, u64 offset);

} // namespace vestibule::igvm
