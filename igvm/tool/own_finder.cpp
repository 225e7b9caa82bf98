// SPDX-License-Identifier: BSD-2-Clause-Patent
// See own_finder.h.
#include "igvm/tool/own_finder.h"

#include "boot/snp/service_launch.h"
#include "igvm/format/vp_context.h"
#include "igvm/image/guest_layout.h"
#include "x86/registers.h"
#include "x86/vmsa.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>

namespace vestibule::igvm {

using boot::PayloadHeader;

static constexpr u64 region_size = u64{2} << 20; // the stub's

static boot::Entry entry_of_state(u64 cr0, bool is_64_bit) {
    return (cr0 & x86::cr0::pg) == 0 ? boot::Entry::legacy32
           : is_64_bit               ? boot::Entry::long64
                                     : boot::Entry::compat;
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

bool OwnFinder::is_own() const {
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

BuildOptions OwnFinder::options() const {
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
            options.memory       = 0;
            for (const boot::MemoryRange& range : ram) {
                const u64 end  = range.base + range.size;
                options.memory = range.base < four_gib ? end : options.memory + range.size;
                if (range.base < four_gib) {
                    options.memory_below_4g = end;
                }
            }
        }
        options.vcpus = std::max(options.vcpus, header->vcpus);
    }
    return options;
}

std::optional<PayloadHeader> OwnFinder::record() const {
    if (!own_.record) {
        return std::nullopt;
    }
    return load<PayloadHeader>(std::span(own_.record->page, page_size), own_.record->offset);
}

std::optional<std::array<u8, boot::AttestRecord::data_size>>
OwnFinder::report_data_at(u64 address) const {
    const auto record = record_at<boot::AttestRecord>(address);
    std::array<u8, boot::AttestRecord::data_size> data;
    std::ranges::copy(record.report_data, data.begin());
    return record.version == boot::AttestRecord::current_version && record.wanted == 1
               ? std::optional(data)
               : std::nullopt;
}

std::vector<u8> OwnFinder::bytes_at(u64 base, u64 size) const {
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

bool OwnFinder::has_all(u64 base, u64 size) const {
    u64 pages = 0;
    for_pages([&](const PageData& page, std::span<const u8>) {
        pages += page.gpa >= base && page.gpa - base < size ? 1 : 0;
    });
    return pages == size / page_size + (size % page_size != 0 ? 1 : 0);
}

std::vector<Block> OwnFinder::blocks_at(u64 base, u64 size) const {
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

std::span<const u8> OwnFinder::page_at(u64 gpa) const {
    std::span<const u8> found;
    for_pages([&](const PageData& page, std::span<const u8> data) {
        found = page.gpa == gpa ? data : found;
    });
    return found;
}

/// Of the guest, where the launch's vCPU is a service's that is told so there; 0 elsewhere.
u8 OwnFinder::vmpl_below(u64 service_launch) const {
    const auto told          = record_at<boot::ServiceLaunch>(service_launch);
    constexpr u32 most_vmpls = 3;
    const bool is_one        = service_launch != 0 && told.vmpl >= 1 && told.vmpl <= most_vmpls
                        && told.loaded_count <= boot::ServiceLaunch::most
                        && told.vmsa == service_launch + page_size;
    return is_one ? static_cast<u8>(told.vmpl) : u8{0};
}

void OwnFinder::read_context(const VpContext& context, BuildOptions& options) const {
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

} // namespace vestibule::igvm
