// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool build: the stub with the selftest or with a payload, as an IGVM file.
#include "igvm/image/flash.h"
#include "igvm/show/describe.h"
#include "igvm/tool/build_arguments.h"
#include "igvm/tool/build_manifest.h"
#include "igvm/tool/build_summary.h"
#include "igvm/tool/file_io.h"
#include "igvm/tool/progress.h"
#include "igvm/vmm/check.h"

#include "enter_pvh.h"
#include "flash_reset.h"
#include "fw_cfg_loader.h"
#include "jump_table_enter_linux.h"

#include <fmt/format.h>

#include <memory>

namespace vestibule::igvm {

namespace {
/// A file's bytes, or those that are built in where no file is named.
class Input {
  public:
    explicit Input(const std::string& path, const std::string& built_in_name = {},
                   std::span<const u8> built_in = {})
        : name_(path.empty() ? built_in_name : path), bytes_(built_in) {
        if (path.empty()) {
            return;
        }
        auto mapped = MappedFile::open(path);
        if (!mapped) {
            throw Failure(mapped.error());
        }
        file_.emplace(std::move(*mapped));
        bytes_ = file_->bytes();
    }

    [[nodiscard]] const std::string& name() const { return name_; }

    [[nodiscard]] std::span<const u8> bytes() const { return bytes_; }

    [[nodiscard]] BuildInput record() const { return {.name = name_, .bytes = bytes_}; }

  private:
    std::string name_;
    std::optional<MappedFile> file_;
    std::span<const u8> bytes_;
};

StubImage image_or_fail(const Input& stub, const EntryName& entry) {
    auto image = read_stub_image(stub.bytes());
    if (!image) {
        throw Failure(fmt::format("{}: {}", stub.name(), describe(image.error())));
    }
    if (!image->entry_point(entry.entry)) {
        throw Failure(fmt::format("{}: no entry point for --entry {}: expected the symbol {}",
                                  stub.name(), entry.name,
                                  entry.entry == boot::Entry::compat ? "entry_compat" : "entry32"));
    }
    return std::move(*image);
}

Payload payload_or_fail(const Input& file, const BuildArguments& arguments) {
    if (arguments.payload_address && !takes_address(file.bytes())) {
        throw CLI::ValidationError("--payload-address",
                                   fmt::format("{} says itself where it lies", file.name()));
    }
    auto payload = read_payload(file.bytes(), arguments.payload_address, protocol_of(arguments));
    if (!payload) {
        throw Failure(fmt::format("{}: {}", file.name(), describe(payload.error())));
    }
    return std::move(*payload);
}

void write_or_fail(const std::string& path, std::span<const u8> bytes) {
    if (const auto written = write_file(path, bytes); !written) {
        throw Failure(written.error());
    }
}

/// What the monitor of --for would make of the file: no file where it would not load it.
void check_or_fail(const BuildArguments& arguments, const BuiltFile& built) {
    const VmmProfile* const monitor = monitor_of(arguments);
    if (monitor == nullptr) {
        return;
    }
    const auto file = parse(built.bytes);
    if (!file) {
        throw Failure(fmt::format("{}: {}", arguments.out, describe(file.error())));
    }
    for (const Finding& finding : check_for(*file, *monitor).findings) {
        const std::string words = fmt::format("{}: {} ({}), {}", monitor->title, values_of(finding),
                                              row_of(finding.rule).id, reason_of(finding));
        if (finding.verdict == Verdict::rejects) {
            throw Failure(fmt::format("{}: not loaded by {}", arguments.out, words));
        }
        fmt::print(stderr, "igvmtool: note: {}\n", words);
    }
}

void build_file(const BuildArguments& arguments) {
    const BuildOptions options = options_of(arguments);
    const EntryName& entry     = entry_of(arguments);
    const bool with_payload    = !arguments.payload.empty() || arguments.direct_boot;
    const Input stub(arguments.stub, with_payload ? "built-in stub" : "built-in stub and selftest",
                     with_payload ? entry.hand_over() : entry.selftest());
    const StubImage image = image_or_fail(stub, entry);

    GuestContents contents{.payload      = nullptr,
                           .initrd       = {},
                           .command_line = arguments.command_line,
                           .enter_pvh    = embedded::enter_pvh(),
                           .jump_table   = embedded::jump_table_enter_linux(),
                           .flash_reset  = embedded::flash_reset()};
    const Input file(arguments.payload, arguments.direct_boot ? "built-in loader" : "",
                     arguments.direct_boot ? embedded::fw_cfg_loader() : std::span<const u8>());
    const Input initrd(arguments.initrd);
    Payload payload;
    if (with_payload) {
        payload          = payload_or_fail(file, arguments);
        contents.payload = &payload;
        contents.initrd  = arguments.initrd.empty() ? payload.initrd : initrd.bytes();
        if (!arguments.initrd.empty() && contents.initrd.empty()) {
            throw Failure(fmt::format("{}: found 0 bytes, expected an initrd", arguments.initrd));
        }
        if (arguments.command_line.empty()) {
            contents.command_line = payload.command_line;
        }
    }

    const Input service_file(arguments.service);
    std::optional<StubImage> service;
    if (!arguments.service.empty()) {
        auto image_of_it = read_stub_image(service_file.bytes());
        if (!image_of_it) {
            throw Failure(fmt::format("{}: {}", arguments.service, describe(image_of_it.error())));
        }
        service          = std::move(*image_of_it);
        contents.service = &*service;
    }

    u64 pages = 0;
    for (const Block& block : payload.blocks) {
        pages += block.content.size() / page_size;
    }
    Progress progress("built", "pages", pages + contents.initrd.size() / page_size);
    const bool is_flash    = !arguments.flash.empty();
    const std::string& out = is_flash ? arguments.flash : arguments.out;
    const auto built       = is_flash
                                 ? build_flash(image, options, contents)
                                 : build(image, options, contents, [&](u64 done) { progress.at(done); });
    if (!built) {
        throw Failure(fmt::format("{}: {}", out, built.error()));
    }
    check_or_fail(arguments, *built);
    write_or_fail(out, built->bytes);
    if (!arguments.manifest.empty()) {
        const std::string text = build_manifest({.options  = options,
                                                 .contents = contents,
                                                 .stub     = stub.record(),
                                                 .payload  = file.record(),
                                                 .initrd   = initrd.record(),
                                                 .entry    = std::string(entry.name),
                                                 .out      = out,
                                                 .file     = *built});
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        write_or_fail(arguments.manifest, {reinterpret_cast<const u8*>(text.data()), text.size()});
    }
    if (is_flash) {
        print_flash_summary(out, *built);
    } else {
        print_summary(out, *built);
    }
}

} // namespace

void add_build(CLI::App& app) {
    auto arguments = std::make_shared<BuildArguments>();
    CLI::App* verb =
        app.add_subcommand("build", "Make an IGVM file or a flash image of a guest image");
    add_build_options(*verb, *arguments);
    verb->footer(
        "Examples:\n"
        "  igvmtool build --out guest.igvm --platform sev-es --cbit 47\n"
        "  igvmtool build --out snp.igvm --platform sev-snp --vcpus 2 --policy 0xb0000\n"
        "  igvmtool build --out proof.igvm --platform sev-snp --attest 6e6f6e6365\n"
        "  igvmtool build --out guest.igvm --payload kernel.elf --initrd initrd.img "
        "--cmdline 'console=ttyS0' --manifest guest.json\n"
        "  igvmtool build --out linux.igvm --payload bzImage --initrd initrd.img --memory 512M\n"
        "  igvmtool build --out vmlinux.igvm --payload kernel.elf --payload-protocol linux\n"
        "  igvmtool build --out flat.igvm --payload code.bin --payload-address 0x1000000 "
        "--parameters memory-map,vp-count\n"
        "  igvmtool build --out snp.igvm --for openvmm\n"
        "  igvmtool build --out loader.igvm --for cloud-hypervisor --direct-boot\n"
        "  igvmtool build --flash guest.fd --platform native,sev-es,sev-snp --payload kernel.elf");
    verb->callback([arguments] { build_file(*arguments); });
}

} // namespace vestibule::igvm
