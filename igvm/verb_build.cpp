// igvmtool build: the guest image in this program, or another one, as an IGVM file.
#include "igvm/build.h"
#include "igvm/describe.h"
#include "igvm/file_io.h"
#include "igvm/verbs.h"

#include "stub32.h"
#include "stub64.h"
#include "stub_compat.h"

#include <fmt/format.h>

#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    std::string out;
    std::string stub;
    std::vector<std::string> platforms = {"native", "sev-es"};
    std::string entry                  = "64";
    unsigned c_bit                     = BuildOptions{}.c_bit;
    u64 base                           = BuildOptions{}.base;
};

/// The modes by the names that --entry knows, each with the built-in image that is entered in it.
struct EntryName {
    std::string_view name;
    boot::Entry entry;
    std::span<const u8> (*stub)();
};

constexpr EntryName entry_names[] = {
    {.name = "32",     .entry = boot::Entry::legacy32, .stub = embedded::stub32     },
    {.name = "compat", .entry = boot::Entry::compat,   .stub = embedded::stub_compat},
    {.name = "64",     .entry = boot::Entry::long64,   .stub = embedded::stub64     },
};

const EntryName& entry_of(const Arguments& arguments) {
    const auto* row = std::ranges::find(entry_names, arguments.entry, &EntryName::name);
    if (row == std::end(entry_names)) {
        throw CLI::ValidationError(
            "--entry", fmt::format("found {}, expected 32, compat or 64", arguments.entry));
    }
    return *row;
}

BuildOptions options_of(const Arguments& arguments) {
    BuildOptions options{.platforms = {},
                         .c_bit     = arguments.c_bit,
                         .base      = arguments.base,
                         .entry     = entry_of(arguments).entry};
    for (const std::string& name : arguments.platforms) {
        const auto* row = std::ranges::find(platform_names, name, &PlatformName::name);
        if (row == std::end(platform_names) || !is_buildable(row->platform)) {
            throw CLI::ValidationError("--platform",
                                       fmt::format("found {}, expected native or sev-es", name));
        }
        options.platforms.push_back(row->platform);
    }
    if (const auto wrong = wrong_option(options)) {
        throw CLI::ValidationError(std::string(*wrong));
    }
    return options;
}

void print_summary(const Arguments& arguments, const BuiltFile& file) {
    fmt::print("{}: {} bytes\n", arguments.out, file.bytes.size());
    for (const PageCount& count : file.pages) {
        const unsigned all = count.page_tables + count.stub + count.payload + count.vmsa;
        fmt::print("  {}: {} {} pages = {} page tables + {} stub + {} payload{}\n",
                   name_of(count.platform), all, count.vmsa != 0 ? "measured" : "loaded",
                   count.page_tables, count.stub, count.payload,
                   count.vmsa != 0 ? fmt::format(" + {} VMSA", count.vmsa) : "");
    }
}

void build_file(const Arguments& arguments) {
    const BuildOptions options = options_of(arguments);
    std::vector<u8> other;
    std::span<const u8> elf = entry_of(arguments).stub();
    std::string name        = "the built-in image";
    if (!arguments.stub.empty()) {
        auto bytes = read_file(arguments.stub);
        if (!bytes) {
            throw Failure(bytes.error());
        }
        other = std::move(*bytes);
        elf   = other;
        name  = arguments.stub;
    }
    const auto image = read_stub_image(elf);
    if (!image) {
        throw Failure(fmt::format("{}: {}", name, describe(image.error())));
    }
    if (!image->entry_point(options.entry)) {
        throw Failure(fmt::format(
            "{}: no entry point for --entry {}: expected the symbol {}", name, arguments.entry,
            options.entry == boot::Entry::compat ? "entry_compat" : "entry32"));
    }
    const auto file = build(*image, options);
    if (!file) {
        throw Failure(fmt::format("{}: {}", arguments.out, describe(file.error())));
    }
    if (const auto written = write_file(arguments.out, file->bytes); !written) {
        throw Failure(written.error());
    }
    print_summary(arguments, *file);
}
} // namespace

void add_build(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand("build", "Make an IGVM file of a guest image");
    verb->add_option("--out", arguments->out, "The file to write")->required();
    verb->add_option("--stub", arguments->stub,
                     "A guest image (ELF64) instead of the built-in one");
    verb->add_option("--platform", arguments->platforms, "Platforms that the file is for")
        ->delimiter(',')
        ->capture_default_str();
    verb->add_option("--entry", arguments->entry,
                     "CPU mode of the first instruction: 32 (legacy protected mode, paging off), "
                     "compat (32-bit code in long mode) or 64")
        ->capture_default_str();
    verb->add_option("--cbit", arguments->c_bit,
                     "Position of the C-bit: 47 up to EPYC Rome, 51 from Milan on; with --entry 32 "
                     "the guest finds it")
        ->capture_default_str();
    verb->add_option("--base", arguments->base, "Where the image lies in guest memory")
        ->default_str("0x200000");
    verb->footer("Example:\n  igvmtool build --out guest.igvm --platform sev-es --cbit 47");
    verb->callback([arguments] { build_file(*arguments); });
}

} // namespace vestibule::igvm
