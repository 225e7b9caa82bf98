// An ELF64 payload: its segments become pages at their physical addresses (System V ABI, "Program
// Header"). Segments may share a page at their borders, as linkers leave them, but no byte. Memory
// beyond a segment's data is for the hand-over to zero where it makes whole pages.
#include "igvm/format/reader.h"
#include "igvm/image/payload.h"
#include "igvm/image/payload_relocations.h"

#include <algorithm>

namespace vestibule::igvm {

namespace {
struct Segment {
    u64 header; // its offset in the file
    u64 gpa;    // of its first byte
    u64 vaddr;  // as linked
    u64 memory_size;
    std::span<const u8> data;
    bool executable;

    [[nodiscard]] u64 end() const { return gpa + memory_size; }

    [[nodiscard]] u64 data_end() const { return gpa + data.size(); }
};

constexpr u64 page_down(u64 address) { return address & ~(page_size - 1); }

constexpr u64 page_up(u64 address) { return page_down(address + page_size - 1); }
} // namespace

/// Where the file's addresses are moved to: nowhere unless it is position-independent.
static std::expected<u64, ImageError> bias_of(const Elf64_Ehdr& header,
                                              std::optional<u64> address) {
    if (header.e_type != ET_DYN) {
        return 0;
    }
    const u64 bias = address.value_or(default_payload_address);
    if (bias % page_size != 0 || bias >= payload_limit) {
        return refuse("a page-aligned address below 4 GiB", 0, bias);
    }
    return bias;
}

static std::expected<std::vector<Segment>, ImageError>
read_segments(std::span<const u8> elf, const Elf64_Ehdr& header, u64 bias) {
    std::vector<Segment> segments;
    for (u64 i = 0; i < header.e_phnum; ++i) {
        const u64 at       = header.e_phoff + i * sizeof(Elf64_Phdr);
        const auto segment = load<Elf64_Phdr>(elf, at);
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) {
            continue;
        }
        if (const auto right = check_segment_data(elf, at, segment); !right) {
            return std::unexpected(right.error());
        }
        // Nobody fills in physical addresses for what has none of its own.
        const u64 linked = header.e_type == ET_DYN ? segment.p_vaddr : segment.p_paddr;
        const u64 field =
            header.e_type == ET_DYN ? offsetof(Elf64_Phdr, p_vaddr) : offsetof(Elf64_Phdr, p_paddr);
        if (linked > payload_limit - bias || segment.p_memsz > payload_limit - bias - linked) {
            return refuse("a segment that ends below 4 GiB", at + field, linked);
        }
        segments.push_back({.header      = at,
                            .gpa         = linked + bias,
                            .vaddr       = segment.p_vaddr,
                            .memory_size = segment.p_memsz,
                            .data        = elf.subspan(segment.p_offset, segment.p_filesz),
                            .executable  = (segment.p_flags & PF_X) != 0});
    }
    if (segments.empty()) {
        return refuse("a segment to load", offsetof(Elf64_Ehdr, e_phnum), header.e_phnum);
    }
    std::ranges::sort(segments, {}, &Segment::gpa);
    for (u64 i = 1; i < segments.size(); ++i) {
        if (segments[i].gpa < segments[i - 1].end()) {
            return refuse("segments that do not overlap",
                          segments[i].header + offsetof(Elf64_Phdr, p_paddr), segments[i].gpa);
        }
    }
    return segments;
}

static u64 end_of(const Stretch& stretch) { return page_up(stretch.gpa + stretch.bytes.size()); }

/// The pages that hold data, neighbours together.
static std::vector<Stretch> stretches_of(const std::vector<Segment>& segments) {
    std::vector<Stretch> stretches;
    for (const Segment& segment : segments) {
        if (segment.data.empty()) {
            continue;
        }
        const u64 first = page_down(segment.gpa);
        if (stretches.empty() || first > end_of(stretches.back())) {
            stretches.push_back({.gpa = first, .bytes = {}});
        }
        Stretch& stretch = stretches.back();
        stretch.bytes.resize(segment.data_end() - stretch.gpa);
        std::ranges::copy(segment.data,
                          stretch.bytes.begin()
                              + static_cast<std::ptrdiff_t>(segment.gpa - stretch.gpa));
    }
    return stretches;
}

/// The pages of memory that no stretch holds.
static std::vector<boot::MemoryRange> cleared_of(const std::vector<Segment>& segments,
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
    for (const Segment& segment : segments) {
        u64 at        = page_down(segment.gpa);
        const u64 end = page_up(segment.end());
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

/// The entry point as a physical address. Kernels that move themselves up give it as one already,
/// others as a virtual address like the rest.
static std::optional<u64> entry_of(const std::vector<Segment>& segments, u64 entry, u64 bias) {
    for (const Segment& segment : segments) {
        if (segment.executable && entry + bias >= segment.gpa
            && entry + bias < segment.data_end()) {
            return entry + bias;
        }
    }
    for (const Segment& segment : segments) {
        if (segment.executable && entry >= segment.vaddr
            && entry - segment.vaddr < segment.data.size()) {
            return segment.gpa + (entry - segment.vaddr);
        }
    }
    return std::nullopt;
}

std::expected<Payload, ImageError> read_elf_payload(std::span<const u8> elf,
                                                    std::optional<u64> address) {
    const auto header = read_elf_header(elf);
    if (!header) {
        return std::unexpected(header.error());
    }
    const auto bias = bias_of(*header, address);
    if (!bias) {
        return std::unexpected(bias.error());
    }
    const auto segments = read_segments(elf, *header, *bias);
    if (!segments) {
        return std::unexpected(segments.error());
    }
    const auto entry = entry_of(*segments, header->e_entry, *bias);
    if (!entry) {
        return refuse("an entry point in the file's part of an executable segment",
                      offsetof(Elf64_Ehdr, e_entry), header->e_entry);
    }
    Payload payload;
    payload.format  = PayloadFormat::elf64;
    payload.base    = page_down(segments->front().gpa);
    payload.size    = page_up(segments->back().end()) - payload.base;
    payload.entry   = *entry;
    auto stretches  = stretches_of(*segments);
    payload.cleared = cleared_of(*segments, stretches);
    if (payload.cleared.size() > boot::PayloadHeader::max_cleared) {
        return refuse("at most 16 separate stretches of memory without data",
                      offsetof(Elf64_Ehdr, e_phnum), payload.cleared.size());
    }
    if (header->e_type == ET_DYN) {
        if (const auto done = relocate(elf, *header, *bias, stretches); !done) {
            return std::unexpected(done.error());
        }
    }
    for (Stretch& stretch : stretches) {
        payload.blocks.push_back(
            {.gpa = stretch.gpa, .content = Content(std::move(stretch.bytes))});
    }
    return payload;
}

} // namespace vestibule::igvm
