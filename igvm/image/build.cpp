// SPDX-License-Identifier: BSD-2-Clause-Patent
// Order of the built file. QEMU writes a run of contiguous pages only when the run ends, so what
// has to be there before the pages stands before all of them, and VP contexts stand last. A
// parameter stands between its area and the area's insert.
#include "igvm/image/build.h"

#include "igvm/image/initial_state.h"
#include "igvm/show/describe.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
struct Target {
    PlatformType platform;
    u32 mask;
};

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

void add_parameters(Writer& writer, const Layout& layout, u32 mask) {
    for (u32 index = 0; index < layout.at.parameters.size(); ++index) {
        const ParameterPage& page = layout.at.parameters[index];
        writer.add(ParameterArea{
            .number_of_bytes = page_size, .parameter_area_index = index, .file_offset = 0});
        writer.add(ParameterUsage{.parameter_area_index = index, .byte_offset = 0}, page.parameter);
        writer.add(ParameterInsert{
            .gpa = page.gpa, .compatibility_mask = mask, .parameter_area_index = index});
    }
}

void add_required(Writer& writer, const Layout& layout, u32 mask) {
    constexpr u64 most = 0xFFE0'0000; // of 32 bits, in large pages
    for (const boot::MemoryRange& range : layout.required) {
        for (u64 done = 0; done < range.size; done += most) {
            const u64 size = std::min(most, range.size - done);
            writer.add(RequiredMemory{.gpa                = range.base + done,
                                      .compatibility_mask = mask,
                                      .number_of_bytes    = static_cast<u32>(size),
                                      .flags              = 0,
                                      .reserved           = 0});
        }
    }
}

/// Returns the number of pages.
unsigned add_pages(Writer& writer, const Placed& placed, u32 mask, bool zeros_as_data,
                   const auto& progress) {
    static constexpr u8 zeros[page_size]{};
    const auto bytes = placed.content.bytes();
    unsigned pages   = 0;
    for (u64 at = 0; at < bytes.size(); at += page_size, ++pages) {
        const auto data = bytes.subspan(at, std::min(page_size, bytes.size() - at));
        const PageData page{.gpa                = placed.gpa + at,
                            .compatibility_mask = mask,
                            .file_offset        = 0,
                            .flags              = 0,
                            .data_type          = placed.type,
                            .reserved           = 0};
        if (zeros_as_data && placed.type == PageDataType::normal
            && std::ranges::count(data, u8{0}) == std::ssize(data)) {
            writer.add(page, zeros);
        } else {
            writer.add_page(page, data);
        }
        progress();
    }
    return pages;
}

/// vCPU 0 starts at the image's entry. Others wait at entry_ap, in 64-bit mode whatever vCPU 0 is
/// entered in: the page tables that takes are there by the time that they are let go
/// (boot/hand_over/ap.asm). Native loaders take a context for vCPU 0 only.
void add_vp_context(Writer& writer, const Target& target, const BuildOptions& options, u64 base,
                    u64 address, u16 vp_index) {
    VpContext context{.gpa                = 0,
                      .compatibility_mask = target.mask,
                      .file_offset        = 0,
                      .vp_index           = vp_index,
                      .reserved           = 0};
    if (target.platform != PlatformType::native) {
        context.gpa             = x86::vmsa_gpa;
        const boot::Entry entry = vp_index == 0 ? options.entry : boot::Entry::long64;
        x86::Vmsa vmsa          = initial_vmsa(target.platform, entry, base, address);
        if (target.platform == PlatformType::sev_snp) {
            vmsa.sev_features = options.sev_features;
        }
        writer.add(context, bytes_of(vmsa));
    } else if (vp_index == 0) {
        const NativeVpContext registers = initial_native_context(options.entry, base, address);
        std::vector<u8> page(page_size);
        std::ranges::copy(bytes_of(registers), page.begin());
        writer.add(context, page);
    }
}

/// The launch's vCPUs run the service; the first one's is told of the guest
/// (boot/snp/service_launch.h), and the others wait for what the guest has made of them.
void add_service_contexts(Writer& writer, const Target& target, const Layout& layout,
                          const StubImage& service, u32 vcpus) {
    const u64 base = layout.at.service.base;
    for (u32 vp = 0; vp < vcpus; ++vp) {
        const u64 entry = vp == 0 ? service.entry : service.entry_ap.value_or(0);
        x86::Vmsa vmsa  = initial_vmsa(target.platform, boot::Entry::long64, base, base + entry);
        vmsa.rdi        = vp == 0 ? layout.at.service_launch : 0;
        writer.add(VpContext{.gpa                = x86::vmsa_gpa,
                             .compatibility_mask = target.mask,
                             .file_offset        = 0,
                             .vp_index           = static_cast<u16>(vp),
                             .reserved           = 0},
                   bytes_of(vmsa));
    }
}

unsigned& counter(PageCount& count, Part part) {
    switch (part) {
    case Part::page_tables: return count.page_tables;
    case Part::stub: return count.stub;
    case Part::initrd: return count.initrd;
    case Part::cpuid_page:
    case Part::secrets_page: return count.snp;
    case Part::service: return count.service;
    case Part::hand_over:
    case Part::payload:
    case Part::zero_page:
    case Part::pvh_entry:
    case Part::jump_table:
    case Part::acpi_tables:
    case Part::efi_tables:
    case Part::kernel_hashes:
    case Part::ap_way: break;
    }
    return count.payload;
}
} // namespace

std::optional<std::string> problem_of(const StubImage& image, const BuildOptions& options,
                                      const GuestContents& contents) {
    if (options.vcpus > 1 && options.vmpl == 0 && !image.entry_ap) {
        return "the image has no entry point for further vCPUs: expected the symbol entry_ap";
    }
    if (options.vcpus > 1 && contents.service != nullptr && !contents.service->entry_ap) {
        return "the service has no entry point for further vCPUs: expected the symbol entry_ap";
    }
    if (contents.payload != nullptr && !image.payload_header) {
        return "the image runs its own payload and no other: expected the symbol payload_header";
    }
    return std::nullopt;
}

std::expected<BuiltFile, std::string> build(const StubImage& image, const BuildOptions& options,
                                            const GuestContents& contents,
                                            const BuildProgress& progress) {
    if (auto problem = problem_of(image, options, contents)) {
        return std::unexpected(std::move(*problem));
    }
    auto layout = lay_out(image, options, contents);
    if (!layout) {
        return std::unexpected(layout.error());
    }

    Writer writer;
    u64 blobs = options.vcpus * options.platforms.size();
    for (const Placed& placed : layout->pages) {
        blobs += whole_pages(placed.content.size()) / page_size;
    }
    constexpr u64 others = 64; // headers; a guess too low costs time only
    writer.reserve((blobs + others) * (sizeof(HeaderTag) + sizeof(PageData)), blobs * page_size);
    std::vector<Target> targets;
    BuiltFile result;
    u32 all = 0;
    for (const PlatformType platform : options.platforms) {
        targets.push_back({.platform = platform, .mask = writer.add_platform(platform)});
        result.pages.push_back({.platform = platform});
        all |= targets.back().mask;
    }
    for (const Target& target : targets) {
        if (target.platform == PlatformType::sev_snp) {
            writer.add(GuestPolicy{
                .policy = options.snp_policy, .compatibility_mask = target.mask, .reserved = 0});
        }
    }
    add_parameters(writer, *layout, all);
    add_required(writer, *layout, all);

    u64 done        = 0;
    const auto tick = [&] {
        constexpr u64 now_and_then = 256;
        if (++done % now_and_then == 0 && progress) {
            progress(done);
        }
    };
    for (const Placed& placed : layout->pages) {
        u32 mask = 0;
        for (const Target& target : targets) {
            mask |= placed.platform.value_or(target.platform) == target.platform ? target.mask : 0;
        }
        const unsigned pages = add_pages(writer, placed, mask, options.zeros_as_data, tick);
        for (PageCount& count : result.pages) {
            if (placed.platform.value_or(count.platform) == count.platform) {
                counter(count, placed.part) += pages;
            }
        }
    }

    if (layout->at.service.size != 0) {
        add_service_contexts(writer, targets[0], *layout, *contents.service, options.vcpus);
        result.pages[0].vmsa = options.vcpus;
        targets.clear();
    }
    for (u64 i = 0; i < targets.size(); ++i) {
        const bool snp = targets[i].platform == PlatformType::sev_snp;
        const auto at =
            snp ? image.snp_entry_point(options.entry) : image.entry_point(options.entry);
        // NOLINTNEXTLINE(bugprone-unchecked-optional-access): who calls has looked
        const u64 entry = at.value();
        for (u32 vp = 0; vp < options.vcpus; ++vp) {
            const u64 address = layout->at.base + (vp == 0 ? entry : image.entry_ap.value_or(0));
            add_vp_context(writer, targets[i], options, layout->at.base, address,
                           static_cast<u16>(vp));
        }
        result.pages[i].vmsa = targets[i].platform == PlatformType::native ? 0 : options.vcpus;
    }

    auto bytes = std::move(writer).finish();
    if (!bytes) {
        return std::unexpected(describe(bytes.error()));
    }
    result.bytes  = std::move(*bytes);
    result.layout = std::move(*layout);
    return result;
}

} // namespace vestibule::igvm
