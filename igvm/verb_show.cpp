// igvmtool show: what an IGVM file holds, in words.
#include "igvm/describe.h"
#include "igvm/file_io.h"
#include "igvm/verbs.h"
#include "x86/page_table.h"

#include <fmt/format.h>

#include <memory>
#include <optional>

namespace vestibule::igvm {

namespace {
/// Pages that differ in nothing but their address and content, one after another.
struct Run {
    PageData first;
    u64 step;
    u64 pages;
    bool zero;

    [[nodiscard]] bool continues_with(const PageData& next, bool next_zero) const {
        return next.gpa == first.gpa + pages * step && next.flags == first.flags
               && next.data_type == first.data_type
               && next.compatibility_mask == first.compatibility_mask && next_zero == zero;
    }
};

std::string_view name_of(PageDataType type) {
    switch (type) {
    case PageDataType::normal: return "normal";
    case PageDataType::secrets: return "secrets";
    case PageDataType::cpuid_data: return "CPUID";
    case PageDataType::cpuid_xf: return "CPUID with XFEATURES";
    }
    return "unknown";
}

void print_fixed_header(const File& file) {
    const FixedHeaderV2& header = file.fixed_header();
    fmt::print("IGVM version {}, {}, {} bytes, checksum {:08x}\n"
               "variable headers: {} bytes at {:#x}\n",
               header.common.format_version,
               header.architecture == Architecture::x64 ? "x64" : "AArch64",
               header.common.total_file_size, header.common.checksum,
               header.common.variable_header_size, header.common.variable_header_offset);
}

void print_platforms(const File& file) {
    fmt::print("platforms:\n");
    for (const Header header : file.platforms()) {
        const auto platform = load<SupportedPlatform>(header.content);
        fmt::print("  {}: mask {:#x}, highest VTL {}", igvm::name_of(platform.platform_type),
                   platform.compatibility_mask, platform.highest_vtl);
        if (platform.shared_gpa_boundary != 0) {
            fmt::print(", shared GPA boundary {:#x}", platform.shared_gpa_boundary);
        }
        fmt::print("\n");
    }
}

/// NATIVE measures nothing, whatever a page's flags say.
std::string_view measured(const File& file, const PageData& page) {
    if ((page.flags & (PageData::unmeasured | PageData::shared)) != 0) {
        return "unmeasured";
    }
    return page.compatibility_mask == file.mask_of(PlatformType::native) ? "loaded" : "measured";
}

void print_run(const File& file, const Run& run) {
    fmt::print("  {:#x}..{:#x}: {} x {} {}, {}, {}{} [{}]\n", run.first.gpa,
               run.first.gpa + run.pages * run.step, run.pages, run.step == page_size ? "4K" : "2M",
               run.zero ? "zero" : "data", name_of(run.first.data_type), measured(file, run.first),
               (run.first.flags & PageData::shared) != 0 ? ", shared" : "",
               names_of(file, run.first.compatibility_mask));
}

void print_vp_context(const File& file, const VpContext& context) {
    PlatformType platform{};
    for (const Header header : file.platforms()) {
        const auto declared = load<SupportedPlatform>(header.content);
        if (declared.compatibility_mask == context.compatibility_mask) {
            platform = declared.platform_type;
        }
    }
    fmt::print("  VP context of VP {} [{}]", context.vp_index,
               names_of(file, context.compatibility_mask));
    std::vector<std::string> fields;
    switch (platform) {
    case PlatformType::sev_snp:
    case PlatformType::sev_es: {
        const auto page = file.data(context.file_offset, page_size);
        const auto vmsa = load<x86::Vmsa>(page);
        fmt::print(", VMSA at {:#x}, starts in {}", context.gpa,
                   mode_in_words(vmsa.cr0, vmsa.efer, vmsa.cs.attributes));
        fields = vmsa_fields(page);
        break;
    }
    case PlatformType::native:
    case PlatformType::sev: {
        const auto page      = file.data(context.file_offset, page_size);
        const auto registers = load<NativeVpContext>(page);
        fmt::print(", starts in {}",
                   mode_in_words(registers.cr0, registers.efer,
                                 x86::vmsa_attributes(registers.code.attributes)));
        fields = native_fields(page);
        break;
    }
    default: fmt::print(", data at {:#x} of the file", context.file_offset);
    }
    fmt::print("\n");
    for (const std::string& field : fields) {
        fmt::print("    {}\n", field);
    }
}

/// Headers other than pages, one line each.
void print_header(const File& file, const Header& header) {
    if (const auto context = header.as<VpContext>()) {
        print_vp_context(file, *context);
        return;
    }
    fmt::print("  {}", header.row().name);
    if (const auto policy = header.as<GuestPolicy>()) {
        fmt::print(" {:#x}", policy->policy);
    } else if (const auto memory = header.as<RequiredMemory>()) {
        fmt::print(" {:#x}..{:#x}{}", memory->gpa, memory->gpa + memory->number_of_bytes,
                   (memory->flags & RequiredMemory::vtl2_protectable) != 0 ? ", VTL2 protectable"
                                                                           : "");
    } else if (const auto area = header.as<ParameterArea>()) {
        fmt::print(" {}: {} bytes{}", area->parameter_area_index, area->number_of_bytes,
                   area->file_offset != 0 ? ", with initial data" : "");
    } else if (const auto insert = header.as<ParameterInsert>()) {
        fmt::print(" of area {} at {:#x}", insert->parameter_area_index, insert->gpa);
    } else if (const auto usage = header.as<ParameterUsage>()) {
        fmt::print(" in area {} at offset {:#x}", usage->parameter_area_index, usage->byte_offset);
    } else if (const auto region = header.as<RelocatableRegion>()) {
        fmt::print(" {:#x}..{:#x}", region->relocation_region_gpa,
                   region->relocation_region_gpa + region->relocation_region_size);
    } else if (const auto tables = header.as<PageTableRelocationRegion>()) {
        fmt::print(" {:#x}..{:#x}", tables->gpa, tables->gpa + tables->size);
    } else if (const auto range = header.as<ErrorRange>()) {
        fmt::print(" {:#x}..{:#x}", range->gpa, range->gpa + range->size_bytes);
    }
    if (header.row().mask != Mask::none) {
        fmt::print(" [{}]", names_of(file, header.compatibility_mask()));
    }
    fmt::print("\n");
}

void print_directives(const File& file) {
    fmt::print("directives:\n");
    std::optional<Run> run;
    for (const Header header : file.directives()) {
        const auto page = header.as<PageData>();
        const bool zero = page && page->file_offset == 0;
        if (run && !(page && run->continues_with(*page, zero))) {
            print_run(file, *run);
            run.reset();
        }
        if (!page) {
            print_header(file, header);
        } else if (run) {
            ++run->pages;
        } else {
            const bool large = (page->flags & PageData::is_2mb_page) != 0;
            run              = Run{.first = *page,
                                   .step  = large ? x86::large_page_size : page_size,
                                   .pages = 1,
                                   .zero  = zero};
        }
    }
    if (run) {
        print_run(file, *run);
    }
}

void show(const std::string& path) {
    const auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    const auto file = parse(*bytes);
    if (!file) {
        throw Failure(fmt::format("{}: {}", path, describe(file.error())));
    }
    print_fixed_header(*file);
    print_platforms(*file);
    if (file->initialization().begin() != file->initialization().end()) {
        fmt::print("initialization:\n");
        for (const Header header : file->initialization()) {
            print_header(*file, header);
        }
    }
    print_directives(*file);
}
} // namespace

void add_show(CLI::App& app) {
    auto path      = std::make_shared<std::string>();
    CLI::App* verb = app.add_subcommand("show", "Say what an IGVM file holds");
    verb->add_option("file", *path, "An IGVM file")->required();
    verb->footer("Example:\n  igvmtool show guest.igvm");
    verb->callback([path] { show(*path); });
}

} // namespace vestibule::igvm
