// SPDX-License-Identifier: BSD-2-Clause-Patent
// See own_inputs.h.
#include "igvm/tool/own_inputs.h"

#include "boot/jump_table/record.h"
#include "boot/pvh/record.h"
#include "igvm/tool/build_arguments.h"
#include "igvm/tool/own_finder.h"
#include "kernel/pvh.h"
#include "kernel/zero_page.h"

#include "enter_pvh.h"
#include "flash_reset.h"
#include "fw_cfg_loader.h"
#include "jump_table_enter_linux.h"

#include <algorithm>

namespace vestibule::igvm {

namespace {
using boot::PayloadHeader;

bool lies_within(u64 address, u64 base, u64 size) {
    return address >= base && address - base < size;
}

/// The payload as it is entered, however it came into the file.
class PayloadReader {
  public:
    PayloadReader(const OwnFinder& finder, const PayloadHeader& header, OwnInputs& inputs)
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
        Payload& payload = read_pages();
        if (!lies_within(entry_, header_.payload_base, header_.payload_size)) {
            read_pvh(payload);
        } else {
            read_loader();
        }
    }

  private:
    Payload& read_pages() {
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
        return payload;
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
            Payload& payload = read_pages();
            payload.protocol = PayloadProtocol::linux64;
            payload.linux    = kernel::kernel_without_header();
        }
        kernel::ZeroPage zero_page{};
        std::ranges::copy(finder_.bytes_at(header_.zero_page, page_size), zero_page);
        take_memory(kernel::memory_end(zero_page, four_gib),
                    kernel::memory_end(zero_page, ~u64{0}));
        // What it is to accept itself it is told by EFI's tables.
        inputs_.options.accepts_payload = kernel::has_efi_machine(zero_page);
    }

    /// The stub enters what takes the CPU to the mode of such a kernel (boot/pvh/record.h).
    void read_pvh(Payload& payload) {
        const auto record = finder_.record_at<boot::pvh::Record>(entry_);
        const auto told   = finder_.record_at<kernel::StartInfo>(record.start_info);
        if (told.magic != kernel::StartInfo::magic_value
            || !lies_within(record.entry, header_.payload_base, header_.payload_size)) {
            inputs_.missing = "how the payload is entered";
            return;
        }
        payload.protocol   = PayloadProtocol::pvh;
        payload.entry      = record.entry;
        constexpr u32 most = 64; // igvm/image makes a few
        u64 low_end        = 0;
        u64 end            = 0;
        for (u32 i = 0; i < std::min(told.memory_map_count, most); ++i) {
            const auto range = finder_.record_at<kernel::MemoryRange>(
                told.memory_map + i * sizeof(kernel::MemoryRange));
            if (range.type == kernel::MemoryType::ram) {
                end     = std::max(end, range.base + range.size);
                low_end = range.base < four_gib ? end : low_end;
            }
        }
        take_memory(low_end, end);
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

    /// Of RAM that ends below 4 GiB and, where it goes on from there, altogether.
    void take_memory(u64 low_end, u64 end) {
        if (low_end != 0) {
            inputs_.options.memory          = low_end + (end > four_gib ? end - four_gib : 0);
            inputs_.options.memory_below_4g = low_end;
        }
    }

    const OwnFinder& finder_;
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
    const OwnFinder finder(file, platform);
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
