// See memory.h.
#include "launcher/memory.h"

#include <algorithm>
#include <fmt/format.h>

namespace vestibule::launcher {

/// RAM, and behind it the runs of the content's pages that are not in it.
static std::vector<igvm::GpaRange> ranges_of(const igvm::FileContent& content, u64 memory) {
    constexpr u64 most = u64{1} << 48; // beyond any C-bit and any CPU's physical addresses
    const std::vector<igvm::GpaRange> ram = igvm::ram_of(memory);
    std::vector<igvm::GpaRange> others    = content.required;
    for (const igvm::GuestPiece& piece : content.pieces) {
        others.push_back(piece.range);
    }
    std::erase_if(others, [&](const igvm::GpaRange& range) {
        if (range.gpa >= most || range.size > most - range.gpa) {
            throw LaunchError(
                fmt::format("found guest memory at {:#x}, {:#x} bytes, expected it below "
                            "{:#x}",
                            range.gpa, range.size, most));
        }
        return std::ranges::any_of(ram, [&](const igvm::GpaRange& bank) {
            const bool starts = range.gpa - bank.gpa < bank.size;
            const bool ends   = range.gpa + range.size - 1 - bank.gpa < bank.size;
            if (starts != ends) {
                throw LaunchError(
                    fmt::format("found guest memory at {:#x}, {:#x} bytes, that crosses "
                                "the end of RAM: more --memory is needed",
                                range.gpa, range.size));
            }
            return starts;
        });
    });
    std::ranges::sort(others, {}, &igvm::GpaRange::gpa);
    std::vector<igvm::GpaRange> ranges = ram;
    for (const igvm::GpaRange& other : others) {
        igvm::GpaRange& last = ranges.back();
        if (ranges.size() > ram.size() && other.gpa <= last.gpa + last.size) {
            last.size = std::max(last.size, other.gpa + other.size - last.gpa);
        } else {
            ranges.push_back(other);
        }
    }
    return ranges;
}

GuestMemory::GuestMemory(Calls& calls, int vm, const igvm::FileContent& content, u64 memory,
                         bool with_private)
    : calls_(calls), vm_(vm) {
    for (const igvm::GpaRange& range : ranges_of(content, memory)) {
        const auto id = static_cast<u32>(slots_.size());
        u8* host      = calls.map(range.size);
        slots_.push_back({.range = range, .host = host, .memfd = -1});
        const u64 address = reinterpret_cast<u64>(host); // NOLINT: the interface's form
        if (with_private) {
            abi::GuestMemfd memfd{.size = range.size, .flags = 0, .reserved = {}};
            slots_.back().memfd = calls.call(vm, abi::create_guest_memfd, memfd);
            abi::MemoryRegion2 region{.slot               = id,
                                      .flags              = abi::region_guest_memfd,
                                      .guest_phys_addr    = range.gpa,
                                      .memory_size        = range.size,
                                      .userspace_addr     = address,
                                      .guest_memfd_offset = 0,
                                      .guest_memfd        = static_cast<u32>(slots_.back().memfd),
                                      .pad1               = 0,
                                      .pad2               = {}};
            calls.call(vm, abi::set_user_memory_region2, region);
        } else {
            kvm_userspace_memory_region region{.slot            = id,
                                               .flags           = 0,
                                               .guest_phys_addr = range.gpa,
                                               .memory_size     = range.size,
                                               .userspace_addr  = address};
            calls.call(vm, KVM_SET_USER_MEMORY_REGION, region);
        }
    }
}

GuestMemory::~GuestMemory() {
    for (const Slot& slot : slots_) {
        calls_.kernel.unmap(slot.host, slot.range.size);
        if (slot.memfd >= 0) {
            calls_.kernel.close(slot.memfd);
        }
    }
}

u8* GuestMemory::at(igvm::GpaRange range) const {
    for (const Slot& slot : slots_) {
        const u64 offset = range.gpa - slot.range.gpa;
        if (range.gpa >= slot.range.gpa && offset < slot.range.size
            && range.size <= slot.range.size - offset) {
            return slot.host + offset;
        }
    }
    return nullptr;
}

bool GuestMemory::convert(igvm::GpaRange range, bool to_private) {
    u8* const host = at(range);
    if (host == nullptr) {
        return false;
    }
    abi::MemoryAttributes attributes{.address    = range.gpa,
                                     .size       = range.size,
                                     .attributes = to_private ? abi::attribute_private : 0,
                                     .flags      = 0};
    calls_.call(vm_, abi::set_memory_attributes, attributes);
    for (const Slot& slot : slots_) {
        if (range.gpa - slot.range.gpa < slot.range.size) {
            const u64 address = reinterpret_cast<u64>(host); // NOLINT: the interface's form
            calls_.kernel.discard(to_private ? -1 : slot.memfd,
                                  to_private ? address : range.gpa - slot.range.gpa, range.size);
        }
    }
    return true;
}

} // namespace vestibule::launcher
