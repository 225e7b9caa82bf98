// SPDX-License-Identifier: BSD-2-Clause-Patent
// See own_inputs.h.
#include "igvm/tool/own_inputs.h"

#include "boot/jump_table/record.h"
#include "boot/pvh/record.h"
#include "boot/snp/service_launch.h"
#include "igvm/format/vp_context.h"
#include "igvm/image/own_file.h"
#include "igvm/tool/build_arguments.h"
#include "kernel/pvh.h"
#include "kernel/zero_page.h"
#include "x86/registers.h"
#include "x86/vmsa.h"

#include "enter_pvh.h"
#include "flash_reset.h"
#include "fw_cfg_loader.h"
#include "jump_table_enter_linux.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>

namespace vestibule::igvm {

namespace {
using boot::PayloadHeader;

constexpr u64 region_size = u64{2} << 20; // the stub's

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
            options.vcpus = std::max(options.vcpus, header->vcpus);
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
        const auto record = record_at<boot::AttestRecord>(address);
        std::array<u8, boot::AttestRecord::data_size> data;
        std::ranges::copy(record.report_data, data.begin());
        return record.version == boot::AttestRecord::current_version && record.wanted == 1
                   ? std::optional(data)
                   : std::nullopt;
    }

    /// Zeros where there are no pages.
    template <class Record>
    [[nodiscard]] Record record_at(u64 address) const {
        std::vector<u8> bytes = bytes_at(address, sizeof(Record));
        bytes.resize(sizeof(Record));
        return load<Record>(bytes);
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

    /// Whether the file has each page of a range, be it one of zeros.
    [[nodiscard]] bool has_all(u64 base, u64 size) const {
        u64 pages = 0;
        for_pages([&](const PageData& page, std::span<const u8>) {
            pages += page.gpa >= base && page.gpa - base < size ? 1 : 0;
        });
        return pages == size / page_size + (size % page_size != 0 ? 1 : 0);
    }

    /// As runs of pages that the file has.
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

    /// The tables map memory below 4 GiB alone.
    static std::optional<unsigned> c_bit_of(std::span<const u8> table) {
        constexpr u64 above = 0xF'FFFF'0000'0000; // of a physical address
        for (u64 at = 0; at + sizeof(u64) <= table.size(); at += sizeof(u64)) {
            if (const u64 set = load<u64>(table, at) & above; std::has_single_bit(set)) {
                return static_cast<unsigned>(std::countr_zero(set));
            }
        }
        return std::nullopt;
    }

    /// Of the guest, where the launch's vCPU is a service's that is told so there; 0 elsewhere.
    [[nodiscard]] u8 vmpl_below(u64 service_launch) const {
        const auto told          = record_at<boot::ServiceLaunch>(service_launch);
        constexpr u32 most_vmpls = 3;
        const bool is_one        = service_launch != 0 && told.vmpl >= 1 && told.vmpl <= most_vmpls
                            && told.loaded_count <= boot::ServiceLaunch::most
                            && told.vmsa == service_launch + page_size;
        return is_one ? static_cast<u8>(told.vmpl) : u8{0};
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
            options.vmpl         = vmpl_below(vmsa.rdi);
        }
    }

    const File& file_;
    u32 mask_;
    OwnFile own_;
};

bool lies_within(u64 address, u64 base, u64 size) {
    return address >= base && address - base < size;
}

/// The payload as it is entered, however it came into the file.
class PayloadReader {
  public:
    PayloadReader(const Finder& finder, const PayloadHeader& header, OwnInputs& inputs)
        : finder_(finder), header_(header), entry_(header.entry), inputs_(inputs) {}

    void read() {
        inputs_.command_line.assign(header_.command_line, header_.command_line_size);
        if (!finder_.has_all(header_.initrd, header_.initrd_size)) {
            inputs_.missing = "the initrd";
            return;
        }
        inputs_.initrd = finder_.bytes_at(header_.initrd, header_.initrd_size);
        inputs_.initrd.resize(header_.initrd_size); // it may end in pages of zeros
        // With further vCPUs an SEV-ES guest goes by the AP jump table.
        constexpr u64 table = boot::jump_table::page_gpa;
        if (entry_ == table + boot::jump_table::linux_entry) {
            entry_ = finder_.record_at<boot::jump_table::LinuxRecord>(table).entry;
        }
        if (header_.zero_page != 0) {
            read_linux();
            return;
        }
        read_pages();
        if (!lies_within(entry_, header_.payload_base, header_.payload_size)) {
            read_pvh();
        } else {
            read_loader();
        }
    }

  private:
    void read_pages() {
        Payload& payload = inputs_.payload.emplace();
        payload.format   = PayloadFormat::elf64;
        payload.base     = header_.payload_base;
        payload.size     = header_.payload_size;
        payload.entry    = entry_;
        payload.blocks   = finder_.blocks_at(header_.payload_base, header_.payload_size);
        for (const boot::MemoryRange& range : header_.cleared) {
            if (range.size != 0) {
                payload.cleared.push_back(range);
            }
        }
    }

    /// A bzImage lies there as it is, behind what fills up its first page, and another kernel as
    /// any ELF64. Of its memory it is told by its zero page (Documentation/arch/x86/boot.rst).
    void read_linux() {
        constexpr u64 magic_at          = 0x202;
        constexpr std::string_view name = "HdrS";
        std::vector<u8> bytes = finder_.bytes_at(header_.payload_base, header_.payload_size);
        const auto head       = std::span(bytes).first(std::min<u64>(bytes.size(), 2 * page_size));
        const auto magic      = std::ranges::search(head, name);
        const auto at         = static_cast<u64>(magic.begin() - head.begin());
        if (!magic.empty() && at >= magic_at) {
            inputs_.kernel_file.assign(bytes.begin() + static_cast<std::ptrdiff_t>(at - magic_at),
                                       bytes.end());
            auto linux = read_linux_payload(inputs_.kernel_file, PayloadProtocol::automatic);
            if (!linux) {
                inputs_.missing = "the Linux kernel";
                return;
            }
            inputs_.payload = std::move(*linux);
        } else {
            read_pages();
            inputs_.payload->protocol = PayloadProtocol::linux64;
            inputs_.payload->linux    = kernel::kernel_without_header();
        }
        kernel::ZeroPage zero_page{};
        std::ranges::copy(finder_.bytes_at(header_.zero_page, page_size), zero_page);
        take_memory(kernel::memory_end(zero_page));
        // What it is to accept itself it is told by EFI's tables.
        inputs_.options.accepts_payload = kernel::has_efi_machine(zero_page);
    }

    /// The stub enters what takes the CPU to the mode of such a kernel (boot/pvh/record.h).
    void read_pvh() {
        const auto record = finder_.record_at<boot::pvh::Record>(entry_);
        const auto told   = finder_.record_at<kernel::StartInfo>(record.start_info);
        if (told.magic != kernel::StartInfo::magic_value
            || !lies_within(record.entry, header_.payload_base, header_.payload_size)) {
            inputs_.missing = "how the payload is entered";
            return;
        }
        inputs_.payload->protocol = PayloadProtocol::pvh;
        inputs_.payload->entry    = record.entry;
        constexpr u32 most        = 64; // igvm/image makes a few
        u64 end                   = 0;
        for (u32 i = 0; i < std::min(told.memory_map_count, most); ++i) {
            const auto range = finder_.record_at<kernel::MemoryRange>(
                told.memory_map + i * sizeof(kernel::MemoryRange));
            if (range.type == kernel::MemoryType::ram) {
                end = std::max(end, range.base + range.size);
            }
        }
        take_memory(end);
    }

    /// What boots the monitor's kernel is a payload like others, which is told where its hashes are
    /// (igvm/image/guest_layout.cpp).
    void read_loader() {
        const auto loader       = read_payload(embedded::fw_cfg_loader(), std::nullopt);
        const std::string& line = inputs_.command_line;
        if (!loader || loader->base != header_.payload_base || loader->entry != entry_
            || line.empty() || line.find_first_not_of("0123456789") != std::string::npos) {
            return;
        }
        inputs_.options.direct_boot = true;
        inputs_.payload             = *loader;
        inputs_.command_line.clear();
    }

    void take_memory(u64 end) { inputs_.options.memory = end != 0 ? end : inputs_.options.memory; }

    const Finder& finder_;
    const PayloadHeader& header_;
    u64 entry_;
    OwnInputs& inputs_;
};
} // namespace

GuestContents OwnInputs::contents() const {
    return {.payload      = payload ? &*payload : nullptr,
            .initrd       = initrd,
            .command_line = command_line,
            .enter_pvh    = embedded::enter_pvh(),
            .jump_table   = embedded::jump_table_enter_linux(),
            .flash_reset  = embedded::flash_reset()};
}

std::string_view entry_name(boot::Entry entry) {
    switch (entry) {
    case boot::Entry::legacy32: return "32";
    case boot::Entry::compat: return "compat";
    case boot::Entry::long64: break;
    }
    return "64";
}

std::optional<StubImage> own_stub(boot::Entry entry, bool with_payload) {
    BuildArguments arguments;
    arguments.entry       = entry_name(entry);
    const EntryName& name = entry_of(arguments);
    auto image            = read_stub_image(with_payload ? name.hand_over() : name.selftest());
    return image ? std::optional(std::move(*image)) : std::nullopt;
}

std::optional<OwnInputs> own_inputs(const File& file, PlatformType platform) {
    const Finder finder(file, platform);
    if (!finder.is_own()) {
        return std::nullopt;
    }
    OwnInputs inputs;
    inputs.options = finder.options();
    if (const auto header = finder.record()) {
        PayloadReader(finder, *header, inputs).read();
    }
    if (inputs.options.vmpl != 0) {
        inputs.missing = "the service at VMPL 0";
    }
    const auto stub = own_stub(inputs.options.entry, inputs.payload.has_value());
    if (stub && stub->attest_record) {
        inputs.options.report_data =
            finder.report_data_at(inputs.options.base.value_or(0) + *stub->attest_record);
    }
    return inputs;
}

} // namespace vestibule::igvm
