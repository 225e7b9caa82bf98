// Layout of the built file. QEMU writes a run of contiguous pages only when the run ends, so what
// has to be there before the pages stands before all of them, and VP contexts stand last.
#include "igvm/build.h"

#include "boot/initial_tables.h"
#include "igvm/initial_state.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
struct Target {
    PlatformType platform;
    u32 mask;
    u64 c_bit; // as a mask, 0 where memory is not encrypted
};

template <class T>
std::span<const u8> bytes_of(const T& value) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    return {reinterpret_cast<const u8*>(&value), sizeof(T)};
}

PageData normal_page(u64 gpa, u32 mask) {
    return {.gpa                = gpa,
            .compatibility_mask = mask,
            .file_offset        = 0,
            .flags              = 0,
            .data_type          = PageDataType::normal,
            .reserved           = 0};
}

/// The file's part of a segment. Its memory beyond that is not in the file at all: the stub clears
/// it, and clearing costs less than measuring. Returns the number of pages.
unsigned add_segment(Writer& writer, const StubSegment& segment, u64 base, u32 mask) {
    unsigned pages = 0;
    for (u64 at = 0; at < segment.data.size(); at += page_size, ++pages) {
        const u64 size = std::min(page_size, segment.data.size() - at);
        writer.add_page(normal_page(base + segment.address + at, mask),
                        segment.data.subspan(at, size));
    }
    return pages;
}

void add_vp_context(Writer& writer, const Target& target, boot::Entry entry, u64 base,
                    u64 address) {
    VpContext context{.gpa                = 0,
                      .compatibility_mask = target.mask,
                      .file_offset        = 0,
                      .vp_index           = 0,
                      .reserved           = 0};
    if (target.platform == PlatformType::sev_es) {
        context.gpa = x86::vmsa_gpa;
        writer.add(context, bytes_of(initial_vmsa(entry, base, address)));
        return;
    }
    const NativeVpContext registers = initial_native_context(entry, base, address);
    std::vector<u8> page(page_size);
    std::ranges::copy(bytes_of(registers), page.begin());
    writer.add(context, page);
}
} // namespace

bool is_buildable(PlatformType platform) {
    return platform == PlatformType::native || platform == PlatformType::sev_es;
}

std::optional<std::string> wrong_option(const BuildOptions& options) {
    if (options.platforms.empty()) {
        return "at least one platform is needed";
    }
    if (!std::ranges::all_of(options.platforms, is_buildable)) {
        return "images are built for the platforms native and sev-es";
    }
    for (const PlatformType platform : options.platforms) {
        if (std::ranges::count(options.platforms, platform) != 1) {
            return "a platform is named twice";
        }
    }
    if (!x86::is_plausible_c_bit(options.c_bit)) {
        return fmt::format("C-bit: found {}, expected one of the bits 32 to 51", options.c_bit);
    }
    if (!boot::is_loadable_base(options.base)) {
        return fmt::format(
            "base: found {:#x}, expected a multiple of 2 MiB, from 2 MiB to below 4 GiB, "
            "whose bits 29:21 are neither 0 nor equal to its bits 38:30",
            options.base);
    }
    return std::nullopt;
}

std::expected<BuiltFile, Error> build(const StubImage& image, const BuildOptions& options) {
    Writer writer;
    std::vector<Target> targets;
    u32 all = 0;
    for (const PlatformType platform : options.platforms) {
        const u64 c_bit = platform == PlatformType::native ? 0 : bit(options.c_bit);
        targets.push_back(
            {.platform = platform, .mask = writer.add_platform(platform), .c_bit = c_bit});
        all |= targets.back().mask;
    }
    writer.add(RequiredMemory{.gpa                = options.base,
                              .compatibility_mask = all,
                              .number_of_bytes    = static_cast<u32>(image.size),
                              .flags              = 0,
                              .reserved           = 0});

    PageCount count{
        .platform = PlatformType::native, .page_tables = 0, .stub = 0, .payload = 0, .vmsa = 0};
    if (has_initial_tables(options.entry)) {
        count.page_tables = 1;
        for (const Target& target : targets) {
            x86::PageTable tables{};
            boot::map_image(tables, options.base, target.c_bit);
            writer.add_page(normal_page(options.base, target.mask), bytes_of(tables));
        }
    }
    for (const StubSegment& segment : image.segments) {
        (segment.payload ? count.payload : count.stub) +=
            add_segment(writer, segment, options.base, all);
    }
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): who calls has looked
    const u64 entry = image.entry_point(options.entry).value();
    for (const Target& target : targets) {
        add_vp_context(writer, target, options.entry, options.base, options.base + entry);
    }

    auto bytes = writer.finish();
    if (!bytes) {
        return std::unexpected(bytes.error());
    }
    BuiltFile result{.bytes = std::move(*bytes), .pages = {}};
    for (const Target& target : targets) {
        count.platform = target.platform;
        count.vmsa     = target.platform == PlatformType::sev_es ? 1 : 0;
        result.pages.push_back(count);
    }
    return result;
}

} // namespace vestibule::igvm
