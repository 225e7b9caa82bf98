// SPDX-License-Identifier: BSD-2-Clause-Patent
// The volume, from its end down: the reset code, the table of ranges, the bytes that ranges refer
// to, and what fills it up to a size that QEMU takes.
#include "igvm/image/flash.h"

#include "boot/flash/record.h"
#include "igvm/format/reader.h"
#include "igvm/measure/firmware.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

namespace vestibule::igvm {

using boot::MemoryRange;
using boot::flash::Range;
using boot::flash::Record;

namespace {

constexpr u64 volume_end = u64{1} << 32;
constexpr u64 granule    = u64{64} << 10; // of what QEMU takes with -bios
constexpr u64 word       = sizeof(u32);

bool overlap(const MemoryRange& one, const MemoryRange& other) {
    return one.base < other.base + other.size && other.base < one.base + one.size;
}

u32 bit_of(PlatformType platform) {
    using boot::Platform;
    const Platform name = platform == PlatformType::sev_snp  ? Platform::sev_snp
                          : platform == PlatformType::sev_es ? Platform::sev_es
                                                             : Platform::native;
    return 1u << static_cast<u32>(name);
}

bool is_zero(std::span<const u8> bytes) {
    return std::ranges::all_of(bytes, [](u8 byte) { return byte == 0; });
}

class VolumeMaker {
  public:
    VolumeMaker(const StubImage& image, const BuildOptions& options, const GuestContents& contents,
                const Layout& layout)
        : image_(image), options_(options), contents_(contents), layout_(layout) {
        for (const PlatformType platform : options.platforms) {
            all_ |= bit_of(platform);
        }
    }

    [[nodiscard]] std::optional<std::string> take_reset_code();
    void add_pages();
    void add_cleared_memory();
    void add_ap_way();
    [[nodiscard]] std::expected<std::vector<u8>, std::string> finish();

    [[nodiscard]] u32 section_count() const { return record_.section_count; }

  private:
    void add_page_runs(u64 gpa, std::span<const u8> bytes, u32 platforms);
    void add_range(u64 gpa, u64 size, std::optional<u64> place, u32 platforms);
    u64 place_of(std::span<const u8> bytes);
    void fill_record(u64 data_address);
    [[nodiscard]] std::optional<std::string> misplaced(u64 volume_start) const;

    const StubImage& image_;
    const BuildOptions& options_;
    const GuestContents& contents_;
    const Layout& layout_;
    u32 all_ = 0; // platforms
    Record record_{};
    std::vector<Range> ranges_; // `from` is 0, or one more than a place in the data
    std::vector<u8> data_;
    std::vector<std::vector<u8>> pieces_;    // of the payload, to which the next refers
    std::map<std::string_view, u64> places_; // of what is in the data already
};

std::optional<std::string> VolumeMaker::take_reset_code() {
    const auto code = contents_.flash_reset;
    if (code.size() != boot::flash::code_size
        || load<Record>(code, 0).version != Record::current_version) {
        return fmt::format("the reset code: found {} bytes, expected {} that begin with a record "
                           "of version {}",
                           code.size(), boot::flash::code_size, u32{Record::current_version});
    }
    record_ = load<Record>(code, 0);
    return std::nullopt;
}

/// Where the bytes are in the data, in which the same bytes stand once: platforms differ in a few
/// pages only.
u64 VolumeMaker::place_of(std::span<const u8> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    const std::string_view key(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto [found, is_new] = places_.try_emplace(key, data_.size());
    if (is_new) {
        data_.insert(data_.end(), bytes.begin(), bytes.end());
        data_.resize((data_.size() + word - 1) & ~(word - 1));
    }
    return found->second;
}

void VolumeMaker::add_range(u64 gpa, u64 size, std::optional<u64> place, u32 platforms) {
    ranges_.push_back({.gpa       = static_cast<u32>(gpa), // payload_limit
                       .size      = static_cast<u32>((size + word - 1) & ~(word - 1)),
                       .from      = place ? static_cast<u32>(*place) + 1 : 0,
                       .platforms = platforms});
}

/// Runs of pages with something in them, and of pages of zeros, which take no room.
void VolumeMaker::add_page_runs(u64 gpa, std::span<const u8> bytes, u32 platforms) {
    const auto page_is_zero = [&](u64 at) {
        return is_zero(bytes.subspan(at, std::min(page_size, bytes.size() - at)));
    };
    for (u64 at = 0; at < bytes.size();) {
        const bool zero = page_is_zero(at);
        u64 end         = at;
        while (end < bytes.size() && page_is_zero(end) == zero) {
            end += page_size;
        }
        if (zero) {
            add_range(gpa + at, end - at, std::nullopt, platforms);
        } else {
            auto run = bytes.subspan(at, std::min(end, bytes.size()) - at);
            while (run.back() == 0) {
                run = run.first(run.size() - 1);
            }
            add_range(gpa + at, run.size(), place_of(run), platforms);
        }
        at = end;
    }
}

/// A payload's pieces that touch are one: the volume is the same whatever pieces it came in, out of
/// an ELF's segments or an IGVM file's pages.
void VolumeMaker::add_pages() {
    std::vector<u8> joined;
    u64 start      = 0;
    const auto end = [&] { return start + joined.size(); };
    const auto add = [&] {
        if (!joined.empty()) {
            add_page_runs(start, pieces_.emplace_back(std::move(joined)), all_);
            joined.clear();
        }
    };
    for (const Placed& placed : layout_.pages) {
        if (placed.type != PageDataType::normal || placed.part == Part::ap_way) {
            continue;
        }
        const auto bytes = placed.content.bytes();
        if (placed.part != Part::payload) {
            add();
            add_page_runs(placed.gpa, bytes, placed.platform ? bit_of(*placed.platform) : all_);
            continue;
        }
        if (end() != placed.gpa) {
            add();
            start = placed.gpa;
        }
        joined.insert(joined.end(), bytes.begin(), bytes.end());
        joined.resize(whole_pages(joined.size()));
    }
    add();
}

/// What the stub clears by itself has to be validated before it does.
void VolumeMaker::add_cleared_memory() {
    if (!options_.is_for(PlatformType::sev_snp)) {
        return;
    }
    for (const StubSegment& segment : image_.segments) {
        const u64 begin = segment.address + whole_pages(segment.data.size());
        const u64 end   = segment.address + whole_pages(segment.memory_size);
        if (begin < end && !segment.attest) {
            add_range(layout_.at.base + begin, end - begin, std::nullopt,
                      bit_of(PlatformType::sev_snp));
        }
    }
}

/// Last of all: a vCPU that finds it takes the rest to be there (boot/flash/reset.asm).
void VolumeMaker::add_ap_way() {
    for (const Placed& placed : layout_.pages) {
        if (placed.part == Part::ap_way) {
            ranges_.push_back({.gpa       = static_cast<u32>(placed.gpa),
                               .size      = record_.ap_way_size,
                               .from      = record_.ap_way,
                               .platforms = all_});
        }
    }
}

std::optional<std::string> VolumeMaker::misplaced(u64 volume_start) const {
    std::vector<MemoryRange> used;
    used.reserve(ranges_.size());
    for (const Range& range : ranges_) {
        used.push_back({.base = range.gpa, .size = whole_pages(range.size)});
    }
    if (contents_.payload != nullptr) {
        std::ranges::copy(contents_.payload->cleared, std::back_inserter(used));
    }
    for (const MemoryRange& range : used) {
        if (range.base + range.size > volume_start) {
            return fmt::format("the guest has pages at {:#x} to {:#x}: expected them below the "
                               "volume, which begins at {:#x}",
                               range.base, range.base + range.size, volume_start);
        }
        if (overlap(range, not_flash_ram)) {
            return fmt::format("the guest has pages at {:#x} to {:#x}: expected none at {:#x} to "
                               "{:#x}, where a PC has video memory and the volume's last 128 KiB",
                               range.base, range.base + range.size, not_flash_ram.base,
                               not_flash_ram.base + not_flash_ram.size);
        }
    }
    return std::nullopt;
}

void VolumeMaker::fill_record(u64 data_address) {
    record_.platforms   = all_;
    record_.base        = static_cast<u32>(layout_.at.base);
    record_.entry       = static_cast<u32>(layout_.at.base + image_.entry32.value_or(0));
    record_.ranges      = static_cast<u32>(data_address + data_.size());
    record_.range_count = static_cast<u32>(ranges_.size());
    if (layout_.at.ap_way != 0) {
        record_.ap_page  = static_cast<u32>(layout_.at.ap_way);
        record_.ap_entry = static_cast<u32>(layout_.at.base + image_.entry_ap.value_or(0));
    }
    record_.signature        = Record::asev;
    record_.metadata_version = 1;
    if (options_.is_for(PlatformType::sev_snp)) {
        const auto add = [&](u64 gpa, SectionType type) {
            record_.sections[record_.section_count++] = {
                .gpa = static_cast<u32>(gpa), .size = page_size, .type = static_cast<u32>(type)};
        };
        add(layout_.at.base, SectionType::sec_mem);
        add(layout_.at.secrets_page, SectionType::secrets);
        add(layout_.at.cpuid_page, SectionType::cpuid);
        if (layout_.at.kernel_hashes != 0) {
            add(layout_.at.kernel_hashes, SectionType::kernel_hashes);
        }
    }
    record_.metadata_size =
        static_cast<u32>(offsetof(Record, sections) - offsetof(Record, signature)
                         + record_.section_count * sizeof(boot::flash::Section));
}

std::expected<std::vector<u8>, std::string> VolumeMaker::finish() {
    const u64 table = ranges_.size() * sizeof(Range);
    const u64 used  = data_.size() + table + boot::flash::code_size;
    const u64 size  = (used + granule - 1) & ~(granule - 1);
    if (size > largest_flash) {
        return std::unexpected(fmt::format("the guest takes {} bytes of a flash image, expected "
                                           "at most {}: what is larger needs an IGVM file",
                                           used, largest_flash));
    }
    if (auto problem = misplaced(volume_end - size)) {
        return std::unexpected(std::move(*problem));
    }
    const u64 data_address = volume_end - used;
    for (Range& range : ranges_) {
        if (range.from != 0 && range.from != record_.ap_way) {
            range.from += static_cast<u32>(data_address) - 1;
        }
    }
    fill_record(data_address);

    std::vector<u8> volume(size - used);
    volume.reserve(size);
    volume.insert(volume.end(), data_.begin(), data_.end());
    volume.resize(volume.size() + table);
    std::memcpy(&volume[volume.size() - table], ranges_.data(), table);
    volume.insert(volume.end(), contents_.flash_reset.begin(), contents_.flash_reset.end());
    std::memcpy(&volume[size - boot::flash::code_size], &record_, sizeof(record_));
    if (layout_.at.kernel_hashes != 0) {
        const HashTableArea area{.gpa  = static_cast<u32>(layout_.at.kernel_hashes),
                                 .size = page_size};
        std::memcpy(&volume[size - boot::flash::hash_area], &area, sizeof(area));
    }
    if (record_.section_count == 0) {
        // The metadata are the table's lowest entry, which it ends without: nobody shall take the
        // volume for one that a launch for SEV-SNP can start.
        u8* const length = &volume[size - boot::flash::table_length];
        *length          = static_cast<u8>(*length - boot::flash::metadata_entry);
    }
    return volume;
}

PageCount count_of(PlatformType platform, const BuildOptions& options, u64 volume, u32 sections) {
    PageCount count{.platform = platform};
    count.volume   = static_cast<unsigned>(volume / page_size);
    count.metadata = platform == PlatformType::sev_snp ? sections : 0;
    count.vmsa     = platform == PlatformType::native ? 0 : options.vcpus;
    return count;
}

} // namespace

std::optional<std::string> wrong_flash_option(const BuildOptions& options) {
    if (options.entry != boot::Entry::legacy32) {
        return "a flash image enters the stub in 32-bit legacy mode: expected the entry 32";
    }
    if (options.vmpl != 0) {
        return fmt::format("VMPL: found {}, expected 0: a guest below it needs an IGVM file",
                           options.vmpl);
    }
    if (options.memory_map || options.vp_count) {
        return "parameters are what a loader of IGVM files fills in: expected none for a flash "
               "image";
    }
    return std::nullopt;
}

std::expected<BuiltFile, std::string>
build_flash(const StubImage& image, const BuildOptions& options, const GuestContents& contents) {
    if (auto problem = problem_of(image, options, contents)) {
        return std::unexpected(std::move(*problem));
    }
    BuildOptions for_flash = options;
    for_flash.flash        = true;
    auto layout            = lay_out(image, for_flash, contents);
    if (!layout) {
        return std::unexpected(layout.error());
    }
    VolumeMaker maker(image, for_flash, contents, *layout);
    if (auto problem = maker.take_reset_code()) {
        return std::unexpected(std::move(*problem));
    }
    maker.add_pages();
    maker.add_cleared_memory();
    maker.add_ap_way();
    auto volume = maker.finish();
    if (!volume) {
        return std::unexpected(std::move(volume.error()));
    }
    BuiltFile built;
    for (const PlatformType platform : options.platforms) {
        built.pages.push_back(count_of(platform, options, volume->size(), maker.section_count()));
    }
    built.bytes  = std::move(*volume);
    built.layout = std::move(*layout);
    built.layout.required.clear(); // nobody assigns memory for it
    return built;
}

} // namespace vestibule::igvm
