// SPDX-License-Identifier: BSD-2-Clause-Patent
// See memory.h.
#include "launcher/memory.h"

#include <algorithm>

namespace vestibule::launcher {

GuestMemory::GuestMemory(Calls& calls, int vm, const igvm::FileContent& content, u64 memory,
                         bool with_private)
    : calls_(calls), vm_(vm) {
    for (const igvm::GpaRange& range : value_of(igvm::memory_of(content, memory))) {
        const auto id = static_cast<u32>(slots_.size());
        u8* host      = calls.map(range.size);
        slots_.push_back({.range = range, .host = host, .memfd = -1});
        if (with_private) {
            abi::GuestMemfd memfd{.size = range.size, .flags = 0, .reserved = {}};
            slots_.back().memfd = calls.call(vm, abi::create_guest_memfd, memfd);
            abi::MemoryRegion2 region{.slot               = id,
                                      .flags              = abi::region_guest_memfd,
                                      .guest_phys_addr    = range.gpa,
                                      .memory_size        = range.size,
                                      .userspace_addr     = address_of(host),
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
                                               .userspace_addr  = address_of(host)};
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

const Slot* GuestMemory::slot_of(igvm::GpaRange range) const {
    const auto slot = std::ranges::find_if(slots_, [&](const Slot& own) {
        const u64 offset = range.gpa - own.range.gpa;
        return offset < own.range.size && range.size <= own.range.size - offset;
    });
    return slot != slots_.end() ? &*slot : nullptr;
}

u8* GuestMemory::at(igvm::GpaRange range) const {
    const Slot* const slot = slot_of(range);
    return slot != nullptr ? slot->host + (range.gpa - slot->range.gpa) : nullptr;
}

bool GuestMemory::convert(igvm::GpaRange range, bool to_private) {
    const Slot* const slot = slot_of(range);
    if (slot == nullptr) {
        return false;
    }
    abi::MemoryAttributes attributes{.address    = range.gpa,
                                     .size       = range.size,
                                     .attributes = to_private ? abi::attribute_private : 0,
                                     .flags      = 0};
    calls_.call(vm_, abi::set_memory_attributes, attributes);
    if (to_private) {
        calls_.kernel.discard(-1, address_of(at(range)), range.size);
    } else {
        calls_.kernel.discard(slot->memfd, range.gpa - slot->range.gpa, range.size);
    }
    return true;
}

} // namespace vestibule::launcher
