// SPDX-License-Identifier: BSD-2-Clause-Patent
// See guest_layout.h: what stands at the places that guest_placement.cpp has found.
#include "igvm/image/guest_layout.h"

#include "boot/attest/record.h"
#include "boot/flash/record.h"
#include "boot/hand_over/snp_launch.h"
#include "boot/initial_tables.h"
#include "boot/jump_table/record.h"
#include "boot/snp/service_launch.h"
#include "igvm/format/reader.h"
#include "igvm/image/acpi_tables.h"
#include "igvm/image/efi_tables.h"
#include "igvm/image/initial_state.h"
#include "igvm/image/memory_map.h"
#include "igvm/image/pvh_entry.h"
#include "igvm/image/snp_memory.h"
#include "kernel/zero_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

using boot::MemoryRange;
using boot::PayloadHeader;

template <class T>
static std::vector<u8> bytes_of(const T& value) {
    std::vector<u8> bytes(sizeof(T));
    std::memcpy(bytes.data(), &value, sizeof(T));
    return bytes;
}

/// The page as a hypervisor takes it that is to fill in the answers (SNP firmware ABI, section
/// 8.14.2.6): which leaves the guest wants. Those that the stub and Linux ask for.
static std::vector<u8> cpuid_page() {
    struct Entry {
        u32 eax_in;
        u32 ecx_in;
        u64 xcr0_in;
        u64 xss_in;
        u32 answers[4];
        u64 reserved;
    };

    static_assert(sizeof(Entry) == 48);
    constexpr std::pair<u32, u32> leaves[] = {
        {0x0,         0},
        {0x1,         0},
        {0x4,         0},
        {0x7,         0},
        {0xB,         0},
        {0xD,         0},
        {0xD,         1},
        {0x4000'0000, 0},
        {0x8000'0000, 0},
        {0x8000'0001, 0},
        {0x8000'0002, 0},
        {0x8000'0003, 0},
        {0x8000'0004, 0},
        {0x8000'0006, 0},
        {0x8000'0008, 0},
        {0x8000'001D, 0},
        {0x8000'001E, 0},
        {0x8000'001F, 0},
        {0x8000'0021, 0},
    };
    constexpr u64 header = 16; // the count, and reserved
    std::vector<u8> page(page_size);
    page[0]  = static_cast<u8>(std::size(leaves));
    u64 next = header;
    for (const auto& [leaf, subleaf] : leaves) {
        Entry entry{};
        entry.eax_in  = leaf;
        entry.ecx_in  = subleaf;
        entry.xcr0_in = leaf == 0xD ? 1 : 0; // x87, as the VMSA has it
        std::memcpy(&page[next], &entry, sizeof(entry));
        next += sizeof(entry);
    }
    return page;
}

std::string_view name_of(Part part) {
    constexpr std::string_view names[] = {
        "page tables", "stub",       "hand-over",     "payload",    "initrd",
        "zero page",   "PVH entry",  "AP jump table", "CPUID page", "secrets page",
        "ACPI tables", "EFI tables", "kernel hashes", "service",    "way of further vCPUs"};
    return names[static_cast<unsigned>(part)];
}

namespace {
class PageMaker {
  public:
    PageMaker(const StubImage& image, const BuildOptions& options, const GuestContents& contents,
              Layout& layout)
        : image_(image), options_(options), contents_(contents), layout_(layout) {}

    void add_page_tables();
    void add_stub();
    void add_payload();
    void add_service();
    [[nodiscard]] std::optional<std::string> add_ap_way();
    void add_required();
    /// What of all pages an SEV-SNP guest is told (boot/hand_over/snp_launch.h). To be called last.
    [[nodiscard]] std::optional<std::string> fill_snp_launch();
    /// Which report it is to have made (boot/attest/record.h).
    [[nodiscard]] std::optional<std::string> fill_attest_record();
    /// How much of it a Linux kernel is to accept itself.
    [[nodiscard]] std::optional<std::string> fill_efi_tables();
    /// What a service at VMPL 0 is told of all of them (boot/snp/service_launch.h).
    [[nodiscard]] std::optional<std::string> fill_service_launch();

  private:
    [[nodiscard]] PayloadHeader header_for(PlatformType platform) const;
    [[nodiscard]] std::vector<u8> zero_page_for(PlatformType platform) const;
    [[nodiscard]] std::optional<EfiTables> efi_tables() const;
    [[nodiscard]] std::vector<u8> jump_table(const Payload& payload) const;
    [[nodiscard]] std::vector<u8> pvh_entry(PlatformType platform) const;
    [[nodiscard]] u64 command_line() const;
    [[nodiscard]] std::vector<MemoryRange> ram(PlatformType platform) const;
    [[nodiscard]] u64 parameter(HeaderType type) const;
    [[nodiscard]] bool has_report() const;
    [[nodiscard]] x86::Vmsa guest_vmsa() const;
    template <class Record>
    void fill_record(u64 address, const Record& record);

    const StubImage& image_;
    const BuildOptions& options_;
    const GuestContents& contents_;
    Layout& layout_;
};

void PageMaker::add_page_tables() {
    if (!has_initial_tables(options_.entry)) {
        if (options_.vmpl != 0) { // the stub makes them in memory that it cannot validate
            layout_.pages.push_back({.part     = Part::page_tables,
                                     .gpa      = layout_.at.base,
                                     .content  = Content(std::vector<u8>(page_size)),
                                     .platform = PlatformType::sev_snp});
        }
        return;
    }
    for (const PlatformType platform : options_.platforms) {
        x86::PageTable tables{};
        boot::map_image(tables, layout_.at.base,
                        platform == PlatformType::native ? 0 : bit(options_.c_bit));
        layout_.pages.push_back({.part     = Part::page_tables,
                                 .gpa      = layout_.at.base,
                                 .content  = Content(bytes_of(tables)),
                                 .platform = platform});
    }
}

/// The file's part of each segment. Its memory beyond that is not in the file at all: the stub
/// clears it, and clearing costs less than measuring.
void PageMaker::add_stub() {
    for (const StubSegment& segment : image_.segments) {
        Placed placed{.part     = segment.payload ? Part::hand_over : Part::stub,
                      .gpa      = layout_.at.base + segment.address,
                      .content  = Content(segment.data),
                      .platform = {}};
        // Below VMPL 0 the stub cannot validate what it clears before it has a stack to call the
        // service on.
        if (options_.vmpl != 0 && segment.memory_size > segment.data.size()) {
            std::vector<u8> whole(segment.data.begin(), segment.data.end());
            whole.resize(whole_pages(segment.memory_size));
            placed.content = Content(std::move(whole));
        }
        if (segment.snp) {
            if (options_.is_for(PlatformType::sev_snp) && (!segment.attest || has_report())
                && (!segment.svsm || options_.vmpl != 0)) {
                placed.platform = PlatformType::sev_snp;
                layout_.pages.push_back(std::move(placed));
            }
            continue;
        }
        const u64 header = image_.payload_header.value_or(0) - segment.address;
        if (contents_.payload == nullptr || header >= segment.data.size()) {
            layout_.pages.push_back(std::move(placed));
            continue;
        }
        // The header differs by platform where one has what others have not.
        for (const PlatformType platform : options_.platforms) {
            const PayloadHeader record = header_for(platform);
            std::vector<u8> bytes(segment.data.begin(), segment.data.end());
            std::memcpy(&bytes[header], &record, sizeof(record));
            placed.content = Content(std::move(bytes));
            const bool differs =
                options_.is_for(PlatformType::sev_snp) || layout_.at.jump_table != 0;
            placed.platform = differs ? std::optional(platform) : std::nullopt;
            layout_.pages.push_back(placed);
            if (!placed.platform) {
                break;
            }
        }
    }
}

/// The selftest tries one in any case.
bool PageMaker::has_report() const {
    return options_.report_data.has_value() || contents_.payload == nullptr;
}

u64 PageMaker::parameter(HeaderType type) const {
    const auto found = std::ranges::find(layout_.at.parameters, type, &ParameterPage::parameter);
    return found == layout_.at.parameters.end() ? 0 : found->gpa;
}

PayloadHeader PageMaker::header_for(PlatformType platform) const {
    const bool snp = platform == PlatformType::sev_snp;
    PayloadHeader header{};
    header.version = PayloadHeader::current_version;
    header.kind    = boot::PayloadKind::boot_info;
    header.entry   = contents_.payload->entry;
    // With direct boot the loader goes that way, once it knows the kernel.
    if (layout_.at.jump_table != 0 && platform == PlatformType::sev_es && !options_.direct_boot) {
        header.entry = layout_.at.jump_table + boot::jump_table::linux_entry;
    } else if (contents_.is_pvh()) {
        header.entry = layout_.at.pvh_entry.base;
    } else if (contents_.linux() != nullptr) {
        header.kind = boot::PayloadKind::linux64;
    }
    header.zero_page       = layout_.at.zero_page;
    header.payload_base    = contents_.payload->base;
    header.payload_size    = contents_.payload->size;
    header.initrd          = layout_.at.initrd.base;
    header.initrd_size     = layout_.at.initrd.size;
    header.cpuid_page      = snp ? layout_.at.cpuid_page : 0;
    header.secrets_page    = snp ? layout_.at.secrets_page : 0;
    header.memory_map      = parameter(HeaderType::memory_map);
    header.memory_map_size = header.memory_map != 0 ? page_size : 0;
    header.vp_count        = parameter(HeaderType::vp_count_parameter);
    header.vcpus           = options_.vcpus;
    if (options_.tells_memory && !contents_.has_memory_map()) {
        std::ranges::copy(layout_.at.ram, std::begin(header.ram));
        header.ram_count = static_cast<u32>(layout_.at.ram.size());
    }
    std::ranges::copy(contents_.payload->cleared, std::begin(header.cleared));
    std::string line(contents_.command_line);
    if (options_.direct_boot) { // what boot/fw_cfg is told
        header.rsdp = platform == PlatformType::native ? 0 : layout_.at.acpi_tables;
        line        = fmt::format("{}", layout_.at.kernel_hashes);
    }
    header.command_line_size = line.size();
    std::ranges::copy(line, std::begin(header.command_line));
    return header;
}

u64 PageMaker::command_line() const {
    return layout_.at.base + image_.payload_header.value_or(0)
           + offsetof(PayloadHeader, command_line);
}

/// An SEV-SNP guest has no other than what was loaded or is accepted.
std::vector<MemoryRange> PageMaker::ram(PlatformType platform) const {
    if (platform == PlatformType::sev_snp) {
        return snp_memory(layout_, options_, contents_).ram();
    }
    return layout_.at.ram;
}

/// Of memory as Linux is told of it, and what of that it has to accept.
std::optional<EfiTables> PageMaker::efi_tables() const {
    const SnpMemory memory = snp_memory(layout_, options_, contents_);
    return make_efi_tables(layout_.at.efi_tables, layout_.at.ram_end(),
                           memory_map(memory.usable(), layout_.at.in_use(PlatformType::sev_snp)),
                           memory.unaccepted);
}

std::optional<std::string> PageMaker::fill_efi_tables() {
    if (layout_.at.efi_tables == 0) {
        return std::nullopt;
    }
    auto tables = efi_tables();
    if (!tables) {
        return "the payload lies in too many pieces for EFI's memory map";
    }
    std::ranges::find(layout_.pages, Part::efi_tables, &Placed::part)->content =
        Content(std::move(tables->pages));
    return std::nullopt;
}

std::vector<u8> PageMaker::zero_page_for(PlatformType platform) const {
    kernel::LinuxTold told{.command_line = command_line(),
                           .initrd       = layout_.at.initrd.base,
                           .initrd_size  = layout_.at.initrd.size,
                           .rsdp = platform == PlatformType::native ? 0 : layout_.at.acpi_tables,
                           .confidential = {},
                           .efi          = {}};
    if (platform == PlatformType::sev_snp) {
        told.confidential = {.secrets_page = layout_.at.secrets_page,
                             .cpuid_page   = layout_.at.cpuid_page};
    }
    if (platform == PlatformType::sev_snp && layout_.at.efi_tables != 0) {
        if (const auto tables = efi_tables()) { // fill_efi_tables() says where there are none
            told.efi = tables->told;
        }
    }
    kernel::ZeroPage page;
    kernel::make_zero_page(*contents_.linux(), layout_.at.zero_page, told, page);
    auto map = memory_map(ram(platform), layout_.at.in_use(platform));
    kernel::add_memory_map(map.data(), static_cast<u32>(map.size()), page);
    return {std::begin(page), std::end(page)};
}

std::vector<u8> PageMaker::jump_table(const Payload& payload) const {
    boot::jump_table::LinuxRecord record{};
    record.entry     = static_cast<u32>(contents_.is_pvh() ? layout_.at.pvh_entry.base
                                                           : payload.entry); // below 4 GiB
    record.zero_page = static_cast<u32>(layout_.at.zero_page);
    std::vector<u8> page(contents_.jump_table.begin(), contents_.jump_table.end());
    std::memcpy(page.data(), &record, sizeof(record));
    return page;
}

std::vector<u8> PageMaker::pvh_entry(PlatformType platform) const {
    return make_pvh_entry(contents_.enter_pvh, layout_.at.pvh_entry.base, contents_.payload->entry,
                          command_line(), layout_.at.initrd,
                          platform == PlatformType::native ? 0 : layout_.at.acpi_tables,
                          memory_map(ram(platform), layout_.at.in_use(platform)));
}

void PageMaker::add_payload() {
    if (contents_.payload != nullptr) {
        for (const Block& block : contents_.payload->blocks) {
            layout_.pages.push_back({.part     = Part::payload,
                                     .gpa      = block.gpa,
                                     .content  = block.content,
                                     .platform = {}});
        }
        if (layout_.at.jump_table != 0) {
            layout_.pages.push_back({.part     = Part::jump_table,
                                     .gpa      = layout_.at.jump_table,
                                     .content  = Content(jump_table(*contents_.payload)),
                                     .platform = PlatformType::sev_es});
        }
    }
    if (!contents_.initrd.empty()) {
        layout_.pages.push_back({.part     = Part::initrd,
                                 .gpa      = layout_.at.initrd.base,
                                 .content  = Content(contents_.initrd),
                                 .platform = {}});
    }
    for (const PlatformType platform : options_.platforms) {
        if (contents_.linux() != nullptr) {
            layout_.pages.push_back({.part     = Part::zero_page,
                                     .gpa      = layout_.at.zero_page,
                                     .content  = Content(zero_page_for(platform)),
                                     .platform = platform});
        }
    }
    for (const PlatformType platform : options_.platforms) {
        if (layout_.at.acpi_tables != 0 && platform != PlatformType::native) {
            const auto page = make_acpi_tables(layout_.at.acpi_tables, options_.vcpus);
            layout_.pages.push_back({.part     = Part::acpi_tables,
                                     .gpa      = layout_.at.acpi_tables,
                                     .content  = Content(std::vector<u8>{page.begin(), page.end()}),
                                     .platform = platform});
        }
    }
    for (const PlatformType platform : options_.platforms) {
        // A flash image's metadata name it, and nothing of it is in the image.
        if (layout_.at.kernel_hashes != 0 && !options_.flash && platform != PlatformType::native) {
            layout_.pages.push_back({.part     = Part::kernel_hashes,
                                     .gpa      = layout_.at.kernel_hashes & ~(page_size - 1),
                                     .content  = Content(std::vector<u8>(page_size)),
                                     .platform = platform});
        }
    }
    if (layout_.at.efi_tables != 0) { // filled in when all else has its place
        layout_.pages.push_back(
            {.part     = Part::efi_tables,
             .gpa      = layout_.at.efi_tables,
             .content  = Content(std::vector<u8>(efi_tables_size(layout_.at.ram_end()))),
             .platform = PlatformType::sev_snp});
    }
    for (const PlatformType platform : options_.platforms) {
        if (contents_.is_pvh()) {
            layout_.pages.push_back({.part     = Part::pvh_entry,
                                     .gpa      = layout_.at.pvh_entry.base,
                                     .content  = Content(pvh_entry(platform)),
                                     .platform = platform});
        }
    }
    if (options_.is_for(PlatformType::sev_snp)) {
        layout_.pages.push_back(
            {.part     = Part::cpuid_page,
             .gpa      = layout_.at.cpuid_page,
             .content  = Content(options_.cpuid_leaves ? cpuid_page() : std::vector<u8>(page_size)),
             .platform = PlatformType::sev_snp,
             .type     = PageDataType::cpuid_data});
        layout_.pages.push_back({.part     = Part::secrets_page,
                                 .gpa      = layout_.at.secrets_page,
                                 .content  = Content(std::vector<u8>(page_size)),
                                 .platform = PlatformType::sev_snp,
                                 .type     = PageDataType::secrets});
    }
}

/// The guest's vCPU 0, whose memory is validated all of it: the entry goes past what validates it.
x86::Vmsa PageMaker::guest_vmsa() const {
    // NOLINTBEGIN(bugprone-unchecked-optional-access): lay_out() has looked
    const u64 validated = image_.entry64_snp_validated.value();
    u64 entry           = validated;
    u64 skipped         = 0;
    if (options_.entry == boot::Entry::legacy32) {
        entry = image_.entry32.value();
    } else if (options_.entry == boot::Entry::compat) {
        entry   = image_.entry_compat_snp.value();
        skipped = validated - image_.entry64_snp.value(); // boot/snp/entry_compat.asm
    }
    // NOLINTEND(bugprone-unchecked-optional-access)
    x86::Vmsa vmsa    = initial_vmsa(PlatformType::sev_snp, options_.entry, layout_.at.base,
                                     layout_.at.base + entry);
    vmsa.rdi          = skipped;
    vmsa.vmpl         = options_.vmpl;
    vmsa.sev_features = options_.sev_features;
    return vmsa;
}

/// All of it is loaded, what it clears too: nobody validates memory for it.
void PageMaker::add_service() {
    if (layout_.at.service.size == 0) {
        return;
    }
    const auto add = [&](u64 gpa, Content content) {
        layout_.pages.push_back({.part     = Part::service,
                                 .gpa      = gpa,
                                 .content  = std::move(content),
                                 .platform = PlatformType::sev_snp});
    };
    const u64 base = layout_.at.service.base;
    x86::PageTable tables{};
    boot::map_image(tables, base, bit(options_.c_bit));
    add(base, Content(bytes_of(tables)));
    for (const StubSegment& segment : contents_.service->segments) {
        std::vector<u8> whole(segment.data.begin(), segment.data.end());
        whole.resize(whole_pages(segment.memory_size));
        add(base + segment.address, Content(std::move(whole)));
    }
    x86::Vmsa vmsa       = guest_vmsa();
    std::vector<u8> page = bytes_of(vmsa);
    page.resize(page_size);
    add(layout_.at.guest_vmsa, Content(std::move(page)));
    add(layout_.at.service_launch, Content(std::vector<u8>(page_size)));
}

/// A part of the reset code (boot/flash/record.h).
std::optional<std::string> PageMaker::add_ap_way() {
    using boot::flash::Record;
    if (layout_.at.ap_way == 0) {
        return std::nullopt;
    }
    const auto code = contents_.flash_reset;
    const auto way  = code.size() < sizeof(Record) ? Record{} : load<Record>(code, 0);
    const u64 at    = code.size() - ((u64{1} << 32) - way.ap_way);
    if (way.ap_way_size == 0 || at > code.size() || way.ap_way_size > code.size() - at) {
        return "the reset code of flash images has no way for further vCPUs";
    }
    layout_.pages.push_back({.part     = Part::ap_way,
                             .gpa      = layout_.at.ap_way,
                             .content  = Content(code.subspan(at, way.ap_way_size)),
                             .platform = {}});
    return std::nullopt;
}

void PageMaker::add_required() {
    if (layout_.at.service.size != 0) {
        layout_.required.push_back(
            {.base = layout_.at.service.base, .size = whole_pages(layout_.at.service.size)});
    }
    if ((contents_.has_memory_map() || options_.tells_memory) && !options_.accepts_payload) {
        // all that its map promises, but for a PC's first 640 KiB
        std::ranges::copy(std::span(layout_.at.ram).subspan(1),
                          std::back_inserter(layout_.required));
        std::ranges::sort(layout_.required, {}, &MemoryRange::base);
        return;
    }
    const MemoryRange payload =
        contents_.payload == nullptr
            ? MemoryRange{}
            : MemoryRange{.base = contents_.payload->base, .size = contents_.payload->size};
    for (const MemoryRange& range : {
             MemoryRange{.base = layout_.at.base,        .size = layout_.at.image_size},
             payload,
             MemoryRange{.base = layout_.at.initrd.base,
                         .size = whole_pages(layout_.at.initrd.size)                  }
    }) {
        if (range.size != 0) {
            layout_.required.push_back(range);
        }
    }
    std::ranges::sort(layout_.required, {}, &MemoryRange::base);
}

std::optional<std::string> PageMaker::fill_snp_launch() {
    using boot::SnpLaunch;
    if (!image_.snp_launch || !options_.is_for(PlatformType::sev_snp)) {
        return std::nullopt;
    }
    const SnpMemory memory = snp_memory(layout_, options_, contents_);
    if (std::max(memory.loaded.size(), memory.accepted.size()) > SnpLaunch::most) {
        return fmt::format("the payload lies in too many pieces: expected at most {} for SEV-SNP",
                           SnpLaunch::most);
    }
    SnpLaunch record{};
    record.version        = SnpLaunch::current_version;
    record.loaded_count   = static_cast<u32>(memory.loaded.size());
    record.accepted_count = static_cast<u32>(memory.accepted.size());
    record.image_pages    = static_cast<u32>(layout_.at.image_size / page_size);
    record.assigned_from  = options_.flash ? ~u64{0} : kernel::high_memory_start;
    std::ranges::copy(memory.loaded, record.loaded);
    std::ranges::copy(memory.accepted, record.accepted);
    fill_record(*image_.snp_launch, record);
    return std::nullopt;
}

std::optional<std::string> PageMaker::fill_attest_record() {
    using boot::AttestRecord;
    if (!options_.is_for(PlatformType::sev_snp)) {
        return std::nullopt;
    }
    const bool is_told =
        contents_.payload == nullptr || (contents_.linux() == nullptr && !contents_.is_pvh());
    if (options_.report_data && !is_told) {
        return "an attestation report is handed over by boot info, which this payload's protocol "
               "does "
               "not have: it asks for one itself";
    }
    if (!image_.attest_record) {
        return options_.report_data
                   ? std::optional<std::string>("the image makes no attestation report: expected "
                                                "the symbol attest_record")
                   : std::nullopt;
    }
    AttestRecord record{};
    record.version = AttestRecord::current_version;
    record.wanted  = has_report() ? 1 : 0;
    record.vcpus   = options_.vcpus;
    std::ranges::copy(options_.report_data.value_or(std::array<u8, AttestRecord::data_size>{}),
                      record.report_data);
    fill_record(*image_.attest_record, record);
    return std::nullopt;
}

std::optional<std::string> PageMaker::fill_service_launch() {
    using boot::ServiceLaunch;
    if (layout_.at.service.size == 0) {
        return std::nullopt;
    }
    std::vector<MemoryRange> loaded;
    for (const Placed& placed : layout_.pages) {
        if (placed.part != Part::service) {
            loaded.push_back({.base = placed.gpa, .size = whole_pages(placed.content.size())});
        }
    }
    for (const ParameterPage& page : layout_.at.parameters) {
        loaded.push_back({.base = page.gpa, .size = page_size});
    }
    std::ranges::sort(loaded, {}, &MemoryRange::base);
    std::vector<MemoryRange> merged;
    for (const MemoryRange& range : loaded) {
        if (!merged.empty() && merged.back().base + merged.back().size == range.base) {
            merged.back().size += range.size;
        } else {
            merged.push_back(range);
        }
    }
    if (merged.size() > ServiceLaunch::most) {
        return fmt::format("the payload lies in too many pieces: expected at most {} for a service "
                           "at VMPL 0",
                           ServiceLaunch::most);
    }
    ServiceLaunch record{};
    record.vmsa         = layout_.at.guest_vmsa;
    record.secrets_page = layout_.at.secrets_page;
    record.cpuid_page   = layout_.at.cpuid_page;
    record.vmpl         = options_.vmpl;
    record.loaded_count = static_cast<u32>(merged.size());
    std::ranges::copy(merged, record.loaded);
    fill_record(layout_.at.service_launch - layout_.at.base, record);
    return std::nullopt;
}

/// At `address` from the image's base.
template <class Record>
void PageMaker::fill_record(u64 address, const Record& record) {
    for (Placed& placed : layout_.pages) {
        const u64 at = layout_.at.base + address - placed.gpa;
        if (at < placed.content.size()) {
            const auto old = placed.content.bytes();
            std::vector<u8> bytes(old.begin(), old.end());
            std::memcpy(&bytes[at], &record, sizeof(record));
            placed.content = Content(std::move(bytes));
        }
    }
}

} // namespace

/// The symbol that an image needs to be entered there and does not have, or nullptr.
static const char* missing_below_vmpl0(const StubImage& image, boot::Entry entry) {
    if (!image.entry64_snp_validated || !image.entry64_snp) {
        return "entry64_snp_validated";
    }
    if (entry == boot::Entry::legacy32 && !image.entry32) {
        return "entry32";
    }
    return entry == boot::Entry::compat && !image.entry_compat_snp ? "entry_compat_snp" : nullptr;
}

std::expected<Layout, std::string> lay_out(const StubImage& image, const BuildOptions& options,
                                           const GuestContents& contents) {
    if (options.accepts_payload && contents.is_pvh()) {
        return std::unexpected("a PVH kernel is told of RAM that it may use at once: only Linux "
                               "and a payload of boot info accept memory themselves");
    }
    if (const char* missing =
            options.vmpl != 0 ? missing_below_vmpl0(image, options.entry) : nullptr) {
        return std::unexpected(
            fmt::format("the image does not run below VMPL 0: expected the symbol {}", missing));
    }
    auto at = place(image, options, contents);
    if (!at) {
        return std::unexpected(std::move(at.error()));
    }
    Layout layout{.at = std::move(*at), .pages = {}, .required = {}};
    PageMaker maker(image, options, contents, layout);
    maker.add_page_tables();
    maker.add_stub();
    maker.add_payload();
    maker.add_service();
    if (auto problem = maker.add_ap_way()) {
        return std::unexpected(std::move(*problem));
    }
    maker.add_required();
    for (const auto fill : {&PageMaker::fill_snp_launch, &PageMaker::fill_attest_record,
                            &PageMaker::fill_efi_tables, &PageMaker::fill_service_launch}) {
        if (auto problem = (maker.*fill)()) {
            return std::unexpected(std::move(*problem));
        }
    }
    std::ranges::sort(layout.pages, {}, [](const Placed& placed) {
        return std::pair(placed.gpa, placed.platform); // which name a page once
    });
    return layout;
}

} // namespace vestibule::igvm
