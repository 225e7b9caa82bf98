// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool convert: an IGVM file of igvmtool's own as a flash image of the same guest. What went
// into the file is found again in it, and it is believed only if building the file of that again
// gives the same pages and registers: nobody shall get a flash image of another guest.
#include "igvm/image/flash.h"
#include "igvm/measure/digest.h"
#include "igvm/show/describe.h"
#include "igvm/tool/build_summary.h"
#include "igvm/tool/flash_limits.h"
#include "igvm/tool/own_inputs.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    std::string file;
    std::string out;
};

/// What a loader makes of a file for one platform: pages by address, and vCPUs.
struct Guest {
    struct Page {
        PageDataType type;
        u32 flags;
        std::span<const u8> data; // without the zeros that it ends in

        bool operator==(const Page& other) const {
            // What the CPUID page asks for is filled in by others (build --for).
            return type == other.type && flags == other.flags
                   && (type == PageDataType::cpuid_data || std::ranges::equal(data, other.data));
        }
    };

    std::map<u64, Page> pages;
    std::map<u32, Page> contexts; // by vCPU
};

std::span<const u8> without_zeros(std::span<const u8> bytes) {
    while (!bytes.empty() && bytes.back() == 0) {
        bytes = bytes.first(bytes.size() - 1);
    }
    return bytes;
}

Guest guest_of(const File& file, PlatformType platform) {
    Guest guest;
    for (const Header header : file.directives(file.mask_of(platform))) {
        if (const auto page = header.as<PageData>()) {
            guest.pages[page->gpa] = {.type  = page->data_type,
                                      .flags = page->flags,
                                      .data  = without_zeros(file.data(*page))};
        } else if (const auto context = header.as<VpContext>()) {
            guest.contexts[context->vp_index] = {
                .type  = PageDataType::normal,
                .flags = 0,
                .data  = without_zeros(file.data(context->file_offset, page_size))};
        }
    }
    return guest;
}

/// The first key that the two have not alike.
template <class Key>
std::optional<Key> difference(const std::map<Key, Guest::Page>& one,
                              const std::map<Key, Guest::Page>& other) {
    for (const auto& [key, page] : one) {
        const auto found = other.find(key);
        if (found == other.end() || !(found->second == page)) {
            return key;
        }
    }
    for (const auto& [key, page] : other) {
        if (!one.contains(key)) {
            return key;
        }
    }
    return std::nullopt;
}

/// Where the file is not what igvmtool builds of these inputs, in words.
std::optional<std::string> difference(const File& file, const OwnInputs& own) {
    const auto image = own_stub(own.options.entry, own.payload.has_value());
    if (!image || wrong_option(own.options)) {
        return "its options are none that igvmtool takes";
    }
    const auto again = build(*image, own.options, own.contents());
    if (!again) {
        return again.error();
    }
    const auto built = parse(again->bytes);
    if (!built) {
        return describe(built.error());
    }
    for (const PlatformType platform : own.options.platforms) {
        const Guest guest = guest_of(file, platform);
        const Guest other = guest_of(*built, platform);
        if (const auto gpa = difference(guest.pages, other.pages)) {
            return fmt::format("its page at {:#x} for {} is another", *gpa, name_of(platform));
        }
        if (const auto vcpu = difference(guest.contexts, other.contexts)) {
            return fmt::format("its vCPU {} for {} starts otherwise", *vcpu, name_of(platform));
        }
    }
    return std::nullopt;
}

/// What went into a file that igvmtool has made; otherwise why that is not known.
std::expected<OwnInputs, std::string> inputs_of(const File& file) {
    std::string why;
    for (const Header header : file.platforms()) {
        const auto platform = header.as<SupportedPlatform>();
        auto own            = platform ? own_inputs(file, platform->platform_type) : std::nullopt;
        if (!own) {
            continue;
        }
        if (!own->missing.empty()) {
            why = fmt::format("{} is not found in it", own->missing);
            continue;
        }
        // A payload that accepts memory itself leaves no other trace than what the stub does not.
        for (const bool accepts : {own->options.accepts_payload, true}) {
            own->options.accepts_payload = accepts;
            const auto found             = difference(file, *own);
            if (!found) {
                return std::move(*own);
            }
            why = why.empty() ? *found : why;
        }
    }
    return std::unexpected(why);
}

[[noreturn]] void fail(const Arguments& arguments, std::string_view sentence,
                       const std::vector<std::string>& limits) {
    std::string all = fmt::format("{}: {}", arguments.file, sentence);
    for (const std::string& limit : limits) {
        all += fmt::format("\n  - {}", limit);
    }
    throw Failure(all);
}

/// What the file said and the monitor is to be told now.
void print_notes(const File& file, const OwnInputs& own) {
    const auto note = [](const std::string& words) {
        fmt::print(stderr, "igvmtool: note: {}\n", words);
    };
    if (own.options.is_for(PlatformType::sev_snp)) {
        note(fmt::format("the SEV-SNP guest's policy, {:#x}, is in no flash image: it is QEMU's "
                         "policy=",
                         own.options.snp_policy));
        if (own.options.sev_features != 1) {
            note(fmt::format("SEV_FEATURES {:#x} are in no flash image: the monitor decides them",
                             own.options.sev_features));
        }
    }
    for (const Header header : file.directives()) {
        if (header.type == HeaderType::snp_id_block) {
            note("the file's ID block is in no flash image, whose launch digest is another: "
                 "'igvmtool sign --firmware' makes QEMU's id-block= and id-auth=");
            break;
        }
    }
}

void convert(const Arguments& arguments) {
    const OpenFile opened(arguments.file);
    const File& file = opened.file();
    auto own         = inputs_of(file);
    auto limits      = flash_limits(file, own.has_value());
    if (!own) {
        fail(
            arguments,
            own.error().empty()
                ? "not a guest of igvmtool's, whose stub a flash image enters; what of it a flash "
                  "image could not have:"
                : fmt::format("expected a guest as this igvmtool builds it: {}; --stub, or another "
                              "igvmtool? 'igvmtool build --flash' makes a flash image of what it "
                              "was built from",
                              own.error()),
            limits);
    }
    if (!limits.empty()) {
        fail(arguments, "what a flash image cannot have:", limits);
    }
    BuildOptions options = own->options;
    options.entry        = boot::Entry::legacy32;
    const auto image     = own_stub(options.entry, own->payload.has_value());
    if (const auto wrong = wrong_flash_option(options); wrong || !image) {
        throw Failure(fmt::format("{}: {}", arguments.file, wrong.value_or("no stub")));
    }
    const auto built = build_flash(*image, options, own->contents());
    if (!built) {
        throw Failure(fmt::format("{}: {}", arguments.file, built.error()));
    }
    if (const auto written = write_file(arguments.out, built->bytes); !written) {
        throw Failure(written.error());
    }
    print_flash_summary(arguments.out, *built);
    print_notes(file, *own);
}

} // namespace

void add_convert(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand(
        "convert", "Make a flash image of the guest of an IGVM file that build has made");
    verb->add_option("file", arguments->file, "The IGVM file")
        ->required()
        ->type_name(cli::input_file);
    verb->add_option(
            cli::words::output, arguments->out,
            "The flash image to write: what 'build --flash' would make of the same payload, "
            "initrd, command line and options")
        ->required()
        ->type_name(cli::output_file);
    verb->footer("Examples:\n"
                 "  igvmtool convert guest.igvm --out guest.fd\n"
                 "  igvmtool convert loader.igvm --out loader.fd\n"
                 "A file that igvmtool has not made is not converted: it says what stands against "
                 "that, each with its reason.");
    verb->callback([arguments] { convert(*arguments); });
}

} // namespace vestibule::igvm
