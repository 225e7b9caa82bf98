// What QEMU makes of an IGVM file beyond the format's own rules: what it refuses, ignores or alters
// (QEMU's backends/igvm.c, target/i386/igvm.c and target/i386/sev.c). A file that breaks none of
// these rules loads in QEMU and means there what it says.
// That a parameter stands before its area's insert is a rule of the reader: area_not_inserted.
#pragma once

#include "igvm/reader.h"

#include <vector>

namespace vestibule::igvm {

enum class QemuVersion : u8 { v10_2, v11_1 };

enum class QemuRule : u8 {
    platform,
    directive_type,
    initialization_type,
    placement_before_pages,
    pages_before_vmsas,
    area_without_initial_data,
    usage_offset_honoured,
    usage_inside_area,
    id_block_once,
    es_page_type,
    es_page_measured,
    vmsa_once,
    vmsa_gpa,
    vmsa_zero,
    vmsa_features,
    vmsa_fixed_point,
    vmsa_segment_form,
    vmsa_tr_base,
    native_vp_index,
    native_segments,
    native_pae,
    native_gs_base,
};

struct QemuRuleRow {
    constexpr QemuRuleRow(QemuRule own, std::string_view id_name, std::string_view rule_text,
                          std::string_view where)
        : rule(own), id(id_name), text(rule_text), source(where) {}

    QemuRule rule;
    std::string_view id;
    std::string_view text;
    std::string_view source;
};

/// In the enumeration's order.
std::span<const QemuRuleRow> qemu_rules();

struct QemuViolation {
    QemuRule rule;
    u32 header_index; // or Error::no_header
    u64 offset;       // in the file
    u64 found;

    [[nodiscard]] const QemuRuleRow& row() const {
        return qemu_rules()[static_cast<unsigned>(rule)];
    }
};

/// Every violation, platform by platform: QEMU picks one platform, and each has to work.
std::vector<QemuViolation> check_for_qemu(const File& file, QemuVersion version);

} // namespace vestibule::igvm
