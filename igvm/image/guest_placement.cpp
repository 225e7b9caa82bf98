// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where the parts of a guest lie. The payload lies where it wants; the stub's region makes way for
// it, and the initrd for both.
#include "boot/initial_tables.h"
#include "boot/jump_table/record.h"
#include "igvm/image/efi_tables.h"
#include "igvm/image/guest_layout.h"
#include "igvm/image/pvh_entry.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

using boot::MemoryRange;
using boot::PayloadHeader;

static constexpr u64 end_of(const MemoryRange& range) { return range.base + range.size; }

static bool overlap(const MemoryRange& one, const MemoryRange& other) {
    return one.base < end_of(other) && other.base < end_of(one);
}

namespace {
using Problem = std::optional<std::string>;

/// Places one part after another; what is known of earlier ones is what later ones need.
class Placer {
  public:
    Placer(const StubImage& image, const BuildOptions& options, const GuestContents& contents)
        : image_(image), options_(options), contents_(contents) {
        at_.ram = options.ram();
    }

    Problem place_stub();
    Problem place_behind_image();
    Problem place_jump_table();
    Problem place_pvh_entry();
    Problem place_initrd();
    Problem place_service();
    [[nodiscard]] Problem check_command_line() const;
    [[nodiscard]] Problem check_memory() const;

    [[nodiscard]] const Placement& at() const { return at_; }

  private:
    [[nodiscard]] MemoryRange payload() const {
        return contents_.payload == nullptr
                   ? MemoryRange{}
                   : MemoryRange{.base = contents_.payload->base, .size = contents_.payload->size};
    }

    [[nodiscard]] MemoryRange region() const {
        return {.base = at_.base, .size = x86::large_page_size};
    }

    [[nodiscard]] u64 find_room(u64 size) const;

    const StubImage& image_;
    const BuildOptions& options_;
    const GuestContents& contents_;
    Placement at_;
};

/// The stub's whole 2 MiB must be free: nothing but its image is executable there.
Problem Placer::place_stub() {
    if (options_.base) {
        at_.base = *options_.base;
        if (overlap(region(), payload())) {
            return fmt::format("the payload, {:#x} to {:#x}, overlaps the stub's 2 MiB at {:#x}: "
                               "another --base is needed",
                               payload().base, end_of(payload()), at_.base);
        }
        return std::nullopt;
    }
    for (at_.base = x86::large_page_size; at_.base < payload_limit;
         at_.base += x86::large_page_size) {
        if (boot::is_loadable_base(at_.base) && !overlap(region(), payload())) {
            return std::nullopt;
        }
    }
    return "the payload leaves no room for the stub's 2 MiB";
}

Problem Placer::place_behind_image() {
    u64 next        = at_.base + image_.size;
    const auto take = [&](u64 size = page_size) {
        const u64 at = next;
        next += size;
        return at;
    };
    if (options_.is_for(PlatformType::sev_snp)) { // right behind, where boot/snp looks for them
        at_.cpuid_page   = take();
        at_.secrets_page = take();
    }
    if (contents_.linux() != nullptr) {
        // Without them it looks through memory that is not there, and knows of one processor.
        // Natively a monitor may have its own.
        if (options_.is_for(PlatformType::sev_es) || options_.is_for(PlatformType::sev_snp)) {
            at_.acpi_tables = take();
        }
        if (options_.accepts_payload && options_.is_for(PlatformType::sev_snp)) {
            at_.efi_tables = take(efi_tables_size(at_.ram_end()));
        }
        at_.zero_page = take();
    }
    if (contents_.is_pvh() && options_.vcpus > 1
        && (options_.is_for(PlatformType::sev_es) || options_.is_for(PlatformType::sev_snp))) {
        at_.acpi_tables = take(); // by which alone a PVH kernel learns of further processors
    }
    if (options_.direct_boot
        && (options_.is_for(PlatformType::sev_es) || options_.is_for(PlatformType::sev_snp))) {
        at_.acpi_tables   = take();
        at_.kernel_hashes = options_.flash ? take() : igvm_kernel_hashes;
    }
    if (options_.memory_map) {
        at_.parameters.push_back({.parameter = HeaderType::memory_map, .gpa = take()});
    }
    if (options_.vp_count) {
        at_.parameters.push_back({.parameter = HeaderType::vp_count_parameter, .gpa = take()});
    }
    if (options_.flash && options_.vcpus > 1) {
        at_.ap_way = take();
    }
    at_.image_size = next - at_.base;
    if (next > end_of(region())) {
        return fmt::format("the image leaves no room in its 2 MiB for {} pages behind it",
                           (next - at_.base - image_.size) / page_size);
    }
    return std::nullopt;
}

/// The lowest address above 1 MiB that is free.
u64 Placer::find_room(u64 size) const {
    MemoryRange taken[] = {region(), payload(), at_.pvh_entry};
    std::ranges::sort(taken, {}, &MemoryRange::base);
    u64 at = kernel::high_memory_start;
    for (const MemoryRange& range : taken) {
        if (range.size != 0 && at + size > range.base) {
            at = std::max(at, end_of(range));
        }
    }
    return at;
}

/// Below 1 MiB, where nothing else of ours lies. Natively further processors wait for SIPI, and
/// under SNP the kernel creates their state itself.
Problem Placer::place_jump_table() {
    if ((contents_.has_memory_map() || options_.direct_boot) && options_.vcpus > 1
        && options_.is_for(PlatformType::sev_es)) {
        at_.jump_table = boot::jump_table::page_gpa;
    }
    return std::nullopt;
}

/// Not in the stub's region, where nothing else may be executed.
Problem Placer::place_pvh_entry() {
    if (!contents_.is_pvh()) {
        return std::nullopt;
    }
    constexpr u64 most_ranges = 12; // of memory_map(), with all that may be in use
    const u64 size            = pvh_entry_size(contents_.enter_pvh, most_ranges);
    at_.pvh_entry             = {.base = find_room(size), .size = size};
    return std::nullopt;
}

Problem Placer::place_initrd() {
    if (contents_.initrd.empty()) {
        return std::nullopt;
    }
    const u64 size  = whole_pages(contents_.initrd.size());
    const u64 at    = find_room(size);
    const u64 most  = contents_.has_memory_map() ? options_.below_4g() : payload_limit;
    const u64 limit = contents_.linux() != nullptr
                          ? std::min<u64>(contents_.linux()->initrd_limit + 1, most)
                          : most;
    if (size > limit || at > limit - size) {
        return fmt::format("the initrd, {} bytes, would lie at {:#x}: expected it to end below "
                           "{:#x}",
                           contents_.initrd.size(), at, limit);
    }
    at_.initrd = {.base = at, .size = contents_.initrd.size()};
    return std::nullopt;
}

/// In 2 MiB of its own, behind what a payload is told of RAM; where devices follow, in the last of
/// it, of which the payload is not told then. Behind its image: what it is told, and the guest's
/// VMSA, which is not at a multiple of 2 MiB then.
Problem Placer::place_service() {
    if (options_.vmpl == 0) {
        return std::nullopt;
    }
    constexpr u64 pages_behind = 2;
    if (contents_.service == nullptr) {
        return fmt::format("a guest at VMPL {} needs a service at VMPL 0: expected its image",
                           options_.vmpl);
    }
    if (contents_.is_pvh()) {
        return "below VMPL 0 a payload has to find the service by the secrets page, of which PVH's "
               "start info says nothing: found a PVH kernel";
    }
    const u64 size = contents_.service->size + pages_behind * page_size;
    if (size > x86::large_page_size) {
        return fmt::format("the service's image leaves no room in its 2 MiB for {} pages behind it",
                           pages_behind);
    }
    constexpr u64 block_mask = x86::large_page_size - 1;
    const bool is_told       = options_.tells_memory || contents_.has_memory_map();
    const u64 low            = options_.below_4g();
    const bool in_ram        = is_told && low < options_.memory;
    u64 base                 = x86::large_page_size;
    u64 limit                = payload_limit;
    if (in_ram) {
        limit = low & ~block_mask;
        base  = std::max<u64>(limit, 2 * x86::large_page_size) - x86::large_page_size;
    } else if (is_told) {
        base = (low + block_mask) & ~block_mask;
    }
    for (; base < limit; base += x86::large_page_size) {
        const MemoryRange own{.base = base, .size = x86::large_page_size};
        if (boot::is_loadable_base(base) && !overlap(own, region()) && !overlap(own, payload())
            && !overlap(own, at_.initrd)) {
            at_.service        = {.base = base, .size = size};
            at_.service_launch = base + contents_.service->size;
            at_.guest_vmsa     = at_.service_launch + page_size;
            if (in_ram) {
                at_.ram[1].size = base - at_.ram[1].base;
            }
            return std::nullopt;
        }
    }
    return "the payload leaves no room for the service's 2 MiB";
}

Problem Placer::check_command_line() const {
    u64 limit = sizeof(PayloadHeader::command_line) - 1;
    if (contents_.linux() != nullptr && contents_.linux()->command_line_limit != 0) {
        limit = std::min(limit, contents_.linux()->command_line_limit);
    }
    if (contents_.command_line.size() > limit) {
        return fmt::format("the command line: found {} characters, expected at most {}",
                           contents_.command_line.size(), limit);
    }
    if (contents_.command_line.contains('\0')) {
        return "the command line: found a zero byte, which ends it";
    }
    return std::nullopt;
}

Problem Placer::check_memory() const {
    for (const MemoryRange& range : {region(), payload(), at_.pvh_entry}) {
        if ((contents_.has_memory_map() || options_.tells_memory)
            && end_of(range) > options_.below_4g()) {
            const u64 low           = options_.below_4g();
            const std::string below = low < options_.memory
                                          ? fmt::format(", of which {} lie below 4 GiB", low >> 20)
                                          : std::string();
            return fmt::format("a guest of {} MiB{}: the payload and the stub need memory up to "
                               "{:#x}: more --memory{} is needed",
                               options_.memory >> 20, below, end_of(range),
                               below.empty() ? "" : "-below-4g");
        }
    }
    return std::nullopt;
}

} // namespace

std::vector<kernel::MemoryRange> Placement::in_use(PlatformType platform) const {
    using kernel::MemoryType;
    std::vector<kernel::MemoryRange> ranges;
    const auto add = [&](u64 first, u64 end, MemoryType type) {
        if (first < end) {
            ranges.push_back({.base = first, .size = end - first, .type = type, .reserved = 0});
        }
    };
    const u64 tables     = acpi_tables != 0 ? acpi_tables : base + image_size;
    const u64 tables_end = acpi_tables != 0 ? acpi_tables + page_size : tables;
    // Linux reads ACPI's memory as private, and what is reserved as a device's, shared; of an
    // SEV-SNP guest it reads more than the tables: secrets and CPUID page.
    const MemoryType stub =
        platform == PlatformType::sev_snp ? MemoryType::acpi : MemoryType::reserved;
    add(base, tables, stub);
    add(tables, tables_end, MemoryType::acpi);
    add(tables_end, base + image_size, stub);
    add(jump_table, jump_table != 0 ? jump_table + page_size : 0, MemoryType::reserved);
    add(pvh_entry.base, end_of(pvh_entry), MemoryType::reserved);
    std::ranges::sort(ranges, {}, &kernel::MemoryRange::base);
    return ranges;
}

std::expected<Placement, std::string> place(const StubImage& image, const BuildOptions& options,
                                            const GuestContents& contents) {
    Placer placer(image, options, contents);
    for (const auto step :
         {&Placer::place_stub, &Placer::place_behind_image, &Placer::place_jump_table,
          &Placer::place_pvh_entry, &Placer::place_initrd, &Placer::place_service}) {
        if (auto problem = (placer.*step)()) {
            return std::unexpected(std::move(*problem));
        }
    }
    for (const auto check : {&Placer::check_command_line, &Placer::check_memory}) {
        if (auto problem = (placer.*check)()) {
            return std::unexpected(std::move(*problem));
        }
    }
    return placer.at();
}

} // namespace vestibule::igvm
