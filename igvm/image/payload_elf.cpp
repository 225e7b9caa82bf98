// SPDX-License-Identifier: BSD-2-Clause-Patent
// An ELF64 payload: its segments become pages at their physical addresses (System V ABI, "Program
// Header"). Segments may share a page at their borders, as linkers leave them, but no byte. Memory
// beyond a segment's data is for the hand-over to zero where it makes whole pages.
#include "elf/notes.h"
#include "elf/relocations.h"
#include "igvm/format/reader.h"
#include "igvm/image/payload.h"

#include <algorithm>
#include <cstring>

namespace vestibule::igvm {

namespace {
/// Pages of the payload while they are put together.
struct Stretch {
    u64 gpa;
    std::vector<u8> bytes;
};

constexpr u64 page_down(u64 address) { return address & ~(page_size - 1); }

constexpr u64 page_up(u64 address) { return page_down(address + page_size - 1); }

/// A payload's segments, which ascend.
std::span<const elf::Segment> segments_of(const elf::Image& image) {
    return {image.segments, image.segment_count};
}
} // namespace

/// Moves all of it to the address that it is told; nothing unless it is position-independent.
static std::expected<u64, ImageError> bias_of(const elf::Image& image, std::optional<u64> address) {
    if (!image.position_independent) {
        return 0;
    }
    const u64 bias = address.value_or(default_payload_address);
    if (bias % page_size != 0 || bias >= payload_limit) {
        return refuse("a page-aligned address below 4 GiB", 0, bias);
    }
    for (const elf::Segment& segment : segments_of(image)) {
        if (segment.end() > payload_limit - bias) {
            return refuse("a segment that ends below 4 GiB",
                          segment.header + offsetof(elf::ProgramHeader, virtual_address),
                          segment.place);
        }
    }
    return bias;
}

static u64 end_of(const Stretch& stretch) { return page_up(stretch.gpa + stretch.bytes.size()); }

/// The pages that hold data, neighbours together.
static std::vector<Stretch> stretches_of(std::span<const u8> file, const elf::Image& image,
                                         u64 bias) {
    std::vector<Stretch> stretches;
    for (const elf::Segment& segment : segments_of(image)) {
        if (segment.file_size == 0) {
            continue;
        }
        const u64 first = page_down(segment.place + bias);
        if (stretches.empty() || first > end_of(stretches.back())) {
            stretches.push_back({.gpa = first, .bytes = {}});
        }
        Stretch& stretch = stretches.back();
        stretch.bytes.resize(segment.data_end() + bias - stretch.gpa);
        std::ranges::copy(file.subspan(segment.offset, segment.file_size),
                          stretch.bytes.begin()
                              + static_cast<std::ptrdiff_t>(segment.place + bias - stretch.gpa));
    }
    return stretches;
}

/// The pages of memory that no stretch holds.
static std::vector<boot::MemoryRange> cleared_of(const elf::Image& image, u64 bias,
                                                 const std::vector<Stretch>& stretches) {
    std::vector<boot::MemoryRange> ranges;
    const auto add = [&](u64 first, u64 end) {
        if (first >= end) {
            return;
        }
        if (!ranges.empty() && first <= ranges.back().base + ranges.back().size) {
            ranges.back().size =
                std::max(end, ranges.back().base + ranges.back().size) - ranges.back().base;
            return;
        }
        ranges.push_back({.base = first, .size = end - first});
    };
    auto stretch = stretches.begin(); // both ascend: whoever is behind one segment stays so
    for (const elf::Segment& segment : segments_of(image)) {
        u64 at        = page_down(segment.place + bias);
        const u64 end = page_up(segment.end() + bias);
        while (stretch != stretches.end() && end_of(*stretch) <= at) {
            ++stretch;
        }
        for (auto next = stretch; next != stretches.end() && next->gpa < end; ++next) {
            add(at, next->gpa);
            at = std::max(at, end_of(*next));
        }
        add(at, end);
    }
    return ranges;
}

/// The word at a physical address, if it is in the pages with data.
static std::span<u8> word_at(std::vector<Stretch>& stretches, u64 gpa) {
    const auto behind = std::ranges::upper_bound(stretches, gpa, {}, &Stretch::gpa);
    if (behind == stretches.begin()) {
        return {};
    }
    Stretch& stretch = *std::prev(behind);
    const u64 offset = gpa - stretch.gpa;
    if (offset > stretch.bytes.size() || sizeof(u64) > stretch.bytes.size() - offset) {
        return {};
    }
    return std::span(stretch.bytes).subspan(offset, sizeof(u64));
}

/// Applied at build time: what is measured is what runs, and nothing in the guest has to do it.
static std::expected<void, ImageError> relocate(std::span<const u8> file, const elf::Image& image,
                                                u64 bias, std::vector<Stretch>& stretches) {
    elf::Relocations relocations;
    elf::MovingWord word;
    if (const elf::Fault fault = relocations.open(elf_bytes(file), image); fault.is_there()) {
        return refuse(fault);
    }
    for (;;) {
        if (const elf::Fault fault = relocations.next(word); fault.is_there()) {
            return refuse(fault);
        }
        if (!word.is_there) {
            return {};
        }
        const auto place = word_at(stretches, word.place + bias);
        if (place.empty()) {
            return refuse(elf::no_such_word(word));
        }
        const u64 value = (word.has_value ? word.value : load<u64>(place)) + bias;
        std::memcpy(place.data(), &value, sizeof(value));
    }
}

/// Where it is entered, as linked, and by which protocol.
static elf::Fault find_way_in(std::span<const u8> file, const elf::Image& image,
                              PayloadProtocol wanted, u64& entry, PayloadProtocol& protocol) {
    elf::PvhNote pvh;
    if (wanted == PayloadProtocol::automatic || wanted == PayloadProtocol::pvh) {
        if (const elf::Fault fault = elf::read_pvh_note(elf_bytes(file), image, pvh);
            fault.is_there()) {
            return fault;
        }
    }
    if (const elf::Fault fault =
            kernel::choose(PayloadFormat::elf64, wanted, pvh.is_there, first_bytes(file), protocol);
        fault.is_there()) {
        return fault;
    }
    entry = pvh.entry;
    return pvh.is_there ? elf::no_fault : elf::find_entry(image, entry);
}

std::expected<Payload, ImageError>
read_elf_payload(std::span<const u8> file, std::optional<u64> address, PayloadProtocol protocol) {
    Payload payload;
    elf::Image image;
    u64 entry        = 0;
    elf::Fault fault = elf::read_image(elf_bytes(file), image);
    if (!fault.is_there()) {
        fault = find_way_in(file, image, protocol, entry, payload.protocol);
    }
    if (fault.is_there()) {
        return refuse(fault);
    }
    const auto bias = bias_of(image, address);
    if (!bias) {
        return std::unexpected(bias.error());
    }
    if (payload.protocol == PayloadProtocol::linux64) {
        payload.linux = kernel::kernel_without_header();
    }
    payload.format  = PayloadFormat::elf64;
    payload.base    = image.base() + *bias;
    payload.size    = image.end() - image.base();
    payload.entry   = entry + *bias;
    auto stretches  = stretches_of(file, image, *bias);
    payload.cleared = cleared_of(image, *bias, stretches);
    if (payload.cleared.size() > boot::PayloadHeader::max_cleared) {
        return refuse("at most 16 separate stretches of memory without data",
                      offsetof(elf::Header, program_header_count), payload.cleared.size());
    }
    if (const auto done = relocate(file, image, *bias, stretches); !done) {
        return std::unexpected(done.error());
    }
    for (Stretch& stretch : stretches) {
        payload.blocks.push_back(
            {.gpa = stretch.gpa, .content = Content(std::move(stretch.bytes))});
    }
    return payload;
}

} // namespace vestibule::igvm
