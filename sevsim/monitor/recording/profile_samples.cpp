// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/profile_samples.h"

#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

struct Slot {
    Sample sample;
    u64 count; // 0: free
};

constexpr u64 slot_count = 16384; // a power of two
constinit Slot slots[slot_count]{};

u64 first_slot(const Sample& sample) {
    constexpr u64 multiplier = 0x9E37'79B9'7F4A'7C15; // Fibonacci hashing
    u64 hash                 = sample.exit_code;
    for (const u64 part : {sample.before, sample.after, sample.total, sample.vmgexits}) {
        hash = (hash ^ part) * multiplier;
    }
    return hash >> 50;
}

} // namespace

bool add_sample(const Sample& sample) {
    static_assert(slot_count == u64{1} << (64 - 50));
    u64 at = first_slot(sample);
    for (u64 tried = 0; tried < slot_count; ++tried, at = (at + 1) % slot_count) {
        Slot& slot = slots[at];
        if (slot.count == 0) {
            slot.sample = sample;
        }
        if (slot.sample == sample) {
            ++slot.count;
            return true;
        }
    }
    return false;
}

void send_samples() {
    for (const Slot& slot : slots) {
        if (slot.count != 0) {
            Record("profile")
                .hex("code", slot.sample.exit_code)
                .text("name", slot.sample.name)
                .number("before", slot.sample.before)
                .number("after", slot.sample.after)
                .number("total", slot.sample.total)
                .number("vmgexits", slot.sample.vmgexits)
                .number("count", slot.count)
                .end();
        }
    }
}

} // namespace vestibule::sevsim
