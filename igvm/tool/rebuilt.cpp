// SPDX-License-Identifier: BSD-2-Clause-Patent
// See rebuilt.h. Nothing here has to be right about the file: what comes of it counts only where it
// gives the very digest that was expected.
#include "igvm/tool/rebuilt.h"

#include "igvm/format/vp_context.h"
#include "igvm/image/build.h"
#include "igvm/image/own_file.h"
#include "igvm/measure/digest.h"
#include "igvm/tool/build_arguments.h"
#include "kernel/zero_page.h"
#include "x86/registers.h"
#include "x86/vmsa.h"

#include "enter_pvh.h"
#include "jump_table_enter_linux.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

namespace vestibule::igvm {

namespace {
using boot::PayloadHeader;

constexpr u64 region_size = u64{2} << 20; // the stub's
constexpr u64 most_bytes  = u64{96}
                           << 20; // of all that is built: a large payload is not built often

constexpr std::array<std::pair<boot::Entry, std::string_view>, 3> entries = {
    {{boot::Entry::long64, "64"}, {boot::Entry::compat, "compat"}, {boot::Entry::legacy32, "32"}}
};
constexpr std::array<unsigned, 2> c_bits = {51, 47};
constexpr std::array<u32, 14> counts     = {1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 32, 48, 64};

boot::Entry entry_of_state(u64 cr0, bool is_64_bit) {
    return (cr0 & x86::cr0::pg) == 0 ? boot::Entry::legacy32
           : is_64_bit               ? boot::Entry::long64
                                     : boot::Entry::compat;
}

/// What the file says of the options that it was built with, and where it has its contents.
class Finder {
  public:
    Finder(const File& file, PlatformType platform)
        : file_(file), mask_(file.mask_of(platform)), own_(own_file(file, platform)) {}

    /// Entered in 32-bit mode without a payload a file has neither a record nor page tables: it is
    /// like ours where it all lies in a region of which the first page is left for the tables.
    [[nodiscard]] bool is_own() const {
        if (!own_.parts.empty()) {
            return true;
        }
        const BuildOptions found = options();
        const u64 base           = found.base.value_or(0);
        bool is_like             = found.entry == boot::Entry::legacy32 && base != 0;
        for_pages([&](const PageData& page, std::span<const u8>) {
            is_like = is_like && page.gpa > base && page.gpa - base < region_size;
        });
        return is_like;
    }

    [[nodiscard]] BuildOptions options() const {
        BuildOptions options;
        options.platforms.clear();
        for (const Header header : file_.platforms()) {
            const auto platform = header.as<SupportedPlatform>();
            if (platform && is_buildable(platform->platform_type)) {
                options.platforms.push_back(platform->platform_type);
            }
        }
        for (const Header header : file_.initialization()) {
            if (const auto policy = header.as<GuestPolicy>()) {
                options.snp_policy = policy->policy;
            }
        }
        std::map<u32, u32> contexts; // of each platform
        for (const Header header : file_.directives()) {
            if (const auto context = header.as<VpContext>()) {
                ++contexts[context->compatibility_mask];
                read_context(*context, options);
            }
            options.memory_map |= header.type == HeaderType::memory_map;
            options.vp_count |= header.type == HeaderType::vp_count_parameter;
        }
        for (const auto& [mask, count] : contexts) {
            options.vcpus = std::max(options.vcpus, count);
        }
        for (const NamedRange& part : own_.parts) {
            if (part.name == name_of(Part::page_tables)) {
                options.c_bit = c_bit_of(page_at(part.gpa)).value_or(options.c_bit);
            }
        }
        if (const auto header = record()) {
            const auto ram = std::span(header->ram).first(header->ram_count);
            if (!ram.empty()) {
                options.tells_memory = true;
                options.memory       = ram.back().base + ram.back().size;
            }
        }
        return options;
    }

    /// The payload's record, where there is a payload.
    [[nodiscard]] std::optional<PayloadHeader> record() const {
        if (!own_.record) {
            return std::nullopt;
        }
        return load<PayloadHeader>(std::span(own_.record->page, page_size), own_.record->offset);
    }

    /// What of a report the guest asks for by the record there, if it does.
    [[nodiscard]] std::optional<std::array<u8, boot::AttestRecord::data_size>>
    report_data_at(u64 address) const {
        std::vector<u8> bytes = bytes_at(address, sizeof(boot::AttestRecord));
        bytes.resize(sizeof(boot::AttestRecord));
        const auto record = load<boot::AttestRecord>(bytes);
        std::array<u8, boot::AttestRecord::data_size> data;
        std::ranges::copy(record.report_data, data.begin());
        return record.version == boot::AttestRecord::current_version && record.wanted == 1
                   ? std::optional(data)
                   : std::nullopt;
    }

    /// All pages of a range, zeros where there are none, up to the last that has data.
    [[nodiscard]] std::vector<u8> bytes_at(u64 base, u64 size) const {
        std::vector<u8> bytes;
        for_pages([&](const PageData& page, std::span<const u8> data) {
            const u64 first = std::max(base, page.gpa);
            const u64 end   = std::min(base + size, page.gpa + page_size);
            if (first < end && !data.empty()) {
                bytes.resize(std::max<u64>(bytes.size(), end - base));
                std::ranges::copy(data.subspan(first - page.gpa, end - first),
                                  bytes.begin() + static_cast<std::ptrdiff_t>(first - base));
            }
        });
        return bytes;
    }

    /// The same as runs of pages that the file has.
    [[nodiscard]] std::vector<Block> blocks_at(u64 base, u64 size) const {
        std::map<u64, std::span<const u8>> pages;
        for_pages([&](const PageData& page, std::span<const u8> data) {
            if (page.gpa >= base && page.gpa - base < size) {
                pages[page.gpa] = data;
            }
        });
        std::vector<std::pair<u64, std::vector<u8>>> runs;
        for (const auto& [gpa, data] : pages) {
            if (runs.empty() || runs.back().first + runs.back().second.size() != gpa) {
                runs.emplace_back(gpa, std::vector<u8>());
            }
            std::vector<u8>& run = runs.back().second;
            run.insert(run.end(), data.begin(), data.end());
            run.resize(gpa + page_size - runs.back().first);
        }
        std::vector<Block> blocks;
        blocks.reserve(runs.size());
        for (auto& [gpa, bytes] : runs) {
            blocks.push_back({.gpa = gpa, .content = Content(std::move(bytes))});
        }
        return blocks;
    }

  private:
    void for_pages(const auto& use) const {
        for (const Header header : file_.directives(mask_)) {
            const auto page = header.as<PageData>();
            if (page && (page->flags & PageData::is_2mb_page) == 0) {
                use(*page, file_.data(*page));
            }
        }
    }

    [[nodiscard]] std::span<const u8> page_at(u64 gpa) const {
        std::span<const u8> found;
        for_pages([&](const PageData& page, std::span<const u8> data) {
            found = page.gpa == gpa ? data : found;
        });
        return found;
    }

    static std::optional<unsigned> c_bit_of(std::span<const u8> table) {
        for (u64 at = 0; at + sizeof(u64) <= table.size(); at += sizeof(u64)) {
            for (const unsigned position : c_bits) {
                if ((load<u64>(table, at) & bit(position)) != 0) {
                    return position;
                }
            }
        }
        return std::nullopt;
    }

    void read_context(const VpContext& context, BuildOptions& options) const {
        const auto platform = file_.platform_of(context.compatibility_mask);
        const auto bytes    = file_.data(context.file_offset, page_size);
        if (context.vp_index != 0 || !platform) {
            return;
        }
        if (*platform == PlatformType::native) {
            const auto state = load<NativeVpContext>(bytes);
            options.entry    = entry_of_state(state.cr0, (state.code.attributes & 0x2000) != 0);
            options.base     = state.rip & ~(region_size - 1);
            return;
        }
        const auto vmsa = load<x86::Vmsa>(bytes);
        options.entry   = entry_of_state(vmsa.cr0, (vmsa.cs.attributes & 0x200) != 0);
        options.base    = vmsa.rip & ~(region_size - 1);
        if (*platform == PlatformType::sev_snp) {
            options.sev_features = vmsa.sev_features;
        }
    }

    const File& file_;
    u32 mask_;
    OwnFile own_;
};

/// What is built again, and again.
class Rebuilder {
  public:
    Rebuilder(const File& file, const Finder& finder) : finder_(finder), given_(finder.options()) {
        seen_.insert(sha256(file.bytes()));
        has_payload_ = read_payload_of();
    }

    std::vector<Rebuilt> run(const OtherInputs& others) {
        if (!is_whole_) {
            return {};
        }
        add(given_);
        if (has_payload_) {
            add_inputs(others);
        }
        for (const bool together : {false, true}) {
            for (const u32 count : counts) {
                for (const auto& [entry, name] : entries) {
                    for (const unsigned c_bit : c_bits) {
                        BuildOptions options   = given_;
                        options.vcpus          = count;
                        options.entry          = entry;
                        options.c_bit          = c_bit;
                        const unsigned changes = (count != given_.vcpus ? 1u : 0u)
                                                 + (entry != given_.entry ? 1u : 0u)
                                                 + (c_bit != given_.c_bit ? 1u : 0u);
                        if (together ? changes > 1 : changes == 1) {
                            add(options);
                        }
                    }
                }
            }
        }
        return std::move(made_);
    }

  private:
    /// The payload as pages, however it came into the file; false where there is none.
    bool read_payload_of() {
        const auto header = finder_.record();
        if (!header) {
            return false;
        }
        line_.assign(header->command_line, header->command_line_size);
        initrd_ = finder_.bytes_at(header->initrd, header->initrd_size);
        if (header->zero_page != 0) {
            return read_linux(*header);
        }
        // A PVH kernel is entered from elsewhere, which alone knows its own entry point.
        is_whole_ = header->entry >= header->payload_base
                    && header->entry - header->payload_base < header->payload_size;
        payload_.base   = header->payload_base;
        payload_.size   = header->payload_size;
        payload_.entry  = header->entry;
        payload_.blocks = finder_.blocks_at(header->payload_base, header->payload_size);
        for (const boot::MemoryRange& range : header->cleared) {
            if (range.size != 0) {
                payload_.cleared.push_back(range);
            }
        }
        return true;
    }

    void add_inputs(const OtherInputs& others) {
        const std::vector<u8> own_initrd = initrd_;
        const std::string own_line       = line_;
        for (u64 i = 0; i <= others.initrds.size(); ++i) {
            const bool another = i != 0; // the first is the file's own
            initrd_            = another ? others.initrds[i - 1].bytes : own_initrd;
            const auto words   = another ? " --initrd " + others.initrds[i - 1].name : "";
            for (u64 l = another ? 0 : 1; l <= others.command_lines.size(); ++l) {
                line_ = l != 0 ? others.command_lines[l - 1] : own_line;
                add(given_, words + (l != 0 ? fmt::format(" --cmdline \"{}\"", line_) : ""));
            }
        }
        initrd_ = own_initrd;
        line_   = own_line;
    }

    /// A bzImage lies there as it is, behind what fills up its first page, and is told of its
    /// memory by its zero page (Documentation/arch/x86/boot.rst).
    bool read_linux(const PayloadHeader& header) {
        constexpr u64 magic_at          = 0x202;
        constexpr std::string_view name = "HdrS";
        std::vector<u8> bytes = finder_.bytes_at(header.payload_base, header.payload_size);
        const auto head       = std::span(bytes).first(std::min<u64>(bytes.size(), 2 * page_size));
        const auto magic      = std::ranges::search(head, name);
        const auto at         = static_cast<u64>(magic.begin() - head.begin());
        if (magic.empty() || at < magic_at) {
            is_whole_ = false;
            return false;
        }
        linux_file_.assign(bytes.begin() + static_cast<std::ptrdiff_t>(at - magic_at), bytes.end());
        auto linux = read_linux_payload(linux_file_, PayloadProtocol::automatic);
        is_whole_  = linux.has_value();
        if (linux) {
            payload_ = std::move(*linux);
        }
        kernel::ZeroPage zero_page{};
        std::ranges::copy(finder_.bytes_at(header.zero_page, page_size), zero_page);
        const u64 end = kernel::memory_end(zero_page);
        given_.memory = end != 0 ? end : given_.memory;
        // What it is to accept itself it is told by EFI's tables.
        given_.accepts_payload = kernel::has_efi_machine(zero_page);
        return true;
    }

    void add(const BuildOptions& options, std::string words = {}) {
        if (bytes_ > most_bytes || wrong_option(options)) {
            return;
        }
        BuildArguments arguments;
        for (const auto& [entry, name] : entries) {
            if (options.entry == entry) {
                arguments.entry = name;
                words += options.entry != given_.entry ? fmt::format(" --entry {}", name) : "";
            }
        }
        words += options.vcpus != given_.vcpus ? fmt::format(" --vcpus {}", options.vcpus) : "";
        words += options.c_bit != given_.c_bit ? fmt::format(" --cbit {}", options.c_bit) : "";
        const EntryName& entry = entry_of(arguments);
        const auto image = read_stub_image(has_payload_ ? entry.hand_over() : entry.selftest());
        if (!image) {
            return;
        }
        BuildOptions with_report = options;
        if (const std::optional<u64> record = image->attest_record) {
            // In the stub of the way in that the file was built with, which others lie like.
            with_report.report_data = finder_.report_data_at(given_.base.value_or(0) + *record);
        }
        const auto file = build(*image, with_report,
                                {.payload      = has_payload_ ? &payload_ : nullptr,
                                 .initrd       = initrd_,
                                 .command_line = line_,
                                 .enter_pvh    = embedded::enter_pvh(),
                                 .jump_table   = embedded::jump_table_enter_linux()});
        if (file && seen_.insert(sha256(file->bytes)).second) {
            bytes_ += file->bytes.size();
            made_.push_back({.options = words.empty() ? "the same options" : words.substr(1),
                             .bytes   = file->bytes});
        }
    }

    const Finder& finder_;
    BuildOptions given_;
    bool has_payload_ = false;
    bool is_whole_    = true; // all of it is known
    Payload payload_;
    std::vector<u8> initrd_;
    std::vector<u8> linux_file_;
    std::string line_;
    u64 bytes_ = 0;
    std::set<Digest256> seen_;
    std::vector<Rebuilt> made_;
};
} // namespace

std::vector<Rebuilt> rebuilt(const File& file, PlatformType platform, const OtherInputs& others) {
    const Finder finder(file, platform);
    if (!finder.is_own()) {
        return {};
    }
    return Rebuilder(file, finder).run(others);
}

} // namespace vestibule::igvm
