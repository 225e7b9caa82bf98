// SPDX-License-Identifier: BSD-2-Clause-Patent
// See show.h: the listing for people.
#include "igvm/format/context_fields.h"
#include "igvm/format/guest_policy.h"
#include "igvm/format/header_fields.h"
#include "igvm/format/page_runs.h"
#include "igvm/format/references.h"
#include "igvm/measure/digest.h"
#include "igvm/show/describe.h"
#include "igvm/show/show.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
class Listing {
  public:
    Listing(const File& file, const Sink& out) : file_(file), out_(out) {}

    void print_all() {
        fixed_header();
        platforms();
        if (file_.initialization().begin() != file_.initialization().end()) {
            print("initialization:\n");
            for (const Header header : file_.initialization()) {
                header_line(header);
            }
        }
        print("directives:\n");
        for_each_run(
            file_, all_platforms, [&](const PageRun& pages) { run(pages); },
            [&](const Header& header) {
                if (const auto context = header.as<VpContext>()) {
                    vp_context(*context);
                } else {
                    header_line(header);
                }
            });
    }

  private:
    template <class... T>
    void print(fmt::format_string<T...> format, T&&... values) {
        out_(fmt::format(format, std::forward<T>(values)...));
    }

    void fixed_header() {
        const FixedHeaderV2& header = file_.fixed_header();
        print("IGVM version {}, {}, {} bytes, checksum {:08x}\n"
              "variable headers: {} bytes at {:#x}\n",
              header.common.format_version,
              header.architecture == Architecture::x64 ? "x64" : "AArch64",
              header.common.total_file_size, header.common.checksum,
              header.common.variable_header_size, header.common.variable_header_offset);
    }

    void platforms() {
        print("platforms:\n");
        for (const Header header : file_.platforms()) {
            const auto platform = load<SupportedPlatform>(header.content);
            print("  {}: mask {:#x}, highest VTL {}", igvm::name_of(platform.platform_type),
                  platform.compatibility_mask, platform.highest_vtl);
            if (platform.shared_gpa_boundary != 0) {
                print(", shared GPA boundary {:#x}", platform.shared_gpa_boundary);
            }
            print("\n");
        }
    }

    /// NATIVE measures nothing, whatever a page's flags say.
    std::string_view measured(const PageRun& run) {
        if (!run.measured()) {
            return "unmeasured";
        }
        return run.first.compatibility_mask == file_.mask_of(PlatformType::native) ? "loaded"
                                                                                   : "measured";
    }

    void run(const PageRun& run) {
        print("  {:#x}..{:#x}: {} x {} {}, {}, {}{} [{}]\n", run.first.gpa,
              run.first.gpa + run.size(), run.pages, run.step == page_size ? "4K" : "2M",
              run.zero ? "zero" : "data", igvm::name_of(run.first.data_type), measured(run),
              (run.first.flags & PageData::shared) != 0 ? ", shared" : "",
              names_of(file_, run.first.compatibility_mask));
    }

    void vp_context(const VpContext& context) {
        const PlatformType platform =
            file_.platform_of(context.compatibility_mask).value_or(PlatformType::native);
        const auto kind = context_kind(platform);
        print("  VP context of VP {} [{}]", context.vp_index, igvm::name_of(platform));
        if (!kind) {
            vbs_context(context);
            return;
        }
        const auto page = file_.data(context.file_offset, page_size);
        if (*kind == ContextKind::cca) {
            print(", starts at {:#x}", load<CcaVpContext>(page).pc);
        } else if (*kind == ContextKind::vmsa) {
            const auto vmsa = load<x86::Vmsa>(page);
            print(", VMSA at {:#x}, starts in {}", context.gpa,
                  mode_in_words(vmsa.cr0, vmsa.efer, vmsa.cs.attributes));
        } else {
            const auto registers = load<NativeVpContext>(page);
            print(", starts in {}", mode_in_words(registers.cr0, registers.efer,
                                                  x86::vmsa_attributes(registers.code.attributes)));
        }
        print("\n");
        for (const std::string& field : context_lines(*kind, page)) {
            print("    {}\n", field);
        }
    }

    void vbs_context(const VpContext& context) {
        const auto list =
            file_.data(static_cast<u32>(context.file_offset + sizeof(u32)), sizeof(VbsRegister));
        print(", VTL {}\n", load<VbsRegister>(list).vtl);
        for (const ContextRegister& own : vbs_registers(file_, context)) {
            print("    {:<16} {:#x}\n", own.name, own.value);
        }
    }

    /// What is worth a form of its own.
    std::string summary(const Header& header) {
        if (const auto policy = header.as<GuestPolicy>()) {
            return fmt::format("{:#x}", policy->policy);
        }
        if (const auto memory = header.as<RequiredMemory>()) {
            const bool vtl2 = (memory->flags & RequiredMemory::vtl2_protectable) != 0;
            return fmt::format("{:#x}..{:#x}{}", memory->gpa, memory->gpa + memory->number_of_bytes,
                               vtl2 ? ", VTL2 protectable" : "");
        }
        if (const auto area = header.as<ParameterArea>()) {
            return fmt::format("{}: {} bytes{}", area->parameter_area_index, area->number_of_bytes,
                               area->file_offset != 0 ? ", with initial data" : "");
        }
        if (const auto insert = header.as<ParameterInsert>()) {
            return fmt::format("of area {} at {:#x}", insert->parameter_area_index, insert->gpa);
        }
        if (const auto usage = header.as<ParameterUsage>()) {
            return fmt::format("in area {} at offset {:#x}", usage->parameter_area_index,
                               usage->byte_offset);
        }
        if (const auto range = header.as<ErrorRange>()) {
            return fmt::format("{:#x}..{:#x}", range->gpa, range->gpa + range->size_bytes);
        }
        return {};
    }

    void header_line(const Header& header) {
        print("  {}", header.row().name);
        if (is_optional(header.type)) {
            print(" {:#x}, {} bytes at {:#x} of the file", static_cast<u32>(header.type),
                  header.content.size(), header.offset);
        }
        const std::string text = summary(header);
        if (!text.empty()) {
            print(" {}", text);
        }
        if (header.row().mask != Mask::none) {
            print(" [{}]", names_of(file_, header.compatibility_mask()));
        }
        print("\n");
        if (text.empty()) {
            fields(header);
        }
        if (const auto policy = header.as<GuestPolicy>()) {
            policy_in_words(*policy);
        } else if (const auto realm = header.as<CcaPolicy>()) {
            policy_in_words(*realm);
        }
    }

    /// For each platform that it is for: the same bits say other things elsewhere.
    void policy_in_words(const GuestPolicy& policy) {
        for (const Header header : file_.platforms()) {
            const auto platform = load<SupportedPlatform>(header.content);
            if ((platform.compatibility_mask & policy.compatibility_mask) == 0) {
                continue;
            }
            for (const PolicyLine& line : policy_lines(platform.platform_type, policy.policy)) {
                print("    {}{}\n", line.is_warning ? "warning: " : "", line.text);
            }
        }
    }

    void policy_in_words(const CcaPolicy& policy) {
        for (const auto& [bit, name] : {
                 std::pair(CcaPolicy::debug, "debug"), {CcaPolicy::shared_mec, "shared MEC"}
        }) {
            print("    {}: {}\n", name,
                  (policy.required_zeroes & bit) != 0 ? "must be off"
                  : (policy.required_ones & bit) != 0 ? "must be on"
                                                      : "either way");
        }
        print("    measured by {}, live firmware activation {}\n",
              cca_hash_name(policy.hash_algorithm),
              policy.lfa_policy == 0   ? "disallowed"
              : policy.lfa_policy == 1 ? "allowed"
                                       : "by an unknown policy");
    }

    /// All fields by name, long ones up to their first bytes.
    void fields(const Header& header) {
        for (const HeaderField& field : fields_of(header.type)) {
            if (field.kind == FieldKind::mask) {
                continue;
            }
            constexpr u64 shown = 48;
            const bool cut      = field.kind == FieldKind::bytes && field.size > shown;
            const std::string value =
                cut ? to_hex(header.content.subspan(field.offset, shown)) : value_of(field, header);
            print("    {:<24} {}{}\n", field.name, value,
                  cut ? fmt::format("... {} bytes", field.size) : "");
        }
    }

    const File& file_;
    const Sink& out_;
};
} // namespace

void show_text(const File& file, const Sink& out) { Listing(file, out).print_all(); }

} // namespace vestibule::igvm
