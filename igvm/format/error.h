// SPDX-License-Identifier: BSD-2-Clause-Patent
// Why a file is refused, as a value: which rule of the format, where, and what stood there. The
// texts are static, so that a reader without allocation can print them (igvm_defs states the
// rules; where the igvm crate is stricter than its text, its check is the rule). A rule that the
// crate does not look at, so that files which break it load everywhere, is tolerated: such a file
// is read, and what breaks the rule is remarked on.
#pragma once

#include "igvm/format/format.h"

#include <optional>
#include <string_view>

namespace vestibule::igvm {

enum class Rule : u8 {
    // Fixed header
    whole_fixed_header,
    magic,
    format_version,
    architecture,
    four_kib_pages,
    total_file_size,
    header_offset,
    header_aligned,
    header_size,
    checksum,
    // Any variable header
    whole_tag,
    whole_content,
    optional_type,
    known_type,
    section_order,
    exact_length,
    zero_padding,
    zero_reserved,
    reserved_overlooked,
    some_platform,
    mask_not_empty,
    mask_declared,
    mask_single_bit,
    gpa_page_aligned,
    gpa_range,
    range_in_64_bits,
    size_page_multiple,
    error_range_size,
    data_outside_headers,
    data_inside_file,
    // Platforms
    known_platform,
    platform_architecture,
    platform_once,
    platform_mask_once,
    platform_version,
    highest_vtl,
    shared_boundary,
    // Initialization
    known_relocation_flags,
    relocation_vtl,
    relocation_alignment,
    relocation_aligned,
    relocation_limits,
    relocation_disjoint,
    relocation_count,
    relocation_context,
    page_table_used_size,
    page_table_region_once,
    corim_has_data,
    corim_document_once,
    corim_signature_order,
    cca_architecture,
    cca_platform,
    cca_conflict,
    // Directives
    area_index_once,
    area_count,
    area_declared,
    area_not_inserted,
    insert_outside_page_tables,
    insert_beside_page_tables,
    usage_inside_area,
    known_page_flags,
    known_page_type,
    large_page_aligned,
    large_page_without_data,
    context_has_data,
    context_platform,
    context_gpa,
    native_tail,
    native_reserved,
    native_attributes,
    cca_tail,
    vbs_registers,
    vbs_known_register,
    vbs_reserved,
    vbs_vtl,
    vbs_vp_index,
    known_memory_flags,
    author_key_flag,
};

struct RuleRow {
    constexpr RuleRow(Rule own, std::string_view rule_name, std::string_view expectation)
        : rule(own), name(rule_name), expected(expectation) {}

    Rule rule;
    std::string_view name;
    std::string_view expected;
};

inline constexpr RuleRow rules[] = {
    {Rule::whole_fixed_header,         "whole_fixed_header",         "a whole fixed header"                                 },
    {Rule::magic,                      "magic",                      "the magic \"IGVM\""                                   },
    {Rule::format_version,             "format_version",             "format version 1 or 2"                                },
    {Rule::architecture,               "architecture",               "architecture 0 (x64) or 1 (AArch64)"                  },
    {Rule::four_kib_pages,             "page_size",                  "a page size of 4096"                                  },
    {Rule::total_file_size,            "total_file_size",            "the length of the file"                               },
    {Rule::header_offset,              "header_offset",              "an offset behind the fixed header"                    },
    {Rule::header_aligned,             "header_aligned",             "variable headers at a multiple of 8"                  },
    {Rule::header_size,                "header_size",
     "a multiple of 8 that leaves at least one byte of file data behind the headers"                                        },
    {Rule::checksum,                   "checksum",                   "the CRC-32 of the headers"                            },
    {Rule::whole_tag,                  "whole_tag",                  "room for a header's type and length"                  },
    {Rule::whole_content,              "whole_content",
     "a length whose padded content ends within the variable headers"                                                       },
    {Rule::optional_type,              "optional_type",              "a type without the optional bit 31"                   },
    {Rule::known_type,                 "known_type",                 "a type that the format defines"                       },
    {Rule::section_order,              "section_order",              "platforms first, then initialization, then directives"},
    {Rule::exact_length,               "exact_length",               "the length of this type"                              },
    {Rule::zero_padding,               "zero_padding",               "zeros up to the next multiple of 8"                   },
    {Rule::zero_reserved,              "zero_reserved",              "zero in a reserved field"                             },
    {Rule::reserved_overlooked,        "reserved_overlooked",        "zero in a reserved field"                             },
    {Rule::some_platform,              "some_platform",              "at least one supported platform"                      },
    {Rule::mask_not_empty,             "mask_not_empty",             "a compatibility mask that names a platform"           },
    {Rule::mask_declared,              "mask_declared",
     "a compatibility mask of platforms that were declared before"                                                          },
    {Rule::mask_single_bit,            "mask_single_bit",            "a compatibility mask of exactly one bit"              },
    {Rule::gpa_page_aligned,           "gpa_page_aligned",           "a page-aligned address"                               },
    {Rule::gpa_range,                  "gpa_range",                  "a range that ends within 64-bit addresses"            },
    {Rule::range_in_64_bits,           "range_in_64_bits",           "a range that ends within 64-bit addresses"            },
    {Rule::size_page_multiple,         "size_page_multiple",         "a multiple of the page size"                          },
    {Rule::error_range_size,           "error_range_size",           "a multiple of the page size"                          },
    {Rule::data_outside_headers,       "data_outside_headers",       "a file offset behind the headers"                     },
    {Rule::data_inside_file,           "data_inside_file",           "data that ends within the file"                       },
    {Rule::known_platform,             "known_platform",             "a platform type of 0 to 6"                            },
    {Rule::platform_architecture,      "platform_architecture",      "a platform of the file's architecture"                },
    {Rule::platform_once,              "platform_once",              "each platform type once"                              },
    {Rule::platform_mask_once,         "platform_mask_once",         "a compatibility mask of its own"                      },
    {Rule::platform_version,           "platform_version",           "platform version 1"                                   },
    {Rule::highest_vtl,                "highest_vtl",                "a highest VTL of 0 or 2"                              },
    {Rule::shared_boundary,            "shared_boundary",
     "no shared GPA boundary on a platform that has none"                                                                   },
    {Rule::known_relocation_flags,     "known_relocation_flags",     "flags among bits 0 to 2"                              },
    {Rule::relocation_vtl,             "relocation_vtl",             "a VTL of 0 to 2"                                      },
    {Rule::relocation_alignment,       "relocation_alignment",
     "an alignment that is a multiple of the page size and not zero"                                                        },
    {Rule::relocation_aligned,         "relocation_aligned",         "an address of the region's alignment"                 },
    {Rule::relocation_limits,          "relocation_limits",          "a minimum that is not above the maximum"              },
    {Rule::relocation_disjoint,        "relocation_disjoint",
     "a region that overlaps no other of the same platform, page tables among them"                                         },
    {Rule::relocation_count,           "relocation_count",           "at most 32 relocation regions"                        },
    {Rule::relocation_context,         "relocation_context",
     "a VBS VP context of the VP and VTL that each relocation region names"                                                 },
    {Rule::page_table_used_size,       "page_table_used_size",       "at most the region's size"                            },
    {Rule::page_table_region_once,     "page_table_region_once",
     "one page table relocation region per platform"                                                                        },
    {Rule::corim_has_data,             "corim_has_data",             "a CoRIM document's data"                              },
    {Rule::corim_document_once,        "corim_document_once",        "one CoRIM document a platform"                        },
    {Rule::corim_signature_order,      "corim_signature_order",
     "a CoRIM document before its signature, and one signature a platform"                                                  },
    {Rule::cca_architecture,           "cca_architecture",           "a CCA policy in a file for AArch64"                   },
    {Rule::cca_platform,               "cca_platform",               "a CCA policy for platform CCA alone"                  },
    {Rule::cca_conflict,               "cca_conflict",               "no attribute that must be both clear and set"         },
    {Rule::area_index_once,            "area_index_once",            "a parameter area index not declared before"           },
    {Rule::area_count,                 "area_count",                 "at most 64 parameter areas"                           },
    {Rule::area_declared,              "area_declared",              "a parameter area that was declared before"            },
    {Rule::area_not_inserted,          "area_not_inserted",          "a parameter area not inserted yet"                    },
    {Rule::insert_outside_page_tables, "insert_outside_page_tables",
     "no parameters within a page table relocation region"                                                                  },
    {Rule::insert_beside_page_tables,  "insert_beside_page_tables",
     "parameters that do not reach into a page table relocation region"                                                     },
    {Rule::usage_inside_area,          "usage_inside_area",          "an offset within the parameter area"                  },
    {Rule::known_page_flags,           "known_page_flags",           "flags among bits 0 to 2"                              },
    {Rule::known_page_type,            "known_page_type",            "a page data type of 0 to 3"                           },
    {Rule::large_page_aligned,         "large_page_aligned",         "a 2 MiB page on a 2 MiB boundary"                     },
    {Rule::large_page_without_data,    "large_page_without_data",
     "a 2 MiB page without data, whose size readers do not agree on"                                                        },
    {Rule::context_has_data,           "context_has_data",           "a VP context's data"                                  },
    {Rule::context_platform,           "context_platform",
     "a platform that has a VP context format on this architecture"                                                         },
    {Rule::context_gpa,                "context_gpa",                "address 0 where a VP context is no VMSA"              },
    {Rule::native_tail,                "native_tail",                "zeros behind the native VP context"                   },
    {Rule::native_reserved,            "native_reserved",            "zero in the reserved words of the VP context"         },
    {Rule::native_attributes,          "native_attributes",
     "segment attributes in native form, bits 11:8 zero"                                                                    },
    {Rule::cca_tail,                   "cca_tail",                   "zeros behind the CCA VP context"                      },
    {Rule::vbs_registers,              "vbs_registers",              "at least one register in a VBS VP context"            },
    {Rule::vbs_known_register,         "vbs_known_register",
     "a register that a VBS VP context of this architecture may hold"                                                       },
    {Rule::vbs_reserved,               "vbs_reserved",               "zero in the reserved bytes of a VBS register"         },
    {Rule::vbs_vtl,                    "vbs_vtl",                    "a VTL of 0 to 2, the same in all registers"           },
    {Rule::vbs_vp_index,               "vbs_vp_index",               "a VBS VP context for VP 0"                            },
    {Rule::known_memory_flags,         "known_memory_flags",         "no flag but bit 0, VTL2 protectable"                  },
    {Rule::author_key_flag,            "author_key_flag",            "0 or 1"                                               },
};

/// Indexing by rule is safe as long as the table is in the enumeration's order.
constexpr const RuleRow& row_of(Rule rule) { return rules[static_cast<unsigned>(rule)]; }

consteval bool rules_in_order() {
    for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); ++i) {
        if (static_cast<unsigned>(rules[i].rule) != i) {
            return false;
        }
    }
    return sizeof(rules) / sizeof(rules[0]) == static_cast<unsigned>(Rule::author_key_flag) + 1;
}

static_assert(rules_in_order());

/// Rules that the igvm crate 0.4 does not look at (read in its IgvmFile::new_from_binary): QEMU,
/// cloud-hypervisor and OpenVMM load files that break them, COCONUT-SVSM's among them.
inline constexpr Rule tolerated_rules[] = {
    Rule::header_aligned,
    Rule::zero_padding,
    Rule::reserved_overlooked,
    Rule::mask_not_empty,
    Rule::mask_declared,
    Rule::platform_mask_once,
    Rule::known_relocation_flags,
    Rule::relocation_limits,
    Rule::corim_has_data,
    Rule::insert_beside_page_tables,
    Rule::usage_inside_area,
    Rule::known_page_flags,
    Rule::large_page_aligned,
    Rule::large_page_without_data,
    Rule::context_gpa,
    Rule::native_reserved,
    Rule::native_attributes,
    Rule::vbs_reserved,
    Rule::known_memory_flags,
    Rule::author_key_flag,
    Rule::error_range_size,
    Rule::range_in_64_bits,
};

constexpr bool is_tolerated(Rule rule) {
    for (const Rule tolerated : tolerated_rules) {
        if (tolerated == rule) {
            return true;
        }
    }
    return false;
}

struct [[nodiscard]] Error {
    /// Not about a variable header.
    static constexpr u32 no_header = ~u32{0};

    Rule rule;
    u32 header_index; // of the variable header, counted from 0 through all sections
    u64 offset;       // in the file, of the value found
    u64 found;
    std::optional<u64> wanted; // where one value is right

    [[nodiscard]] constexpr std::string_view rule_name() const { return row_of(rule).name; }

    [[nodiscard]] constexpr std::string_view expected() const { return row_of(rule).expected; }

    bool operator==(const Error&) const = default;
};

} // namespace vestibule::igvm
