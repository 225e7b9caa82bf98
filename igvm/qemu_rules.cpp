// The rules that look at headers and their order; what stands in a VMSA or native VP context is
// judged in qemu_context_rules.cpp.
#include "igvm/qemu_rules.h"

#include "igvm/qemu_context_rules.h"

#include <algorithm>

namespace vestibule::igvm {

namespace {
constexpr std::string_view loader   = "backends/igvm.c";
constexpr std::string_view sev      = "target/i386/sev.c";
constexpr std::string_view i386     = "target/i386/igvm.c";
constexpr std::string_view observed = "observed in QEMU 11.1.1";

constexpr QemuRuleRow rows[] = {
    {QemuRule::platform,                  "platform",                  "one of NATIVE, SEV, SEV_ES and SEV_SNP is supported", loader  },
    {QemuRule::directive_type,            "directive-type",
     "every directive is of a type that this version knows, whatever platform it is for",                                     loader  },
    {QemuRule::initialization_type,       "initialization-type",
     "GUEST_POLICY is the only initialization header",                                                                        loader  },
    {QemuRule::placement_before_pages,    "placement-before-pages",
     "PARAMETER_INSERT and REQUIRED_MEMORY stand before the first PAGE_DATA: pages are written "
     "late, so that these would take effect before pages that precede them",                                                  loader  },
    {QemuRule::pages_before_vmsas,        "pages-before-vmsas",
     "VMSAs stand behind all pages: they are measured last",                                                                  loader  },
    {QemuRule::area_without_initial_data, "area-without-initial-data",
     "a PARAMETER_AREA has no initial data: it is ignored",                                                                   loader  },
    {QemuRule::usage_offset_honoured,     "usage-offset-honoured",
     "MEMORY_MAP, MADT and DEVICE_TREE are at offset 0 of their area: another is ignored",                                    loader  },
    {QemuRule::usage_inside_area,         "usage-inside-area",
     "VP_COUNT and ENVIRONMENT_INFO end within their area: the offset is not checked",                                        loader  },
    {QemuRule::id_block_once,             "id-block-once",             "there is at most one SNP_ID_BLOCK",                   loader  },
    {QemuRule::es_page_type,              "es-page-type",              "without SNP, pages are of type NORMAL",               sev     },
    {QemuRule::es_page_measured,          "es-page-measured",
     "without SNP, every page is measured: an unmeasured one stays unencrypted",                                              sev     },
    {QemuRule::vmsa_once,                 "vmsa-once",                 "each vCPU has one VMSA: a later one replaces it",     sev     },
    {QemuRule::vmsa_gpa,                  "vmsa-gpa",                  "a VMSA is at 0xFFFFFFFFF000",                         sev     },
    {QemuRule::vmsa_zero,                 "vmsa-zero",                 "a VMSA holds zero where QEMU sets nothing",           sev     },
    {QemuRule::vmsa_features,             "vmsa-features",
     "SEV_FEATURES has the SNP bit on SNP, and is 0 without SNP",                                                             sev     },
    {QemuRule::vmsa_fixed_point,          "vmsa-fixed-point",
     "EFER.SVME, CR4.MCE and CR0.ET are set, CR0.CD and CR0.NW clear, DR7 is 0x400: QEMU and KVM "
     "make it so before the VMSA is measured",                                                                                sev     },
    {QemuRule::vmsa_segment_form,         "vmsa-segment-form",
     "segment attributes have 12 bits, GDTR and IDTR have neither attributes nor selector: "
     "they do not reach the VMSA that is measured",                                                                           sev     },
    {QemuRule::vmsa_tr_base,              "vmsa-tr-base",
     "TR and LDTR have the same base: TR is given that of LDTR",                                                              sev     },
    {QemuRule::native_vp_index,           "native-vp-index",           "a native VP context is for VP 0",                     i386    },
    {QemuRule::native_segments,           "native-segments",
     "segments are present, code executable and data not, attributes as in bits 8 to 23 of a "
     "descriptor",                                                                                                            observed},
    {QemuRule::native_pae,                "native-pae",
     "long mode has CR4.PAE and CR0.PE: otherwise CR0 is dropped without a word",                                             observed},
    {QemuRule::native_gs_base,            "native-gs-base",
     "GS base is that of the data segment: gs_base is ignored",                                                               i386    },
};

constexpr bool in_order() {
    for (unsigned i = 0; i < std::size(rows); ++i) {
        if (static_cast<unsigned>(rows[i].rule) != i) {
            return false;
        }
    }
    return std::size(rows) == static_cast<unsigned>(QemuRule::native_gs_base) + 1;
}

static_assert(in_order());

struct KnownDirective {
    HeaderType type;
    QemuVersion since;
};

constexpr KnownDirective known_directives[] = {
    {.type = HeaderType::page_data,                  .since = QemuVersion::v10_2},
    {.type = HeaderType::vp_context,                 .since = QemuVersion::v10_2},
    {.type = HeaderType::parameter_area,             .since = QemuVersion::v10_2},
    {.type = HeaderType::parameter_insert,           .since = QemuVersion::v10_2},
    {.type = HeaderType::memory_map,                 .since = QemuVersion::v10_2},
    {.type = HeaderType::vp_count_parameter,         .since = QemuVersion::v10_2},
    {.type = HeaderType::environment_info_parameter, .since = QemuVersion::v10_2},
    {.type = HeaderType::required_memory,            .since = QemuVersion::v10_2},
    {.type = HeaderType::snp_id_block,               .since = QemuVersion::v10_2},
    {.type = HeaderType::madt,                       .since = QemuVersion::v11_1},
    {.type = HeaderType::device_tree,                .since = QemuVersion::v11_1},
};

/// The offset is ignored for these; it is honoured for the other parameters that QEMU knows.
constexpr HeaderType without_offset[] = {HeaderType::memory_map, HeaderType::madt,
                                         HeaderType::device_tree};

class Checker {
  public:
    Checker(const File& file, QemuVersion version) : file_(file), version_(version) {}

    std::vector<QemuViolation> run() {
        // A type is judged before the compatibility mask is looked at.
        types();
        parameters();
        bool usable = false;
        for (const PlatformType platform : {PlatformType::native, PlatformType::sev,
                                            PlatformType::sev_es, PlatformType::sev_snp}) {
            if (file_.mask_of(platform) != 0) {
                usable = true;
                order(platform);
                contexts(platform);
            }
        }
        if (!usable) {
            add(QemuRule::platform, Error::no_header,
                file_.fixed_header().common.variable_header_offset, 0);
        }
        return std::move(found_);
    }

  private:
    void add(QemuRule rule, u32 header_index, u64 offset, u64 value) {
        found_.push_back(
            {.rule = rule, .header_index = header_index, .offset = offset, .found = value});
    }

    void add(QemuRule rule, const Header& header, u64 field, u64 value) {
        add(rule, header.index, header.offset + field, value);
    }

    void add_type(QemuRule rule, const Header& header) {
        add(rule, header.index, header.offset - sizeof(HeaderTag), static_cast<u32>(header.type));
    }

    void types() {
        for (const Header header : file_.initialization()) {
            if (header.type != HeaderType::guest_policy) {
                add_type(QemuRule::initialization_type, header);
            }
        }
        for (const Header header : file_.directives()) {
            const bool known =
                std::ranges::any_of(known_directives, [&](const KnownDirective& row) {
                    return row.type == header.type && row.since <= version_;
                });
            if (!known) {
                add_type(QemuRule::directive_type, header);
            }
        }
    }

    void parameters() {
        unsigned id_blocks = 0;
        std::vector<ParameterArea> areas;
        for (const Header header : file_.directives()) {
            if (const auto area = header.as<ParameterArea>()) {
                areas.push_back(*area);
                if (area->file_offset != 0) {
                    add(QemuRule::area_without_initial_data, header,
                        offsetof(ParameterArea, file_offset), area->file_offset);
                }
            } else if (const auto usage = header.as<ParameterUsage>()) {
                const auto used    = std::ranges::find(areas, usage->parameter_area_index,
                                                       &ParameterArea::parameter_area_index);
                const bool ignored = std::ranges::count(without_offset, header.type) != 0;
                const u64 at       = offsetof(ParameterUsage, byte_offset);
                if (ignored && usage->byte_offset != 0) {
                    add(QemuRule::usage_offset_honoured, header, at, usage->byte_offset);
                }
                if (!ignored && u64{usage->byte_offset} + sizeof(u32) > used->number_of_bytes) {
                    add(QemuRule::usage_inside_area, header, at, usage->byte_offset);
                }
            } else if (header.type == HeaderType::snp_id_block && ++id_blocks > 1) {
                add_type(QemuRule::id_block_once, header);
            }
        }
    }

    void order(PlatformType platform) {
        const bool snp  = platform == PlatformType::sev_snp;
        const bool vmsa = snp || platform == PlatformType::sev_es;
        bool pages      = false;
        bool contexts   = false;
        for (const Header header : file_.directives(file_.mask_of(platform))) {
            if (const auto page = header.as<PageData>()) {
                pages = true;
                if (vmsa && contexts) {
                    add_type(QemuRule::pages_before_vmsas, header);
                }
                if (!snp && page->data_type != PageDataType::normal) {
                    add(QemuRule::es_page_type, header, offsetof(PageData, data_type),
                        static_cast<u16>(page->data_type));
                }
                constexpr u32 unencrypted = PageData::unmeasured | PageData::shared;
                if (!snp && platform != PlatformType::native && (page->flags & unencrypted) != 0) {
                    add(QemuRule::es_page_measured, header, offsetof(PageData, flags), page->flags);
                }
            }
            const bool placement = header.type == HeaderType::parameter_insert
                                   || header.type == HeaderType::required_memory;
            if (placement && pages) {
                add_type(QemuRule::placement_before_pages, header);
            }
            contexts = contexts || header.type == HeaderType::vp_context;
        }
    }

    void contexts(PlatformType platform) {
        std::vector<u16> seen;
        for (const Header header : file_.directives(file_.mask_of(platform))) {
            const auto context = header.as<VpContext>();
            if (!context) {
                continue;
            }
            const auto page    = file_.data(context->file_offset, page_size);
            const auto in_data = [&](QemuRule rule, u64 field, u64 value) {
                add(rule, header.index, context->file_offset + field, value);
            };
            if (platform == PlatformType::native || platform == PlatformType::sev) {
                if (context->vp_index != 0) {
                    add(QemuRule::native_vp_index, header, offsetof(VpContext, vp_index),
                        context->vp_index);
                }
                check_native_context(load<NativeVpContext>(page), in_data);
                continue;
            }
            if (std::ranges::count(seen, context->vp_index) != 0) {
                add(QemuRule::vmsa_once, header, offsetof(VpContext, vp_index), context->vp_index);
            }
            seen.push_back(context->vp_index);
            if (context->gpa != x86::vmsa_gpa) {
                add(QemuRule::vmsa_gpa, header, offsetof(VpContext, gpa), context->gpa);
            }
            check_vmsa(page, platform, in_data);
        }
    }

    const File& file_;
    QemuVersion version_;
    std::vector<QemuViolation> found_;
};
} // namespace

std::span<const QemuRuleRow> qemu_rules() { return rows; }

std::vector<QemuViolation> check_for_qemu(const File& file, QemuVersion version) {
    return Checker(file, version).run();
}

} // namespace vestibule::igvm
