// SPDX-License-Identifier: BSD-2-Clause-Patent
// The rules that look at headers and their order; what stands in a VP context is judged in
// context_check.cpp, which policies and features a kernel takes by the table in kernel_rules.h.
// Every rule is tried; whether it holds for the monitor is asked of its row alone, so that to teach
// a monitor another rule is to edit the table.
#include "igvm/vmm/check.h"

#include "igvm/format/context_fields.h"
#include "igvm/format/guest_policy.h"
#include "igvm/vmm/context_check.h"
#include "igvm/vmm/kernel_rules.h"
#include "x86/page_table.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <set>

namespace vestibule::igvm {

namespace {
constexpr u64 listed_at_most = 1000;

/// The offset is ignored for these; it is honoured for the other parameters that QEMU knows.
constexpr HeaderType without_offset[] = {HeaderType::memory_map, HeaderType::madt,
                                         HeaderType::device_tree};

class Checker {
  public:
    Checker(const File& file, const VmmProfile& vmm, const VmmProfile* kernel)
        : file_(file), vmm_(vmm), kernel_(kernel != nullptr ? *kernel : vmm) {}

    CheckResult run() {
        if (!vmm_.loads_igvm) {
            add_file(VmmRule::igvm_loader);
            return std::move(result_);
        }
        format();
        // A type is judged before the compatibility mask is looked at.
        types();
        parameters();
        for (const Header header : file_.platforms()) {
            const auto platform = load<SupportedPlatform>(header.content);
            platform_           = platform.platform_type;
            const bool launched =
                launches(vmm_, platform.platform_type) && launches(kernel_, platform.platform_type);
            (launched ? result_.launched : result_.others).push_back(*platform_);
            if (launched) {
                platform_header(header, platform);
                policies(header);
                directives();
                contexts(header);
            } else if (*platform_ == PlatformType::sev_snp) {
                add(VmmRule::snp_host, header, offsetof(SupportedPlatform, platform_type),
                    static_cast<u8>(*platform_));
            }
        }
        platform_.reset();
        if (result_.launched.empty()) {
            add_file(VmmRule::platform);
        }
        return std::move(result_);
    }

  private:
    Finding* list(VmmRule rule, const Header* header, u64 offset, u64 found) {
        const VmmRuleRow& row = row_of(rule);
        if (!row.vmms.has(vmm_.vmm)) {
            return nullptr;
        }
        if (result_.findings.size() == listed_at_most) {
            ++result_.unlisted;
            return nullptr;
        }
        result_.findings.push_back(
            {.rule         = rule,
             .verdict      = row.verdict,
             .platform     = platform_,
             .header_index = header != nullptr ? header->index : Error::no_header,
             .header       = header != nullptr ? header->row().name : "",
             .offset       = offset,
             .field        = {},
             .found        = found,
             .becomes      = std::nullopt,
             .detail       = {},
             .vmms         = row.vmms,
             .text         = row.text,
             .source       = row.source});
        return &result_.findings.back();
    }

    void add_file(VmmRule rule) {
        list(rule, nullptr, file_.fixed_header().common.variable_header_offset, 0);
    }

    void add(VmmRule rule, const Header& header, u64 field, u64 found) {
        list(rule, &header, header.offset + field, found);
    }

    void add_type(VmmRule rule, const Header& header) {
        list(rule, &header, header.offset - sizeof(HeaderTag), static_cast<u32>(header.type));
    }

    /// What the reader has remarked on.
    void format() {
        const Remarks remarks{
            .take  = [](void* checker,
                       const Error& remark) { static_cast<Checker*>(checker)->remark(remark); },
            .taker = this};
        (void)parse(file_.bytes(), OptionalHeaders::kept, remarks);
    }

    void remark(const Error& remark) {
        Finding* finding = list(VmmRule::format, nullptr, remark.offset, remark.found);
        if (finding == nullptr) {
            return;
        }
        finding->header_index = remark.header_index;
        finding->text         = remark.expected();
        finding->detail       = fmt::format("the format's rule {}", remark.rule_name());
        for (const auto& section :
             {file_.platforms(), file_.initialization(), file_.directives()}) {
            for (const Header header : section) {
                if (header.index == remark.header_index) {
                    finding->header = header.row().name;
                }
            }
        }
    }

    void types() {
        for (const Header header : file_.initialization()) {
            if (is_optional(header.type)) {
                add_type(VmmRule::optional_header, header);
            } else if (header.type != HeaderType::guest_policy) {
                add_type(VmmRule::initialization_type, header);
            }
            if (carries<CorimData>(header.type) || carries<CcaPolicy>(header.type)) {
                add_type(VmmRule::unknown_to_crate, header);
            }
            if (carries<RelocatableRegion>(header.type)
                || carries<PageTableRelocationRegion>(header.type)) {
                add_type(VmmRule::no_relocation, header);
            }
        }
        for (const Header header : file_.directives()) {
            const bool known =
                std::ranges::any_of(known_directives, [&](const KnownDirective& row) {
                    return row.type == header.type && row.vmms.has(vmm_.vmm);
                });
            if (is_optional(header.type)) {
                add_type(VmmRule::optional_header, header);
            } else if (!known) {
                add_type(VmmRule::directive_type, header);
                add_type(VmmRule::directive_type_panics, header);
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
                    add(VmmRule::area_initial_data, header, offsetof(ParameterArea, file_offset),
                        area->file_offset);
                }
            } else if (const auto usage = header.as<ParameterUsage>()) {
                const auto used    = std::ranges::find(areas, usage->parameter_area_index,
                                                       &ParameterArea::parameter_area_index);
                const bool ignored = std::ranges::count(without_offset, header.type) != 0;
                const u64 at       = offsetof(ParameterUsage, byte_offset);
                if (ignored && usage->byte_offset != 0) {
                    add(VmmRule::usage_offset, header, at, usage->byte_offset);
                }
                if (!ignored && u64{usage->byte_offset} + sizeof(u32) > used->number_of_bytes) {
                    add(VmmRule::usage_inside_area, header, at, usage->byte_offset);
                }
                if (header.type == HeaderType::device_tree) {
                    add_type(VmmRule::device_tree_machine, header);
                }
            } else if (const auto block = header.as<SnpIdBlock>()) {
                if (++id_blocks > 1) {
                    add_type(VmmRule::id_block_once, header);
                }
                add_type(VmmRule::id_block_ignored, header);
                if (block->version != 1) {
                    add(VmmRule::id_block_version, header, offsetof(SnpIdBlock, version),
                        block->version);
                }
            }
        }
    }

    void platform_header(const Header& header, const SupportedPlatform& platform) {
        for (const VmmRule rule : {VmmRule::single_vtl, VmmRule::platform_fields}) {
            if (platform.highest_vtl != 0) {
                add(rule, header, offsetof(SupportedPlatform, highest_vtl), platform.highest_vtl);
            }
            if (platform.shared_gpa_boundary != 0) {
                add(rule, header, offsetof(SupportedPlatform, shared_gpa_boundary),
                    platform.shared_gpa_boundary);
            }
        }
    }

    void policies(const Header& platform) {
        u32 count = 0;
        for (const Header header : file_.initialization(file_.mask_of(*platform_))) {
            const auto own = header.as<GuestPolicy>();
            if (!own) {
                continue;
            }
            ++count;
            if (*platform_ != PlatformType::sev_snp) {
                add(VmmRule::guest_policy_unused, header, 0, own->policy);
                continue;
            }
            if (count == 1) {
                snp_policy(header, own->policy);
            } else {
                add(VmmRule::policy_last_counts, header, 0, own->policy);
                add(VmmRule::policy_first_counts, header, 0, own->policy);
            }
        }
        if (count == 0 && *platform_ == PlatformType::sev_snp) {
            add_type(VmmRule::policy_demanded, platform);
        }
    }

    void snp_policy(const Header& header, u64 value) {
        const auto [by_some, by_all] = allowed_by(kernel_.vmm, &KernelRow::snp_policy);
        if ((value & snp_policy::reserved_one) == 0) {
            add(VmmRule::snp_policy_reserved_one, header, 0, value);
        }
        if ((value & ~snp_policy::defined) != 0) {
            add(VmmRule::snp_policy_known_bits, header, 0, value);
        }
        if ((value & snp_policy::migrate_ma) != 0) {
            add(VmmRule::snp_policy_no_migration, header, 0, value);
        }
        const u64 newer = value & snp_policy::defined & ~snp_policy::migrate_ma;
        if ((newer & ~by_some) != 0) {
            add(VmmRule::snp_policy_kernel, header, 0, value);
        } else if ((newer & ~by_all) != 0) {
            add(VmmRule::snp_policy_by_kernel, header, 0, value);
        }
        if (value != default_snp_policy) {
            policy_of_object(header, value);
        }
    }

    /// QEMU's launch has started before the file is read.
    void policy_of_object(const Header& header, u64 value) {
        bool is_signed = false;
        for (const Header directive : file_.directives(file_.mask_of(*platform_))) {
            is_signed = is_signed || directive.type == HeaderType::snp_id_block;
        }
        Finding* finding =
            list(is_signed ? VmmRule::policy_of_object_signed : VmmRule::policy_of_object, &header,
                 header.offset, value);
        if (finding != nullptr) {
            finding->becomes = is_signed ? std::nullopt : std::optional(default_snp_policy);
            finding->detail  = fmt::format("give: -object sev-snp-guest,...,policy={:#x}", value);
        }
    }

    void directives() {
        const bool vmsa = context_kind(*platform_) == ContextKind::vmsa;
        bool pages      = false;
        bool contexts   = false;
        given_.clear();
        for (const Header header : file_.directives(file_.mask_of(*platform_))) {
            if (vmsa) {
                give(header);
            }
            if (const auto own = header.as<PageData>()) {
                pages = true;
                if (vmsa && contexts) {
                    add_type(VmmRule::pages_before_vmsas, header);
                }
                page(header, *own);
            }
            const bool placement = header.type == HeaderType::parameter_insert
                                   || header.type == HeaderType::required_memory;
            if (placement && pages) {
                add_type(VmmRule::placement_before_pages, header);
            }
            contexts = contexts || header.type == HeaderType::vp_context;
        }
    }

    /// What a directive launches, held against what others have.
    void give(const Header& header) {
        if (const auto page = header.as<PageData>()) {
            const bool snp      = *platform_ == PlatformType::sev_snp;
            const bool is_left  = !snp && (page->flags & PageData::unmeasured) != 0;
            const bool is_large = (page->flags & PageData::is_2mb_page) != 0;
            const bool shared   = (page->flags & PageData::shared) != 0 && !vmm_.measures_shared;
            if (!is_left && !shared) {
                give(header, page->gpa, is_large ? x86::large_page_size : page_size);
            }
        } else if (const auto area = header.as<ParameterArea>()) {
            area_sizes_[area->parameter_area_index] = area->number_of_bytes;
        } else if (const auto insert = header.as<ParameterInsert>()) {
            if (*platform_ == PlatformType::sev_snp) {
                give(header, insert->gpa, area_sizes_[insert->parameter_area_index]);
            }
        } else if (const auto context = header.as<VpContext>()) {
            // All at KVM's own address, to which no page goes: each vCPU has its own behind it.
            if (!given_.contains(context->gpa) || !given_.at(context->gpa).is_context) {
                give(header, context->gpa, page_size);
            }
        }
    }

    void give(const Header& header, u64 gpa, u64 size) {
        if (size == 0) {
            return;
        }
        const u64 last = gpa + (size - 1);
        auto other     = given_.upper_bound(last);
        if (other != given_.begin() && (--other)->second.last >= gpa) {
            const bool snp   = *platform_ == PlatformType::sev_snp;
            const Given& own = other->second;
            Finding* finding = list(snp ? VmmRule::page_twice : VmmRule::page_twice_in_place,
                                    &header, header.offset, std::max(gpa, other->first));
            if (finding != nullptr) {
                finding->detail = fmt::format("given before by {} at offset {:#x} (header {})",
                                              own.name, own.offset, own.header);
            }
            return;
        }
        given_.emplace(gpa, Given{.last       = last,
                                  .offset     = header.offset,
                                  .header     = header.index,
                                  .name       = header.row().name,
                                  .is_context = header.type == HeaderType::vp_context});
    }

    void page(const Header& header, const PageData& page) {
        const bool snp       = *platform_ == PlatformType::sev_snp;
        const bool encrypted = *platform_ != PlatformType::native;
        const bool normal    = page.data_type == PageDataType::normal;
        const u64 at_type    = offsetof(PageData, data_type);
        const u64 at_flags   = offsetof(PageData, flags);
        const auto type      = static_cast<u16>(page.data_type);
        if (!snp && !normal) {
            add(VmmRule::page_type_needs_snp, header, at_type, type);
        }
        if (!snp && encrypted && (page.flags & PageData::unmeasured) != 0) {
            add(VmmRule::unmeasured_needs_snp, header, at_flags, page.flags);
        }
        if (vmm_.measures_shared && (page.flags & PageData::shared) != 0) {
            add(VmmRule::shared_flag, header, at_flags, page.flags);
        }
        if (page.data_type == PageDataType::cpuid_xf) {
            add(VmmRule::cpuid_xf, header, at_type, type);
        }
        if (page.data_type == PageDataType::cpuid_data && page.file_offset != 0) {
            add(VmmRule::cpuid_content, header, offsetof(PageData, file_offset), page.file_offset);
        }
        constexpr u32 never_measured = PageData::unmeasured | PageData::shared;
        if (snp && normal && page.file_offset == 0 && (page.flags & never_measured) == 0
            && vmm_.empty_page == PageType::zero) {
            add(VmmRule::empty_page_type, header, offsetof(PageData, file_offset), 0);
        }
    }

    void contexts(const Header& platform) {
        std::set<u16> seen;
        for (const Header header : file_.directives(file_.mask_of(*platform_))) {
            const auto context = header.as<VpContext>();
            const auto kind    = context_kind(*platform_);
            if (!context || !kind || *kind == ContextKind::cca) {
                continue;
            }
            const u16 vp = context->vp_index;
            if (*kind == ContextKind::native) {
                add_type(VmmRule::native_context, header);
                if (vp != 0) {
                    add(VmmRule::native_vp_index, header, offsetof(VpContext, vp_index), vp);
                }
            } else {
                vmsa_header(header, *context, !seen.insert(vp).second);
            }
            registers(header, *context, *kind);
        }
        if (seen.empty() && *platform_ == PlatformType::sev_snp) {
            add_type(VmmRule::single_vp, platform);
        }
    }

    void vmsa_header(const Header& header, const VpContext& context, bool again) {
        const u64 at_vp = offsetof(VpContext, vp_index);
        if (again) {
            add(VmmRule::vmsa_once, header, at_vp, context.vp_index);
        }
        if (again || context.vp_index != 0) {
            add(VmmRule::only_first_vp, header, at_vp, context.vp_index);
            add(VmmRule::single_vp, header, at_vp, context.vp_index);
        }
        if (context.gpa != x86::vmsa_gpa) {
            add(VmmRule::vmsa_gpa, header, offsetof(VpContext, gpa), context.gpa);
            add(VmmRule::vmsa_gpa_moved, header, offsetof(VpContext, gpa), context.gpa);
        }
    }

    void registers(const Header& header, const VpContext& context, ContextKind kind) {
        const auto page  = file_.data(context.file_offset, page_size);
        const auto fault = [&](const ContextFault& fault) {
            Finding* finding =
                list(fault.rule, &header, context.file_offset + fault.offset, fault.found);
            if (finding == nullptr) {
                return;
            }
            finding->field   = context_field_at(kind, fault.offset);
            finding->becomes = fault.becomes;
            if (fault.effect != nullptr) {
                const Effect effect = fault.effect->effect;
                finding->verdict    = is_refusal(effect)       ? Verdict::rejects
                                      : effect == Effect::drop ? Verdict::ignores
                                                               : Verdict::alters;
                finding->vmms       = fault.effect->vmms;
                finding->text       = fault.effect->who;
                finding->source     = vmm_.source;
            }
        };
        if (kind == ContextKind::vmsa) {
            check_vmsa(page, *platform_,
                       {.vmm = vmm_.vmm, .kernel = kernel_.vmm, .vp_index = context.vp_index},
                       fault);
        } else {
            check_native_context(load<NativeVpContext>(page), fault);
        }
    }

    /// Guest memory that a directive launches, by its first address.
    struct Given {
        u64 last;
        u64 offset; // of the directive in the file
        u32 header;
        std::string_view name;
        bool is_context;
    };

    const File& file_;
    const VmmProfile& vmm_;
    const VmmProfile& kernel_;             // the monitor where its kernel is not known
    std::optional<PlatformType> platform_; // at work on
    std::map<u64, Given> given_;           // on that platform
    std::map<u32, u64> area_sizes_;
    CheckResult result_;
};
} // namespace

std::string values_of(const Finding& finding) {
    const auto becomes = finding.becomes ? fmt::format(", becomes {:#x}", *finding.becomes) : "";
    return fmt::format("found {:#x}{}", finding.found, becomes);
}

std::string reason_of(const Finding& finding) {
    return fmt::format("{}{}",
                       finding.rule == VmmRule::vmsa_field ? "" : "expected: ", finding.text);
}

CheckResult check_for(const File& file, const VmmProfile& vmm, const VmmProfile* kernel) {
    return Checker(file, vmm, kernel).run();
}

} // namespace vestibule::igvm
